//go:build nodes

package cases_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// Drop-ins of the Mesos agent's unit: one with which a restart would end all tasks, and one with which it doesn't start with the flags that the isolator needs.
const (
	mesosDropIns = "/etc/systemd/system/mesos-agent.service.d/"
	killsAll     = "[Service]\nKillMode=control-group\n"
	refusesFlags = "[Service]\nExecStartPre=/bin/sh -c '! grep -q docker/volume /etc/mesos-agent/isolation'\n"
)

// TestRestarted restarts Mesos agents only where that costs nobody a task, takes a restart back that failed, and then reboots all nodes, one after the other, under
// a writer.
func TestRestarted(t *testing.T) {
	s := up(t, "restarted", cases.Config{NoScheduler: true, Scheduler: map[string]any{"reboots": "rolling"}, Prepare: func(node *nodes.Node) error {
		switch node.Name {
		case "n2":
			return node.WriteFile(mesosDropIns+"kills.conf", []byte(killsAll), 0o644)
		case "n3":
			return node.WriteFile(mesosDropIns+"refuses.conf", []byte(refusesFlags), 0o644)
		}
		return nil
	}})
	unsafeRestarts(t, s)
	if !t.Failed() {
		rollingReboots(t, s)
	}
}

func unsafeRestarts(t *testing.T, s *cases.Stand) {
	n1, n2, n3 := s.Nodes()[0], s.Nodes()[1], s.Nodes()[2]
	fragile := make(chan error, 1)
	go func() { fragile <- s.StayFragile(t.Context(), n1) }()
	require.NoError(t, cases.Eventually(within(t, time.Minute), func(ctx context.Context) error {
		_, err := n1.Output(ctx, "pgrep", "-f", "writers-end")
		return err
	}))
	started := map[*nodes.Node]string{}
	for _, node := range s.Nodes() {
		started[node] = startedAt(t, node)
	}
	require.NoError(t, s.StartScheduler(t.Context()))

	says := func(ctx context.Context, node *nodes.Node, reason, text string) error {
		status, err := s.Status(ctx)
		if err != nil {
			return err
		}
		for _, n := range status.Nodes {
			for _, c := range n.Conditions {
				if n.Hostname == node.Name && c.Type == "restart-mesos-agent" && c.Reason == reason && strings.Contains(c.Message, text) {
					return nil
				}
			}
		}
		return fmt.Errorf("%s doesn't say %s: %+v", node.Name, reason, status.Nodes)
	}
	require.NoError(t, cases.Eventually(within(t, 6*time.Minute), func(ctx context.Context) error {
		for _, c := range []struct {
			node         *nodes.Node
			reason, text string
		}{
			{n1, "UnsafeRestart", "frameworks without checkpointing would lose their tasks: first app"},
			{n2, "UnsafeRestart", "set KillMode=process in a drop-in of mesos-agent.service"},
			{n3, "RolledBack", "its old configuration was restored and mesos-agent.service restarted"},
		} {
			if err := says(ctx, c.node, c.reason, c.text); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, node := range []*nodes.Node{n1, n2} {
		assert.Equal(t, started[node], startedAt(t, node), "%s: its Mesos agent wasn't restarted", node.Name)
	}
	isolation, err := n3.ReadFile("/etc/mesos-agent/isolation")
	require.NoError(t, err)
	assert.Equal(t, "cgroups/cpu,cgroups/mem\n", string(isolation), "restored")
	assert.NotEqual(t, started[n3], startedAt(t, n3))
	_, err = n3.Output(t.Context(), "systemctl", "is-active", "mesos-agent.service")
	require.NoError(t, err)
	journal, err := n3.Journal(t.Context(), "-u", "mesos-agent")
	require.NoError(t, err)
	away := downTimes(n3.Name, "mesos-agent.service", journal)
	require.NotEmpty(t, away)
	took := away[len(away)-1].to.Sub(away[0].from)
	t.Log("the Mesos agent that didn't come up with the new flags runs with the old ones after", took)
	assert.Less(t, took, 75*time.Second)
	select {
	case err := <-fragile:
		require.NoError(t, err, "the task of a framework without checkpointing ended early")
	default:
	}

	require.NoError(t, n1.WriteFile("/run/writers-end", nil, 0o644))
	require.NoError(t, <-fragile, "it was never restarted")
	for _, node := range []*nodes.Node{n2, n3} {
		_, err := node.Output(t.Context(), "rm", "-r", mesosDropIns)
		require.NoError(t, err)
		_, err = node.Output(t.Context(), "systemctl", "daemon-reload")
		require.NoError(t, err)
	}
	_, err = n3.Output(t.Context(), "sh", "-c", "rm /var/lib/scaleio-agent/intents/restart-mesos-agent-*.json")
	require.NoError(t, err)
	require.NoError(t, s.WaitReady(within(t, 5*time.Minute), nil))
	_, err = n1.Output(t.Context(), "rm", "/run/writers-end")
	require.NoError(t, err)
}

// startedAt tells one process of the Mesos agent from the next.
func startedAt(t *testing.T, node *nodes.Node) string {
	t.Helper()
	said, err := node.Output(t.Context(), "systemctl", "show", "--property=MainPID,ExecMainStartTimestampMonotonic", "mesos-agent.service")
	require.NoError(t, err)
	return said
}

// rollingReboots: the two managers want a reboot at the same moment while the third node writes; then that one.
func rollingReboots(t *testing.T, s *cases.Stand) {
	status, err := s.Status(t.Context())
	require.NoError(t, err)
	last := slices.IndexFunc(s.Nodes(), func(n *nodes.Node) bool { return roleOf(status, n) == api.RoleTieBreaker })
	require.GreaterOrEqual(t, last, 0)
	rebootUnder(t, s, s.Others(s.Nodes()[last]), s.Nodes()[last])
	rebootUnder(t, s, s.Nodes()[last:last+1], s.Others(s.Nodes()[last])[0])
	require.NoError(t, cases.Eventually(within(t, 2*time.Minute), s.NothingTwice)) // Mesos tells of a rebooted node's lost task in its own time
	require.NoError(t, s.UntouchedDisks())
}

func rebootUnder(t *testing.T, s *cases.Stand, rebooted []*nodes.Node, writer *nodes.Node) {
	master, err := s.Master(t.Context())
	require.NoError(t, err)
	ended := make(writers, 1)
	volume := "rolling-" + writer.Name
	go func() { ended <- s.WriteVerified(t.Context(), volume, writer) }()
	require.NoError(t, cases.Eventually(within(t, 2*time.Minute), func(ctx context.Context) error {
		ended.none(t)
		_, err := writer.Output(ctx, "pgrep", "-f", "data/block")
		return err
	}))
	before, boots := lastEvent(t, s), map[*nodes.Node]string{}
	for _, node := range rebooted {
		boots[node] = bootID(t, node)
		require.NoError(t, node.WriteFile("/run/reboot-required", nil, 0o644))
	}
	require.NoError(t, cases.Eventually(within(t, 6*time.Minute), func(ctx context.Context) error {
		ended.none(t)
		for _, node := range rebooted {
			if id, err := node.Output(ctx, "cat", "/proc/sys/kernel/random/boot_id"); err != nil || id == boots[node] {
				return fmt.Errorf("%s wasn't rebooted (%v)", node.Name, err)
			}
		}
		status, err := s.Status(ctx)
		if err == nil && status.Interruption != nil {
			err = fmt.Errorf("%+v", *status.Interruption)
		}
		return err
	}))
	whole(t, s, 3*time.Minute)
	ended.none(t)
	require.NoError(t, s.EndWriters())
	ended.all(t)
	for _, node := range s.Nodes() {
		_, err := node.Output(t.Context(), "rm", "-f", "/run/writers-end")
		require.NoError(t, err)
	}
	oneAfterTheOther(t, s, before, rebooted, master)
}

func bootID(t *testing.T, node *nodes.Node) string {
	t.Helper()
	id, err := node.Output(t.Context(), "cat", "/proc/sys/kernel/random/boot_id")
	require.NoError(t, err)
	return id
}

func lastEvent(t *testing.T, s *cases.Stand) (seq int64) {
	t.Helper()
	status, err := s.Status(t.Context())
	require.NoError(t, err)
	for _, e := range status.Events {
		seq = max(seq, e.Seq)
	}
	return seq
}

// oneAfterTheOther holds the scheduler's events against it: each node got the right, was put into maintenance, came back, left maintenance and gave the right back
// before the next got it; and who was master had handed that over before.
func oneAfterTheOther(t *testing.T, s *cases.Stand, since int64, rebooted []*nodes.Node, master *nodes.Node) {
	t.Helper()
	status, err := s.Status(t.Context())
	require.NoError(t, err)
	told := []string{"DisruptionGranted", "MaintenanceWanted", "NodeRebooted", "MaintenanceToEnd", "MaintenanceEnded", "DisruptionEnded"}
	var got []string
	holder, leads := "", false
	for _, e := range status.Events {
		if e.Seq <= since {
			continue
		}
		t.Log(e.Time.Format(time.TimeOnly), e.Node, e.Kind, e.Message)
		switch {
		case e.Kind == "LeaderChanged":
			leads = e.Node == nameOf(status, master)
			if !leads {
				got = append(got, "another leads")
			}
		case slices.Contains(told, e.Kind):
			if e.Kind == told[0] {
				holder = e.Node
			}
			assert.Equal(t, holder, e.Node, "%s while another has the right", e.Kind)
			got = append(got, e.Node+" "+e.Kind)
		}
	}
	for _, node := range rebooted {
		name := nameOf(status, node)
		var steps []string
		for _, g := range got {
			if n, kind, ok := strings.Cut(g, " "); ok && n == name {
				steps = append(steps, kind)
			}
		}
		assert.Equal(t, told, steps, "of %s", name)
		if node == master {
			assert.Less(t, slices.Index(got, "another leads"), slices.Index(got, name+" NodeRebooted"), "handed over first: %v", got)
			assert.Contains(t, got, "another leads")
		}
	}
}
