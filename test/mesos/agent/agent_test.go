package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/machinetest"
	"scaleio-framework/test/mesos"
	"scaleio-framework/test/mesos/agent"
	"scaleio-framework/test/mesos/cgroup"
	"scaleio-framework/test/mesos/executor"
	"scaleio-framework/test/mesos/probe"
)

type object = probe.Object

var dig = probe.Dig

// How long and how often tests look for what processes do.
const (
	wait = 10 * time.Second
	tick = 5 * time.Millisecond
)

// The test binary is its own executor, as the dev agent's binary is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "executor" {
		if err := runExecutor(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runExecutor(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var spec executor.Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return err
	}
	e, err := executor.New(spec, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	return e.Run(context.Background())
}

// cluster is a dev master and one dev agent on this machine.
type cluster struct {
	t      *testing.T
	master *mesos.Master
	url    string
	group  cgroup.Root
	flags  agent.Flags
	agent  *agent.Agent
	stop   func() error
}

// newCluster skips where tasks can't have a cgroup of their own.
func newCluster(t *testing.T, extra map[string]string) *cluster {
	t.Helper()
	group := testCgroup(t)
	c := &cluster{t: t, group: group, master: mesos.NewMaster(mesos.Config{AllocationInterval: 20 * time.Millisecond})}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _ = c.master.Run(ctx) }()
	server := httptest.NewServer(c.master.Handler())
	c.url = server.URL
	dir := t.TempDir()
	set := map[string]string{
		"master": strings.TrimPrefix(server.URL, "http://"), "port": freePort(t), "work_dir": filepath.Join(dir, "w"),
		"runtime_dir": filepath.Join(dir, "r"), "attributes": "rack:r1;level:10", "resources": "cpus:4;mem:4096;disk:10240;ports:[31000-32000]",
		"docker_volume_checkpoint_dir": filepath.Join(dir, "checkpoints"),
	}
	for name, value := range extra {
		set[name] = value
	}
	var err error
	c.flags, err = agent.ReadFlags(nil, "/nonexistent", set)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = c.stop()
		for _, id := range c.master.FrameworkIDs() {
			c.master.RemoveFramework(id)
		}
		cancel()
		server.CloseClientConnections()
		server.Close()
	})
	c.startAgent()
	return c
}

func testCgroup(t *testing.T) cgroup.Root {
	t.Helper()
	if os.Getuid() != 0 {
		machinetest.Lacks(t, "root, for cgroups and mount namespaces of tasks")
	}
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup2"))
	require.NoError(t, err)
	if len(mounts) == 0 {
		machinetest.Lacks(t, "cgroup2")
	}
	dir := filepath.Join(mounts[0].Mountpoint, fmt.Sprintf("dev-agent-test-%d-%s", os.Getpid(), t.Name()))
	group, err := cgroup.At(dir)
	if errors.Is(err, cgroup.ErrUnavailable) {
		machinetest.Lacks(t, "a cgroup2 that may be written")
	}
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, cgroup.Existing(dir).Destroy(ctx))
	})
	return group
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

func (c *cluster) startAgent() {
	c.t.Helper()
	a, err := agent.New(agent.Config{
		Flags: c.flags, Executor: []string{"/proc/self/exe", "executor"}, Cgroup: c.group,
		RegisterPause: 20 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(c.t, err)
	c.agent = a
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	c.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
}

// restart ends the agent and starts it again, registered.
func (c *cluster) restart() {
	c.t.Helper()
	require.NoError(c.t, c.stop())
	c.awaitAgents(0)
	c.startAgent()
	c.awaitAgents(1)
}

func (c *cluster) awaitAgents(n int) {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return c.master.Counts().ActiveAgents == n }, wait, tick)
}

func (c *cluster) sandbox(status object) string {
	paths, err := filepath.Glob(filepath.Join(c.flags["work_dir"], "slaves", "*", "frameworks", "*", "executors",
		dig(status, "task_id", "value").(string), "runs", dig(status, "container_status", "container_id", "value").(string)))
	require.NoError(c.t, err)
	require.Len(c.t, paths, 1)
	return paths[0]
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(data)
}

// Recording 04: environment, sandbox, exits, kill with and without a trap.
func TestAgent_runsCommandTasks(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	s := probe.Subscribe(t, c.url, probe.Framework())

	s.Launch(s.Offer(), "t1", "env | sort; echo ---; cat /proc/self/cgroup; readlink /proc/self/ns/mnt; pwd; echo done; sleep 600", nil)
	starting := s.Status("t1")
	require.Equal(t, "TASK_STARTING", starting["state"])
	running := s.Status("t1")
	require.Equal(t, "TASK_RUNNING", running["state"])
	require.Equal(t, "SOURCE_EXECUTOR", running["source"])
	require.NotContains(t, running, "reason")
	require.Equal(t, "t1", dig(running, "executor_id", "value"))
	require.Equal(t, "127.0.0.1", dig(running, "container_status", "network_infos", 0, "ip_addresses", 0, "ip_address"))

	dir := c.sandbox(running)
	require.Eventually(t, func() bool { return strings.HasSuffix(read(t, dir, "stdout"), "done\n") }, wait, tick)
	out := read(t, dir, "stdout")
	var names []string
	for _, line := range strings.Split(out[:strings.Index(out, "---")], "\n") {
		if name, _, ok := strings.Cut(line, "="); ok {
			names = append(names, name)
		}
	}
	require.Equal(t, []string{
		"LIBPROCESS_IP", "LIBPROCESS_PORT", "MESOS_AGENT_ENDPOINT", "MESOS_ALLOCATION_ROLE", "MESOS_CHECKPOINT",
		"MESOS_DIRECTORY", "MESOS_EXECUTOR_ID", "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "MESOS_FRAMEWORK_ID",
		"MESOS_HTTP_COMMAND_EXECUTOR", "MESOS_RECOVERY_TIMEOUT", "MESOS_SANDBOX", "MESOS_SLAVE_ID", "MESOS_SLAVE_PID",
		"MESOS_SUBSCRIPTION_BACKOFF_MAX", "PATH", "PWD",
	}, names)
	require.Contains(t, out, "MESOS_ALLOCATION_ROLE=test\n")
	require.Contains(t, out, "/mesos/"+dig(running, "container_status", "container_id", "value").(string))
	own, err := os.Readlink("/proc/self/ns/mnt")
	require.NoError(t, err)
	require.NotContains(t, out, own, "the task shares the agent's mount namespace")

	s.Kill("t1")
	killed := s.Status("t1")
	require.Equal(t, "TASK_KILLED", killed["state"])
	require.Equal(t, "Command terminated with signal Terminated", killed["message"])

	s.Launch(s.Offer(), "t2", "echo hello; exit 0", nil)
	require.Equal(t, "Command exited with status 0", s.Until("t2", "TASK_FINISHED")["message"])
	s.Launch(s.Offer(), "t3", "echo oops >&2; exit 3", nil)
	require.Equal(t, "Command exited with status 3", s.Until("t3", "TASK_FAILED")["message"])

	grace := object{"kill_policy": object{"grace_period": object{"nanoseconds": 100_000_000}}}
	s.Launch(s.Offer(), "t4", "trap '' TERM; echo deaf; while true; do sleep 0.1; done", grace)
	deaf := s.Until("t4", "TASK_RUNNING")
	require.Eventually(t, func() bool { return read(t, c.sandbox(deaf), "stdout") != "" }, wait, tick)
	s.Kill("t4")
	require.Equal(t, "Command terminated with signal Killed", s.Until("t4", "TASK_KILLED")["message"])
}

// Whatever a task starts ends with it: that is why the product's daemon must
// be started by process 1.
func TestAgent_endsWhatATaskLeavesBehind(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	s := probe.Subscribe(t, c.url, probe.Framework())
	s.Launch(s.Offer(), "t1", "setsid sh -c 'trap \"\" TERM HUP; echo $$; sleep 600' & sleep 600", nil)
	dir := c.sandbox(s.Until("t1", "TASK_RUNNING"))
	require.Eventually(t, func() bool { return read(t, dir, "stdout") != "" }, wait, tick)
	escaped := strings.TrimSpace(read(t, dir, "stdout"))
	require.DirExists(t, "/proc/"+escaped)
	s.Kill("t1")
	s.Until("t1", "TASK_KILLED")
	require.Eventually(t, func() bool { return gone("/proc/" + escaped) }, wait, tick)
}

// Recording 12.
func TestAgent_reportsFailures(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	s := probe.Subscribe(t, c.url, probe.Framework())
	s.Launch(s.Offer(), "k1", "kill -9 $$", nil)
	require.Equal(t, "Command terminated with signal Killed", s.Until("k1", "TASK_FAILED")["message"])

	s.Launch(s.Offer(), "k2", "sleep 612", nil)
	running := s.Until("k2", "TASK_RUNNING")
	pid := int(dig(running, "container_status", "executor_pid").(float64))
	process, err := os.FindProcess(pid)
	require.NoError(t, err)
	require.NoError(t, process.Kill())
	lost := s.Until("k2", "TASK_FAILED")
	require.Equal(t, "Executor terminated", lost["message"])
	require.Equal(t, "REASON_EXECUTOR_TERMINATED", lost["reason"])
	require.Equal(t, "SOURCE_AGENT", lost["source"])

	s.Launch(s.Offer(), "k3", "/no/such/command", nil)
	require.Equal(t, "Command exited with status 127", s.Until("k3", "TASK_FAILED")["message"])
	s.Launch(s.Offer(), "k4", "id", object{"command": object{"value": "id", "user": "nosuchuser"}})
	nobody := s.Until("k4", "TASK_FAILED")
	require.Equal(t, "REASON_CONTAINER_LAUNCH_FAILED", nobody["reason"])
	require.Regexp(t, "^Failed to launch container: Failed to chown '.*/stdout' to user 'nosuchuser' : No such user 'nosuchuser'$", nobody["message"])
}

// Recording 20.
func TestAgent_fetchesURIs(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bin/prog":
			_, _ = w.Write([]byte("#!/bin/sh\necho prog $1 \"$2\"\n"))
		case "/file.txt":
			_, _ = w.Write([]byte("content\n"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer files.Close()
	s := probe.Subscribe(t, c.url, probe.Framework())
	s.Launch(s.Offer(), "u1", "", object{"command": object{
		"value":       `./prog arg1 "$FOO"; cat renamed.txt`,
		"environment": object{"variables": []any{object{"name": "FOO", "value": "bar baz"}}},
		"uris": []any{
			object{"value": files.URL + "/bin/prog", "executable": true, "extract": false},
			object{"value": files.URL + "/file.txt", "output_file": "renamed.txt", "cache": true},
			object{"value": "/etc/hostname"},
		},
	}})
	finished := s.Until("u1", "TASK_FINISHED")
	require.Equal(t, "prog arg1 bar baz\ncontent\n", read(t, c.sandbox(finished), "stdout"))
	require.FileExists(t, filepath.Join(c.sandbox(finished), "hostname"))

	s.Launch(s.Offer(), "u2", "true", object{"command": object{"value": "true", "uris": []any{object{"value": files.URL + "/nosuch"}}}})
	failed := s.Until("u2", "TASK_FAILED")
	require.Regexp(t, "^Failed to launch container: Failed to fetch all URIs for container '[0-9a-f-]{36}': exited with status 1$", failed["message"])
	require.Equal(t, "SOURCE_AGENT", failed["source"])
	require.Equal(t, "REASON_CONTAINER_LAUNCH_FAILED", failed["reason"])
}
