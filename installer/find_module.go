package installer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/kmod"
)

// moduleMemory is what was read of module files and learnt of sources, so that a look each minute costs little. It ends with the process.
type moduleMemory struct {
	mu       sync.Mutex
	read     map[string]readModule
	missed   map[moduleKey]missedModule
	rejected map[string]*kmod.Refusal // digest: what the kernel said
	seen     map[moduleKey]bool       // a source has one that the kernel would take
	hold     rebootHold
}

// moduleKey is what was asked for. Other orders are another question: they may name another source.
type moduleKey struct {
	kernel, version string
	generation      int64
}

func (o *orders) moduleKey(kernel string, sdc sdcInstalled) moduleKey {
	return moduleKey{kernel, sdc.version, o.Spec.Version.Generation}
}

type readModule struct {
	module kmod.Module
	err    error
	sum    string
	size   int64
	at     time.Time
	until  time.Time
}

// A file that doesn't fit is read again soon: somebody may be mending just that.
const refusedLife = 30 * time.Second

// missedModule is a kernel that no source had a module for.
type missedModule struct {
	kind string
	why  string
	at   time.Time
}

// miss remembers what the sources said.
func (m *moduleMemory) miss(key moduleKey, what missedModule) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.missed == nil {
		m.missed = map[moduleKey]missedModule{}
	}
	m.missed[key] = what
}

// vouch that a source has a module.
func (m *moduleMemory) vouch(key moduleKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil {
		m.seen = map[moduleKey]bool{}
	}
	m.seen[key] = true
}

func (m *moduleMemory) vouched(key moduleKey) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen[key]
}

// missing tells what the sources said lately.
func (m *moduleMemory) missing(key moduleKey, now time.Time) (missedModule, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	what, ok := m.missed[key]
	return what, ok && now.Sub(what.at) < missLife
}

// reject remembers that the kernel didn't take a file.
func (m *moduleMemory) reject(sum string, why *kmod.Refusal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rejected == nil {
		m.rejected = map[string]*kmod.Refusal{}
	}
	m.rejected[sum] = why
}

func (m *moduleMemory) rejection(sum string) *kmod.Refusal {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rejected[sum]
}

// missLife is how long sources that had nothing are left alone.
const missLife = 10 * time.Minute

// sdcInstalled is the SDC that is here, or that is to be.
type sdcInstalled struct {
	version string // as the module repository writes it; "" = not known yet
	here    bool
}

func (o *orders) sdc(ctx context.Context) (sdcInstalled, error) {
	state, err := o.sys.Packages.State(ctx, scaleio.PackageName(o.sys.Facts.Family, scaleio.SDC))
	switch {
	case err == nil && state.Configured:
		return sdcInstalled{scaleio.ModuleVersion(state.Version), true}, nil
	case err != nil && !errors.Is(err, platform.ErrNotFound):
		return sdcInstalled{}, err
	}
	wanted, _ := o.pick(scaleio.SDC)
	return sdcInstalled{scaleio.ModuleVersion(wanted.Version), false}, nil
}

// foundModule is a file that a kernel would take, as far as can be told without loading it.
type foundModule struct {
	kmod.Module
	path   string
	sum    string
	placed bool // where the start of scini looks
}

// findModule looks at all places that hold modules. What is there and doesn't fit is told about.
func (o *orders) findModule(kernel, version string) (*foundModule, []error, error) {
	var refused []error
	for _, place := range o.modulePlaces(kernel, version) {
		names, err := o.sys.Files.Glob(place.pattern)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range names {
			m, err := o.readModule(name)
			if err != nil {
				return nil, nil, err
			}
			if m.err == nil {
				m.err = m.module.Verify(scaleio.ModuleName, place.release(m.module, kernel, name), o.sys.Facts)
			}
			if m.err != nil {
				refused = append(refused, fmt.Errorf("%s: %w", name, m.err))
				o.modules.expire(name, m.at.Add(refusedLife))
				continue
			}
			return &foundModule{m.module, name, m.sum, place.placed}, refused, nil
		}
	}
	if _, ok, err := o.stored(kernel, version); err != nil || !ok {
		return nil, refused, err
	}
	name := storePath(kernel, moduleFile)
	m, err := o.readModule(name)
	if err != nil {
		return nil, nil, err
	}
	if m.err == nil {
		m.err = m.module.Verify(scaleio.ModuleName, kernel, o.sys.Facts)
	}
	if m.err != nil {
		return nil, append(refused, fmt.Errorf("%s: %w", name, m.err)), nil
	}
	return &foundModule{m.module, name, m.sum, o.sys.Facts.Immutable}, refused, nil
}

type modulePlace struct {
	pattern string
	placed  bool
}

// release that the module must be for. The distribution's weak-modules links one of an older kernel in only after it compared the symbols.
func (modulePlace) release(m kmod.Module, kernel, name string) string {
	if strings.Contains(name, "/weak-updates/") {
		return m.Release()
	}
	return kernel
}

// modulePlaces where the start of scini looks: the caches of the vendor's scripts, then the kernel's own tree.
func (o *orders) modulePlaces(kernel, version string) []modulePlace {
	if o.sys.Facts.Immutable {
		return nil // only from the store, by a unit of ours
	}
	var places []modulePlace
	for _, dir := range o.driverCaches() {
		for _, name := range []string{moduleFile, modulePacked} {
			places = append(places, modulePlace{path.Join(dir, "*", version, kernel, name), true})
		}
	}
	for _, below := range []string{"extra", "extra/*", "updates", "updates/*", "weak-updates", "weak-updates/*", "kernel/drivers/*"} {
		places = append(places, modulePlace{path.Join("/lib/modules", kernel, below, moduleFile+"*"), true})
	}
	return places
}

// driverCaches are the folders in which the vendor's scripts keep modules; the first is where ours are put.
func (o *orders) driverCaches() []string {
	var dirs []string
	if d, _, err := o.driverSync(); err == nil && path.IsAbs(d.LocalDir) {
		dirs = append(dirs, path.Clean(d.LocalDir))
	}
	for _, dir := range []string{scaleio.PathSciniSync + "/driver_cache", scaleio.PathSciniSyncOld + "/driver_cache", scaleio.PathDriverCacheHost} {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// readModule reads a file once; what is wrong with it is part of the answer.
func (o *orders) readModule(name string) (readModule, error) {
	_, size, err := o.sys.Files.Stat(name)
	if err != nil {
		return readModule{}, err
	}
	o.modules.mu.Lock()
	defer o.modules.mu.Unlock()
	seen, ok := o.modules.read[name]
	if ok && seen.size == size && o.sys.Clock().Before(seen.until) {
		return seen, nil
	}
	data, err := o.sys.Files.Read(name)
	if err != nil {
		return readModule{}, err
	}
	seen = readModule{size: size, at: o.sys.Clock()}
	seen.until = seen.at.Add(digestTTL)
	fetched, err := unpackModule(data)
	if err == nil {
		seen.sum = sha256hex(fetched.plain)
		seen.module, err = kmod.Parse(fetched.plain)
	}
	if err != nil {
		seen.err = &kmod.Refusal{Kind: kmod.NotAModule, Why: err.Error()}
	}
	if o.modules.read == nil {
		o.modules.read = map[string]readModule{}
	}
	o.modules.read[name] = seen
	return seen, nil
}

// expire what was read of a file; at once if it was just written.
func (m *moduleMemory) expire(name string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if seen, ok := m.read[name]; ok {
		seen.until = at
		m.read[name] = seen
	}
}

// fetchedModule is one that came from a source.
type fetchedModule struct {
	plain  []byte // scini.ko, not compressed
	packed []byte // the scini.tar that it came in, with the vendor's signature; nil = none
}

// maxPacked bounds scini.tar and what is in it.
const maxPacked = 128 << 20

// unpackModule takes scini.ko, compressed or not, or a tar that holds one.
func unpackModule(data []byte) (fetchedModule, error) {
	plain, err := kmod.Unpack(data)
	if err != nil {
		return fetchedModule{}, err
	}
	if bytes.HasPrefix(plain, []byte("\x7fELF")) {
		return fetchedModule{plain: plain}, nil
	}
	archive := tar.NewReader(io.LimitReader(bytes.NewReader(plain), maxPacked))
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return fetchedModule{}, fmt.Errorf("there is no %s in it", moduleFile)
		} else if err != nil {
			return fetchedModule{}, fmt.Errorf("it is neither a module nor a tar: %w", err)
		}
		if head.Typeflag != tar.TypeReg || !strings.HasPrefix(path.Base(head.Name), moduleFile) || strings.HasSuffix(head.Name, ".sig") || strings.HasSuffix(head.Name, ".asc") {
			continue
		}
		inside, err := io.ReadAll(archive)
		if err != nil {
			return fetchedModule{}, fmt.Errorf("reading %s: %w", head.Name, err)
		}
		if inside, err = kmod.Unpack(inside); err != nil {
			return fetchedModule{}, err
		}
		return fetchedModule{plain: inside, packed: data}, nil
	}
}
