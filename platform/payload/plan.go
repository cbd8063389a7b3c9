package payload

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// placed is one file with its place on the machine.
type placed struct {
	path    string
	kind    kind
	mode    os.FileMode
	target  string // of a link
	packed  string // name in the package; "" = content is ours
	size    int64
	digest  string
	content []byte
	found   bool // a folder or configuration that was there before the package, and stays others'
}

// extensionDir holds an extension for each package that has something under /usr.
const extensionDir = "/var/lib/extensions"

// plan gives every file its place, folders first. It looks at the machine for links that lead elsewhere and for folders that are there already.
func (p *Packages) plan(root tree, files []packed, recipe Recipe) ([]placed, error) {
	var all []placed
	inExtension := false
	for _, f := range files {
		pl, ok, err := place(root, f, recipe)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		inExtension = inExtension || strings.HasPrefix(pl.path, extensionDir)
		all = append(all, pl)
	}
	for _, dir := range recipe.Dirs {
		all = append(all, placed{path: dir, kind: kindDir, mode: 0o755})
	}
	all = append(all, ours(root, all, recipe)...)
	if inExtension {
		release, err := p.extensionRelease(root)
		if err != nil {
			return nil, err
		}
		all = append(all, placed{path: releasePath(recipe.Extension), kind: kindFile, mode: 0o644, content: release})
	}
	return withFolders(root, all), nil
}

// place of a file of the package; false = it has none here.
func place(root tree, f packed, recipe Recipe) (placed, bool, error) {
	pl := placed{kind: f.kind, mode: f.mode, target: f.target, packed: f.name, size: f.size, digest: f.digest}
	dir, err := root.resolve(path.Dir(f.name))
	if err != nil {
		return pl, false, err
	}
	pl.path = path.Join(dir, path.Base(f.name))
	switch top, _, _ := strings.Cut(pl.path[1:], "/"); {
	case dir == "/usr/lib/systemd/system" && f.kind != kindDir:
		// In an extension PID 1 would find it only after the boot's own start: a unit's place is where it always is.
		pl.path = path.Join(unitDir, path.Base(f.name))
		return pl, !masked(root, path.Base(f.name)), nil
	case f.kind == kindDir && (top == "usr" || !strings.Contains(pl.path[1:], "/")):
		return pl, false, nil // made with what is in it
	case top == "opt" || top == "etc" || top == "var":
		return pl, true, nil
	case top == "usr" && recipe.Extension == "":
		return pl, false, fmt.Errorf("%s has to be under /usr, which is read-only here", f.name)
	case top == "usr":
		pl.path = path.Join(extensionDir, recipe.Extension, pl.path)
		return pl, true, nil
	}
	return pl, false, fmt.Errorf("%s has no place here: only /opt, /etc, /var and, by an extension, /usr are written", f.name)
}

// ours are the units and settings of the recipe.
func ours(root tree, all []placed, recipe Recipe) []placed {
	var more []placed
	for _, unit := range slices.Sorted(maps.Keys(recipe.Units)) {
		file := path.Join(unitDir, unit)
		brought := slices.ContainsFunc(all, func(pl placed) bool { return pl.path == file })
		if !brought && !masked(root, unit) {
			more = append(more, placed{path: file, kind: kindFile, mode: 0o644, content: []byte(recipe.Units[unit])})
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(recipe.DropIns)) {
		more = append(more, placed{path: path.Join(unitDir, unit+".d/10-scaleio-agent.conf"), kind: kindFile, mode: 0o644, content: []byte(recipe.DropIns[unit])})
	}
	return more
}

func unitsOf(recipe Recipe) []string { return slices.Sorted(maps.Keys(recipe.Units)) }

// withFolders adds the folders that aren't there yet, each before what is in it.
func withFolders(root tree, all []placed) []placed {
	dirs := map[string]placed{}
	var files []placed
	for _, pl := range all {
		if pl.kind == kindDir {
			dirs[pl.path] = pl
		} else {
			files = append(files, pl)
		}
	}
	for _, pl := range all {
		for dir := path.Dir(pl.path); dir != "/"; dir = path.Dir(dir) {
			if _, known := dirs[dir]; known {
				continue
			}
			if _, err := root.Stat(inside(dir)); err == nil {
				break
			}
			dirs[dir] = placed{path: dir, kind: kindDir, mode: 0o755}
		}
	}
	var sorted []placed
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		sorted = append(sorted, dirs[dir])
	}
	return append(sorted, files...)
}

// resolve follows the machine's links to a folder: /bin and /lib are links into /usr, and /usr/sbin is one to /usr/bin on some. A folder of that name in an
// extension would hide the link and all that is behind it.
func (t tree) resolve(dir string) (string, error) {
	done, rest := "/", strings.Split(strings.Trim(dir, "/"), "/")
	for links := 0; len(rest) > 0; {
		next := path.Join(done, rest[0])
		rest = rest[1:]
		info, err := t.Lstat(inside(next))
		if err != nil && !absent(err) {
			return "", fmt.Errorf("looking at %s: %w", next, err)
		}
		if err != nil || info.Mode()&os.ModeSymlink == 0 {
			done = next
			continue
		}
		target, err := t.Readlink(inside(next))
		if err != nil {
			return "", fmt.Errorf("looking at %s: %w", next, err)
		}
		if links++; links > 40 {
			return "", fmt.Errorf("looking at %s: its links go round", dir)
		}
		if path.IsAbs(target) {
			done = "/"
		}
		rest = append(strings.Split(strings.Trim(target, "/"), "/"), rest...)
	}
	return done, nil
}
