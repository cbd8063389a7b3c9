package scheduler

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

var (
	components    = []string{"mdm", "sds", "sdc", "lia", "gateway", "rexray", "dvdcli"}
	formats       = []string{"deb", "siob-tar", "rpm", "binary"}
	digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// A Manifest is what the operator brings: the product's packages, and kernel modules that somebody built.
type Manifest struct {
	Packages  []api.Package
	Modules   []api.KernelModule
	Artifacts map[string]string // sha256 -> file on this side
}

// manifestFile as it is written. ModuleURL is a template for modules that name neither url nor file: {os}, {sdcVersion} and {kernel} are the module's
// own. Its digest is never templated: it says what may become part of a kernel.
type manifestFile struct {
	Version   string             `json:"version"`
	Packages  []api.Package      `json:"packages"`
	ModuleURL string             `json:"moduleUrl"`
	Modules   []api.KernelModule `json:"modules"`
}

// ReadManifest reads which packages and modules there are, and checks those that lie on this side. Relative files are relative to the manifest.
func ReadManifest(path string) (Manifest, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Manifest{}, fmt.Errorf("reading the manifest: %w", err)
	}
	var written manifestFile
	if err := json.Unmarshal(raw, &written); err != nil {
		return Manifest{}, fmt.Errorf("reading the manifest %s: %w", path, err)
	}
	m := Manifest{Packages: written.Packages, Modules: written.Modules, Artifacts: map[string]string{}}
	var faults []error
	if len(m.Packages) == 0 {
		faults = append(faults, errors.New("it names no packages"))
	}
	fault := func(err error, format string, a ...any) {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", fmt.Sprintf(format, a...), err))
		}
	}
	for i := range m.Packages {
		p := &m.Packages[i]
		p.Version = cmp.Or(p.Version, written.Version)
		err := checkPackage(*p)
		if err == nil {
			err = m.offer(path, &p.File, p.Size, p.SHA256)
		}
		fault(err, "package %d (%s)", i, p.Component)
	}
	for i := range m.Modules {
		k := &m.Modules[i]
		k.SDCVersion = cmp.Or(k.SDCVersion, written.Version)
		if k.URL == "" && k.File == "" {
			k.URL = strings.NewReplacer("{os}", k.OS, "{sdcVersion}", k.SDCVersion, "{kernel}", k.Kernel).Replace(written.ModuleURL)
		}
		err := checkModule(*k)
		if err == nil {
			err = m.offer(path, &k.File, k.Size, k.SHA256)
		}
		fault(err, "module %d (%s %s)", i, k.OS, k.Kernel)
	}
	if err := errors.Join(faults...); err != nil {
		return Manifest{}, fmt.Errorf("checking the manifest %s: %w", path, err)
	}
	return m, nil
}

// offer a file that lies on this side, once it is what the manifest says. It is remembered by where it lies, whichever manifest comes after this one.
func (m *Manifest) offer(manifest string, file *string, size int64, digest string) (err error) {
	if *file == "" {
		return nil
	}
	if !filepath.IsAbs(*file) {
		*file = filepath.Join(filepath.Dir(manifest), *file)
	}
	if *file, err = filepath.Abs(*file); err != nil {
		return fmt.Errorf("finding it: %w", err)
	}
	m.Artifacts[digest] = *file
	return verify(*file, size, digest)
}

// offerFormer files: nodes that a rollout hasn't come to are told the packages of the manifest before, and fetch them here while those lie where they did.
func (b *brain) offerFormer(r decide.Rollout) {
	all := maps.Clone(b.Artifacts)
	if all == nil {
		all = map[string]string{}
	}
	offer := func(what, file string, size int64, digest string) {
		if file == "" || all[digest] != "" {
			return
		}
		if err := verify(file, size, digest); err != nil {
			b.once(nil, "FormerFileMissing", "%s of the former manifest can't be served to nodes that the rollout hasn't come to: %v", what, err)
			return
		}
		all[digest] = file
	}
	for _, version := range slices.Sorted(maps.Keys(r.Versions)) {
		for _, p := range r.Versions[version].Packages {
			offer(p.Component+" "+p.Version, p.File, p.Size, p.SHA256)
		}
		for _, m := range r.Versions[version].Modules {
			offer("the module for "+m.Kernel, m.File, m.Size, m.SHA256)
		}
	}
	b.Artifacts = all
}

// words of a module that become parts of a URL.
var modulePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]*$`)

func checkModule(k api.KernelModule) error {
	var faults []error
	for name, value := range map[string]string{"os": k.OS, "sdcVersion": k.SDCVersion, "kernel": k.Kernel} {
		if !modulePattern.MatchString(value) {
			faults = append(faults, fmt.Errorf("%s %q isn't one word of letters, digits, dots and dashes", name, value))
		}
	}
	return errors.Join(append(faults, checkSource(k.URL, k.File, k.Size, k.SHA256)...)...)
}

func checkPackage(p api.Package) error {
	var faults []error
	check := func(ok bool, format string, a ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, a...))
		}
	}
	check(slices.Contains(components, p.Component), "component %q is none of %v", p.Component, components)
	check(slices.Contains(formats, p.Format), "format %q is none of %v", p.Format, formats)
	check(p.Version != "", "it has no version")
	check(p.SigningKey == "" || strings.Contains(p.SigningKey, "BEGIN PGP PUBLIC KEY BLOCK"), "signingKey is no armoured public key")
	return errors.Join(append(faults, checkSource(p.URL, p.File, p.Size, p.SHA256)...)...)
}

func checkSource(address, file string, size int64, digest string) (faults []error) {
	check := func(ok bool, format string, a ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, a...))
		}
	}
	check(digestPattern.MatchString(digest), "sha256 %q isn't 64 hexadecimal digits", digest)
	check(size > 0, "its size isn't given")
	check((address == "") != (file == ""), "it needs either url or file")
	if address != "" {
		u, err := url.Parse(address)
		check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), "its url is none of http or https") // not shown: there may be a password in it
	}
	return faults
}

// verify a file at start: a wrong one would fail on every node.
func verify(path string, size int64, digest string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening it: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, file)
	if err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != size || got != digest {
		return fmt.Errorf("%s has %d bytes and digest %s, the manifest says %d and %s", path, n, got, size, digest)
	}
	return nil
}
