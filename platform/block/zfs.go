package block

import (
	"encoding/binary"
	"errors"
	"io"
)

// A label of ZFS is 256 KiB, and there are two at each end. Its second half is a ring of uberblocks, of which each write takes the next: in a young pool
// any of them may be the only one.
const (
	zfsLabelBytes = 256 << 10
	zfsRing       = 128 << 10
	zfsSlot       = 1 << 10 // the least; larger ones begin at multiples of it
	zfsMagic      = 0x00bab10c
)

// zfsLabel gives the place of the first uberblock, or -1.
func zfsLabel(r io.ReaderAt, size int64) (int64, error) {
	end := size &^ (zfsLabelBytes - 1)
	if end < 4*zfsLabelBytes {
		return -1, nil
	}
	ring, release, err := alignedBuffer(zfsRing)
	if err != nil {
		return -1, err
	}
	defer release()
	for _, label := range []int64{0, zfsLabelBytes, end - 2*zfsLabelBytes, end - zfsLabelBytes} {
		n, err := r.ReadAt(ring, label+zfsRing)
		if n < len(ring) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return -1, err
		}
		for at := 0; at < len(ring); at += zfsSlot { // in the byte order of the machine that wrote it
			if binary.LittleEndian.Uint64(ring[at:]) == zfsMagic || binary.BigEndian.Uint64(ring[at:]) == zfsMagic {
				return label + zfsRing + int64(at), nil
			}
		}
	}
	return -1, nil
}
