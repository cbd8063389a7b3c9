package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// LockTimeout is how long Open waits for another process to let go of the file; bbolt's own default is for ever.
const LockTimeout = 5 * time.Second

var records = []byte("records")

// Bolt is a store in one file on this host.
type Bolt struct{ db *bolt.DB }

var _ Store = (*Bolt)(nil)

// OpenBolt opens or makes the file. A file that can't be read as a store is an error, never an empty store.
func OpenBolt(path string) (b *Bolt, err error) {
	defer caught(&err) // what bbolt finds damaged when it looks for free pages, it says by a panic
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the state directory: %w", err)
	}
	if err := refuseDamaged(path); err != nil {
		return nil, err
	}
	err = walk(path)
	var db *bolt.DB
	if err == nil {
		db, err = openNow(path)
	}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("opening %s: %w", path, ErrLocked)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("opening %s: %w (%v)", path, ErrCorrupt, err)
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

// openNow opens the file that is at path once it is locked: whoever had the lock until then may have put another in its place (RewriteBolt), and what is committed to the
// one before is lost.
func openNow(path string) (*bolt.DB, error) {
	var file *os.File
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: LockTimeout, NoFreelistSync: true, OpenFile: func(path string, flag int, mode os.FileMode) (f *os.File, err error) {
		file, err = os.OpenFile(path, flag, mode)
		return file, err
	}})
	if err != nil {
		return nil, err
	}
	locked, err := file.Stat()
	var there os.FileInfo
	if err == nil {
		there, err = os.Stat(path)
	}
	if err == nil && os.SameFile(locked, there) {
		return db, nil
	}
	if err == nil {
		err = fmt.Errorf("it was replaced while it was being opened: %w", ErrLocked)
	}
	return nil, errors.Join(err, db.Close())
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
