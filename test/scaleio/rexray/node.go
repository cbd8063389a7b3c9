package rexray

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

const (
	deviceWithin = 30 * time.Second
	deviceEvery  = 50 * time.Millisecond
	mkfsWithin   = 90 * time.Second
	headBytes    = 128 << 10 // what is looked at before a device counts as blank
)

// node is the real host.
type node struct {
	drvCfg string
	byID   string // directory of the SDC's links
}

const linksOfSDC = "/dev/disk/by-id"

func (n node) GUID(ctx context.Context) (string, error) {
	out, err := output(ctx, n.drvCfg, "--query_guid")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(out), nil
}

// Device polls, because the by-id link comes later than the mapping and nothing announces it on a node without udev.
func (n node) Device(ctx context.Context, systemID, volumeID string) (string, error) {
	link := filepath.Join(n.byID, "emc-vol-"+systemID+"-"+volumeID)
	if _, err := output(ctx, n.drvCfg, "--rescan"); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, deviceWithin)
	defer cancel()
	ticks := time.NewTicker(deviceEvery)
	defer ticks.Stop()
	for {
		if device, err := filepath.EvalSymlinks(link); err == nil {
			return device, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("no device name returned: %s didn't appear: %w", link, ctx.Err())
		case <-ticks.C:
		}
	}
}

var errNotBlank = errors.New("the device holds neither a known file system nor only zeros")

func (n node) Prepare(ctx context.Context, device, fsType string) (string, error) {
	head := make([]byte, headBytes)
	f, err := os.Open(device)
	if err != nil {
		return "", fmt.Errorf("looking at the device: %w", err)
	}
	_, err = f.ReadAt(head, 0)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("looking at %s: %w", device, err)
	}
	found, err := fileSystem(head)
	if err != nil || found != "" {
		return found, err
	}
	ctx, cancel := context.WithTimeout(ctx, mkfsWithin)
	defer cancel()
	args := []string{"-q", "-F", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", device}
	if fsType == "xfs" {
		args = []string{"-q", "-f", "-K", device}
	}
	if _, err := output(ctx, "mkfs."+fsType, args...); err != nil {
		return "", err
	}
	return fsType, nil
}

// fileSystem tells what begins with head; "" is a blank device.
func fileSystem(head []byte) (string, error) {
	switch {
	case head[1080] == 0x53 && head[1081] == 0xef:
		return "ext4", nil
	case string(head[:4]) == "XFSB":
		return "xfs", nil
	}
	for _, b := range head {
		if b != 0 {
			return "", errNotBlank
		}
	}
	return "", nil
}

func (n node) Mount(device, dir, fsType string) error {
	if err := unix.Mount(device, dir, fsType, 0, ""); err != nil {
		return fmt.Errorf("mounting %s at %s: %w", device, dir, err)
	}
	return nil
}

func (n node) Unmount(dir string, stale bool) error {
	flags := 0
	if stale {
		flags = unix.MNT_DETACH
	}
	if err := unix.Unmount(dir, flags); err != nil {
		return fmt.Errorf("unmounting %s: %w", dir, err)
	}
	return nil
}

func (n node) Mounted(dir, device string) (some, same bool, err error) {
	mounts, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(dir))
	if err != nil {
		return false, false, fmt.Errorf("reading mounts: %w", err)
	}
	if len(mounts) == 0 {
		return false, false, nil
	}
	if device == "" {
		return true, false, nil
	}
	var st unix.Stat_t
	if err := unix.Stat(device, &st); err != nil {
		return true, false, fmt.Errorf("looking at %s: %w", device, err)
	}
	return true, int(unix.Major(st.Rdev)) == mounts[0].Major && int(unix.Minor(st.Rdev)) == mounts[0].Minor, nil
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("running %s: %w: %s", name, err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("running %s: %w", name, err)
	}
	return string(out), nil
}
