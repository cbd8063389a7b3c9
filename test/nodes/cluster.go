package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/renameio/v2"
)

// StateDir holds one directory per cluster.
const StateDir = "/var/lib/scaleio-framework"

// Cluster is a network and the machines and processes on it.
type Cluster struct {
	Name string

	log   *slog.Logger
	mu    sync.Mutex
	state state
}

// state is what another process needs to take the cluster down.
type state struct {
	Roots     map[Kind]string    `json:"roots"`
	Nodes     []*Node            `json:"nodes"`
	Processes map[string]Process `json:"processes"`
}

// Create makes an empty cluster for nodes of the roots' kinds. One that has this
// name already must be closed first.
func Create(ctx context.Context, name string, roots []Root, log *slog.Logger) (*Cluster, error) {
	c := &Cluster{Name: name, log: log, state: state{Roots: map[Kind]string{}, Processes: map[string]Process{}}}
	for _, root := range roots {
		c.state.Roots[root.Kind] = root.Dir
	}
	if err := os.MkdirAll(filepath.Dir(c.Dir()), 0o755); err != nil {
		return nil, fmt.Errorf("making the cluster %s: %w", name, err)
	}
	if err := os.Mkdir(c.Dir(), 0o700); err != nil {
		return nil, fmt.Errorf("making the cluster %s: %w", name, err)
	}
	if err := os.Mkdir(c.Path("log"), 0o700); err != nil {
		return nil, fmt.Errorf("making the cluster %s: %w", name, err)
	}
	if err := c.save(); err != nil {
		return nil, err
	}
	return c, c.network().create(ctx)
}

// Load finds a cluster that some process made; fs.ErrNotExist if there is none.
func Load(name string, log *slog.Logger) (*Cluster, error) {
	c := &Cluster{Name: name, log: log}
	data, err := os.ReadFile(c.Path("cluster.json"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, dirErr := os.Stat(c.Dir()); dirErr == nil {
			return c, nil // Create was cut short
		}
	}
	if err != nil {
		return nil, fmt.Errorf("loading the cluster %s: %w", name, err)
	}
	if err := json.Unmarshal(data, &c.state); err != nil {
		return nil, fmt.Errorf("loading the cluster %s: %w", name, err)
	}
	for _, node := range c.state.Nodes {
		node.cluster = c
	}
	return c, nil
}

// Dir is where everything of the cluster is.
func (c *Cluster) Dir() string { return filepath.Join(StateDir, c.Name) }

// Path is a path in it.
func (c *Cluster) Path(elem ...string) string {
	return filepath.Join(append([]string{c.Dir()}, elem...)...)
}

func (c *Cluster) network() network { return network{namespace: "scaleio-" + c.Name} }

func (c *Cluster) cgroup() cgroup { return cgroup("scaleio-" + c.Name) }

// save must follow every change of state, before what it describes is used.
func (c *Cluster) save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	data, err := json.MarshalIndent(&c.state, "", "  ")
	if err == nil {
		err = renameio.WriteFile(c.Path("cluster.json"), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("saving the cluster %s: %w", c.Name, err)
	}
	return nil
}

// Nodes are the cluster's machines, running or not.
func (c *Cluster) Nodes() []*Node { return c.state.Nodes }

// Node finds one by its name.
func (c *Cluster) Node(name string) *Node {
	for _, node := range c.state.Nodes {
		if node.Name == name {
			return node
		}
	}
	return nil
}

// Close takes everything down and leaves nothing behind. It may be called for a
// cluster that is half made, or by another process than the one that made it.
func (c *Cluster) Close(ctx context.Context) error {
	var errs []error
	var wait sync.WaitGroup
	failed := make([]error, len(c.state.Nodes))
	for i, node := range c.state.Nodes {
		wait.Go(func() { failed[i] = node.Kill(ctx) })
	}
	wait.Wait()
	errs = append(errs, failed...)
	for name := range c.state.Processes {
		errs = append(errs, c.StopProcess(ctx, name))
	}
	errs = append(errs, c.cgroup().destroy(ctx))
	for _, node := range c.state.Nodes {
		for _, disk := range node.Disks {
			errs = append(errs, disk.detach(ctx))
		}
	}
	errs = append(errs, c.detachVolumes(ctx), c.network().destroy(ctx))
	propagate, _ := filepath.Glob("/run/systemd/nspawn/*/" + c.Name + "-n*") // systemd-nspawn leaves these
	for _, dir := range propagate {
		errs = append(errs, os.RemoveAll(dir))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("taking the cluster %s down: %w", c.Name, err)
	}
	if err := os.RemoveAll(c.Dir()); err != nil {
		return fmt.Errorf("taking the cluster %s down: %w", c.Name, err)
	}
	_ = os.Remove(StateDir) // only the last cluster's Close succeeds
	return nil
}
