package block

import (
	"bytes"
	"testing"
)

// What others left on a disk, its beginning and its end: whatever reads it says so of every known format, and fails on nothing.
func FuzzSignatures(f *testing.F) {
	const edge = 8 << 10
	for _, m := range magics {
		if m.offset >= 0 && m.offset+int64(len(m.bytes)) <= edge {
			head := make([]byte, m.offset+int64(len(m.bytes)))
			copy(head[m.offset:], m.bytes)
			f.Add(head, []byte{}, uint16(0))
		}
	}
	f.Add([]byte{}, []byte("EFI PART"), uint16(512))
	f.Add(append(make([]byte, 510), 0x55, 0xaa), []byte{}, uint16(1))
	f.Fuzz(func(t *testing.T, head, tail []byte, more uint16) {
		disk := make([]byte, 2*edge+int64(more)*blockSize%(2<<20))
		size := int64(len(disk)) &^ 511
		disk = disk[:size]
		copy(disk[size-min(edge, int64(len(tail))):], tail)
		copy(disk, head[:min(edge, len(head))])
		found, err := signatures(Disk{Path: "/dev/sdb"}, bytes.NewReader(disk), size)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		for _, m := range magics {
			at := m.offset
			if at < 0 {
				at += size
			}
			if at >= 0 && at+int64(len(m.bytes)) <= size && string(disk[at:at+int64(len(m.bytes))]) == m.bytes && len(found) == 0 {
				t.Errorf("%s at byte %d isn't seen", m.name, at)
			}
		}
		if allZero(disk) && len(found) > 0 {
			t.Errorf("an empty disk holds %v", found)
		}
	})
}
