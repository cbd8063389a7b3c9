package nodes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// abortFUSE ends the FUSE connections of a machine, as a power cut ends a driver.
// Without it a file system on a device that FUSE serves may be unmounted by the
// very process that serves it, when that is the last one of its mount namespace
// to die: the kernel then waits for itself for ever.
func abortFUSE(init int) error {
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", init))
	if err != nil {
		return nil // it is gone
	}
	var connections []string
	for line := range strings.Lines(string(mounts)) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 3 || !strings.HasPrefix(after, "fuse") || strings.HasPrefix(after, "fusectl") {
			continue
		}
		if _, minor, ok := strings.Cut(fields[2], ":"); ok { // the connection is named after the device's minor number
			connections = append(connections, minor)
		}
	}
	if len(connections) == 0 {
		return nil
	}
	control, err := os.MkdirTemp("", "fusectl")
	if err != nil {
		return fmt.Errorf("ending the machine's FUSE connections: %w", err)
	}
	defer os.Remove(control)
	if err := unix.Mount("fusectl", control, "fusectl", 0, ""); err != nil {
		return fmt.Errorf("ending the machine's FUSE connections: %w", err)
	}
	defer func() { _ = unix.Unmount(control, unix.MNT_DETACH) }()
	for _, name := range connections {
		// One that has just ended by itself is no fault.
		_ = os.WriteFile(filepath.Join(control, name, "abort"), []byte("1\n"), 0o600)
	}
	return nil
}
