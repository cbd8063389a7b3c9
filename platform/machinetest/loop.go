package machinetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// loopAttempts is how often another program may be quicker to take the loop device that the kernel called free.
const loopAttempts = 50

// Image makes a file of zeros for a Loop.
func Image(t testing.TB, size int64) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk.img")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Truncate(file, size))
	return file
}

// LoopOptions of a Loop.
type LoopOptions struct {
	ReadOnly bool
	Sector   uint32 // bytes; 0 = 512
}

// Loop presents a file as a block device until the test ends, and gives its node in /dev.
func Loop(t testing.TB, file string, options LoopOptions) string {
	t.Helper()
	if os.Geteuid() != 0 {
		Lacks(t, "root, for loop devices")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		Lacks(t, "loop devices")
	}
	device, err := attach(file, options)
	require.NoError(t, err)
	t.Cleanup(func() { // a test may have done so, and then the device may be somebody else's by now
		if backing(device) == file {
			_ = Detach(device)
		}
	})
	return device
}

// backing file of a loop device; "" = it has none.
func backing(device string) string {
	file, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(device), "loop/backing_file"))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(file), "\n")
}

// attach by the one call that sets file, size and flags together: no half-made device is ever seen.
func attach(file string, options LoopOptions) (string, error) {
	mode, flags := unix.O_RDWR, uint32(0)
	if options.ReadOnly {
		mode, flags = unix.O_RDONLY, unix.LO_FLAGS_READ_ONLY
	}
	behind, err := unix.Open(file, mode|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("opening %s: %w", file, err)
	}
	defer unix.Close(behind) //nolint:errcheck // the device holds its own
	control, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("opening /dev/loop-control: %w", err)
	}
	defer unix.Close(control)                                                                                          //nolint:errcheck // nothing was written
	config := unix.LoopConfig{Fd: uint32(behind), Size: max(options.Sector, 512), Info: unix.LoopInfo64{Flags: flags}} //nolint:gosec // a descriptor
	copy(config.Info.File_name[:len(config.Info.File_name)-1], file)
	for range loopAttempts {
		minor, err := unix.IoctlRetInt(control, unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return "", fmt.Errorf("asking for a free loop device: %w", err)
		}
		device := fmt.Sprintf("/dev/loop%d", minor)
		err = on(device, mode, func(fd int) error { return unix.IoctlLoopConfigure(fd, &config) })
		if !errors.Is(err, unix.EBUSY) {
			return device, err
		}
	}
	return "", fmt.Errorf("attaching %s: somebody else took every free loop device", file)
}

// Detach the file from a loop device.
func Detach(device string) error {
	return on(device, unix.O_RDONLY, func(fd int) error { return unix.IoctlSetInt(fd, unix.LOOP_CLR_FD, 0) })
}

func on(device string, mode int, do func(fd int) error) error {
	fd, err := unix.Open(device, mode|unix.O_CLOEXEC, 0) // a device that is set up by who may only read is read-only
	if err != nil {
		return fmt.Errorf("opening %s: %w", device, err)
	}
	err = do(fd)
	if err != nil {
		err = fmt.Errorf("asking %s: %w", device, err)
	}
	return errors.Join(err, unix.Close(fd))
}
