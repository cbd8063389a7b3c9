package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/gogo/protobuf/proto"
	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"scaleio-framework/test/mesos/executor"
)

// reregistration is how long a restarted agent waits for an executor that
// lives (Mesos: --executor_reregistration_timeout=2secs).
const reregistration = 2 * time.Second

func (a *Agent) listenForExecutors() (net.Listener, error) {
	if err := os.Remove(a.socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("listening for executors: %w", err)
	}
	listener, err := net.Listen("unix", a.socket)
	if err != nil {
		return nil, fmt.Errorf("listening for executors: %w", err)
	}
	return listener, os.Chmod(a.socket, 0o600)
}

// serveExecutors ends when the listener is closed.
func (a *Agent) serveExecutors(listener net.Listener) error {
	for {
		raw, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting an executor: %w", err)
		}
		go a.serveExecutor(executor.NewConn(raw))
	}
}

func (a *Agent) serveExecutor(conn *executor.Conn) {
	defer func() { _ = conn.Close() }()
	m, err := conn.Receive()
	if err != nil || m.Kind != executor.Subscribe {
		return
	}
	c := a.findContainer(m.ContainerID)
	if c == nil {
		return // of a framework that is gone; its cgroup is being destroyed
	}
	c.mu.Lock()
	c.conn = conn
	select {
	case <-c.subscribed:
	default:
		close(c.subscribed)
	}
	killed := c.killed
	c.mu.Unlock()
	if killed {
		a.report(c, v1.TASK_KILLED, v1.REASON_TASK_KILLED_DURING_LAUNCH, "Killed before delivery to the executor")
		_ = unix.Kill(m.PID, unix.SIGKILL)
		return
	}
	if conn.Send(executor.Message{Kind: executor.Subscribed}) != nil {
		return
	}
	for {
		m, err := conn.Receive()
		if err != nil {
			return
		}
		if m.Kind == executor.Update {
			a.executorUpdate(c, conn, m)
		}
	}
}

// executorUpdate completes an update by what only the agent knows, stores it
// and confirms it.
func (a *Agent) executorUpdate(c *container, conn *executor.Conn, m executor.Message) {
	var status v1.TaskStatus
	if err := proto.Unmarshal(m.Status, &status); err != nil {
		a.cfg.Log.Error("reading an executor's update failed", "task", c.run.TaskID, "err", err)
		return
	}
	ip, pid := a.flags["ip"], uint32(c.run.PID)
	status.AgentID = &v1.AgentID{Value: a.id()}
	status.ContainerStatus = &v1.ContainerStatus{
		ContainerID:  &v1.ContainerID{Value: c.run.ContainerID},
		NetworkInfos: []v1.NetworkInfo{{IPAddresses: []v1.NetworkInfo_IPAddress{{Protocol: v1.IPv4.Enum(), IPAddress: &ip}}}},
		ExecutorPID:  &pid,
	}
	a.take(c, status)
	_ = conn.Send(executor.Message{Kind: executor.Received, UUID: status.UUID})
}

// kill ends a task: by its executor, or before there is one.
func (a *Agent) kill(framework, task string, policy []byte) {
	c := a.find(framework, task)
	if c == nil {
		return
	}
	var grace time.Duration
	var p v1.KillPolicy
	if policy != nil && proto.Unmarshal(policy, &p) == nil && p.GracePeriod != nil {
		grace = time.Duration(p.GracePeriod.Nanoseconds)
	}
	c.mu.Lock()
	conn := c.conn
	if conn == nil {
		c.killed = true
	}
	c.mu.Unlock()
	if conn == nil {
		c.cancel()
		return
	}
	if err := conn.Send(executor.Message{Kind: executor.Kill, Grace: grace}); err != nil {
		a.cfg.Log.Warn("telling the executor to kill failed", "task", task, "err", err)
	}
}

// shutdownFramework ends all tasks of a framework without a word to it.
func (a *Agent) shutdownFramework(framework string) {
	for _, c := range a.all() {
		if c.run.FrameworkID != framework {
			continue
		}
		c.mu.Lock()
		c.discarded = true
		ended, conn := c.ended, c.conn
		c.mu.Unlock()
		if ended {
			a.forgetIfDone(c)
			continue
		}
		a.waiters.Go(func() { a.endContainer(c, conn) })
	}
	a.updates.Forget(framework)
}

// shutdownGrace is Mesos' --executor_shutdown_grace_period.
const shutdownGrace = 5 * time.Second

func (a *Agent) endContainer(c *container, conn *executor.Conn) {
	c.cancel()
	if conn != nil && conn.Send(executor.Message{Kind: executor.Kill}) == nil {
		timer := time.NewTimer(shutdownGrace)
		defer timer.Stop()
		select {
		case <-c.gone:
			return
		case <-timer.C:
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.cgroup().Destroy(ctx); err != nil {
		a.cfg.Log.Error("destroying the container failed", "container", c.run.ContainerID, "err", err)
	}
}

// recover finds the tasks of a former agent with this work_dir: those that
// still run are taken over, the others reported. After a boot there are none.
func (a *Agent) recover(ctx context.Context) error {
	rebooted, err := a.meta.rebooted()
	if err != nil {
		return err
	}
	runs, err := a.meta.runs(a.id())
	if err != nil {
		return err
	}
	var group errgroup.Group
	alive := map[string]bool{}
	for dir, r := range runs {
		c, err := newContainer(r, dir)
		if err != nil {
			return err
		}
		if rebooted || !c.framework.GetCheckpoint() {
			a.discard(ctx, c)
			continue
		}
		alive[r.ContainerID] = true
		if err := a.recoverUpdates(c); err != nil {
			return err
		}
		group.Go(func() error { return a.recoverExecutor(ctx, c) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if a.volumes != nil {
		a.volumes.Recover(ctx, alive)
	}
	return nil
}

// discard ends a container that nobody waits for: its framework doesn't
// checkpoint, or the machine has booted since.
func (a *Agent) discard(ctx context.Context, c *container) {
	if err := c.cgroup().Destroy(ctx); err != nil {
		a.cfg.Log.Warn("destroying an old container failed", "container", c.run.ContainerID, "err", err)
	}
	if err := os.RemoveAll(c.dir); err != nil {
		a.cfg.Log.Warn("removing a checkpoint failed", "dir", c.dir, "err", err)
	}
}

func (a *Agent) recoverUpdates(c *container) error {
	statuses, acked, err := readUpdates(c.dir)
	if err != nil {
		return err
	}
	c.statuses = statuses
	a.mu.Lock()
	a.containers[c.key()] = c
	a.mu.Unlock()
	for _, status := range statuses {
		if !acked[string(status.UUID)] {
			a.updates.Add(c.run.FrameworkID, status)
		}
	}
	return nil
}

// recoverExecutor waits for the executor to find the agent again. One that is
// dead has terminated; one that lives and keeps silent is ended.
func (a *Agent) recoverExecutor(ctx context.Context, c *container) error {
	timer, tick := time.NewTimer(reregistration), time.NewTicker(50*time.Millisecond)
	defer timer.Stop()
	defer tick.Stop()
	for {
		select {
		case <-c.subscribed:
			a.cfg.Log.Info("executor re-registered", "task", c.run.TaskID)
			a.waiters.Go(func() { a.watch(ctx, c) })
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if !a.executorLives(c) {
				a.executorEnded(c)
				return nil
			}
		case <-timer.C:
			a.report(c, v1.TASK_LOST, v1.REASON_EXECUTOR_REREGISTRATION_TIMEOUT, "Executor did not reregister within 2secs")
			a.cleanUp(c)
			return nil
		}
	}
}

// executorLives asks the container's cgroup, which no other process can be in.
func (a *Agent) executorLives(c *container) bool {
	pids, err := c.cgroup().PIDs()
	if err != nil {
		return false
	}
	for _, pid := range pids {
		if pid == c.run.PID {
			return true
		}
	}
	return false
}

// watch waits for the end of an executor that isn't this process' child.
func (a *Agent) watch(ctx context.Context, c *container) {
	fd, err := unix.PidfdOpen(c.run.PID, 0)
	if err == nil {
		process := os.NewFile(uintptr(fd), "pidfd")
		defer func() { _ = process.Close() }()
		for ctx.Err() == nil {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 500)
			if n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
				break
			}
		}
	}
	if ctx.Err() == nil {
		a.executorEnded(c)
	}
}
