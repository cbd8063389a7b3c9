package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
)

// Where bbolt keeps what it knows of its file: a page's header, then the meta, on each of the first two pages.
const (
	boltHeader = 16
	boltMeta   = 64
	boltMagic  = 0xED0CDAED
)

// refuseDamaged tells a file that was cut off from a good one and from a missing one: of one that is empty bbolt would make a fresh store, and of one that is too
// short it would read what isn't there (SIGBUS).
func refuseDamaged(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at %s: %w", path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("looking at %s: %w", path, err)
	}
	if info.Size() == 0 {
		return fmt.Errorf("opening %s: %w (the file is empty; remove it only if there never was a cluster)", path, ErrCorrupt)
	}
	if need := boltNeeds(file); info.Size() < need || need == 0 {
		return fmt.Errorf("opening %s: %w (it has %d bytes of %d)", path, ErrCorrupt, info.Size(), need)
	}
	return nil
}

// boltNeeds is how many bytes the file must have by its newer meta; 0 = none of them is whole.
func boltNeeds(file io.ReaderAt) (length int64) {
	var newest uint64
	page := make([]byte, boltHeader+boltMeta)
	at := int64(0)
	for range 2 {
		if _, err := file.ReadAt(page, at); err != nil {
			return 0
		}
		meta := page[boltHeader:]
		size := int64(binary.LittleEndian.Uint32(meta[8:]))
		if binary.LittleEndian.Uint32(meta) != boltMagic || size == 0 {
			at = int64(os.Getpagesize()) // the first is damaged: the second says it all
			continue
		}
		sum := fnv.New64a()
		_, _ = sum.Write(meta[:56])
		tx := binary.LittleEndian.Uint64(meta[48:])
		if whole := sum.Sum64() == binary.LittleEndian.Uint64(meta[56:]); whole && tx >= newest {
			newest, length = tx, int64(binary.LittleEndian.Uint64(meta[40:]))*size
		}
		at = size
	}
	return length
}

// walk reads every page that the records lie on, in a file that is open for reading alone: opening it to write walks over them in a goroutine of bbolt's own, where
// nobody could catch its panic.
func walk(path string) (err error) {
	defer caught(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a length that leads out of the file
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: LockTimeout, ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(_ []byte, bucket *bolt.Bucket) error {
			return bucket.ForEach(func(key, value []byte) error {
				if value == nil { // the page says of a record that it is a bucket: bbolt would follow it anywhere
					return fmt.Errorf("%w (a bucket where a record belongs)", ErrCorrupt)
				}
				if again := bucket.Get(bytes.Clone(key)); !bytes.Equal(again, bytes.Clone(value)) { // reads every byte, and the pages above
					return fmt.Errorf("%w (a record isn't found where it is)", ErrCorrupt)
				}
				return nil
			})
		})
	})
}

// caught turns bbolt's panic over a damaged page into an error.
func caught(err *error) {
	if what := recover(); what != nil {
		*err = fmt.Errorf("reading the store: %w (%v)", ErrCorrupt, what)
	}
}
