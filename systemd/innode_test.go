//go:build innode

// Tests against a real PID 1, as root, in a machine that may be thrown away: build with "go test -c -tags innode", copy the binary there and run it.

package systemd

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInNode_unitLife(t *testing.T) {
	ctx := t.Context()
	m := New()
	defer m.Close()
	const unit = "innode-life.service"
	t.Cleanup(func() {
		_ = m.Stop(context.WithoutCancel(ctx), unit)
		_ = os.Remove(filepath.Join(unitDir, unit))
	})
	state, err := m.State(ctx, unit)
	require.NoError(t, err)
	require.Equal(t, "not-found", state.Load)
	require.ErrorIs(t, m.Start(ctx, unit), ErrNoSuchUnit)
	require.ErrorIs(t, m.Enable(ctx, unit), ErrNoSuchUnit)
	require.NoError(t, m.Stop(ctx, unit))

	text := "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n"
	changed, err := m.WriteUnit(ctx, unit, []byte(text))
	require.NoError(t, err)
	require.True(t, changed)
	changed, err = m.WriteUnit(ctx, unit, []byte(text))
	require.NoError(t, err)
	require.False(t, changed)

	require.NoError(t, m.Enable(ctx, unit))
	require.NoError(t, m.Enable(ctx, unit))
	require.NoError(t, m.Start(ctx, unit))
	require.NoError(t, m.Start(ctx, unit))
	first, err := m.State(ctx, unit)
	require.NoError(t, err)
	assert.Equal(t, "active", first.Active)
	assert.Equal(t, "enabled", first.Enabled)
	assert.Positive(t, first.MainPID)
	assert.WithinDuration(t, time.Now(), first.ActiveSince, time.Minute)

	require.NoError(t, m.Restart(ctx, unit))
	second, err := m.State(ctx, unit)
	require.NoError(t, err)
	assert.NotEqual(t, first.MainPID, second.MainPID)

	require.NoError(t, os.WriteFile(filepath.Join(unitDir, unit), []byte(text+"# changed\n"), 0o644))
	stale, err := m.State(ctx, unit)
	require.NoError(t, err)
	assert.True(t, stale.NeedsReload)
	require.NoError(t, m.Reload(ctx))

	require.NoError(t, m.Stop(ctx, unit))
	stopped, err := m.State(ctx, unit)
	require.NoError(t, err)
	assert.Equal(t, "inactive", stopped.Active)
}

func TestInNode_failuresAndMasks(t *testing.T) {
	ctx := t.Context()
	m := New()
	defer m.Close()
	const unit = "innode-fail.service"
	path := filepath.Join(unitDir, unit)
	t.Cleanup(func() {
		_ = os.Remove(path)
		_ = m.Reload(context.WithoutCancel(ctx))
	})
	_, err := m.WriteUnit(ctx, unit, []byte("[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 5'\n"))
	require.NoError(t, err)
	var failed *UnitError
	require.ErrorAs(t, m.Start(ctx, unit), &failed)
	assert.Equal(t, "failed", failed.State.Active)
	assert.Equal(t, 5, failed.State.ExecMainCode)
	require.ErrorContains(t, m.Enable(ctx, unit), "no [Install] section")
	require.NoError(t, m.ResetFailed(ctx, unit))
	state, err := m.State(ctx, unit)
	require.NoError(t, err)
	assert.Equal(t, "inactive", state.Active)

	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink("/dev/null", path))
	require.NoError(t, m.Reload(ctx))
	require.ErrorIs(t, m.Start(ctx, unit), ErrMasked)
	require.ErrorIs(t, m.Enable(ctx, unit), ErrMasked)
	state, err = m.State(ctx, unit)
	require.NoError(t, err)
	assert.Equal(t, "masked", state.Load)
}

func TestInNode_jobs(t *testing.T) {
	ctx := t.Context()
	m := New()
	defer m.Close()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/env", []byte("MDM_IP=\"10.0.0.1,10.0.0.2\"\nODD=\"a\\\"b\\$c\"\n"), 0o600))

	start := time.Now()
	require.NoError(t, m.RunJob(ctx, Job{Name: "innode-job", EnvFile: dir + "/env", Env: []string{"PLAIN=1"}, Dir: dir,
		Argv: []string{"/bin/sh", "-c", "echo \"$MDM_IP|$ODD|$PLAIN\" > seen; cat /proc/self/cgroup >> seen"}}))
	assert.Less(t, time.Since(start), 400*time.Millisecond, "the end is heard, not polled")
	seen, err := os.ReadFile(dir + "/seen")
	require.NoError(t, err)
	assert.Contains(t, string(seen), "10.0.0.1,10.0.0.2|a\"b$c|1\n")
	assert.Contains(t, string(seen), "innode-job.service", "in a cgroup of its own")

	err = m.RunJob(ctx, Job{Name: "innode-job", Argv: []string{"/bin/sh", "-c", "echo the reason >&2; exit 100"}})
	var failed *JobError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, 100, failed.Code)
	assert.Equal(t, "the reason", failed.Output)
	require.NoError(t, m.RunJob(ctx, Job{Name: "innode-job", Argv: []string{"/bin/true"}}), "a failure doesn't stand in the way of the next run")

	err = m.RunJob(ctx, Job{Name: "innode-job", Argv: []string{"/bin/sleep", "100"}, Timeout: 300 * time.Millisecond})
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "timeout", failed.Result)
}

func TestInNode_jobIsAdopted(t *testing.T) {
	dir := t.TempDir()
	job := Job{Name: "innode-long", Argv: []string{"/bin/sh", "-c", "echo run >> " + dir + "/runs; while [ ! -e " + dir + "/go ]; do sleep 0.05; done"}}
	ended := make(chan error, 1)
	first := New()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	go func() { ended <- first.RunJob(ctx, job) }()
	require.Eventually(t, func() bool { runs, _ := os.ReadFile(dir + "/runs"); return len(runs) > 0 }, time.Minute, 10*time.Millisecond)
	leave()
	require.ErrorIs(t, <-ended, context.Canceled)
	first.Close() // this process is gone

	second, looks := New(), make(chan struct{})
	defer second.Close()
	second.connect = func(ctx context.Context) (conn, error) {
		c, err := connect(ctx)
		return looking{c, looks}, err
	}
	go func() { ended <- second.RunJob(t.Context(), job) }()
	<-looks // what it does depends on this one: the job runs
	<-looks // and at the next it waits for it
	require.NoError(t, os.WriteFile(dir+"/go", nil, 0o600))
	for waits := true; waits; {
		select {
		case <-looks:
		case err := <-ended:
			require.NoError(t, err)
			waits = false
		}
	}
	runs, err := os.ReadFile(dir + "/runs")
	require.NoError(t, err)
	assert.Equal(t, "run\n", string(runs), "once")
}

func TestInNode_rebootsAreHeld(t *testing.T) {
	held := func() string {
		out, err := exec.Command("systemd-inhibit", "--list", "--no-pager", "--no-legend").CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	hold, err := Logind{}.Hold(t.Context(), "no module for the next kernel")
	require.NoError(t, err)
	assert.Regexp(t, `scaleio-agent .* shutdown\s+no module for the next kernel\s+block`, held())
	others, err := Logind{}.Inhibitors(t.Context())
	require.NoError(t, err)
	assert.NotContains(t, strings.Join(others, "\n"), "no module for the next kernel", "our own")
	require.NoError(t, hold.Close())
	require.Eventually(t, func() bool { return !strings.Contains(held(), "scaleio-agent") }, 10*time.Second, 50*time.Millisecond)
}

// looking tells of each look at a unit, when it begins.
type looking struct {
	conn
	looks chan<- struct{}
}

func (l looking) GetAllPropertiesContext(ctx context.Context, unit string) (map[string]any, error) {
	select {
	case l.looks <- struct{}{}:
	case <-ctx.Done():
	}
	return l.conn.GetAllPropertiesContext(ctx, unit)
}

// TestHelper_reboot does so where REBOOT=1: it can't see its own success, so whoever runs it looks whether the machine did.
func TestHelper_reboot(t *testing.T) {
	if os.Getenv("REBOOT") == "1" {
		require.NoError(t, Logind{}.Reboot(t.Context()))
	}
}

// The shipped unit with its hardening, around a program that tries what the agent must be able to do.
func TestInNode_hardeningLetsTheAgentWork(t *testing.T) {
	ctx := t.Context()
	m := New()
	defer m.Close()
	const unit = "innode-agent.service"
	t.Cleanup(func() {
		_ = m.Stop(context.WithoutCancel(ctx), unit)
		_ = os.RemoveAll(filepath.Join(unitDir, unit+".d"))
		_ = os.Remove(filepath.Join(unitDir, unit))
	})
	self, err := os.Executable()
	require.NoError(t, err)
	report := filepath.Join(t.TempDir(), "report")
	_, err = m.WriteUnit(ctx, unit+".d/10-test.conf", []byte("[Service]\nExecStart=\nExecStart="+self+" -test.run=^TestHelper_asTheAgent$ -test.v\nEnvironment=AS_THE_AGENT="+report+"\nRestart=no\n"))
	require.NoError(t, err)
	_, err = m.WriteUnit(ctx, unit, []byte(AgentUnitText))
	require.NoError(t, err)
	require.NoError(t, m.Start(ctx, unit), "Type=notify: it said READY")
	text, err := os.ReadFile(report)
	require.NoError(t, err)
	assert.Equal(t, "ok\n", string(text))
}

// TestHelper_asTheAgent runs inside the unit.
func TestHelper_asTheAgent(t *testing.T) {
	report := os.Getenv("AS_THE_AGENT")
	if report == "" {
		return
	}
	say := func(line string) { require.NoError(t, os.WriteFile(report, []byte(line+"\n"), 0o600)) }
	say("began")
	for _, path := range []string{"/etc/innode-probe", "/usr/bin/innode-probe", "/opt/innode-probe", "/var/lib/scaleio-agent/innode-probe", "/run/scaleio-agent/innode-probe"} {
		require.NoError(t, os.WriteFile(path, nil, 0o644))
		require.NoError(t, os.Remove(path))
	}
	disks, err := filepath.Glob("/dev/loop[0-9]*")
	require.NoError(t, err)
	for _, disk := range disks {
		file, err := os.Open(disk)
		require.NoError(t, err, disk)
		_, err = file.Read(make([]byte, 512))
		require.NoError(t, err, disk)
		file.Close()
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd")
	require.NoError(t, err)
	for _, dir := range fds {
		if _, err := os.ReadDir(dir); err != nil && !os.IsNotExist(err) {
			require.NoError(t, err, dir)
		}
	}
	m := New()
	require.NoError(t, m.RunJob(t.Context(), Job{Name: "innode-from-inside", Argv: []string{"/bin/true"}}))
	hold, err := Logind{}.Hold(t.Context(), "from inside")
	require.NoError(t, err, "without a right of its own to reboot, root is still root to logind")
	require.NoError(t, hold.Close())
	say("ok")
	require.NoError(t, Ready("probe is through"))
	<-t.Context().Done()
}
