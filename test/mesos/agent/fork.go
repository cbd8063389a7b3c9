package agent

//lint:file-ignore ST1005 the words are Mesos' own

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/google/renameio/v2"
	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"golang.org/x/sys/unix"

	"scaleio-framework/test/mesos/executor"
	"scaleio-framework/test/mesos/volume"
)

// defaultPath is what Mesos gives tasks (stout's os.hpp).
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// fork starts the executor straight into the container's cgroup and a mount
// namespace of its own.
func (a *Agent) fork(c *container, mounts []executor.Mount) error {
	spec := executor.Spec{
		ContainerID: c.run.ContainerID, Socket: a.socket, Sandbox: c.run.Sandbox, Environment: a.environment(c),
		Task: c.run.Task, Framework: c.run.Framework, Mounts: mounts, Checkpoint: c.framework.GetCheckpoint(),
	}
	if me, err := user.Current(); err == nil && c.user() != me.Username {
		spec.User = c.user()
	}
	data, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("writing the executor's spec: %w", err)
	}
	path := filepath.Join(c.dir, "executor.spec")
	if err := renameio.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("writing the executor's spec: %w", err)
	}
	group, err := c.cgroup().Create()
	if err != nil {
		return err
	}
	defer func() { _ = group.Close() }()
	cmd := exec.Command(a.cfg.Executor[0], append(append([]string{}, a.cfg.Executor[1:]...), path)...)
	cmd.Dir, cmd.Env = c.run.Sandbox, spec.Environment
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true, UseCgroupFD: true, CgroupFD: int(group.Fd()), Cloneflags: unix.CLONE_NEWNS,
	}
	stdout, stderr, err := openSandbox(c.run.Sandbox)
	if err != nil {
		return err
	}
	defer func() { _, _ = stdout.Close(), stderr.Close() }()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("forking the executor: %w", err)
	}
	c.mu.Lock()
	c.run.PID = cmd.Process.Pid
	c.mu.Unlock()
	a.waiters.Go(func() {
		_ = cmd.Wait() // how it ended shows in its last update, or doesn't
		a.executorEnded(c)
	})
	return writeRun(c.dir, c.run)
}

func openSandbox(dir string) (stdout, stderr *os.File, err error) {
	if stdout, err = os.OpenFile(filepath.Join(dir, "stdout"), os.O_APPEND|os.O_WRONLY, 0); err != nil {
		return nil, nil, fmt.Errorf("opening the sandbox: %w", err)
	}
	if stderr, err = os.OpenFile(filepath.Join(dir, "stderr"), os.O_APPEND|os.O_WRONLY, 0); err != nil {
		_ = stdout.Close()
		return nil, nil, fmt.Errorf("opening the sandbox: %w", err)
	}
	return stdout, stderr, nil
}

// environment is that of the recorded command task and nothing else of the
// agent's.
func (a *Agent) environment(c *container) []string {
	id := a.id()
	endpoint := a.flags["ip"] + ":" + a.flags["port"]
	env := []string{
		"LIBPROCESS_IP=" + a.flags["ip"], "LIBPROCESS_PORT=0",
		"MESOS_AGENT_ENDPOINT=" + endpoint, "MESOS_ALLOCATION_ROLE=" + c.run.Role,
		"MESOS_DIRECTORY=" + c.run.Sandbox, "MESOS_EXECUTOR_ID=" + c.run.TaskID,
		"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD=5secs", "MESOS_FRAMEWORK_ID=" + c.run.FrameworkID,
		"MESOS_HTTP_COMMAND_EXECUTOR=0", "MESOS_SANDBOX=" + c.run.Sandbox,
		"MESOS_SLAVE_ID=" + id, "MESOS_SLAVE_PID=slave(1)@" + endpoint,
		"PATH=" + defaultPath, "PWD=" + c.run.Sandbox,
	}
	if c.framework.GetCheckpoint() {
		env = append(env, "MESOS_CHECKPOINT=1", "MESOS_RECOVERY_TIMEOUT=15mins", "MESOS_SUBSCRIPTION_BACKOFF_MAX=2secs")
	} else {
		env = append(env, "MESOS_CHECKPOINT=0")
	}
	for _, variable := range c.task.GetCommand().GetEnvironment().GetVariables() {
		env = append(env, variable.Name+"="+variable.GetValue())
	}
	return env
}

func chown(path, name string) error {
	account, err := user.Lookup(name)
	var unknown user.UnknownUserError
	if errors.As(err, &unknown) {
		return fmt.Errorf("No such user '%s'", name)
	}
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(account.Gid)
	if err != nil {
		return err
	}
	if uid == os.Getuid() {
		return nil
	}
	return os.Chown(path, uid, gid)
}

// prepareVolumes mounts the docker volumes of a task and says where they go.
// Without an image the path is the host's: an absolute one must exist, a
// relative one is made in the sandbox.
func (a *Agent) prepareVolumes(ctx context.Context, c *container) ([]executor.Mount, error) {
	var wanted []volume.Volume
	var mounts []executor.Mount
	for _, v := range c.task.GetContainer().GetVolumes() {
		if v.Source == nil || v.Source.Type != v1.Volume_Source_DOCKER_VOLUME || v.Source.DockerVolume == nil {
			return nil, fmt.Errorf("volume at %s: the dev agent knows DOCKER_VOLUME only", v.ContainerPath)
		}
		docker := v.Source.DockerVolume
		each := volume.Volume{Driver: docker.GetDriver(), Name: docker.Name}
		for _, option := range docker.GetDriverOptions().GetParameter() {
			each.Options = append(each.Options, option.Key+"="+option.Value)
		}
		wanted = append(wanted, each)
		target := v.ContainerPath
		if !filepath.IsAbs(target) {
			target = filepath.Join(c.run.Sandbox, target)
			if err := os.MkdirAll(target, 0o755); err != nil {
				return nil, fmt.Errorf("making the mount point of volume %s: %w", docker.Name, err)
			}
		}
		if _, err := os.Stat(target); err != nil {
			return nil, fmt.Errorf("Absolute container path '%s' does not exist", target)
		}
		mounts = append(mounts, executor.Mount{Target: target, ReadOnly: v.GetMode() == v1.RO})
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	if a.volumes == nil {
		return nil, errors.New("the docker/volume isolator is not enabled on this agent")
	}
	points, err := a.volumes.Prepare(ctx, c.run.ContainerID, wanted)
	if err != nil {
		return nil, err
	}
	for n, point := range points {
		mounts[n].Source = point
	}
	return mounts, nil
}
