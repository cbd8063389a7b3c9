package payload

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"scaleio-framework/platform"
)

// recordDir holds NAME.json for every package.
const recordDir = "/var/lib/scaleio-agent/payload"

// schema of a record; a newer one isn't understood and nothing is done to its package.
const schema = 1

// phase of a package. All but installed is half-done.
type phase string

const (
	unpacking phase = "unpacking"
	installed phase = "installed"
	removing  phase = "removing"
)

// record is the state of a package: every file that was written for it, and nothing else.
type record struct {
	Schema    int      `json:"schema"`
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	Phase     phase    `json:"phase"`
	Replaces  string   `json:"replaces,omitempty"` // version that was whole before this one began
	Source    string   `json:"source"`             // the .rpm
	SHA256    string   `json:"sha256"`             // of it
	Extension string   `json:"extension,omitempty"`
	Units     []string `json:"units,omitempty"`
	Files     []entry  `json:"files"`
}

// kind of an entry.
type kind string

const (
	kindFile   kind = "file"
	kindConfig kind = "config" // may be changed by others: only its absence is a fault
	kindLink   kind = "link"
	kindDir    kind = "dir"
)

// entry is one file as it was written.
type entry struct {
	Path   string      `json:"path"`
	Kind   kind        `json:"kind"`
	Mode   os.FileMode `json:"mode,omitempty"`
	Size   int64       `json:"size,omitempty"`
	SHA256 string      `json:"sha256,omitempty"`
	Target string      `json:"target,omitempty"` // of a link
	Found  bool        `json:"found,omitempty"`  // a folder or configuration that was there before the package: it is looked for, and stays when that goes
}

func (r record) find(path string) (entry, bool) {
	i := slices.IndexFunc(r.Files, func(e entry) bool { return e.Path == path })
	if i < 0 {
		return entry{}, false
	}
	return r.Files[i], true
}

// put replaces the entry of the same path.
func (r *record) put(e entry) {
	if i := slices.IndexFunc(r.Files, func(o entry) bool { return o.Path == e.Path }); i >= 0 {
		r.Files[i] = e
		return
	}
	r.Files = append(r.Files, e)
}

// keepFolders of the version before that this one has files in: they were made for the package, and go with it.
func (r *record) keepFolders(old record) {
	used := map[string]bool{}
	for _, e := range r.Files {
		for dir := path.Dir(e.Path); dir != "/"; dir = path.Dir(dir) {
			used[dir] = true
		}
	}
	for _, e := range old.Files {
		if _, known := r.find(e.Path); e.Kind == kindDir && used[e.Path] && !known {
			r.put(e)
		}
	}
}

func recordPath(name string) string { return path.Join(recordDir, name+".json") }

// load a record; platform.ErrNotFound if the package isn't here.
func (p *Packages) load(name string) (record, error) {
	if name == "" || path.Base(name) != name {
		return record{}, fmt.Errorf("looking for package %q: not a package name", name)
	}
	data, err := p.host.Files.Read(recordPath(name))
	if errors.Is(err, platform.ErrNotFound) {
		return record{}, fmt.Errorf("looking for package %s: %w", name, platform.ErrNotFound)
	} else if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, fmt.Errorf("reading %s: %w: it says which files are the package's, so look what is there before it is removed", recordPath(name), err)
	}
	if r.Schema != schema || r.Name != name {
		return record{}, fmt.Errorf("reading %s: it is of %s with schema %d, this version knows schema %d", recordPath(name), r.Name, r.Schema, schema)
	}
	return r, nil
}

func (p *Packages) save(r record) error {
	r.Schema = schema
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("writing the record of %s: %w", r.Name, err)
	}
	if err := p.host.Files.MkdirAll(recordDir, 0o700); err != nil {
		return err
	}
	return p.host.Files.Write(recordPath(r.Name), append(data, '\n'), 0o600)
}
