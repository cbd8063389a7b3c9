//go:build nodes

package cases_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// TestMovedScheduler: the scheduler's host dies, and Marathon starts it on another one, under another address and port. Its state is in ZooKeeper; the
// nodes learn from the Mesos master where it is. Nothing of theirs starts anew, and a writer notices nothing.
func TestMovedScheduler(t *testing.T) {
	s := up(t, "moved", cases.Config{NoScheduler: true})
	require.NoError(t, s.StartZooKeeper(within(t, time.Minute)))
	state := s.StateInZooKeeper()
	require.NoError(t, s.StartScheduler(within(t, time.Minute), state...))
	require.NoError(t, s.WaitReady(within(t, 5*time.Minute), nil))
	before, err := s.TaskIDs(t.Context())
	require.NoError(t, err)
	running := started(t, s)
	ended := make(chan error, 1)
	go func() { ended <- s.WriteVerified(context.WithoutCancel(t.Context()), "moved", s.Nodes()[0]) }()

	killed := time.Now()
	require.NoError(t, s.KillProcess(t.Context(), "scheduler"))
	require.NoError(t, s.StartSchedulerElsewhere(within(t, time.Minute), state...))
	heard := map[string]time.Duration{}
	require.NoError(t, cases.Eventually(within(t, 2*time.Minute), func(ctx context.Context) error {
		status, err := s.Status(ctx)
		if err != nil {
			return err
		}
		if heard["the new scheduler"] == 0 {
			heard["the new scheduler"] = time.Since(killed)
		}
		if heard["the leader"] == 0 && status.Leader != "" {
			heard["the leader"] = time.Since(killed)
		}
		for _, node := range status.Nodes {
			if heard[node.Name] == 0 && node.LastSeen.After(killed) {
				heard[node.Name] = node.LastSeen.Sub(killed)
			}
		}
		if len(heard) < 2+len(s.Nodes()) {
			return fmt.Errorf("heard only %v", heard)
		}
		return nil
	}))
	t.Logf("since the kill (session 4 s): %v", heard)
	for who, took := range heard { // a node at rest knocks where its scheduler was
		require.LessOrEqual(t, took, 4*time.Second+time.Second+30*time.Second, who)
	}

	require.NoError(t, s.WaitReady(within(t, 2*time.Minute), nil))
	after, err := s.TaskIDs(t.Context())
	require.NoError(t, err)
	slices.Sort(before)
	slices.Sort(after)
	require.Equal(t, before, after, "nothing is launched anew")
	require.Equal(t, running, started(t, s), "and nothing restarted")
	require.NoError(t, s.EndWriters())
	require.NoError(t, <-ended, "no I/O error")
	require.NoError(t, s.NothingTwice(t.Context()))
}

// started says since when the daemons of each node run.
func started(t *testing.T, s *cases.Stand) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, node := range s.Nodes() {
		all[node.Name] = pids(t, node)
	}
	return all
}

func pids(t *testing.T, node *nodes.Node) string {
	t.Helper()
	text, err := node.Output(t.Context(), "systemctl", "show", "--property=Id,MainPID", "scaleio-agent.service", "sds.service", "mdm.service", "rexray.service")
	require.NoError(t, err)
	return text
}
