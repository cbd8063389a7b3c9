//go:build nodes

package cases_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

const agentMain = "scaleio-framework/agent/cmd/scaleio-agent"

// TestOwnUpgrade puts other agents on a cluster, while a task on every node writes and verifies: one of another version, one that ends at once, one that runs and
// never is Ready, and the same again.
func TestOwnUpgrade(t *testing.T) {
	s := up(t, "ownupgrade", cases.Config{Scheduler: map[string]any{"agent-ready-within": "25s", "rollout-calm": "2s"}})
	require.NoError(t, s.WaitReady(within(t, 5*time.Minute), nil))
	ended := startWriters(t, s)
	tasks, err := s.TaskIDs(t.Context())
	require.NoError(t, err)
	storage := mainPIDs(t, s, "mdm", "sds", "rexray")
	scheduler, err := s.Forward("127.0.0.1:0", nodes.Gateway+":9443")
	require.NoError(t, err)

	newer, err := s.BuildAgent(t.Context(), "newer", agentMain, "version=newer")
	require.NoError(t, err)
	t.Run("a newer agent goes to one node, then to the others", func(t *testing.T) {
		before := mainPIDs(t, s, "scaleio-agent")
		require.NoError(t, s.Configure(within(t, time.Minute), change(newer)))
		require.NoError(t, cases.Eventually(within(t, 6*time.Minute), func(ctx context.Context) error { return runs(ctx, s, newer) }))
		waves := wavesOf(t, s)
		require.Len(t, waves, 2, "%q", waves)
		canary := nodeNamedIn(s, waves[0])
		require.Len(t, canary, 1, "%q", waves)
		assert.Equal(t, api.RoleTieBreaker, lineOf(t, s, canary[0]).Role, "as little as possible hangs on it")
		assert.Len(t, nodeNamedIn(s, waves[1]), 2, "%q", waves)
		after := mainPIDs(t, s, "scaleio-agent")
		for node, pid := range before {
			assert.NotEqual(t, pid, after[node], node)
		}
		for _, node := range s.Nodes() {
			assert.Equal(t, "newer", lineOf(t, s, node).Agent)
			_, err := node.ReadFile("/etc/systemd/system/scaleio-agent-rollback.timer")
			assert.Error(t, err, "the way back is closed on %s", node.Name)
		}
		ended.none(t)
	})
	t.Run("the same again changes nothing", func(t *testing.T) {
		before, told := mainPIDs(t, s, "scaleio-agent"), len(rolloutEvents(t, s))
		require.NoError(t, s.Configure(within(t, time.Minute), change(newer)))
		whole(t, s, 2*time.Minute)
		status, err := s.Status(t.Context())
		require.NoError(t, err)
		assert.Nil(t, status.Rollout)
		assert.Equal(t, before, mainPIDs(t, s, "scaleio-agent"))
		assert.Len(t, rolloutEvents(t, s), told)
	})
	for _, how := range []string{"exits", "hangs"} {
		t.Run("an agent that "+how, func(t *testing.T) { goesBack(t, s, scheduler, newer, how) })
	}
	ended.none(t)
	require.NoError(t, s.EndWriters())
	ended.all(t)
	assert.Equal(t, storage, mainPIDs(t, s, "mdm", "sds", "rexray"), "nothing of the storage was restarted")
	now, err := s.TaskIDs(t.Context())
	require.NoError(t, err)
	assert.ElementsMatch(t, tasks, now, "nothing was launched")
	require.NoError(t, s.UntouchedDisks())
}

// goesBack: the canary goes back by itself, nobody else gets it, and it isn't tried again.
func goesBack(t *testing.T, s *cases.Stand, scheduler string, newer cases.Agent, how string) {
	before, told := mainPIDs(t, s, "scaleio-agent"), len(rolloutEvents(t, s))
	broken, err := s.BuildAgent(t.Context(), how, "scaleio-framework/test/cases/brokenagent", "how="+how)
	require.NoError(t, err)
	require.NoError(t, s.Configure(within(t, time.Minute), change(broken)))
	var stopped *api.RolloutView
	require.NoError(t, cases.Eventually(within(t, 5*time.Minute), func(ctx context.Context) error {
		status, err := s.Status(ctx)
		if err == nil && (status.Rollout == nil || status.Rollout.State != "stopped") {
			err = fmt.Errorf("it isn't stopped: %+v", status.Rollout)
		}
		stopped = status.Rollout
		return err
	}))
	require.Len(t, stopped.Failed, 1)
	assert.Contains(t, stopped.Failed[0].Why, "went back to the agent before: it doesn't answer")
	require.NoError(t, cases.Eventually(within(t, 3*time.Minute), func(ctx context.Context) error { return agentsAre(ctx, s, newer) }))
	whole(t, s, 2*time.Minute)
	after := mainPIDs(t, s, "scaleio-agent")
	for _, node := range s.Nodes() {
		key := node.Name + " scaleio-agent"
		line := lineOf(t, s, node)
		if line.Name == stopped.Failed[0].Node {
			assert.NotEqual(t, before[key], after[key])
			assert.True(t, hasCondition(line, api.ConditionRolledBack), "%+v", line.Conditions)
		} else {
			assert.Equal(t, before[key], after[key], "%s was left alone", node.Name)
		}
	}
	assert.Contains(t, asOperator(t, s, scheduler, "rollout", "abort"), "taken back")
	require.NoError(t, s.Configure(within(t, time.Minute), change(broken))) // what was taken back isn't tried again
	whole(t, s, 2*time.Minute)
	require.NoError(t, s.Configure(within(t, time.Minute), change(newer)))
	whole(t, s, 2*time.Minute)
	assert.Equal(t, after, mainPIDs(t, s, "scaleio-agent"))
	kinds := strings.Join(rolloutEvents(t, s)[told:], " ")
	assert.Equal(t, "RolloutStarted RolloutWave RolloutFailed RolloutStopped RolloutAborted", kinds)
}

func change(a cases.Agent) map[string]any {
	return map[string]any{"agent-url": a.URL, "agent-sha256": a.SHA256}
}

// mainPIDs of units on all nodes: who was restarted has another.
func mainPIDs(t *testing.T, s *cases.Stand, units ...string) map[string]string {
	t.Helper()
	pids := map[string]string{}
	for _, node := range s.Nodes() {
		for _, unit := range units {
			pid, err := node.Output(t.Context(), "systemctl", "show", "-p", "MainPID", "--value", unit)
			require.NoError(t, err)
			require.NotEqual(t, "0", strings.TrimSpace(pid), "%s on %s", unit, node.Name)
			pids[node.Name+" "+unit] = strings.TrimSpace(pid)
		}
	}
	return pids
}

// runs: all nodes run it, are Ready with it, and nothing is under way any more.
func runs(ctx context.Context, s *cases.Stand, want cases.Agent) error {
	status, err := s.Status(ctx)
	switch {
	case err != nil:
		return err
	case status.Rollout != nil:
		return fmt.Errorf("rollout: %+v", *status.Rollout)
	case !status.Ready:
		return errors.New("not everything is Ready")
	}
	return agentsAre(ctx, s, want)
}

func agentsAre(ctx context.Context, s *cases.Stand, want cases.Agent) error {
	for _, node := range s.Nodes() {
		link, err := node.Output(ctx, "readlink", "/opt/scaleio-agent/current")
		if err != nil || !strings.HasSuffix(strings.TrimSpace(link), want.SHA256) {
			return fmt.Errorf("%s has %s, not %s (%v)", node.Name, link, want.SHA256, err)
		}
	}
	return nil
}

func hasCondition(line api.NodeStatus, kind string) bool {
	for _, c := range line.Conditions {
		if c.Type == kind {
			return true
		}
	}
	return false
}

// rolloutEvents by their kind, in order.
func rolloutEvents(t *testing.T, s *cases.Stand) (kinds []string) {
	t.Helper()
	status, err := s.Status(t.Context())
	require.NoError(t, err)
	for _, e := range status.Events {
		if strings.HasPrefix(e.Kind, "Roll") {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

// wavesOf the last rollout.
func wavesOf(t *testing.T, s *cases.Stand) (waves []string) {
	t.Helper()
	status, err := s.Status(t.Context())
	require.NoError(t, err)
	for _, e := range status.Events {
		if e.Kind == "RolloutWave" {
			waves = append(waves, e.Message)
		}
	}
	return waves
}

func nodeNamedIn(s *cases.Stand, text string) (named []*nodes.Node) {
	for _, node := range s.Nodes() {
		if strings.Contains(text, node.Name) {
			named = append(named, node)
		}
	}
	return named
}

// asOperator runs the scheduler's command line as one who may act.
func asOperator(t *testing.T, s *cases.Stand, address string, args ...string) string {
	t.Helper()
	args = append(args, "--url=https://"+address, "--ca-file="+s.CAFile(), "--token-file="+s.OperatorTokenFile())
	text, err := exec.CommandContext(t.Context(), filepath.Join(build, "scaleio-scheduler"), args...).CombinedOutput()
	require.NoError(t, err, "%s", text)
	return string(text)
}
