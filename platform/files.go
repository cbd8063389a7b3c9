package platform

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"
)

// Files under a Root. Writes are atomic and survive a power cut: temporary file, fsync, rename, fsync of the folder. The temporary file's name begins with
// a dot, so that programs that read all of a folder (Mesos' /etc/mesos-agent/*) never see it.
type Files struct{ root Root }

// NewFiles gives the files of a root.
func NewFiles(root Root) *Files { return &Files{root} }

// Read a file.
func (f *Files) Read(path string) ([]byte, error) {
	data, err := os.ReadFile(f.root.Path(path))
	return data, f.explain("reading", path, err)
}

// Write a file whole, with exactly this mode whatever the umask. Its folder must exist.
func (f *Files) Write(path string, data []byte, mode os.FileMode) error {
	full := f.root.Path(path)
	dir := filepath.Dir(full)
	pending, err := renameio.NewPendingFile(full, renameio.WithTempDir(dir), renameio.WithStaticPermissions(mode.Perm()))
	if err != nil {
		return f.explain("writing", path, err)
	}
	defer pending.Cleanup() //nolint:errcheck // does nothing after the rename
	if _, err := pending.Write(data); err != nil {
		return f.explain("writing", path, err)
	}
	if err := pending.CloseAtomicallyReplace(); err != nil {
		return f.explain("writing", path, err)
	}
	return f.explain("writing", path, syncDir(dir))
}

// Remove a file, a link or an empty folder.
func (f *Files) Remove(path string) error {
	full := f.root.Path(path)
	err := os.Remove(full)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(filepath.Dir(full))
	}
	return f.explain("removing", path, err)
}

// Stat follows links.
func (f *Files) Stat(path string) (os.FileMode, int64, error) {
	info, err := os.Stat(f.root.Path(path))
	if err != nil {
		return 0, 0, f.explain("looking at", path, err)
	}
	return info.Mode(), info.Size(), nil
}

// MkdirAll makes a folder and those above it.
func (f *Files) MkdirAll(path string, mode os.FileMode) error {
	return f.explain("making folder", path, os.MkdirAll(f.root.Path(path), mode))
}

// Symlink makes or replaces a link, atomically.
func (f *Files) Symlink(target, path string) error {
	full := f.root.Path(path)
	if now, err := os.Readlink(full); err == nil && now == target {
		return nil
	}
	if err := renameio.Symlink(target, full); err != nil {
		return f.explain("linking", path, err)
	}
	return f.explain("linking", path, syncDir(filepath.Dir(full)))
}

// Readlink gives a link's target.
func (f *Files) Readlink(path string) (string, error) {
	target, err := os.Readlink(f.root.Path(path))
	return target, f.explain("reading link", path, err)
}

// Glob lists the matches in order, as paths of the machine. A folder that isn't there has none; one that is and can't be read is an error, unless it is itself found by
// a pattern.
func (f *Files) Glob(pattern string) ([]string, error) {
	if dir, last := path.Split(pattern); !strings.ContainsAny(dir, `*?[\`) {
		return f.globIn(dir, last)
	}
	matches, err := filepath.Glob(f.root.Path(pattern))
	if err != nil {
		return nil, fmt.Errorf("matching %q: %w", pattern, err)
	}
	if f.root != "/" {
		for i, m := range matches {
			matches[i] = strings.TrimPrefix(m, filepath.Clean(string(f.root)))
		}
	}
	return matches, nil
}

// globIn one folder. filepath.Glob says of a folder that it can't open, for want of descriptors or with a failing disk, that nothing is in it.
func (f *Files) globIn(dir, last string) (matches []string, err error) {
	if _, err := path.Match(last, ""); err != nil {
		return nil, fmt.Errorf("matching %q: %w", dir+last, err)
	}
	entries, err := os.ReadDir(f.root.Path(dir))
	if err = f.explain("listing", dir, err); errors.Is(err, ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if ok, err := path.Match(last, e.Name()); err == nil && ok {
			matches = append(matches, path.Join(dir, e.Name()))
		}
	}
	return matches, nil
}

// Digest of a file.
func (f *Files) Digest(path string) (sha256hex string, size int64, err error) {
	file, err := os.Open(f.root.Path(path))
	if err != nil {
		return "", 0, f.explain("reading", path, err)
	}
	defer file.Close()
	hash := sha256.New()
	size, err = io.Copy(hash, file)
	if err != nil {
		return "", 0, f.explain("reading", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}

// explain names the machine's path and turns "does not exist" into ErrNotFound.
func (f *Files) explain(doing, path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s %s: %w", doing, path, ErrNotFound)
	}
	return fmt.Errorf("%s %s: %w", doing, path, err)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems (a few overlays, FUSE) can't sync a folder: nothing better can be done there.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
