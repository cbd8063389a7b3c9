package block

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"scaleio-framework/platform"
)

// errBusy is O_EXCL's answer: the kernel or another exclusive opener has the disk.
var errBusy = errors.New("claimed by the kernel or by another program")

// A device that is open for reading, exclusively.
type device interface {
	io.ReaderAt
	io.Closer
	// is gives number and size of what was really opened.
	is() (n number, size int64, err error)
}

// devices is what can't be shown with plain files: pulled out for testing.
type devices interface {
	// nodes lists the block special files of /dev by number, each list sorted.
	nodes() (map[number][]string, error)
	// number of a block special file; ok is false for anything else. Links are followed.
	number(path string) (n number, ok bool, err error)
	// opened is number for a descriptor of some process in /proc, without waiting for a file server that may be away.
	opened(path string) (n number, ok bool, err error)
	// open a disk exclusively; errBusy if somebody has it.
	open(path string) (device, error)
}

type systemDevices struct{ root platform.Root }

func (s systemDevices) nodes() (map[number][]string, error) {
	nodes := map[number][]string{}
	dev := s.root.Path("dev")
	err := filepath.WalkDir(dev, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && path == dev:
			return err
		case err != nil: // went away
			return nil
		case entry.IsDir():
			if depth := strings.Count(strings.TrimPrefix(path, dev), "/"); depth > 1 || entry.Name() == "pts" || entry.Name() == "shm" {
				return fs.SkipDir
			}
			return nil
		case entry.Type()&(fs.ModeSymlink|fs.ModeCharDevice|fs.ModeNamedPipe|fs.ModeSocket) != 0:
			return nil
		}
		// The entry's own type isn't enough: containers bind a device over a plain file, and the folder still calls it a file.
		if n, ok, err := s.number(path); err == nil && ok {
			nodes[n] = append(nodes[n], "/"+strings.TrimPrefix(strings.TrimPrefix(path, string(s.root)), "/"))
		}
		return nil
	})
	for _, paths := range nodes {
		sort.Strings(paths)
	}
	return nodes, err
}

func (s systemDevices) number(path string) (number, bool, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return number{}, false, err
	}
	return number{unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))}, st.Mode&unix.S_IFMT == unix.S_IFBLK, nil //nolint:unconvert // 32 bit on some platforms
}

func (s systemDevices) opened(path string) (number, bool, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &st)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // kernels before 4.11, filters of system calls that don't know it: what could wait isn't asked
		if target, err := os.Readlink(path); err != nil || !strings.HasPrefix(target, "/dev/") {
			return number{}, false, err
		}
		return s.number(path)
	}
	if err != nil {
		return number{}, false, err
	}
	return number{st.Rdev_major, st.Rdev_minor}, st.Mode&unix.S_IFMT == unix.S_IFBLK, nil
}

// open with O_DIRECT, so that reading a disk pushes nobody's data out of the page cache; without it where the driver can't.
func (s systemDevices) open(path string) (device, error) {
	full := s.root.Path(path)
	flags := unix.O_RDONLY | unix.O_EXCL | unix.O_CLOEXEC | unix.O_NOFOLLOW
	fd, err := unix.Open(full, flags|unix.O_DIRECT, 0)
	direct := true
	if errors.Is(err, syscall.EINVAL) {
		direct = false
		fd, err = unix.Open(full, flags, 0)
	}
	switch {
	case errors.Is(err, syscall.EBUSY):
		return nil, errBusy
	case err != nil:
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return &openDisk{os.NewFile(uintptr(fd), path), direct}, nil
}

type openDisk struct {
	*os.File
	direct bool
}

func (d *openDisk) is() (number, int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		return number{}, 0, fmt.Errorf("asking for the number of %s: %w", d.Name(), err)
	}
	size, err := d.Seek(0, io.SeekEnd)
	if err != nil {
		return number{}, 0, fmt.Errorf("asking for the size of %s: %w", d.Name(), err)
	}
	return number{unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))}, size, nil //nolint:unconvert // 32 bit on some platforms
}

// Close drops what the reads left in the page cache.
func (d *openDisk) Close() error {
	if !d.direct {
		_ = unix.Fadvise(int(d.Fd()), 0, 0, unix.FADV_DONTNEED)
	}
	return d.File.Close()
}
