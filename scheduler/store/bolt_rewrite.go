package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// RewriteBolt writes a store's file anew, of what is in it now: bbolt leaves what was there before in free pages until it needs them, and that may be
// a key which was plain. Cut off anywhere, the file is the old one or the new one.
func RewriteBolt(path string) (err error) {
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rewriting %s: %w", path, err)
	}
	src, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: LockTimeout, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("rewriting %s: %w", path, err)
	}
	defer func() {
		if err = errors.Join(err, src.Close()); err != nil {
			err = fmt.Errorf("rewriting %s: %w", path, err)
		}
	}()
	dst, err := bolt.Open(part, 0o600, &bolt.Options{Timeout: LockTimeout, NoFreelistSync: true})
	if err != nil {
		return err
	}
	if err := errors.Join(bolt.Compact(dst, src, 0), dst.Close()); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
