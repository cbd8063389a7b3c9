package payload

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// tree is the machine's files; no name leads out of it.
type tree struct{ *os.Root }

func (p *Packages) openRoot() (tree, error) {
	root, err := os.OpenRoot(string(p.root))
	if err != nil {
		return tree{}, fmt.Errorf("opening the machine's files: %w", err)
	}
	return tree{root}, nil
}

func (t tree) close() { _ = t.Close() }

// inside is a path as os.Root wants it.
func inside(name string) string {
	if rel := strings.TrimPrefix(path.Clean(name), "/"); rel != "" {
		return rel
	}
	return "."
}

func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// makeDir makes a folder. One that is there stays as it is.
func (t tree) makeDir(dir string, mode os.FileMode) error {
	if info, err := t.Stat(inside(dir)); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("making folder %s: something else is there", dir)
		}
		return nil
	} else if !absent(err) {
		return err
	}
	if err := t.Mkdir(inside(dir), 0o700); err != nil {
		return err
	}
	return t.Chmod(inside(dir), mode) // whatever the umask
}

// replace puts something in a path's place at once: make writes it under another name.
func (t tree) replace(name string, make func(temp string) error) error {
	temp := inside(path.Join(path.Dir(name), "."+path.Base(name)+".scaleio-agent"))
	if err := t.Remove(temp); err != nil && !absent(err) {
		return err
	}
	if err := make(temp); err != nil {
		return errors.Join(err, ignoreAbsent(t.Remove(temp)))
	}
	if err := t.Rename(temp, inside(name)); err != nil {
		return errors.Join(err, ignoreAbsent(t.Remove(temp)))
	}
	return nil
}

func ignoreAbsent(err error) error {
	if absent(err) {
		return nil
	}
	return err
}

func (t tree) remove(name string) error { return ignoreAbsent(t.Remove(inside(name))) }

// removeAllBut removes what the list names and keep doesn't: files, then folders that are empty by then, the deepest first. What was there before the package stays.
func (t tree) removeAllBut(list, keep []entry) error {
	kept := map[string]bool{}
	for _, e := range keep {
		kept[e.Path] = true
	}
	var dirs []string
	for _, e := range list {
		switch {
		case kept[e.Path] || e.Found:
		case e.Kind == kindDir:
			dirs = append(dirs, e.Path)
		default:
			if err := t.remove(e.Path); err != nil {
				return err
			}
		}
	}
	slices.Sort(dirs)
	for _, dir := range slices.Backward(dirs) {
		err := t.remove(dir)
		if err != nil && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EEXIST) {
			return err
		}
	}
	return nil
}

// sync the folders of what was written, so that the renames last.
func (t tree) sync(files []entry) error {
	done := map[string]bool{}
	for _, e := range files {
		dir := path.Dir(e.Path)
		if done[dir] {
			continue
		}
		done[dir] = true
		d, err := t.Open(inside(dir))
		if absent(err) {
			continue
		} else if err != nil {
			return err
		}
		err = d.Sync()
		_ = d.Close()
		if err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) { // some file systems can't
			return err
		}
	}
	return nil
}

// names of the packages that have a record.
func (p *Packages) names() ([]string, error) {
	files, err := filepath.Glob(p.root.Path(recordDir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	return names, nil
}

const unitDir = "/etc/systemd/system"

// masked by a person: the unit's file is a link to nothing.
func masked(t tree, unit string) bool {
	target, err := t.Readlink(inside(path.Join(unitDir, unit)))
	return err == nil && target == "/dev/null"
}

// disable removes what enabling a unit made: links to it in the folders of those that want it.
func (t tree) disable(units []string) error {
	wants, err := fs.Glob(t.FS(), inside(unitDir)+"/*.wants/*")
	if err != nil {
		return fmt.Errorf("disabling units: %w", err)
	}
	for _, link := range wants {
		if slices.Contains(units, path.Base(link)) {
			if err := t.remove(link); err != nil {
				return err
			}
		}
	}
	return nil
}
