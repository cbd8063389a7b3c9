package agent_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos/probe"
)

// Recording 31: a KILL before there is an executor to hear it.
func TestAgent_killsDuringTheLaunch(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	asked := make(chan struct{}, 1)
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer slow.Close()
	s := probe.Subscribe(t, c.url, probe.Framework())
	s.Launch(s.Offer(), "e1", "", object{"command": object{"value": "true", "uris": []any{object{"value": slow.URL + "/slow"}}}})
	<-asked
	s.Kill("e1")
	killed := s.Status("e1")
	require.Equal(t, "TASK_KILLED", killed["state"])
	require.Equal(t, "Killed before delivery to the executor", killed["message"])
	require.Equal(t, "REASON_TASK_KILLED_DURING_LAUNCH", killed["reason"])
}

// After a boot the agent is the same and its tasks are gone.
func TestAgent_losesTasksWithAReboot(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	s := probe.Subscribe(t, c.url, probe.Framework())
	s.Launch(s.Offer(), "b1", "sleep 600", nil)
	running := s.Until("b1", "TASK_RUNNING")
	require.NoError(t, c.stop())
	c.awaitAgents(0)
	require.NoError(t, os.WriteFile(filepath.Join(c.flags["work_dir"], "meta/boot_id"), []byte("another boot"), 0o600))
	c.startAgent()
	require.Equal(t, "TASK_LOST", s.Until("b1", "TASK_LOST")["state"])
	require.Equal(t, 1, c.master.Counts().Agents)
	executor := filepath.Join("/proc", stringOf(dig(running, "container_status", "executor_pid")))
	require.Eventually(t, func() bool { return gone(executor) }, wait, tick)
}

// TEARDOWN ends the tasks on the nodes.
func TestAgent_endsTasksWithTheirFramework(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	s := probe.Subscribe(t, c.url, probe.Framework())
	s.Launch(s.Offer(), "f1", "sleep 600", nil)
	executor := filepath.Join("/proc", stringOf(dig(s.Until("f1", "TASK_RUNNING"), "container_status", "executor_pid")))
	s.Call("TEARDOWN", "", nil)
	require.Eventually(t, func() bool { return gone(executor) }, wait, tick)
	require.Eventually(t, func() bool {
		left, err := filepath.Glob(filepath.Join(c.flags["work_dir"], "meta/slaves/*/frameworks/*/executors/*/runs/*"))
		return err == nil && len(left) == 0
	}, wait, tick)
}

// Recording 14, SIGUSR1: tasks are lost at once and end; the id stays with the
// work_dir.
func TestAgent_unregisters(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	s := probe.Subscribe(t, c.url, probe.Framework())
	offer := s.Offer()
	s.Launch(offer, "g1", "sleep 600", nil)
	executor := filepath.Join("/proc", stringOf(dig(s.Until("g1", "TASK_RUNNING"), "container_status", "executor_pid")))
	require.NoError(t, c.agent.Unregister(t.Context()))
	lost := s.Until("g1", "TASK_LOST")
	require.Equal(t, "REASON_AGENT_REMOVED", lost["reason"])
	require.Contains(t, lost["message"], "removed: the agent unregistered")
	require.Equal(t, dig(offer, "agent_id", "value"), dig(s.Next("FAILURE"), "failure", "agent_id", "value"))
	require.Eventually(t, func() bool { return gone(executor) }, wait, tick)
}
