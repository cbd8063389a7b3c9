package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
)

// ErrUnavailable: no writable cgroup2 hierarchy.
var ErrUnavailable = errors.New("no writable cgroup2")

// A Root is the cgroup of the agent's unit, in which it may make children.
type Root struct{ dir string }

// Own finds the cgroup of this process and moves the process itself to a child
// named leaf: a cgroup either holds processes or has children with controllers.
// The tasks' cgroups are below "mesos", where programs look for them.
func Own() (Root, error) {
	mount, err := mountPoint()
	if err != nil {
		return Root{}, err
	}
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return Root{}, fmt.Errorf("reading the own cgroup: %w", err)
	}
	path, ok := unified(string(data))
	if !ok {
		return Root{}, ErrUnavailable
	}
	root, err := At(filepath.Join(mount, strings.TrimSuffix(path, "/leaf")))
	if err != nil {
		return Root{}, err
	}
	leaf := filepath.Join(root.dir, "leaf")
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		return Root{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte("0"), 0o644); err != nil {
		return Root{}, fmt.Errorf("moving to %s: %w: %w", leaf, ErrUnavailable, err)
	}
	return root, nil
}

// At uses dir for the tasks' cgroups and leaves this process where it is.
func At(dir string) (Root, error) {
	if err := os.MkdirAll(filepath.Join(dir, "mesos"), 0o755); err != nil {
		return Root{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return Root{dir: dir}, nil
}

// unified is the path of the line "0::/path".
func unified(procCgroup string) (string, bool) {
	for _, line := range strings.Split(procCgroup, "\n") {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return path, true
		}
	}
	return "", false
}

func mountPoint() (string, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup2"))
	if err != nil {
		return "", fmt.Errorf("looking for cgroup2: %w", err)
	}
	for _, each := range mounts {
		return each.Mountpoint, nil
	}
	return "", ErrUnavailable
}

// Child names the cgroup of a container; it is made by Create.
func (r Root) Child(container string) Child {
	return Child{dir: filepath.Join(r.dir, "mesos", container)}
}

// A Child is the cgroup of one container.
type Child struct{ dir string }

// Existing is a container's cgroup found again after a restart of the agent.
func Existing(dir string) Child { return Child{dir: dir} }

// Dir is the cgroup's directory.
func (c Child) Dir() string { return c.dir }

// Create makes the cgroup and opens its directory for clone3.
func (c Child) Create() (*os.File, error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, fmt.Errorf("making cgroup: %w", err)
	}
	return os.Open(c.dir)
}

// Destroy kills everything in the cgroup and removes it.
func (c Child) Destroy(ctx context.Context) error {
	if _, err := os.Stat(c.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := os.WriteFile(filepath.Join(c.dir, "cgroup.kill"), []byte("1"), 0o644); err != nil {
		return fmt.Errorf("killing cgroup %s: %w", c.dir, err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := removeTree(c.dir)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("removing cgroup %s: %w", c.dir, err)
		case <-tick.C:
		}
	}
}

// removeTree removes a cgroup and those that its processes made below.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(dir)
}

// PIDs lists the processes of the cgroup itself.
func (c Child) PIDs() ([]int, error) {
	data, err := os.ReadFile(filepath.Join(c.dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, line := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(line)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
