package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

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
	Root      string             `json:"root"`
	Nodes     []*Node            `json:"nodes"`
	Processes map[string]Process `json:"processes"`
}

// Create makes an empty cluster. One that has this name already must be closed
// first.
func Create(ctx context.Context, name string, root Root, log *slog.Logger) (*Cluster, error) {
	c := &Cluster{Name: name, log: log, state: state{Root: root.Dir, Processes: map[string]Process{}}}
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

// Spawn runs a process on the bridge's side of the network until Close or
// StopProcess. It outlives the caller; what it prints is in log/NAME.log.
func (c *Cluster) Spawn(name string, env []string, argv ...string) (Process, error) {
	return c.start(name, env, c.network().inside(argv...)...)
}

// SpawnOnHost is Spawn with the host's network.
func (c *Cluster) SpawnOnHost(name string, env []string, argv ...string) (Process, error) {
	return c.start(name, env, argv...)
}

func (c *Cluster) start(name string, env []string, argv ...string) (Process, error) {
	logFile, err := os.OpenFile(c.Path("log", name+".log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return Process{}, fmt.Errorf("starting %s: %w", name, err)
	}
	defer logFile.Close()
	cmd := command(context.Background(), argv...)
	cmd.Env = append(cmd.Env, env...)
	cmd.Dir = c.Dir()
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return Process{}, fmt.Errorf("starting %s: %w", name, err)
	}
	process, err := processOf(cmd.Process.Pid)
	go reap(cmd)
	if err != nil {
		return process, fmt.Errorf("starting %s: %w", name, err)
	}
	c.mu.Lock()
	c.state.Processes[name] = process
	c.mu.Unlock()
	return process, c.save()
}

// reap keeps the caller free of zombies; a process that outlives it is init's.
func reap(cmd *exec.Cmd) { _ = cmd.Wait() }

// Process finds one that Spawn started.
func (c *Cluster) Process(name string) Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Processes[name]
}

// StopProcess ends one with SIGTERM, after 10 seconds with SIGKILL.
func (c *Cluster) StopProcess(ctx context.Context, name string) error {
	return endProcess(ctx, c.Process(name), 10*time.Second)
}

// KillProcess ends one with SIGKILL.
func (c *Cluster) KillProcess(ctx context.Context, name string) error {
	return endProcess(ctx, c.Process(name), 0)
}

func endProcess(ctx context.Context, p Process, patience time.Duration) error {
	if patience > 0 {
		polite, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if p.signal(syscall.SIGTERM) == nil && p.wait(polite) == nil {
			return nil
		}
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	return p.wait(ctx)
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
	errs = append(errs, c.network().destroy(ctx))
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
