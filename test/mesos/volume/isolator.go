package volume

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
)

// Mesos' own limits for dvdcli.
const (
	mountTimeout   = 120 * time.Second
	unmountTimeout = 10 * time.Minute
)

// ErrNoDvdcli is why a Mesos agent with the docker/volume isolator doesn't start.
var ErrNoDvdcli = errors.New("cannot get dvdcli command")

// A Volume is one that a container asks for.
type Volume struct {
	Driver  string   `json:"driver"`
	Name    string   `json:"name"`
	Options []string `json:"-"` // k=v
}

func (v Volume) key() string { return v.Driver + "/" + v.Name }

// An Isolator mounts volumes for containers and remembers on disk which, so
// that it can unmount them after a restart.
type Isolator struct {
	dvdcli string
	dir    string // checkpoint_dir
	log    *slog.Logger

	mu         sync.Mutex
	containers map[string][]Volume
}

// New finds dvdcli in PATH and reads the checkpoints.
func New(checkpointDir string, log *slog.Logger) (*Isolator, error) {
	path, err := exec.LookPath("dvdcli")
	if err != nil {
		return nil, fmt.Errorf("creating the docker/volume isolator: %w: %w", ErrNoDvdcli, err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("creating the docker/volume isolator: %w", err)
	}
	if err := os.MkdirAll(checkpointDir, 0o755); err != nil {
		return nil, fmt.Errorf("creating the docker/volume isolator: %w", err)
	}
	i := &Isolator{dvdcli: path, dir: checkpointDir, log: log, containers: map[string][]Volume{}}
	return i, i.read()
}

// The checkpoint: <checkpoint_dir>/<container id>/volumes.
type checkpoint struct {
	Volumes []Volume `json:"volumes"`
}

func (i *Isolator) read() error {
	entries, err := os.ReadDir(i.dir)
	if err != nil {
		return fmt.Errorf("reading checkpointed volumes: %w", err)
	}
	for _, e := range entries {
		path := i.path(e.Name())
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading checkpointed volumes: %w", err)
		}
		var c checkpoint
		if err := json.Unmarshal(data, &c); err != nil {
			return fmt.Errorf("reading checkpointed volumes %s: %w", path, err)
		}
		i.containers[e.Name()] = c.Volumes
	}
	return nil
}

func (i *Isolator) path(container string) string { return filepath.Join(i.dir, container, "volumes") }

// Recover unmounts what belongs to containers that are no more.
func (i *Isolator) Recover(ctx context.Context, alive map[string]bool) {
	i.mu.Lock()
	var orphans []string
	for id := range i.containers {
		if !alive[id] {
			orphans = append(orphans, id)
		}
	}
	i.mu.Unlock()
	for _, id := range orphans {
		if err := i.Cleanup(ctx, id); err != nil {
			i.log.Warn("unmounting volumes of a container that is gone", "container", id, "err", err)
		}
	}
}

// Prepare mounts a container's volumes and returns their mount points. What it
// is about to mount is on disk before.
func (i *Isolator) Prepare(ctx context.Context, container string, volumes []Volume) ([]string, error) {
	seen := map[string]bool{}
	for _, v := range volumes {
		if seen[v.key()] {
			return nil, fmt.Errorf("mounting volume %s: duplicate volume in one container", v.Name)
		}
		seen[v.key()] = true
	}
	if err := i.remember(container, volumes); err != nil {
		return nil, err
	}
	var points []string
	for _, v := range volumes {
		point, err := i.mount(ctx, v)
		if err != nil {
			return nil, err
		}
		points = append(points, point)
	}
	return points, nil
}

func (i *Isolator) remember(container string, volumes []Volume) error {
	data, err := json.Marshal(checkpoint{volumes})
	if err != nil {
		return fmt.Errorf("checkpointing volumes: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(i.path(container)), 0o755); err != nil {
		return fmt.Errorf("checkpointing volumes: %w", err)
	}
	if err := renameio.WriteFile(i.path(container), data, 0o600); err != nil {
		return fmt.Errorf("checkpointing volumes: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.containers[container] = volumes
	return nil
}

func (i *Isolator) mount(ctx context.Context, v Volume) (string, error) {
	args := []string{"mount", "--volumedriver=" + v.Driver, "--volumename=" + v.Name}
	for _, option := range v.Options {
		args = append(args, "--volumeopts="+option)
	}
	out, err := i.run(ctx, mountTimeout, args)
	if err != nil {
		return "", fmt.Errorf("mounting volume %s of %s: %w", v.Name, v.Driver, err)
	}
	point := strings.TrimSpace(out)
	if !filepath.IsAbs(point) {
		return "", fmt.Errorf("mounting volume %s of %s: dvdcli printed no mount point but %q", v.Name, v.Driver, out)
	}
	return point, nil
}

// Cleanup unmounts a container's volumes unless another container uses them.
func (i *Isolator) Cleanup(ctx context.Context, container string) error {
	i.mu.Lock()
	volumes, known := i.containers[container]
	used := map[string]bool{}
	for id, others := range i.containers {
		if id == container {
			continue
		}
		for _, v := range others {
			used[v.key()] = true
		}
	}
	i.mu.Unlock()
	if !known {
		return nil
	}
	var failed error
	for _, v := range volumes {
		if used[v.key()] {
			continue
		}
		if _, err := i.run(ctx, unmountTimeout, []string{"unmount", "--volumedriver=" + v.Driver, "--volumename=" + v.Name}); err != nil {
			failed = errors.Join(failed, fmt.Errorf("unmounting volume %s of %s: %w", v.Name, v.Driver, err))
		}
	}
	if failed != nil {
		return failed // the checkpoint stays, so that a restart tries again
	}
	i.mu.Lock()
	delete(i.containers, container)
	i.mu.Unlock()
	return os.RemoveAll(filepath.Dir(i.path(container)))
}

func (i *Isolator) run(ctx context.Context, timeout time.Duration, args []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, i.dvdcli, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	i.log.Info("running dvdcli", "args", args)
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("running dvdcli %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}
