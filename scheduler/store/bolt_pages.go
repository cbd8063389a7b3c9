package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// bbolt believes its pages: a length or a number in a damaged one makes it read what isn't there, go in circles, or panic in a goroutine of its own. So every page that
// it will believe is looked at first: each is read once, whatever it says.

// How bbolt lays out a page: a header (its number, what it is, how many elements, how many pages more belong to it), as many element heads, and their keys and values
// in the same order without a gap; the rest is zero.
const (
	boltHeader  = 16
	boltElement = 16

	boltBranch   = 0x01
	boltLeaf     = 0x02
	boltFreelist = 0x10

	boltIsBucket = 1 // an element's flag: its value is a bucket
	boltDepth    = 64
)

var native = binary.NativeEndian

// boltPages are those of a file up to end; beyond it nothing was ever written.
type boltPages struct {
	file io.ReaderAt
	size uint64 // of one
	end  uint64
	seen []bool // belongs to a page that was reached
}

type boltItem struct {
	flags      uint32
	child      uint64 // of a branch's
	key, value []byte
}

// checkPages of a file that nobody writes meanwhile.
func checkPages(file io.ReaderAt, length int64) error {
	meta, err := newerMeta(file, length)
	if err != nil {
		return err
	}
	p := boltPages{file, uint64(meta.pageSize), meta.end, make([]bool, meta.end)}
	var buckets []boltItem
	if err := p.tree(meta.root, nil, nil, 0, func(item boltItem) error {
		buckets = append(buckets, item)
		return nil
	}); err != nil {
		return err
	}
	switch {
	case len(buckets) == 0 && meta.tx <= 1: // was made, and no more
	case len(buckets) != 1 || !bytes.Equal(buckets[0].key, records): // bbolt would begin with a fresh one beside what is there
		return fmt.Errorf("%w (its root leads to no records)", ErrCorrupt)
	default:
		if err := p.bucket(buckets[0]); err != nil {
			return err
		}
	}
	return p.free(meta.freelist)
}

// bucket of the records: small ones lie in the element itself.
func (p *boltPages) bucket(item boltItem) error {
	if item.flags != boltIsBucket || len(item.value) < boltHeader {
		return fmt.Errorf("%w (a record where a bucket belongs)", ErrCorrupt)
	}
	record := func(item boltItem) error {
		if item.flags != 0 { // bbolt would follow it anywhere
			return fmt.Errorf("%w (a bucket where a record belongs)", ErrCorrupt)
		}
		return nil
	}
	root, page := native.Uint64(item.value), item.value[boltHeader:]
	if root != 0 {
		if len(page) != 0 {
			return fmt.Errorf("%w (a bucket of two kinds)", ErrCorrupt)
		}
		return p.tree(root, nil, nil, 0, record)
	}
	if len(page) < boltHeader || native.Uint64(page) != 0 || native.Uint16(page[8:]) != boltLeaf || native.Uint32(page[12:]) != 0 {
		return fmt.Errorf("%w (no page in a bucket that says so)", ErrCorrupt)
	}
	return leaf(0, page, nil, nil, record)
}

// tree of pages from id down. Keys are in order, from low (including) to high (excluding), where nil is no bound.
func (p *boltPages) tree(id uint64, low, high []byte, depth int, each func(boltItem) error) error {
	page, err := p.read(id)
	switch {
	case err != nil:
		return err
	case depth == boltDepth:
		return damagedPage(id, "it lies deeper than any")
	case native.Uint16(page[8:]) == boltLeaf:
		return leaf(id, page, low, high, each)
	case native.Uint16(page[8:]) != boltBranch:
		return damagedPage(id, "neither a branch nor a leaf")
	}
	children, err := items(id, page, low, high)
	if err != nil {
		return err
	}
	if len(children) == 0 {
		return damagedPage(id, "a branch that leads nowhere")
	}
	for i, child := range children {
		end := high
		if i+1 < len(children) {
			end = children[i+1].key
		}
		if err := p.tree(child.child, child.key, end, depth+1, each); err != nil {
			return err
		}
	}
	return nil
}

func leaf(id uint64, page, low, high []byte, each func(boltItem) error) error {
	all, err := items(id, page, low, high)
	if err != nil {
		return err
	}
	if low != nil && len(all) == 0 {
		return damagedPage(id, "an empty leaf below a branch")
	}
	for _, item := range all {
		if err := each(item); err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
	}
	return nil
}

// read a page that nothing led to before, with those that belong to it.
func (p *boltPages) read(id uint64) ([]byte, error) {
	if id < 2 || id >= p.end {
		return nil, damagedPage(id, "something leads to it, and there is none")
	}
	page := make([]byte, p.size)
	if _, err := p.file.ReadAt(page, int64(id*p.size)); err != nil {
		return nil, fmt.Errorf("reading page %d: %w", id, err)
	}
	more := uint64(native.Uint32(page[12:]))
	if native.Uint64(page) != id || more >= p.end-id {
		return nil, damagedPage(id, "it isn't what belongs there")
	}
	for i := id; i <= id+more; i++ {
		if p.seen[i] {
			return nil, damagedPage(i, "it belongs to two")
		}
		p.seen[i] = true
	}
	if more > 0 {
		page = append(page, make([]byte, more*p.size)...)
		if _, err := p.file.ReadAt(page[p.size:], int64((id+1)*p.size)); err != nil {
			return nil, fmt.Errorf("reading page %d: %w", id, err)
		}
	}
	return page, nil
}

// items of a branch or a leaf. That they lie without a gap and are followed by zeros tells a page which lost some of them.
func items(id uint64, page, low, high []byte) ([]boltItem, error) {
	isLeaf := native.Uint16(page[8:]) == boltLeaf
	all := make([]boltItem, native.Uint16(page[10:]))
	at := uint64(boltHeader + boltElement*len(all))
	if at > uint64(len(page)) {
		return nil, damagedPage(id, "more elements than it has room for")
	}
	for i := range all {
		head := uint64(boltHeader + boltElement*i)
		element := page[head : head+boltElement]
		from, key, value := native.Uint32(element), native.Uint32(element[4:]), uint32(0)
		if isLeaf {
			all[i].flags, from, key, value = from, key, native.Uint32(element[8:]), native.Uint32(element[12:])
		} else {
			all[i].child = native.Uint64(element[8:])
		}
		mid := at + uint64(key)
		end := mid + uint64(value)
		if head+uint64(from) != at || key == 0 || end > uint64(len(page)) {
			return nil, damagedPage(id, "an element that isn't where it belongs")
		}
		all[i].key, all[i].value = page[at:mid], page[mid:end]
		if i == 0 && bytes.Compare(all[i].key, low) < 0 || i > 0 && bytes.Compare(all[i].key, all[i-1].key) <= 0 || high != nil && bytes.Compare(all[i].key, high) >= 0 {
			return nil, damagedPage(id, "its keys aren't in order")
		}
		at = end
	}
	if len(bytes.Trim(page[at:], "\x00")) > 0 {
		return nil, damagedPage(id, "something behind its last element")
	}
	return all, nil
}

// free pages: those that a list names are written over, so none may be in use. Without a list they are all that weren't reached.
func (p *boltPages) free(list uint64) error {
	if list == boltNoFreelist {
		return nil
	}
	page, err := p.read(list)
	if err != nil {
		return err
	}
	count, ids := uint64(native.Uint16(page[10:])), page[boltHeader:]
	if count == 0xFFFF { // more than that: the first says how many
		count, ids = native.Uint64(ids), ids[8:]
	}
	if native.Uint16(page[8:]) != boltFreelist || count > uint64(len(ids)/8) {
		return damagedPage(list, "no list of free pages")
	}
	for i := range count {
		id := native.Uint64(ids[8*i:])
		if id < 2 || id >= p.end || p.seen[id] {
			return damagedPage(list, "it lists pages that aren't free")
		}
		p.seen[id] = true
	}
	return nil
}

func damagedPage(id uint64, how string) error {
	return fmt.Errorf("%w (page %d: %s)", ErrCorrupt, id, how)
}
