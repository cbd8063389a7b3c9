package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"scaleio-framework/test/mesos/cgroup"
	"scaleio-framework/test/mesos/delivery"
	"scaleio-framework/test/mesos/resource"
	"scaleio-framework/test/mesos/volume"
)

// Config is what an agent needs besides its flags.
type Config struct {
	Flags Flags
	// Executor is the command that runs an executor; the path of its spec is
	// appended: {"/proc/self/exe", "executor"}.
	Executor []string
	// Cgroup is the agent's own cgroup, from cgroup.Own.
	Cgroup cgroup.Root
	// UpdateRetry is the first pause before an unacknowledged update is sent
	// again; 0 = 10 s.
	UpdateRetry time.Duration
	// RegisterPause is between two attempts to register; 0 = 1 s.
	RegisterPause time.Duration
	Log           *slog.Logger
}

// An Agent is one dev agent. New reads what a former one has left; Run works.
type Agent struct {
	cfg     Config
	flags   Flags
	meta    meta
	started time.Time
	updates *delivery.Queue
	volumes *volume.Isolator // nil without the isolator
	socket  string           // where executors find the agent

	mu         sync.Mutex
	identity   identity
	containers map[taskKey]*container
	stopped    bool // containers belong to the next agent with this work_dir
	waiters    sync.WaitGroup
}

type taskKey struct{ framework, task string }

// New prepares an agent: it refuses flags that a Mesos agent refuses, and a
// work_dir of an agent with other attributes or resources.
func New(cfg Config) (*Agent, error) {
	flags := cfg.Flags
	if cfg.RegisterPause <= 0 {
		cfg.RegisterPause = time.Second
	}
	if _, err := resource.Parse(flags["resources"]); err != nil {
		return nil, err
	}
	if _, err := resource.Attributes(flags["attributes"]); err != nil {
		return nil, err
	}
	a := &Agent{
		cfg: cfg, flags: flags, meta: metaOf(flags["work_dir"]), started: time.Now(),
		socket:     filepath.Join(flags["runtime_dir"], "executors.sock"),
		identity:   identity{Hostname: flags["hostname"], Attributes: flags["attributes"], Resources: flags["resources"]},
		containers: map[taskKey]*container{},
	}
	a.updates = delivery.NewQueue(cfg.UpdateRetry, a.sendUpdate)
	for _, dir := range []string{flags["work_dir"], flags["runtime_dir"]} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("preparing the agent's directories: %w", err)
		}
	}
	if err := a.recoverIdentity(); err != nil {
		return nil, err
	}
	if flags.isolates("docker/volume") {
		isolator, err := volume.New(flags["docker_volume_checkpoint_dir"], cfg.Log)
		if err != nil {
			return nil, err
		}
		a.volumes = isolator
	}
	return a, nil
}

// errChanged carries Mesos' advice (recording 14b).
func errChanged(latest string) error {
	return fmt.Errorf(`failed to perform recovery: incompatible agent info detected
------------------------------------------------------------
If recovery failed due to a change in configuration and you want to
keep the current agent id, you might want to change the
`+"`--reconfiguration_policy`"+` flag to a more permissive value.

To restart this agent with a new agent id instead, do as follows:
rm -f %s
This ensures that the agent does not recover old live executors`, latest)
}

func (a *Agent) recoverIdentity() error {
	before, err := a.meta.readIdentity()
	if err != nil || before == nil {
		return err
	}
	now := a.identity
	now.ID = before.ID
	if now != *before {
		return errChanged(a.meta.latest())
	}
	a.identity = now
	return nil
}

// Run works until ctx ends. Tasks of checkpointing frameworks go on after it.
func (a *Agent) Run(ctx context.Context) error {
	executors, err := a.listenForExecutors()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	server := &http.Server{
		Addr: ":" + a.flags["port"], Handler: a.Handler(), ReadHeaderTimeout: 10 * time.Second,
	}
	group.Go(func() error {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("listening on port %s: %w", a.flags["port"], err)
		}
		return nil
	})
	group.Go(func() error { return a.serveExecutors(executors) })
	group.Go(func() error {
		if err := a.recover(ctx); err != nil {
			return err
		}
		return a.stayRegistered(ctx)
	})
	group.Go(func() error {
		<-ctx.Done()
		a.leaveExecutors(executors)
		return server.Close()
	})
	err = group.Wait()
	a.updates.Close()
	return err
}

// leaveExecutors hangs up on the executors, which then look for the next agent.
func (a *Agent) leaveExecutors(listener net.Listener) {
	a.mu.Lock()
	a.stopped = true
	a.mu.Unlock()
	_ = listener.Close()
	for _, c := range a.all() {
		c.mu.Lock()
		if c.conn != nil {
			_ = c.conn.Close()
		}
		c.mu.Unlock()
	}
}

func (a *Agent) isStopped() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stopped
}

func (a *Agent) id() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.identity.ID
}

func (a *Agent) port() int {
	port, err := strconv.Atoi(a.flags["port"])
	if err != nil {
		return 5051
	}
	return port
}

func (a *Agent) find(framework, task string) *container {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.containers[taskKey{framework, task}]
}

func (a *Agent) findContainer(id string) *container {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.containers {
		if c.run.ContainerID == id {
			return c
		}
	}
	return nil
}

func (a *Agent) all() []*container {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]*container, 0, len(a.containers))
	for _, c := range a.containers {
		list = append(list, c)
	}
	return list
}
