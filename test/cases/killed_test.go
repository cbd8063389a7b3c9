//go:build nodes

package cases_test

import (
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

	"scaleio-framework/scheduler/api"
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

// stoppedShort makes what a package's script does the agent's work: the unit's first start does nothing, as after a script that stopped short.
const stoppedShort = `[Service]
ExecCondition=/bin/sh -c 'mkdir /var/lib/first-start-%%p 2>/dev/null || exit 0; %s exit 1'
`

// firstStarts are the units that packages start, and what else is undone then: the SDC's script tells it the MDMs, too.
var firstStarts = map[string]string{"mdm": "", "sds": "", "scini": "sed -i /^mdm/d /etc/emc/scaleio/drv_cfg.txt;", "scaleio-gateway": ""}

// TestKilledAtEveryPoint brings a cluster up while every agent and the scheduler
// are killed, as kill -9 does, once at each point that the programs list: before
// and after each step's act, before and after each write to the store. What
// stands at the end must be what stands without.
func TestKilledAtEveryPoint(t *testing.T) {
	p := listPoints(t)
	schedulerFile := filepath.Join(t.TempDir(), "die-at")
	require.NoError(t, os.WriteFile(schedulerFile, []byte(strings.Join(p.ofScheduler, "\n")), 0o600))
	s := up(t, "killed", cases.Config{NoScheduler: true, Prepare: func(node *nodes.Node) error { return prepareToDie(node, p.ofAgent()) }})
	stop := keepScheduler(t, s, schedulerFile)
	var status api.ClusterStatus
	enrol := enrolment(t, s)
	err := cases.Eventually(within(t, 8*time.Minute), func(ctx context.Context) (err error) {
		if err := enrol(ctx); err != nil {
			return err
		}
		status, err = s.Status(ctx)
		if err == nil && !status.Ready {
			err = fmt.Errorf("not Ready: %+v", status.Nodes)
		}
		return err
	})
	stop()
	require.NoError(t, err)
	require.NoError(t, s.WaitReady(within(t, 2*time.Minute), nil))

	agents := p.everyAgentDied(t, s, status)
	left, err := os.ReadFile(schedulerFile)
	require.NoError(t, err)
	missed := strings.Fields(string(left))
	t.Logf("the scheduler was killed at %d of its %d points", len(p.ofScheduler)-len(missed), len(p.ofScheduler))
	assert.Empty(t, missed, "the scheduler never reached these")
	t.Logf("killed %d times in all", agents+len(p.ofScheduler)-len(missed))

	require.NoError(t, s.NothingTwice(t.Context()))
	require.NoError(t, s.Keep(t.Context(), top))
}

// enrolment has a person make an enrolment token, once, and as often as it takes until the scheduler lives through it.
func enrolment(t *testing.T, s *cases.Stand) func(context.Context) error {
	address, err := s.Forward("127.0.0.1:0", nodes.Gateway+":9443")
	require.NoError(t, err)
	made := false
	return func(ctx context.Context) error {
		if made {
			return nil
		}
		out, err := exec.CommandContext(ctx, filepath.Join(build, "scaleio-scheduler"), "tokens", "create", "--ttl=10m", "--count=1",
			"--url=https://"+address, "--ca-file="+s.CAFile(), "--token-file="+s.OperatorTokenFile()).CombinedOutput()
		if err != nil {
			return fmt.Errorf("making an enrolment token: %w: %s", err, out)
		}
		made = true
		return nil
	}
}

// points are what the programs list.
type points struct {
	ofRole      map[api.Role][]string // that every node of the role passes
	ofCluster   []string              // that one node passes for all: it forms the cluster, it leads
	ofScheduler []string
}

func listPoints(t *testing.T) points {
	p := points{ofRole: map[api.Role][]string{}, ofCluster: pointsOf(t, "scaleio-agent", "points", "cluster"), ofScheduler: pointsOf(t, "scaleio-scheduler", "points")}
	for _, role := range []api.Role{api.RoleManager, api.RoleTieBreaker} {
		p.ofRole[role] = pointsOf(t, "scaleio-agent", "points", string(role))
	}
	return p
}

// pointsOf asks a program for a list.
func pointsOf(t *testing.T, program string, args ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(build, program), args...).Output()
	require.NoError(t, err)
	require.NotEmpty(t, out)
	return strings.Fields(string(out))
}

// ofAgent are all where an agent may die: which role a node gets is decided later.
func (p points) ofAgent() []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(p.ofCluster, p.ofRole[api.RoleManager], p.ofRole[api.RoleTieBreaker]))))
}

// everyAgentDied counts the deaths, and fails for a point of a node's role that it never reached and for one of the cluster's that no node did.
func (p points) everyAgentDied(t *testing.T, s *cases.Stand, status api.ClusterStatus) (deaths int) {
	never := p.ofCluster
	for _, node := range s.Nodes() {
		role := roleOf(status, node)
		left, err := node.ReadFile(pointsFile)
		require.NoError(t, err)
		reached := without(p.ofAgent(), strings.Fields(string(left)))
		ofRole := p.ofRole[role]
		assert.NotEmpty(t, ofRole, "role %q", role)
		missed := without(ofRole, reached)
		t.Logf("%s (%s): its agent was killed at %d of the %d points of its role, and at %d of the %d that one node passes for all", node.Name, role,
			len(ofRole)-len(missed), len(ofRole), len(p.ofCluster)-len(without(p.ofCluster, reached)), len(p.ofCluster))
		assert.Empty(t, missed, "%s (%s) never reached these", node.Name, role)
		never = without(never, reached)
		deaths += len(reached)
	}
	assert.Empty(t, never, "no node reached these")
	return deaths
}

func prepareToDie(node *nodes.Node, points []string) error {
	errs := []error{
		node.WriteFile(pointsFile, []byte(strings.Join(points, "\n")), 0o600),
		node.WriteFile("/etc/systemd/system/scaleio-agent.service.d/die.conf", []byte(agentDropIn), 0o644),
	}
	for unit, undo := range firstStarts {
		errs = append(errs, node.WriteFile("/etc/systemd/system/"+unit+".service.d/first-start.conf", fmt.Appendf(nil, stoppedShort, undo), 0o644))
	}
	return errors.Join(errs...)
}

func roleOf(status api.ClusterStatus, node *nodes.Node) api.Role {
	for _, n := range status.Nodes {
		if n.Hostname == node.Name {
			return n.Role
		}
	}
	return api.RoleUndecided
}

// without gives what of all isn't among some.
func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(point string) bool { return slices.Contains(some, point) })
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
