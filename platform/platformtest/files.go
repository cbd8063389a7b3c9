package platformtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"
	"sync"

	"scaleio-framework/platform"
)

type inode struct {
	mode   os.FileMode // with its type bits
	data   []byte
	target string
}

// Files in memory with the rules of the real ones: a folder must exist before a file is written into it, symbolic links are followed.
type Files struct {
	Hook Hook

	mu    sync.Mutex
	nodes map[string]*inode
}

// NewFiles gives a tree that holds a bare machine's folders.
func NewFiles() *Files {
	f := &Files{nodes: map[string]*inode{"/": {mode: fs.ModeDir | 0o755}}}
	for _, dir := range []string{"/etc/systemd/system", "/usr/bin", "/usr/lib", "/opt", "/var/lib", "/run", "/tmp", "/proc", "/sys", "/dev"} {
		f.mkdirAll(dir, 0o755)
	}
	return f
}

// Set writes a file without asking the Hook, with the folders above it: what a test finds in place.
func (f *Files) Set(name, data string, mode os.FileMode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name = f.resolve(name)
	f.mkdirAll(path.Dir(name), 0o755)
	f.nodes[name] = &inode{mode: mode.Perm(), data: []byte(data)}
}

// Delete a file without asking the Hook.
func (f *Files) Delete(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.nodes, f.resolve(name))
}

// Tree lists all files and links below a folder with their content: to compare before and after.
func (f *Files) Tree(dir string) map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	tree := map[string]string{}
	for name, node := range f.nodes {
		switch {
		case !strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/") || node.mode.IsDir():
		case node.target != "":
			tree[name] = "-> " + node.target
		default:
			tree[name] = string(node.data)
		}
	}
	return tree
}

// Read a file.
func (f *Files) Read(name string) (data []byte, err error) {
	err = f.Hook.do("read "+name, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		node, err := f.lookup("reading", name)
		if err != nil {
			return err
		}
		if node.mode.IsDir() {
			return fmt.Errorf("reading %s: is a directory", name)
		}
		data = append([]byte(nil), node.data...)
		return nil
	})
	return data, err
}

// Write a file whole.
func (f *Files) Write(name string, data []byte, mode os.FileMode) error {
	return f.Hook.do("write "+name, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		dir := f.resolve(path.Dir(name))
		if node := f.nodes[dir]; node == nil || !node.mode.IsDir() {
			return fmt.Errorf("writing %s: folder %s: %w", name, dir, platform.ErrNotFound)
		}
		full := path.Join(dir, path.Base(name))
		if node := f.nodes[full]; node != nil && node.mode.IsDir() {
			return fmt.Errorf("writing %s: is a directory", name)
		}
		f.nodes[full] = &inode{mode: mode.Perm(), data: append([]byte(nil), data...)}
		return nil
	})
}

// Remove a file, a link or an empty folder.
func (f *Files) Remove(name string) error {
	return f.Hook.do("remove "+name, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		full := path.Join(f.resolve(path.Dir(name)), path.Base(name))
		for other := range f.nodes {
			if strings.HasPrefix(other, full+"/") {
				return fmt.Errorf("removing %s: directory not empty", name)
			}
		}
		delete(f.nodes, full)
		return nil
	})
}

// Stat follows links.
func (f *Files) Stat(name string) (mode os.FileMode, size int64, err error) {
	err = f.Hook.do("stat "+name, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		node, err := f.lookup("looking at", name)
		if err != nil {
			return err
		}
		mode, size = node.mode, int64(len(node.data))
		return nil
	})
	return mode, size, err
}

// MkdirAll makes a folder and those above it.
func (f *Files) MkdirAll(name string, mode os.FileMode) error {
	return f.Hook.do("mkdir "+name, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.mkdirAll(f.resolve(name), mode)
	})
}

func (f *Files) mkdirAll(name string, mode os.FileMode) error {
	name = path.Clean(name)
	if node := f.nodes[name]; node != nil {
		if !node.mode.IsDir() {
			return fmt.Errorf("making folder %s: a file is there", name)
		}
		return nil
	}
	if err := f.mkdirAll(path.Dir(name), mode); err != nil {
		return err
	}
	f.nodes[name] = &inode{mode: fs.ModeDir | mode.Perm()}
	return nil
}

// Symlink makes or replaces a link.
func (f *Files) Symlink(target, name string) error {
	return f.Hook.do("symlink "+name, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		dir := f.resolve(path.Dir(name))
		if node := f.nodes[dir]; node == nil || !node.mode.IsDir() {
			return fmt.Errorf("linking %s: folder %s: %w", name, dir, platform.ErrNotFound)
		}
		f.nodes[path.Join(dir, path.Base(name))] = &inode{mode: fs.ModeSymlink | 0o777, target: target}
		return nil
	})
}

// Readlink gives a link's target.
func (f *Files) Readlink(name string) (target string, err error) {
	err = f.Hook.do("readlink "+name, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		node := f.nodes[path.Join(f.resolve(path.Dir(name)), path.Base(name))]
		switch {
		case node == nil:
			return fmt.Errorf("reading link %s: %w", name, platform.ErrNotFound)
		case node.target == "":
			return fmt.Errorf("reading link %s: not a link", name)
		}
		target = node.target
		return nil
	})
	return target, err
}

// Glob lists the matches in order.
func (f *Files) Glob(pattern string) (names []string, err error) {
	err = f.Hook.do("glob "+pattern, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		plain, _, _ := strings.Cut(pattern, "*") // most files are elsewhere
		for name := range f.nodes {
			if !strings.ContainsAny(plain, `?[\`) && !strings.HasPrefix(name, plain) {
				continue
			}
			match, err := path.Match(pattern, name)
			if err != nil {
				return fmt.Errorf("matching %q: %w", pattern, err)
			}
			if match {
				names = append(names, name)
			}
		}
		sort.Strings(names)
		return nil
	})
	return names, err
}

// Digest of a file.
func (f *Files) Digest(name string) (string, int64, error) {
	data, err := f.Read(name)
	if err != nil {
		return "", 0, err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), int64(len(data)), nil
}

func (f *Files) lookup(doing, name string) (*inode, error) {
	node := f.nodes[f.resolve(name)]
	if node == nil {
		return nil, fmt.Errorf("%s %s: %w", doing, name, platform.ErrNotFound)
	}
	return node, nil
}

// resolve follows the links of a path, at most 40 as the kernel does.
func (f *Files) resolve(name string) string {
	name = path.Clean("/" + name)
	for range 40 {
		next, found := name, false
		for i := 1; i <= len(name) && !found; i++ {
			if i != len(name) && name[i] != '/' {
				continue
			}
			node := f.nodes[name[:i]]
			if node == nil || node.target == "" {
				continue
			}
			target := node.target
			if !path.IsAbs(target) {
				target = path.Join(path.Dir(name[:i]), target)
			}
			next, found = path.Join(target, name[i:]), true
		}
		if !found {
			return name
		}
		name = next
	}
	return name
}
