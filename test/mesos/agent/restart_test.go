package agent_test

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos/agent"
	"scaleio-framework/test/mesos/probe"
)

// Recording 14: same id, the task survives, no update about it; a kill through
// the new agent reaches the old executor.
func TestAgent_restartKeepsTasks(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	s := probe.Subscribe(t, c.url, probe.Framework())
	offer := s.Offer()
	s.Launch(offer, "c1", "sleep 600", nil)
	s.Until("c1", "TASK_RUNNING")
	c.restart()
	require.Equal(t, 1, c.master.Counts().Agents, "another agent id than %v", offer["agent_id"])
	s.Kill("c1")
	// TASK_RUNNING may come again, if the first agent never saw it acknowledged.
	killed := s.Status("c1")
	for killed["state"] == "TASK_RUNNING" {
		killed = s.Status("c1")
	}
	require.Equal(t, "TASK_KILLED", killed["state"])
	require.Equal(t, "Command terminated with signal Terminated", killed["message"])
}

// Recording 14: what ended while the agent was away has terminated; its exit
// status is lost.
func TestAgent_restartReportsWhatEnded(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	s := probe.Subscribe(t, c.url, probe.Framework())
	s.Launch(s.Offer(), "c2", "until test -e stop; do sleep 0.02; done", nil)
	running := s.Until("c2", "TASK_RUNNING")
	require.NoError(t, c.stop())
	require.NoError(t, os.WriteFile(filepath.Join(c.sandbox(running), "stop"), nil, 0o600))
	executor := filepath.Join("/proc", stringOf(dig(running, "container_status", "executor_pid")))
	require.Eventually(t, func() bool { return gone(executor) }, wait, tick)
	c.startAgent()
	failed := s.Until("c2", "TASK_FAILED")
	require.Equal(t, "Executor terminated", failed["message"])
	require.Equal(t, "SOURCE_AGENT", failed["source"])
}

// An update that nobody acknowledged comes again, also from a restarted agent.
func TestAgent_restartSendsUnacknowledgedAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	s := probe.Subscribe(t, c.url, probe.Framework())
	s.AutoAcknowledge = false
	s.Launch(s.Offer(), "c3", "sleep 600", nil)
	first := s.Status("c3")
	c.restart()
	again := s.Status("c3")
	require.Equal(t, first["uuid"], again["uuid"])
	require.Equal(t, "TASK_STARTING", again["state"])
}

// Recording 14b.
func TestAgent_refusesAChangedConfiguration(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(c.flags["work_dir"], "meta/slaves/latest/slave.info"))
		return err == nil
	}, wait, tick)
	require.NoError(t, c.stop())
	changed := maps.Clone(c.flags)
	changed["attributes"] = "rack:r2"
	_, err := agent.New(agent.Config{Flags: changed, Cgroup: c.group, Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "rm -f "+filepath.Join(c.flags["work_dir"], "meta/slaves/latest"))
	c.startAgent()
	c.awaitAgents(1)
}

func TestAgent_doesNotKeepTasksWithoutCheckpointing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	info := probe.Framework()
	info["checkpoint"] = false
	s := probe.Subscribe(t, c.url, info)
	s.Launch(s.Offer(), "n1", "sleep 600", nil)
	running := s.Until("n1", "TASK_RUNNING")
	require.NoError(t, c.stop())
	lost := s.Status("n1")
	require.Equal(t, "TASK_LOST", lost["state"])
	require.Equal(t, "REASON_AGENT_DISCONNECTED", lost["reason"])
	executor := filepath.Join("/proc", stringOf(dig(running, "container_status", "executor_pid")))
	require.Eventually(t, func() bool { return gone(executor) }, wait, tick)
}

func stringOf(pid any) string { return strconv.FormatFloat(pid.(float64), 'f', -1, 64) }

// gone also counts a zombie that nobody has waited for yet.
func gone(process string) bool {
	stat, err := os.ReadFile(filepath.Join(process, "stat"))
	return err != nil || strings.Contains(string(stat), ") Z ")
}
