package nodes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// cgroup is one group in every hierarchy that systemd in a node would look at:
// cgroup2, and on a hybrid host also the version 1 hierarchy named systemd.
// Without a group of their own all nodes would share one, as nothing on the
// host (--register=no, --keep-unit) makes one for them.
type cgroup string

func (g cgroup) dirs() ([]string, error) {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return !(m.FSType == "cgroup2" || m.FSType == "cgroup" && strings.Contains(m.VFSOptions, "name=systemd")), false
	})
	if err != nil {
		return nil, fmt.Errorf("finding the cgroup hierarchies: %w", err)
	}
	var dirs []string
	for _, m := range mounts {
		if dir := filepath.Join(m.Mountpoint, string(g)); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// join moves the calling process into the group; children follow.
func (g cgroup) join() error {
	dirs, err := g.dirs()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making the cgroup: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return fmt.Errorf("joining the cgroup: %w", err)
		}
	}
	return nil
}

// members lists the processes of the group and of those below it.
func (g cgroup) members() []int {
	var found []int
	dirs, _ := g.dirs()
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Base(path) != "cgroup.procs" {
				return nil
			}
			data, _ := os.ReadFile(path)
			for _, field := range strings.Fields(string(data)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 && !slices.Contains(found, pid) {
					found = append(found, pid)
				}
			}
			return nil
		})
	}
	return found
}

// destroy ends what is left in the group and removes it.
func (g cgroup) destroy(ctx context.Context) error {
	err := poll(ctx, fmt.Sprintf("the cgroup %s to be empty", g), func() bool {
		members := g.members()
		for _, pid := range members {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		return len(members) == 0
	})
	dirs, err2 := g.dirs()
	err = errors.Join(err, err2)
	for _, dir := range dirs {
		var below []string
		_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				below = append(below, path)
			}
			return nil
		})
		slices.Reverse(below)
		for _, path := range below {
			// A group whose last process is still being reaped is busy for a moment.
			err = errors.Join(err, poll(ctx, "the removal of "+path, func() bool {
				removed := os.Remove(path)
				return removed == nil || errors.Is(removed, fs.ErrNotExist)
			}))
		}
	}
	return err
}
