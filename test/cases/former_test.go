//go:build nodes

package cases_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/machinetest"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/test/before"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// neighbours are a cluster on which the version before and this one take turns.
type neighbours struct {
	t       *testing.T
	s       *cases.Stand
	former  string // a folder like build
	address string // of the scheduler, for this machine
	cluster string
	system  string
	tasks   []string
	storage map[string]string
	ended   writers
}

// TestVersionBefore: the version before brings a cluster up. Under it come today's scheduler, today's agents, the former scheduler again and the former agents again, while a
// task on every node writes. In each of the mixed states nodes join, are held and let go, and buy what the scheduler orders. Nothing is launched, and of the storage nothing is restarted.
func TestVersionBefore(t *testing.T) {
	former, err := cases.BuildFormer(t.Context(), top, build, t.TempDir())
	if errors.Is(err, before.ErrNoHistory) {
		machinetest.Lacks(t, err.Error())
	}
	require.NoError(t, err)
	s := up(t, "versionbefore", cases.Growing(cases.Config{Build: former, Scheduler: map[string]any{"growth-threshold": 20, "growth-cooldown": "1s", "rollout-calm": "2s"}}, top+"/packaging"))
	require.NoError(t, s.WaitReady(within(t, 5*time.Minute), nil))
	n := &neighbours{t: t, s: s, former: former, ended: startWriters(t, s), storage: mainPIDs(t, s, "mdm", "sds", "rexray")}
	n.address, err = s.Forward("127.0.0.1:0", nodes.Gateway+":9443")
	require.NoError(t, err)
	status, err := s.Status(t.Context())
	require.NoError(t, err)
	n.cluster, n.system = status.Cluster, status.SystemID
	n.tasks, err = s.TaskIDs(t.Context())
	require.NoError(t, err)
	earlier, err := cases.AgentOf(former)
	require.NoError(t, err)
	now, err := s.BuildAgent(t.Context(), "today", agentMain, "version=today")
	require.NoError(t, err)

	step := func(name string, f func(t *testing.T)) {
		if !t.Failed() {
			t.Run(name, func(t *testing.T) { n.t = t; f(t) })
		}
	}
	step("today's scheduler with agents of the version before", func(*testing.T) { n.under(build); n.serves(24) })
	step("today's agents", func(*testing.T) { n.rollOut(now) })
	step("the scheduler of the version before with today's agents", func(*testing.T) { n.under(former); n.serves(24) })
	step("the agents of the version before again", func(*testing.T) { n.rollOut(earlier) })
	step("a state of a later version is refused", func(*testing.T) { n.refuses() })
	step("nothing was launched, restarted or bought twice", func(*testing.T) { n.atLast() })
}

// under the scheduler of this build: it takes over what the other one stored, and all nodes obey it.
func (n *neighbours) under(build string) {
	n.t.Helper()
	agents := mainPIDs(n.t, n.s, "scaleio-agent")
	since := time.Now()
	require.NoError(n.t, n.s.ReplaceScheduler(within(n.t, time.Minute), build))
	require.NoError(n.t, cases.Eventually(within(n.t, 2*time.Minute), func(ctx context.Context) error { return n.heard(ctx, since) }))
	whole(n.t, n.s, 2*time.Minute)
	status, err := n.s.Status(n.t.Context())
	require.NoError(n.t, err)
	assert.Equal(n.t, n.cluster, status.Cluster)
	assert.Equal(n.t, n.system, status.SystemID)
	assert.Equal(n.t, agents, mainPIDs(n.t, n.s, "scaleio-agent"))
}

// heard: each node reported since then.
func (n *neighbours) heard(ctx context.Context, since time.Time) error {
	status, err := n.s.Status(ctx)
	if err == nil && len(status.Nodes) != len(n.s.Nodes()) {
		err = fmt.Errorf("%d nodes", len(status.Nodes))
	}
	for _, line := range status.Nodes {
		if !line.LastSeen.After(since) {
			err = errors.Join(err, fmt.Errorf("%s was heard last at %s", line.Name, line.LastSeen))
		}
	}
	return err
}

// serves whoever is there: a node joins, all are held and let go, and the pool grows by what the scheduler orders and the nodes buy.
func (n *neighbours) serves(percent int) {
	n.joins(n.s.Nodes()[2])
	asOperator(n.t, n.s, n.address, "hold", "--reason", "versions")
	const twoPolls = 3 * time.Minute // at rest a node hears of it with one report and tells of it with the next
	require.NoError(n.t, cases.Eventually(within(n.t, twoPolls), func(ctx context.Context) error { return n.held(ctx, true) }))
	asOperator(n.t, n.s, n.address, "release")
	require.NoError(n.t, cases.Eventually(within(n.t, twoPolls), func(ctx context.Context) error { return n.held(ctx, false) }))
	whole(n.t, n.s, 2*time.Minute)
	require.NoError(n.t, n.s.WaitGrowable(within(n.t, 2*time.Minute)))
	require.NoError(n.t, n.s.GrowAt(within(n.t, 6*time.Minute), percent, nil))
	whole(n.t, n.s, 2*time.Minute)
	n.ended.none(n.t)
}

// joins: a node that lost its certificate gets another, by a token that a person made and the key that the cluster knows.
func (n *neighbours) joins(node *nodes.Node) {
	n.t.Helper()
	const state = "/var/lib/scaleio-agent/node"
	key := fingerprint(n.t, node)
	token := strings.TrimSpace(asOperator(n.t, n.s, n.address, "tokens", "create", "--ttl=10m", "--count=1"))
	fields := strings.Fields(token)
	_, err := node.Output(n.t.Context(), "systemctl", "stop", "scaleio-agent")
	require.NoError(n.t, err)
	_, err = node.Output(n.t.Context(), "rm", state+".crt")
	require.NoError(n.t, err)
	require.NoError(n.t, node.WriteFile("/etc/scaleio-agent/join-token", []byte(fields[len(fields)-1]+"\n"), 0o600))
	since := time.Now()
	_, err = node.Output(n.t.Context(), "systemctl", "start", "scaleio-agent")
	require.NoError(n.t, err)
	require.NoError(n.t, cases.Eventually(within(n.t, time.Minute), func(ctx context.Context) error {
		if _, err := node.ReadFile(state + ".crt"); err != nil {
			return err
		}
		return n.heard(ctx, since)
	}))
	assert.Equal(n.t, key, fingerprint(n.t, node))
	whole(n.t, n.s, 2*time.Minute)
}

// held: by the scheduler's word each node says that it is, or that it isn't any more.
func (n *neighbours) held(ctx context.Context, want bool) error {
	status, err := n.s.Status(ctx)
	if err == nil && (status.Hold != nil) != want {
		err = fmt.Errorf("the hold is %+v", status.Hold)
	}
	for _, line := range status.Nodes {
		if hasCondition(line, api.ConditionHeld) != want {
			err = errors.Join(err, fmt.Errorf("%s: held %t", line.Name, !want))
		}
	}
	return err
}

// rollOut another agent to all nodes, by the waves of whichever scheduler is there.
func (n *neighbours) rollOut(agent cases.Agent) {
	n.t.Helper()
	require.NoError(n.t, n.s.Configure(within(n.t, time.Minute), change(agent)))
	require.NoError(n.t, cases.Eventually(within(n.t, 6*time.Minute), func(ctx context.Context) error { return runs(ctx, n.s, agent) }))
	for _, node := range n.s.Nodes() {
		_, err := node.ReadFile("/etc/systemd/system/scaleio-agent-rollback.timer")
		assert.Error(n.t, err, "the way back is closed on %s", node.Name)
		line := lineOf(n.t, n.s, node)
		assert.False(n.t, hasCondition(line, api.ConditionRolledBack), "%+v", line.Conditions)
	}
	n.ended.none(n.t)
}

// refuses: what a version after this one stored is left alone, and the refusal says so.
func (n *neighbours) refuses() {
	n.t.Helper()
	require.NoError(n.t, n.s.KillProcess(n.t.Context(), "scheduler"))
	stored, err := os.ReadFile(n.s.Path("state", "state.db"))
	require.NoError(n.t, err)
	written := fmt.Appendf(nil, `{"schema":%d,`, store.Schema)
	require.NotZero(n.t, bytes.Count(stored, written))
	later := bytes.ReplaceAll(stored, written, fmt.Appendf(nil, `{"schema":%d,`, store.Schema+1))
	for _, b := range []string{build, n.former} {
		dir := n.t.TempDir()
		require.NoError(n.t, os.WriteFile(filepath.Join(dir, "state.db"), later, 0o600))
		program, err := filepath.Abs(filepath.Join(b, "scaleio-scheduler"))
		require.NoError(n.t, err)
		cmd := exec.CommandContext(within(n.t, 30*time.Second), program, "run", "--config", "scheduler.yaml", "--state-dir", dir, "--listen", "127.0.0.1:0")
		cmd.Dir = n.s.Path("sandbox")
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(n.t, err, &exit, "%s", out)
		assert.Equal(n.t, 2, exit.ExitCode(), "%s", out)
		assert.Contains(n.t, string(out), "was written by a newer version of this program: start that one, or restore a backup")
		left, err := os.ReadFile(filepath.Join(dir, "state.db"))
		require.NoError(n.t, err)
		assert.Equal(n.t, bytes.Count(later, []byte(`"schema":`)), bytes.Count(left, []byte(`"schema":`)))
	}
	require.NoError(n.t, n.s.StartScheduler(within(n.t, time.Minute)))
	whole(n.t, n.s, 2*time.Minute)
}

// atLast: what was there at first is there still, and every volume was bought once.
func (n *neighbours) atLast() {
	t, s := n.t, n.s
	n.ended.none(t)
	require.NoError(t, s.EndWriters())
	n.ended.all(t)
	assert.Equal(t, n.storage, mainPIDs(t, s, "mdm", "sds", "rexray"), "nothing of the storage was restarted")
	tasks, err := s.TaskIDs(t.Context())
	require.NoError(t, err)
	slices.Sort(tasks)
	slices.Sort(n.tasks)
	assert.Equal(t, n.tasks, tasks, "nothing was launched")
	require.NoError(t, cases.Eventually(within(t, 2*time.Minute), s.BoughtAndPooled))
	volumes, err := s.Volumes(t.Context())
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(volumes), 6, "three under each scheduler")
	counts, err := s.Cloud().Counts(t.Context())
	require.NoError(t, err)
	assert.Equal(t, len(volumes), counts["CreateVolume"])
	assert.Equal(t, len(volumes), counts["AttachVolume"])
	assert.Zero(t, counts["DetachVolume"]+counts["DeleteVolume"])
	require.NoError(t, s.PooledDisks(t.Context()))
	require.NoError(t, s.UntouchedDisks())
}
