package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// LockTimeout is how long Open waits for another process to let go of the file; bbolt's own default is for ever.
const LockTimeout = 5 * time.Second

// openNow opens the file that is at path once it is locked, or makes one where there is none.
func openNow(path string) (*bolt.DB, error) {
	return bolt.Open(path, 0o600, &bolt.Options{Timeout: LockTimeout, NoFreelistSync: true, OpenFile: openWhole})
}

// openWhole opens a file for bbolt: locked, the one that is still at path, and without damage. bbolt's own lock of the same descriptor is the same lock.
func openWhole(path string, flag int, mode os.FileMode) (*os.File, error) {
	file, err := os.OpenFile(path, flag&^os.O_CREATE, mode)
	if errors.Is(err, fs.ErrNotExist) {
		return os.OpenFile(path, flag|os.O_EXCL, mode) // of an empty file bbolt makes a fresh store: only of one that is new
	}
	if err != nil {
		return nil, err
	}
	if err := whole(file, path); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func whole(file *os.File, path string) error {
	if err := lock(file); err != nil {
		return err
	}
	locked, err := file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !os.SameFile(locked, there): // who had the lock put another in its place (RewriteBolt): what is committed to the one before is lost
		return fmt.Errorf("it was replaced while it was being opened: %w", ErrLocked)
	case locked.Size() == 0:
		return fmt.Errorf("%w (the file is empty; remove it only if there never was a cluster)", ErrCorrupt)
	}
	return checkPages(file, locked.Size())
}

// lock the file as bbolt does; it goes with the descriptor.
func lock(file *os.File) error {
	limit := time.NewTimer(LockTimeout)
	defer limit.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-limit.C:
			return ErrLocked
		case <-again.C:
		}
	}
}

// caught turns bbolt's panic over a page that was damaged while it was open into an error.
func caught(err *error) {
	if what := recover(); what != nil {
		*err = fmt.Errorf("reading the store: %w (%v)", ErrCorrupt, what)
	}
}
