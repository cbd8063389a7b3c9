//go:build nodes

package cases_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// pointsFile lists, on each node, where its agent is still to die.
const pointsFile = "/var/lib/die-at"

// A dying agent is started again at once, as often as it takes; systemd's own limit would stop it half way.
const agentDropIn = `[Unit]
StartLimitIntervalSec=0
[Service]
StartLimitInterval=0
RestartSec=100ms
Environment=SCALEIO_AGENT_DIE_AT=` + pointsFile + `
`

// TestKilledAtEveryPoint brings a cluster up while every agent and the scheduler
// are killed, as kill -9 does, once at each point that the programs list: before
// and after each step's act, before and after each write to the store. What
// stands at the end must be what stands without.
func TestKilledAtEveryPoint(t *testing.T) {
	ofAgent, ofScheduler := pointsOf(t, "scaleio-agent"), pointsOf(t, "scaleio-scheduler")
	schedulerFile := filepath.Join(t.TempDir(), "die-at")
	require.NoError(t, os.WriteFile(schedulerFile, []byte(ofScheduler), 0o600))
	s := up(t, "killed", cases.Config{
		NoScheduler: true,
		Prepare: func(node *nodes.Node) error {
			return errors.Join(node.WriteFile(pointsFile, []byte(ofAgent), 0o600),
				node.WriteFile("/etc/systemd/system/scaleio-agent.service.d/die.conf", []byte(agentDropIn), 0o644))
		},
	})
	stop := keepScheduler(t, s, schedulerFile)
	err := cases.Eventually(within(t, 8*time.Minute), func(ctx context.Context) error {
		status, err := s.Status(ctx)
		if err == nil && !status.Ready {
			err = fmt.Errorf("not Ready: %+v", status.Nodes)
		}
		return err
	})
	stop()
	require.NoError(t, err)
	require.NoError(t, s.WaitReady(within(t, 2*time.Minute), nil))

	deaths := 0
	for _, node := range s.Nodes() {
		left, err := node.ReadFile(pointsFile)
		require.NoError(t, err)
		died := count(ofAgent) - count(string(left))
		t.Logf("%s: its agent was killed at %d of the %d points that the code lists; not reached: %s", node.Name, died, count(ofAgent), strings.Join(strings.Fields(string(left)), " "))
		require.Greater(t, died, 20, "a node of any role passes more points than that")
		deaths += died
	}
	left, err := os.ReadFile(schedulerFile)
	require.NoError(t, err)
	died := count(ofScheduler) - count(string(left))
	t.Logf("the scheduler was killed at %d of its %d points; not reached: %s", died, count(ofScheduler), strings.Join(strings.Fields(string(left)), " "))
	require.Positive(t, died)
	t.Logf("killed %d times in all", deaths+died)

	require.NoError(t, s.NothingTwice(t.Context()))
	require.NoError(t, s.Keep(t.Context(), top))
}

func count(text string) int { return len(strings.Fields(text)) }

// pointsOf asks a program for its list.
func pointsOf(t *testing.T, program string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(build, program), "points").Output()
	require.NoError(t, err)
	require.NotEmpty(t, out)
	return string(out)
}

// keepScheduler starts the scheduler again whenever it has died, as Marathon would.
func keepScheduler(t *testing.T, s *cases.Stand, points string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				done <- nil
				return
			case <-tick.C:
				if s.Process("scheduler").Alive() {
					continue
				}
				if err := s.StartScheduler(ctx, "--die-at", points); err != nil && ctx.Err() == nil && s.Process("scheduler").Alive() {
					done <- fmt.Errorf("starting the scheduler again: %w", err)
					return
				}
			}
		}
	}()
	return func() {
		cancel()
		require.NoError(t, <-done)
	}
}
