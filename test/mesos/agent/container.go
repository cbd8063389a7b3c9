package agent

//lint:file-ignore ST1005 the words are Mesos' own

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/google/uuid"
	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"scaleio-framework/test/mesos/cgroup"
	"scaleio-framework/test/mesos/executor"
)

// A container is one task with its executor.
type container struct {
	run       run
	dir       string // checkpoints
	task      v1.TaskInfo
	framework v1.FrameworkInfo
	cancel    context.CancelFunc // of the launch

	mu         sync.Mutex
	conn       *executor.Conn
	statuses   []v1.TaskStatus
	killed     bool // before there was an executor to tell
	discarded  bool // the framework is gone: nothing more to report
	ended      bool // the executor is gone and cleaned up
	subscribed chan struct{}
	gone       chan struct{} // closed when ended
}

func newContainer(r run, dir string) (*container, error) {
	c := &container{run: r, dir: dir, subscribed: make(chan struct{}), gone: make(chan struct{}), cancel: func() {}}
	if err := proto.Unmarshal(r.Task, &c.task); err != nil {
		return nil, fmt.Errorf("reading task %s: %w", r.TaskID, err)
	}
	if err := proto.Unmarshal(r.Framework, &c.framework); err != nil {
		return nil, fmt.Errorf("reading the framework of task %s: %w", r.TaskID, err)
	}
	return c, nil
}

func (c *container) key() taskKey { return taskKey{c.run.FrameworkID, c.run.TaskID} }

func (c *container) cgroup() cgroup.Child { return cgroup.Existing(c.run.Cgroup) }

func (c *container) state() v1.TaskState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.statuses); n > 0 {
		return c.statuses[n-1].GetState()
	}
	return v1.TASK_STAGING
}

func (c *container) terminal() bool { return terminal(c.state()) }

func terminal(state v1.TaskState) bool {
	switch state {
	case v1.TASK_FINISHED, v1.TASK_FAILED, v1.TASK_KILLED, v1.TASK_ERROR, v1.TASK_LOST, v1.TASK_GONE, v1.TASK_DROPPED:
		return true
	default:
		return false
	}
}

// launch takes a task from the master and starts it in the background.
func (a *Agent) launch(ctx context.Context, framework, task []byte) error {
	var info v1.TaskInfo
	if err := proto.Unmarshal(task, &info); err != nil {
		return fmt.Errorf("reading a task to launch: %w", err)
	}
	var owner v1.FrameworkInfo
	if err := proto.Unmarshal(framework, &owner); err != nil {
		return fmt.Errorf("reading the framework of task %s: %w", info.TaskID.Value, err)
	}
	r := run{
		FrameworkID: owner.ID.GetValue(), TaskID: info.TaskID.Value, ContainerID: uuid.NewString(),
		Framework: framework, Task: task,
	}
	for _, each := range info.Resources {
		if role := each.GetAllocationInfo().GetRole(); role != "" {
			r.Role = role
		}
	}
	id := a.id()
	r.Sandbox = sandbox(a.flags["work_dir"], id, r)
	r.Cgroup = a.cfg.Cgroup.Child(r.ContainerID).Dir()
	c, err := newContainer(r, a.meta.runDir(id, r.FrameworkID, r.TaskID, r.ContainerID))
	if err != nil {
		return err
	}
	launching, cancel := context.WithCancel(ctx)
	c.cancel = cancel
	a.mu.Lock()
	if a.containers[c.key()] != nil {
		a.mu.Unlock()
		cancel()
		return nil // sent twice
	}
	a.containers[c.key()] = c
	a.mu.Unlock()
	a.waiters.Go(func() {
		defer cancel()
		a.start(launching, c)
	})
	return nil
}

// sandbox is where Mesos puts it.
func sandbox(workDir, agent string, r run) string {
	return filepath.Join(workDir, "slaves", agent, "frameworks", r.FrameworkID, "executors", r.TaskID, "runs", r.ContainerID)
}

// start prepares and starts the executor; what goes wrong is TASK_FAILED.
func (a *Agent) start(ctx context.Context, c *container) {
	err := a.prepareAndFork(ctx, c)
	c.mu.Lock()
	killed := c.killed
	c.mu.Unlock()
	switch {
	case err == nil:
		return
	case killed:
		a.report(c, v1.TASK_KILLED, v1.REASON_TASK_KILLED_DURING_LAUNCH, "Killed before delivery to the executor")
	default:
		a.cfg.Log.Warn("launching failed", "task", c.run.TaskID, "err", err)
		a.report(c, v1.TASK_FAILED, v1.REASON_CONTAINER_LAUNCH_FAILED, "Failed to launch container: "+err.Error())
	}
	a.cleanUp(c)
}

func (a *Agent) prepareAndFork(ctx context.Context, c *container) error {
	if err := writeRun(c.dir, c.run); err != nil {
		return err
	}
	if c.task.Command == nil {
		return fmt.Errorf("the dev agent runs command tasks only")
	}
	if err := a.makeSandbox(c); err != nil {
		return err
	}
	if err := fetch(ctx, c); err != nil {
		return err
	}
	mounts, err := a.prepareVolumes(ctx, c)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return a.fork(c, mounts)
}

func (a *Agent) makeSandbox(c *container) error {
	if err := os.MkdirAll(filepath.Dir(c.run.Sandbox), 0o755); err != nil { // a task of another user goes through there
		return fmt.Errorf("making the sandbox: %w", err)
	}
	if err := os.Mkdir(c.run.Sandbox, 0o750); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("making the sandbox: %w", err)
	}
	latest := filepath.Join(filepath.Dir(c.run.Sandbox), "latest")
	_ = os.Remove(latest)
	if err := os.Symlink(c.run.Sandbox, latest); err != nil {
		return fmt.Errorf("linking the latest sandbox: %w", err)
	}
	for _, name := range []string{"stdout", "stderr"} {
		path := filepath.Join(c.run.Sandbox, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			return fmt.Errorf("making the sandbox: %w", err)
		}
		if err := chown(path, c.user()); err != nil {
			return fmt.Errorf("Failed to chown '%s' to user '%s' : %w", path, c.user(), err)
		}
	}
	if err := chown(c.run.Sandbox, c.user()); err != nil {
		return fmt.Errorf("Failed to chown '%s' to user '%s' : %w", c.run.Sandbox, c.user(), err)
	}
	return nil
}

// user is who runs the task: the command's user, else the framework's.
func (c *container) user() string {
	if u := c.task.GetCommand().GetUser(); u != "" {
		return u
	}
	return c.framework.User
}

// report makes the agent's own status update about a task.
func (a *Agent) report(c *container, state v1.TaskState, reason v1.TaskStatus_Reason, message string) {
	id := uuid.New()
	now := float64(time.Now().UnixMicro()) / 1e6
	executorID, agentID := v1.ExecutorID{Value: c.run.TaskID}, v1.AgentID{Value: a.id()}
	a.take(c, v1.TaskStatus{
		TaskID: c.task.TaskID, State: &state, Message: &message, Source: v1.SOURCE_AGENT.Enum(), Reason: &reason,
		AgentID: &agentID, ExecutorID: &executorID, Timestamp: &now, UUID: id[:],
	})
}

// take stores an update and passes it on. The same one twice (an executor that
// subscribes again) counts once.
func (a *Agent) take(c *container, status v1.TaskStatus) {
	if a.isStopped() {
		return
	}
	c.mu.Lock()
	for _, known := range c.statuses {
		if string(known.UUID) == string(status.UUID) {
			c.mu.Unlock()
			return
		}
	}
	if n := len(c.statuses); c.discarded || (n > 0 && terminal(c.statuses[n-1].GetState())) {
		c.mu.Unlock()
		return
	}
	if err := logUpdate(c.dir, status); err != nil {
		a.cfg.Log.Error("checkpointing failed", "task", c.run.TaskID, "err", err)
	}
	c.statuses = append(c.statuses, status)
	c.mu.Unlock()
	a.cfg.Log.Info("status update", "task", c.run.TaskID, "state", status.GetState().String())
	a.updates.Add(c.run.FrameworkID, status)
}

// executorEnded runs once the executor's process is gone.
func (a *Agent) executorEnded(c *container) {
	if a.isStopped() {
		return
	}
	if !c.terminal() {
		a.report(c, v1.TASK_FAILED, v1.REASON_EXECUTOR_TERMINATED, "Executor terminated")
	}
	a.cleanUp(c)
}

// cleanUp ends what is left of a container: processes, mounts, cgroup. Its
// record stays until the scheduler has acknowledged the last update.
func (a *Agent) cleanUp(c *container) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.cgroup().Destroy(ctx); err != nil {
		a.cfg.Log.Error("destroying the container failed", "container", c.run.ContainerID, "err", err)
	}
	if a.volumes != nil {
		if err := a.volumes.Cleanup(context.Background(), c.run.ContainerID); err != nil {
			a.cfg.Log.Error("unmounting failed", "container", c.run.ContainerID, "err", err)
		}
	}
	c.mu.Lock()
	c.ended = true
	close(c.gone)
	c.mu.Unlock()
	a.forgetIfDone(c)
}

// forgetIfDone drops a container whose end is acknowledged or concerns nobody.
func (a *Agent) forgetIfDone(c *container) {
	c.mu.Lock()
	done := c.ended && (c.discarded || len(a.updates.Unacknowledged(c.run.FrameworkID, c.run.TaskID)) == 0)
	c.mu.Unlock()
	if !done {
		return
	}
	a.mu.Lock()
	if a.containers[c.key()] == c {
		delete(a.containers, c.key())
	}
	a.mu.Unlock()
	if err := os.RemoveAll(c.dir); err != nil {
		a.cfg.Log.Warn("removing a checkpoint failed", "dir", c.dir, "err", err)
	}
}
