package store

import (
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt's meta: it lies behind a page's header on each of the first two pages, and commits write them in turn. One that isn't whole is one whose writing was cut off.
const (
	boltMagic      = 0xED0CDAED
	boltVersion    = 2
	boltMetaLength = 64
	boltNoFreelist = ^uint64(0)
	boltFirstPages = 4 // of a file that was made and no more: both metas, an empty list, an empty leaf

	// Where bbolt looks for the second meta when the first isn't whole, and so the page sizes that it knows.
	boltMinPage = 1 << 10
	boltMaxPage = 1 << 24
)

type boltMeta struct {
	pageSize uint32
	root     uint64
	freelist uint64
	end      uint64 // the first page that was never used
	tx       uint64
}

// newerMeta is the one that bbolt goes by.
func newerMeta(file io.ReaderAt, length int64) (boltMeta, error) {
	first, one := readMeta(file, 0)
	size := int64(first.pageSize)
	for at := int64(boltMinPage); !one && at <= boltMaxPage && size == 0; at *= 2 {
		if m, whole := readMeta(file, at); whole {
			size = int64(m.pageSize)
		}
	}
	second, two := readMeta(file, size)
	newer := first
	if !one || two && second.tx > first.tx {
		newer = second
	}
	switch {
	case !one && !two:
		return boltMeta{}, fmt.Errorf("%w (neither of its two beginnings is whole)", ErrCorrupt)
	case size < boltMinPage || size > boltMaxPage || size&(size-1) != 0 || int64(newer.pageSize) != size:
		return boltMeta{}, fmt.Errorf("%w (pages of %d bytes)", ErrCorrupt, newer.pageSize)
	case newer.end < boltFirstPages || newer.end > uint64(length/size):
		return boltMeta{}, fmt.Errorf("%w (it has %d bytes of %d pages of %d)", ErrCorrupt, length, newer.end, size)
	}
	return newer, nil
}

// readMeta of the page that begins there; the zero one if it isn't whole.
func readMeta(file io.ReaderAt, at int64) (boltMeta, bool) {
	page := make([]byte, boltHeader+boltMetaLength)
	if _, err := file.ReadAt(page, at); err != nil {
		return boltMeta{}, false
	}
	meta := page[boltHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(meta[:56])
	if native.Uint32(meta) != boltMagic || native.Uint32(meta[4:]) != boltVersion || native.Uint64(meta[56:]) != sum.Sum64() {
		return boltMeta{}, false
	}
	return boltMeta{native.Uint32(meta[8:]), native.Uint64(meta[16:]), native.Uint64(meta[32:]), native.Uint64(meta[40:]), native.Uint64(meta[48:])}, true
}
