package sds

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// sizeOf works for block devices, whose stat size is 0, and for files.
func sizeOf(f *os.File) (int64, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("measuring %s: %w", f.Name(), err)
	}
	return size, nil
}

// zero frees the bytes where the device can (a sparse image stays sparse), else writes zeros.
func zero(f *os.File, at, length int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, length)
	if err == nil {
		return nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("zeroing: %w", err)
	}
	block := make([]byte, copyBytes)
	for end := at + length; at < end; at += int64(len(block)) {
		if _, err := f.WriteAt(block[:min(int64(len(block)), end-at)], at); err != nil {
			return fmt.Errorf("zeroing: %w", err)
		}
	}
	return nil
}

// partitioned reports an MBR or a GPT. A boot sector with a file system looks like an MBR too; the product refuses both.
func partitioned(r io.ReaderAt) (bool, error) {
	head := make([]byte, 4608)
	if _, err := r.ReadAt(head, 0); err != nil {
		return false, fmt.Errorf("reading partition table: %w", err)
	}
	gpt := []byte("EFI PART")
	return head[510] == 0x55 && head[511] == 0xaa || bytes.HasPrefix(head[512:], gpt) || bytes.HasPrefix(head[4096:], gpt), nil
}

func sectorBytes(f *os.File) (int, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("looking at %s: %w", f.Name(), err)
	}
	if info.Mode()&os.ModeDevice == 0 {
		return 512, nil
	}
	n, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKSSZGET)
	if err != nil {
		return 0, fmt.Errorf("asking %s for its sector size: %w", f.Name(), err)
	}
	return n, nil
}

func rdevOf(path string) (major, minor uint32, block bool) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return 0, 0, false
	}
	return unix.Major(st.Rdev), unix.Minor(st.Rdev), true
}
