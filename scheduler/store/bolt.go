package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"scaleio-framework/scheduler/memory"
)

var records = []byte("records")

// Bolt is a store in one file on this host.
type Bolt struct{ db *bolt.DB }

var _ Store = (*Bolt)(nil)

// OpenBolt opens or makes the file. A file that can't be read as a store is an error, never an empty store.
func OpenBolt(path string) (*Bolt, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the state directory: %w", err)
	}
	db, err := openNow(path)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("opening %s: %w", path, ErrLocked)
	case err != nil:
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil { // a restored backup may be readable by others; keys are inside
		_ = db.Close()
		return nil, fmt.Errorf("closing %s to others: %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(records)
		return err
	})
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("preparing %s: %w", path, err)
	}
	return &Bolt{db}, nil
}

// Get one record.
func (b *Bolt) Get(_ context.Context, key string) (rec Record, err error) {
	defer caught(&err)
	err = b.db.View(func(tx *bolt.Tx) error {
		raw := tx.Bucket(records).Get([]byte(key))
		if raw == nil {
			return fmt.Errorf("reading %s: %w", key, ErrNotFound)
		}
		rec, err = open(key, bytes.Clone(raw))
		return err
	})
	return rec, err
}

// List the records whose keys begin with prefix.
func (b *Bolt) List(_ context.Context, prefix string) (all []Record, err error) {
	defer caught(&err)
	err = b.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(records).Cursor()
		for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			rec, err := open(string(k), bytes.Clone(v))
			if err != nil {
				return err
			}
			all = append(all, rec)
		}
		return nil
	})
	return all, err
}

// Commit makes all changes in one transaction.
func (b *Bolt) Commit(_ context.Context, changes ...Change) error {
	if err := check(changes); err != nil {
		return err
	}
	return b.db.Update(func(tx *bolt.Tx) error {
		bucket := tx.Bucket(records)
		for _, c := range changes {
			key := []byte(c.Key)
			var present uint64
			if raw := bucket.Get(key); raw != nil {
				rec, err := open(c.Key, raw)
				if err != nil {
					return err
				}
				present = rec.Revision
			}
			if err := swap(bucket, key, c, present); err != nil {
				return err
			}
		}
		return nil
	})
}

func swap(bucket *bolt.Bucket, key []byte, c Change, present uint64) error {
	if present != c.Revision {
		return fmt.Errorf("storing %s at revision %d, found %d: %w", c.Key, c.Revision, present, ErrConflict)
	}
	if c.Value == nil {
		return bucket.Delete(key)
	}
	sealed, err := seal(c.Key, present+1, c.Value)
	if err != nil {
		return err
	}
	return bucket.Put(key, sealed)
}

// GiveBack the file's pages that are mapped into this process: bbolt maps all of it, and what was read or written once stays. A transaction keeps the mapping where it is meanwhile.
func (b *Bolt) GiveBack() error {
	path, err := filepath.Abs(b.db.Path())
	if err == nil {
		path, err = filepath.EvalSymlinks(path) // the kernel names it so
	}
	if err != nil {
		return fmt.Errorf("giving back the pages of %s: %w", b.db.Path(), err)
	}
	return b.db.View(func(*bolt.Tx) error { return memory.Release(path) })
}

// Close lets go of the file.
func (b *Bolt) Close() error { return b.db.Close() }

// MoveBolt gives a store's file another name, unless a process has it open. What is in it doesn't matter: it may be damaged.
func MoveBolt(from, to string) error {
	file, err := os.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil { // as bbolt locks it
		return fmt.Errorf("%s: %w", from, ErrLocked)
	}
	return os.Rename(from, to)
}
