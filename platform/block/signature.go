package block

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"scaleio-framework/platform"
)

// A magic is what a format writes at a fixed place; a negative offset counts from the end.
type magic struct {
	reason string
	name   string
	offset int64
	bytes  string
}

// magics of common formats: they give a refusal its name. Whatever isn't here is still found by the zero test, and by blkid where it is asked.
var magics = []magic{
	{ReasonHasPartitionTable, "GPT", 512, "EFI PART"},
	{ReasonHasPartitionTable, "GPT with 4 KiB sectors", 4096, "EFI PART"},
	{ReasonHasPartitionTable, "backup GPT", -512, "EFI PART"},
	{ReasonHasPartitionTable, "backup GPT with 4 KiB sectors", -4096, "EFI PART"},
	{ReasonHasPartitionTable, "Apple partition map", 512, "PM\x00\x00"},
	{ReasonHasSignature, "ext2/3/4", 0x438, "\x53\xef"},
	{ReasonHasSignature, "xfs", 0, "XFSB"},
	{ReasonHasSignature, "btrfs", 0x10040, "_BHRfS_M"},
	{ReasonHasSignature, "swap", 4086, "SWAPSPACE2"},
	{ReasonHasSignature, "swap", 4086, "SWAP-SPACE"},
	{ReasonHasSignature, "swap with 64 KiB pages", 65526, "SWAPSPACE2"},
	{ReasonHasSignature, "LUKS", 0, "LUKS\xba\xbe"},
	{ReasonHasSignature, "LUKS, second header", 0x4000, "SKUL\xba\xbe"},
	{ReasonHasSignature, "LVM2", 24, "LVM2 001"},
	{ReasonHasSignature, "LVM2", 512 + 24, "LVM2 001"},
	{ReasonHasSignature, "LVM2", 1024 + 24, "LVM2 001"},
	{ReasonHasSignature, "LVM2", 1536 + 24, "LVM2 001"},
	{ReasonHasSignature, "md RAID 1.1", 0, "\xfc\x4e\x2b\xa9"},
	{ReasonHasSignature, "md RAID 1.2", 4096, "\xfc\x4e\x2b\xa9"},
	{ReasonHasSignature, "bcache", 4096 + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca"},
	{ReasonHasSignature, "DRBD 8.4", -4096 + 60, "\x83\x74\x02\x6b"},
	{ReasonHasSignature, "DRBD 8.4", -4096 + 60, "\x83\x74\x02\x6c"}, // not cleanly shut down
	{ReasonHasSignature, "DRBD 9", -4096 + 60, "\x83\x74\x02\x6d"},
	{ReasonHasSignature, "Stratis", 512 + 4, "!Stra0tis\x86\xff\x02^\x41rh"},
	{ReasonHasSignature, "VDO", 0, "dmvdo001"},
	{ReasonHasSignature, "Ceph BlueStore", 0, "bluestore block device"},
	{ReasonHasSignature, "FAT", 54, "FAT1"},
	{ReasonHasSignature, "FAT32", 82, "FAT32   "},
	{ReasonHasSignature, "NTFS", 3, "NTFS    "},
	{ReasonHasSignature, "exFAT", 3, "EXFAT   "},
	{ReasonHasSignature, "f2fs", 1024, "\x10\x20\xf5\xf2"},
	{ReasonHasSignature, "erofs", 1024, "\xe2\xe1\xf5\xe0"},
	{ReasonHasSignature, "squashfs", 0, "hsqs"},
	{ReasonHasSignature, "ISO 9660", 32769, "CD001"},
	{ReasonHasSignature, "JFS", 32768, "JFS1"},
	{ReasonHasSignature, "ReiserFS", 65536 + 52, "ReIsEr"},
	{ReasonHasSignature, "GFS2", 65536, "\x01\x16\x19\x70"},
	{ReasonHasSignature, "DDF RAID", -512, "\xde\x11\xde\x11"},
	{ReasonHasSignature, "firmware RAID", -1024, "Intel Raid ISM Cfg Sig. "},
}

// signatures reads what formats leave behind. Offsets of md RAID's older formats depend on the size.
func signatures(disk Disk, r io.ReaderAt, size int64) (found refusals, err error) {
	all := magics
	if size > 128<<10 {
		all = append(all[:len(all):len(all)],
			magic{ReasonHasSignature, "md RAID 1.0", (size/512 - 16) &^ 7 * 512, "\xfc\x4e\x2b\xa9"},
			magic{ReasonHasSignature, "md RAID 0.90", size&^(64<<10-1) - 64<<10, "\xfc\x4e\x2b\xa9"})
	}
	has := map[string]bool{}
	for _, m := range all {
		offset := m.offset
		if offset < 0 {
			offset += size
		}
		if offset < 0 || offset+int64(len(m.bytes)) > size || has[m.name] {
			continue
		}
		at, err := readAt(r, offset, len(m.bytes))
		if err != nil {
			return found, fmt.Errorf("reading %s at byte %d: %w", disk.Path, offset, err)
		}
		if string(at) == m.bytes {
			has[m.name] = true
			found.add(m.reason, "%s holds a signature of %s at byte %d", disk.Path, m.name, offset)
		}
	}
	label, err := zfsLabel(r, size)
	if err != nil {
		return found, fmt.Errorf("reading %s for a label of ZFS: %w", disk.Path, err)
	}
	if label >= 0 {
		found.add(ReasonHasSignature, "%s holds a signature of ZFS at byte %d", disk.Path, label)
	}
	dos, err := readAt(r, 510, 2)
	if err != nil {
		return found, fmt.Errorf("reading %s at byte 510: %w", disk.Path, err)
	}
	if string(dos) == "\x55\xaa" && !has["FAT"] && !has["FAT32"] && !has["NTFS"] && !has["exFAT"] {
		found.add(ReasonHasPartitionTable, "%s holds a DOS partition table or a boot sector", disk.Path)
	}
	return found, nil
}

// readAt reads a few bytes by whole blocks, as O_DIRECT wants it.
func readAt(r io.ReaderAt, offset int64, n int) ([]byte, error) {
	first := offset &^ (blockSize - 1)
	buf, release, err := alignedBuffer(2 * blockSize) // no magic is longer than a block, but it may cross into the next
	if err != nil {
		return nil, err
	}
	defer release()
	got, err := r.ReadAt(buf, first)
	from := int(offset - first)
	if got < from+n {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return bytes.Clone(buf[from : from+n]), nil
}

// secondOpinion asks blkid, which knows more formats. Its exit status 2 means that it saw nothing, 8 that it saw several things.
func (s *Scanner) secondOpinion(ctx context.Context, disk Disk) (found refusals, err error) {
	if s.commands == nil {
		return nil, nil
	}
	out, err := s.commands.Run(ctx, platform.Cmd{Path: "blkid", Args: []string{"-p", "-o", "export", disk.Path}})
	var exit *platform.ExitError
	switch {
	case errors.As(err, &exit) && exit.Code == 2, errors.Is(err, platform.ErrNotFound):
		return nil, nil
	case errors.As(err, &exit) && exit.Code == 8:
		found.add(ReasonHasSignature, "%s holds signatures of several formats (blkid)", disk.Path)
		return found, nil
	case err != nil:
		return nil, fmt.Errorf("probing %s: %w", disk.Path, err)
	}
	for line := range strings.Lines(string(out.Stdout)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "TYPE":
			found.add(ReasonHasSignature, "%s holds a signature of %s (blkid)", disk.Path, value)
		case "PTTYPE":
			found.add(ReasonHasPartitionTable, "%s holds a partition table of type %s (blkid)", disk.Path, value)
		}
	}
	return found, nil
}
