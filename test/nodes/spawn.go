package nodes

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Spawn runs a process on the bridge's side of the network until Close or
// StopProcess. It outlives the caller; what it prints is in log/NAME.log.
func (c *Cluster) Spawn(name, dir string, env []string, argv ...string) (Process, error) {
	cmd := command(context.Background(), c.network().inside(argv...)...)
	cmd.Env = append(cmd.Env, env...)
	cmd.Dir = dir
	return c.start(name, cmd)
}

// start runs cmd in a session of its own and remembers it.
func (c *Cluster) start(name string, cmd *exec.Cmd) (Process, error) {
	logFile, err := os.OpenFile(c.Path("log", name+".log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return Process{}, fmt.Errorf("starting %s: %w", name, err)
	}
	defer logFile.Close()
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return Process{}, fmt.Errorf("starting %s: %w", name, err)
	}
	process, err := processOf(cmd.Process.Pid)
	// The caller stays free of zombies; a process that outlives it is init's.
	go func() { _ = cmd.Wait() }()
	if err != nil {
		return process, fmt.Errorf("starting %s: %w", name, err)
	}
	c.mu.Lock()
	c.state.Processes[name] = process
	c.mu.Unlock()
	return process, c.save()
}

// Process finds one that was started.
func (c *Cluster) Process(name string) Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Processes[name]
}

// StopProcess ends one with SIGTERM, after 10 seconds with SIGKILL.
func (c *Cluster) StopProcess(ctx context.Context, name string) error {
	p := c.Process(name)
	polite, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if p.signal(syscall.SIGTERM) == nil && p.wait(polite) == nil {
		return nil
	}
	return c.KillProcess(ctx, name)
}

// KillProcess ends one with SIGKILL.
func (c *Cluster) KillProcess(ctx context.Context, name string) error {
	p := c.Process(name)
	if err := p.signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("ending %s: %w", name, err)
	}
	return p.wait(ctx)
}
