package sds

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
)

// scanDev finds devices by their header among the block devices of one /dev. Volumes that this node consumes are left alone: reading
// one could wait for the very SDS that is just starting.
func scanDev(dev string) func() []string {
	return func() []string {
		entries, err := os.ReadDir(dev)
		if err != nil {
			return nil
		}
		consumed := map[[2]uint32]bool{}
		for _, e := range entries {
			if major, minor, ok := rdevOf(filepath.Join(dev, e.Name())); ok && strings.HasPrefix(e.Name(), "scini") {
				consumed[[2]uint32{major, minor}] = true
			}
		}
		var paths []string
		for _, e := range entries {
			path := filepath.Join(dev, e.Name())
			major, minor, ok := rdevOf(path)
			if !ok || e.Type()&fs.ModeSymlink != 0 || consumed[[2]uint32{major, minor}] || overFUSE(major, minor) {
				continue
			}
			paths = append(paths, path)
		}
		return paths
	}
}

// overFUSE catches a loop device of the stand-in SDC that has no scini node (yet).
func overFUSE(major, minor uint32) bool {
	backing, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/loop/backing_file", major, minor))
	return err == nil && strings.Contains(string(backing), "/scini/")
}

// mountedAt reports where a block device is mounted. /sys/block shows the host's devices, the mount table only what this node sees.
func mountedAt(path string) (string, error) {
	major, minor, ok := rdevOf(path)
	if !ok {
		return "", nil
	}
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return m.Major != int(major) || m.Minor != int(minor), false
	})
	if err != nil {
		return "", fmt.Errorf("reading mounts: %w", err)
	}
	if len(mounts) == 0 {
		return "", nil
	}
	return mounts[0].Mountpoint, nil
}

const scanEvery = 2 * time.Second

// scan looks for missing devices until ctx ends.
func (s *Server) scan(ctx context.Context) {
	ticks := time.NewTicker(scanEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			s.findDevices()
		}
	}
}

// findDevices opens every member that isn't open yet, wherever it is now.
func (s *Server) findDevices() {
	s.change.Lock()
	defer s.change.Unlock()
	now := s.snapshot()
	missing := now.Devices
	for _, d := range s.opened() {
		delete(missing, d.id)
	}
	if len(missing) == 0 {
		return
	}
	for _, path := range s.options.Scan() {
		h, err := headerAt(path)
		if err != nil || h.System != now.System || h.SDS != now.SDS {
			continue
		}
		known, wanted := missing[h.Device]
		if !wanted {
			continue
		}
		d, err := openDevice(path, h)
		if err != nil {
			s.log.Warn("opening a device failed, will retry", "path", path, "device", h.Device, "err", err)
			continue
		}
		delete(missing, h.Device)
		s.setOpen(h.Device, d)
		s.log.Info("device found by its header", "device", h.Device, "path", path, "was", known.Path)
		if known.Path == path {
			continue
		}
		known.Path = path
		if err := s.update(func(st *state) { st.Devices[h.Device] = known }); err != nil {
			s.log.Warn("recording a device's new path failed", "err", err)
		}
	}
}

func headerAt(path string) (header, error) {
	f, err := os.Open(path)
	if err != nil {
		return header{}, fmt.Errorf("opening: %w", err)
	}
	h, err := readHeader(f)
	return h, errors.Join(err, f.Close())
}
