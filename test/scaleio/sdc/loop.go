package sdc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	loopMajor     = 7
	loopAutoclear = 4 // LO_FLAGS_AUTOCLEAR
	loopAttempts  = 20
)

// loopDevice is the kernel's block device over a volume's file. It clears itself when its last user is gone (ours is fd), so neither a
// killed daemon nor a volume that is unmapped while mounted leaves one behind.
type loopDevice struct {
	minor uint32
	fd    int
}

// newLoop binds a free loop device. The kernel numbers them for the whole machine, so another node may be faster: then the next one.
func newLoop(control, dev, file string) (*loopDevice, error) {
	// Plain system calls: os.Open would register the file with the poller, which asks the file system that this very process serves.
	backing, err := unix.Open(file, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", file, err)
	}
	defer func() { _ = unix.Close(backing) }() // the loop device holds its own reference
	ctl, err := unix.Open(control, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", control, err)
	}
	defer func() { _ = unix.Close(ctl) }()
	for range loopAttempts {
		minor, err := unix.IoctlRetInt(ctl, unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("asking for a free loop device: %w", err)
		}
		l, err := bindLoop(dev, uint32(minor), backing, file)
		if !errors.Is(err, unix.EBUSY) {
			return l, err
		}
	}
	return nil, fmt.Errorf("binding %s: every free loop device was taken by somebody else", file)
}

func bindLoop(dev string, minor uint32, backing int, file string) (*loopDevice, error) {
	// The node is hidden and short-lived: a /dev/loopN would look like one more disk of this machine.
	node := filepath.Join(dev, fmt.Sprintf(".scini-loop%d", minor))
	if err := makeBlockNode(node, minor); err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(node) }()
	fd, err := unix.Open(node, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening loop device %d: %w", minor, err)
	}
	config := unix.LoopConfig{Fd: uint32(backing), Size: 512, Info: unix.LoopInfo64{Flags: loopAutoclear}}
	copy(config.Info.File_name[:len(config.Info.File_name)-1], file)
	if err := unix.IoctlLoopConfigure(fd, &config); err != nil {
		return nil, errors.Join(fmt.Errorf("binding loop device %d: %w", minor, err), unix.Close(fd))
	}
	return &loopDevice{minor: minor, fd: fd}, nil
}

func makeBlockNode(path string, minor uint32) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("replacing %s: %w", path, err)
	}
	if err := unix.Mknod(path, unix.S_IFBLK|0o660, int(unix.Mkdev(loopMajor, minor))); err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	return nil
}

// grow makes the kernel look at the file's size again.
func (l *loopDevice) grow(file string) error {
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		return fmt.Errorf("looking at %s: %w", file, err)
	}
	if err := unix.IoctlSetInt(l.fd, unix.LOOP_SET_CAPACITY, 0); err != nil {
		return fmt.Errorf("growing loop device %d: %w", l.minor, err)
	}
	return nil
}

func (l *loopDevice) close() error {
	if err := unix.Close(l.fd); err != nil {
		return fmt.Errorf("closing loop device %d: %w", l.minor, err)
	}
	return nil
}
