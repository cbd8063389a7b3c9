package installer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/kmod"
)

// moduleDir is our own store of modules, a folder for each kernel. On systems with a read-only /usr it is where they are loaded from.
const moduleDir = "/opt/scaleio-agent/modules"

// storedModule is what lies beside a module in the store.
type storedModule struct {
	SDCVersion string `json:"sdcVersion"` // as the repository writes it
	SHA256     string `json:"sha256"`     // of scini.ko
	From       string `json:"from"`
	Pinned     bool   `json:"pinned"` // the manifest named its digest
	Packed     bool   `json:"packed"` // it came with the vendor's signature, in scini.tar

	Placed map[string]string `json:"placed,omitempty"` // copies outside of the store, and their digests
}

func storePath(kernel, name string) string { return path.Join(moduleDir, kernel, name) }

const (
	moduleFile   = scaleio.ModuleName + ".ko"
	modulePacked = scaleio.ModuleName + ".tar"
	moduleRecord = scaleio.ModuleName + ".json"
)

// stored module of a kernel, if it is one for this SDC and whole.
func (o *orders) stored(kernel, version string) (record storedModule, ok bool, err error) {
	data, err := o.sys.Files.Read(storePath(kernel, moduleRecord))
	if errors.Is(err, platform.ErrNotFound) {
		return record, false, nil
	} else if err != nil {
		return record, false, err
	}
	if json.Unmarshal(data, &record) != nil || record.SDCVersion != version {
		return record, false, nil
	}
	same, err := o.digests.is(storePath(kernel, moduleFile), record.SHA256)
	return record, same, err
}

// store a verified module; the record comes last and makes it whole.
func (o *orders) store(kernel string, m fetchedModule, record storedModule) error {
	if err := o.sys.Files.MkdirAll(path.Join(moduleDir, kernel), 0o755); err != nil {
		return err
	}
	placed, err := o.placed(kernel)
	if err != nil {
		return err
	}
	record.Placed = placed                                                      // what an older one left goes with this one
	if err := o.writeRecord(kernel, storedModule{Placed: placed}); err != nil { // of no SDC: nothing is stored until the end
		return err
	}
	o.modules.expire(storePath(kernel, moduleFile), o.sys.Clock())
	if err := o.sys.Files.Write(storePath(kernel, moduleFile), m.plain, 0o644); err != nil {
		return err
	}
	if m.packed != nil {
		if err := o.sys.Files.Write(storePath(kernel, modulePacked), m.packed, 0o644); err != nil {
			return err
		}
	}
	return o.writeRecord(kernel, record)
}

func (o *orders) writeRecord(kernel string, record storedModule) error {
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("storing a module: %w", err)
	}
	return o.sys.Files.Write(storePath(kernel, moduleRecord), data, 0o644)
}

// placed copies of a kernel's module; also of one whose record is for another SDC.
func (o *orders) placed(kernel string) (map[string]string, error) {
	data, err := o.sys.Files.Read(storePath(kernel, moduleRecord))
	if errors.Is(err, platform.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var record storedModule
	if json.Unmarshal(data, &record) != nil {
		return nil, nil
	}
	return record.Placed, nil
}

// dropPlaced removes our copies from the cache of the vendor's scripts; what others put in their place stays.
func (o *orders) dropPlaced(kernel string) error {
	placed, err := o.placed(kernel)
	if err != nil {
		return err
	}
	for _, file := range slices.Sorted(maps.Keys(placed)) {
		sum, _, err := o.sys.Files.Digest(file)
		if errors.Is(err, platform.ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		if sum != placed[file] {
			continue
		}
		if err := o.sys.Files.Remove(file); err != nil {
			return err
		}
		if rest, err := o.sys.Files.Glob(path.Join(path.Dir(file), "*")); err == nil && len(rest) == 0 {
			if err := o.sys.Files.Remove(path.Dir(file)); err != nil {
				return err
			}
		}
	}
	return nil
}

// staleModules are the kernels in the store that can't be booted here any more.
func (o *orders) staleModules(next string) ([]string, error) {
	folders, err := o.sys.Files.Glob(moduleDir + "/*")
	if err != nil || len(folders) == 0 {
		return nil, err
	}
	installed, err := kmod.Installed(o.sys.Files, o.sys.Facts)
	if err != nil {
		return nil, err
	}
	var stale []string
	for _, f := range folders {
		if kernel := path.Base(f); kernel != next && !slices.Contains(installed, kernel) {
			stale = append(stale, kernel)
		}
	}
	return stale, nil
}

func (o *orders) dropModule(kernel string) error {
	if err := o.dropPlaced(kernel); err != nil {
		return err
	}
	for _, name := range []string{moduleRecord, moduleFile, modulePacked, ""} {
		if err := o.sys.Files.Remove(storePath(kernel, name)); err != nil {
			return err
		}
	}
	return nil
}
