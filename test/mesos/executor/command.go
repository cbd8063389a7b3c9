package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"golang.org/x/sys/unix"
)

// defaultGrace is the time from TERM to KILL without a kill policy.
const defaultGrace = 3 * time.Second

// runCommand starts the task's command and waits for its end, which may be
// brought about by a KILL or by its health check.
func (e *Executor) runCommand(ctx context.Context, agentGone <-chan error) (v1.TaskState, string) {
	cmd, err := command(e.task.Command, e.spec)
	if err != nil {
		return v1.TASK_FAILED, err.Error()
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	e.log.Info("starting task", "task", e.task.TaskID.Value)
	if err := cmd.Start(); err != nil {
		e.log.Error("starting the command failed", "err", err)
		return v1.TASK_FAILED, "Command exited with status 1"
	}
	e.log.Info("forked command", "pid", cmd.Process.Pid)
	e.update(v1.TASK_RUNNING, "", nil)

	checking, stop := context.WithCancel(ctx)
	defer stop()
	unhealthy := make(chan struct{}, 1)
	go e.runChecks(checking)
	go e.runHealthChecks(checking, unhealthy)

	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	wait := &waiting{executor: e, pid: cmd.Process.Pid, ended: ended}
	for {
		select {
		case err := <-ended:
			stop()
			return wait.outcome(cmd, err)
		case grace := <-e.kills:
			stop()
			wait.kill(grace, true)
		case <-unhealthy:
			stop()
			wait.kill(0, false)
		case <-agentGone:
			wait.kill(0, false)
		case <-ctx.Done():
			wait.kill(0, false)
			agentGone = nil
			ctx = context.WithoutCancel(ctx)
		case <-wait.over():
			wait.force()
		}
	}
}

// waiting is a command that runs, or is being killed.
type waiting struct {
	executor *Executor
	pid      int
	ended    <-chan error
	killed   bool
	deadline *time.Timer
}

// kill sends TERM to everything in the task's session, and KILL to it when the
// grace period is over. A KILL call may only shorten it.
func (w *waiting) kill(grace time.Duration, byScheduler bool) {
	if w.killed {
		return
	}
	w.killed = true
	policy := w.executor.task.GetKillPolicy().GetGracePeriod()
	period := defaultGrace
	if policy != nil {
		period = time.Duration(policy.Nanoseconds)
	}
	if grace > 0 && grace < period {
		period = grace
	}
	if byScheduler && w.executor.can(v1.FrameworkInfo_Capability_TASK_KILLING_STATE) {
		w.executor.update(v1.TASK_KILLING, "", nil)
	}
	w.signal(unix.SIGTERM)
	w.deadline = time.NewTimer(period)
}

func (w *waiting) over() <-chan time.Time {
	if w.deadline == nil {
		return nil
	}
	return w.deadline.C
}

func (w *waiting) force() { w.signal(unix.SIGKILL) }

func (w *waiting) signal(s unix.Signal) { _ = unix.Kill(-w.pid, s) }

func (w *waiting) outcome(cmd *exec.Cmd, err error) (v1.TaskState, string) {
	if w.deadline != nil {
		w.deadline.Stop()
	}
	state := v1.TASK_FINISHED
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return v1.TASK_FAILED, err.Error()
	}
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	message := fmt.Sprintf("Command exited with status %d", status.ExitStatus())
	if status.Signaled() {
		message = "Command terminated with signal " + signalName(status.Signal())
	}
	switch {
	case w.killed:
		state = v1.TASK_KILLED
	case err != nil:
		state = v1.TASK_FAILED
	}
	return state, message
}

// signalName is what strsignal(3) says: "Terminated", "Killed", "Aborted".
func signalName(s syscall.Signal) string {
	text := s.String()
	return strings.ToUpper(text[:1]) + text[1:]
}

func (e *Executor) can(capability v1.FrameworkInfo_Capability_Type) bool {
	for _, c := range e.framework.Capabilities {
		if c.Type == capability {
			return true
		}
	}
	return false
}

// command builds the process of a CommandInfo: in the sandbox, in a session of
// its own, with the task's environment and nothing of the agent's.
func command(info *v1.CommandInfo, spec Spec) (*exec.Cmd, error) {
	if info == nil {
		return nil, errNoCommand
	}
	cmd := &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", info.GetValue()}, Dir: spec.Sandbox, Env: spec.Environment}
	if info.Shell != nil && !*info.Shell {
		cmd.Path = lookUp(info.GetValue(), spec)
		cmd.Args = info.Arguments
		if len(cmd.Args) == 0 {
			cmd.Args = []string{info.GetValue()}
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if spec.User != "" {
		credential, err := credentialOf(spec.User)
		if err != nil {
			return nil, err
		}
		cmd.SysProcAttr.Credential = credential
	}
	return cmd, nil
}

// lookUp is execvp's search, relative to the sandbox and in the task's PATH.
func lookUp(name string, spec Spec) string {
	if filepath.IsAbs(name) {
		return name
	}
	if strings.Contains(name, "/") {
		return filepath.Join(spec.Sandbox, name)
	}
	for _, variable := range spec.Environment {
		path, ok := strings.CutPrefix(variable, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(path) {
			candidate := filepath.Join(dir, name)
			if info, err := os.Stat(candidate); err == nil && info.Mode()&0o111 != 0 && !info.IsDir() {
				return candidate
			}
		}
	}
	return name
}

func credentialOf(name string) (*syscall.Credential, error) {
	account, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("looking up user %q: %w", name, err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("looking up user %q: %w", name, err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("looking up user %q: %w", name, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
