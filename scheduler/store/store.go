package store

import (
	"context"
	"errors"
	"fmt"
)

// A Store keeps records. Commit is all or nothing, so that what belongs together is stored together, and a hundred changes cost one sync.
type Store interface {
	Get(ctx context.Context, key string) (Record, error)
	List(ctx context.Context, prefix string) ([]Record, error) // ordered by key
	Commit(ctx context.Context, changes ...Change) error
	Close() error
}

// A Record as it was stored. Revision starts at 1 and rises with every put of its key.
type Record struct {
	Key      string
	Value    []byte // JSON
	Revision uint64
}

// A Change puts Value under Key, or deletes Key where Value is nil, provided that the key is still at Revision (0 = not there).
type Change struct {
	Key      string
	Value    []byte
	Revision uint64
}

// MaxRecord bounds a record: ZooKeeper's default is 1 MB, and one that outgrows this is a fault of ours.
const MaxRecord = 100_000

// What can be wrong, each matched with errors.Is.
var (
	ErrNotFound = errors.New("no such record")
	ErrConflict = errors.New("record was changed by someone else")
	ErrNewer    = errors.New("record was written by a newer version of this program: start that one, or restore a backup")
	ErrCorrupt  = errors.New("record is damaged: restore a backup")
	ErrTooLarge = fmt.Errorf("record is larger than %d bytes", MaxRecord)
	ErrLocked   = errors.New("store is in use by another process")
)

func check(changes []Change) error {
	for _, c := range changes {
		if c.Key == "" {
			return fmt.Errorf("storing: empty key")
		}
		if len(c.Value) > MaxRecord {
			return fmt.Errorf("storing %s (%d bytes): %w", c.Key, len(c.Value), ErrTooLarge)
		}
	}
	return nil
}
