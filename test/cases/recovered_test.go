//go:build nodes

package cases_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// TestRecovered: scheduler and store are lost while a task writes. Of the keys alone another scheduler comes to the same state by what the nodes remember; then
// that one is given an older state. Neither launches, restarts or buys anything, and the nodes take the orders of both.
func TestRecovered(t *testing.T) {
	s := up(t, "recovered", cases.Growing(cases.Config{Scheduler: map[string]any{"growth-threshold": 20}}, top+"/packaging"))
	require.NoError(t, s.WaitReady(within(t, 5*time.Minute), nil))
	require.NoError(t, s.WaitGrowable(within(t, time.Minute)))
	require.NoError(t, s.GrowAt(within(t, 5*time.Minute), 24, nil))
	require.NoError(t, s.WaitReady(within(t, 2*time.Minute), nil))
	address, err := s.Forward("127.0.0.1:0", nodes.Gateway+":9443")
	require.NoError(t, err)
	l := &loss{t: t, s: s, dir: t.TempDir(), address: address}
	ended := make(chan error, 1)
	go func() { ended <- s.WriteVerified(context.WithoutCancel(t.Context()), "recovered", s.Nodes()[0]) }()
	writes(t, s, "recovered", s.Nodes()[0])
	before := l.look("before")
	require.NotEmpty(t, before.ledger, "something was bought")
	l.say("backup", "--keys-only", "--to", l.file("keys"))

	lost := time.Now()
	require.NoError(t, s.KillProcess(t.Context(), "scheduler"))
	require.NoError(t, os.RemoveAll(s.Path("state")))
	require.NoError(t, os.Mkdir(s.Path("state"), 0o700))
	l.prepare("recover", "--from-nodes", "--keys", l.file("keys"))
	require.NoError(t, s.StartScheduler(within(t, time.Minute)))
	l.obeyed("Recovered", before.cluster.Epoch)
	t.Logf("recovered %v after the loss", time.Since(lost).Round(time.Second))
	recovered := l.look("recovered")
	l.same(before, recovered)
	require.Greater(t, recovered.cluster.Epoch, before.cluster.Epoch)

	require.NoError(t, s.KillProcess(t.Context(), "scheduler"))
	l.prepare("restore", "--replace", "--from", l.file("recovered"))
	require.NoError(t, s.StartScheduler(within(t, time.Minute)))
	l.obeyed("Restored", recovered.cluster.Epoch)
	restored := l.look("restored")
	l.same(before, restored)
	require.Greater(t, restored.cluster.Epoch, recovered.cluster.Epoch)

	rounds, err := s.Rounds("recovered", s.Nodes()[0])
	require.NoError(t, err)
	pause, _ := cases.LongestPause(rounds, lost, time.Now())
	t.Logf("%d rounds of the writer, the longest pause since the loss %v", len(rounds), pause)
	require.NoError(t, s.EndWriters())
	require.NoError(t, <-ended, "no I/O error")
	require.NoError(t, s.PooledDisks(t.Context()))
	require.NoError(t, s.BoughtAndPooled(t.Context()))
	require.NoError(t, s.UntouchedDisks())
}

// writes waits until the writer does.
func writes(t *testing.T, s *cases.Stand, volume string, node *nodes.Node) {
	t.Helper()
	require.NoError(t, cases.Eventually(within(t, 2*time.Minute), func(context.Context) error {
		rounds, err := s.Rounds(volume, node)
		if err == nil && len(rounds) < 3 {
			err = fmt.Errorf("the writer made %d rounds", len(rounds))
		}
		return err
	}))
}

// loss of a scheduler with all that it kept.
type loss struct {
	t       *testing.T
	s       *cases.Stand
	dir     string
	address string // of the scheduler, for this machine
}

func (l *loss) file(name string) string { return filepath.Join(l.dir, name) }

// say something to the running scheduler.
func (l *loss) say(args ...string) {
	l.t.Helper()
	out, err := exec.CommandContext(l.t.Context(), filepath.Join(build, "scaleio-scheduler"),
		append(args, "--url=https://"+l.address, "--ca-file="+l.s.CAFile(), "--token-file="+l.s.OperatorTokenFile())...).CombinedOutput()
	require.NoError(l.t, err, "%s", out)
}

// prepare the state of a scheduler that doesn't run, with its configuration.
func (l *loss) prepare(args ...string) {
	l.t.Helper()
	cmd := exec.CommandContext(l.t.Context(), "./scaleio-scheduler", append(args, "--config", "scheduler.yaml")...)
	cmd.Dir = l.s.Path("sandbox")
	out, err := cmd.CombinedOutput()
	require.NoError(l.t, err, "%s", out)
	l.t.Logf("%s", out)
}

// obeyed waits until the scheduler said what befell it, all is Ready, and each node follows an order of a later epoch.
func (l *loss) obeyed(event string, epoch int64) {
	l.t.Helper()
	require.NoError(l.t, cases.Eventually(within(l.t, 3*time.Minute), func(ctx context.Context) error {
		status, err := l.s.Status(ctx)
		if err == nil && !slices.ContainsFunc(status.Events, func(e api.Event) bool { return e.Kind == event }) {
			err = fmt.Errorf("no event %s; waiting: %s", event, status.Waiting)
		}
		for _, node := range l.s.Nodes() {
			if v, read := orderOf(node); err == nil && (read != nil || v.Epoch <= epoch) {
				err = fmt.Errorf("%s follows %+v: %w", node.Name, v, cmp.Or(read, errOlder))
			}
		}
		return err
	}))
	require.NoError(l.t, l.s.WaitReady(within(l.t, 2*time.Minute), nil))
}

var errOlder = errors.New("an order from before")

// orderOf says which one a node follows.
func orderOf(node *nodes.Node) (v api.Version, err error) {
	var state struct{ Spec struct{ Version api.Version } }
	text, err := node.ReadFile("/var/lib/scaleio-agent/state.json")
	if err == nil {
		err = json.Unmarshal(text, &state)
	}
	return state.Spec.Version, err
}

// sight is all that must outlive a scheduler.
type sight struct {
	cluster decide.Cluster
	nodes   map[string]decide.Node
	ledger  map[string][]decide.Order
	tasks   []string
	started map[string]string
	bought  map[string]int // calls that the cloud has seen
	volumes []string
}

// look at everything; what the scheduler keeps is read from a backup.
func (l *loss) look(name string) *sight {
	l.t.Helper()
	v := &sight{nodes: map[string]decide.Node{}, ledger: map[string][]decide.Order{}, started: started(l.t, l.s)}
	l.say("backup", "--to", l.file(name))
	file, err := os.Open(l.file(name))
	require.NoError(l.t, err)
	defer file.Close()
	backup, err := store.ReadBackup(file)
	require.NoError(l.t, err)
	for _, r := range backup.Records {
		l.keep(v, r)
	}
	v.tasks, err = l.s.TaskIDs(l.t.Context())
	require.NoError(l.t, err)
	slices.Sort(v.tasks)
	counts, err := l.s.Cloud().Counts(l.t.Context())
	require.NoError(l.t, err)
	v.bought = map[string]int{}
	for _, call := range []string{"CreateVolume", "AttachVolume", "DetachVolume", "DeleteVolume"} {
		v.bought[call] = counts[call]
	}
	volumes, err := l.s.Volumes(l.t.Context())
	require.NoError(l.t, err)
	for _, volume := range volumes {
		v.volumes = append(v.volumes, volume.ID)
	}
	return v
}

// keep of a record what isn't of one scheduler's life alone.
func (l *loss) keep(v *sight, r store.Record) {
	switch {
	case r.Key == "cluster":
		require.NoError(l.t, json.Unmarshal(r.Value, &v.cluster))
		slices.SortFunc(v.cluster.Gateways, func(a, b api.Gateway) int { return strings.Compare(a.Node, b.Node) })
	case strings.HasPrefix(r.Key, "nodes/"):
		var n decide.Node
		require.NoError(l.t, json.Unmarshal(r.Value, &n))
		n.Generation, n.SpecHash = 0, ""
		v.nodes[n.ID] = n
	case strings.HasPrefix(r.Key, "expansions/"):
		var e decide.Expansion
		require.NoError(l.t, json.Unmarshal(r.Value, &e))
		for i := range e.Orders {
			e.Orders[i].Since, e.Orders[i].Message = time.Time{}, ""
		}
		v.ledger[e.ID] = e.Orders
	}
}

// same: roles, formation, fault sets and ledger, tasks and daemons, and what is paid for.
func (l *loss) same(before, after *sight) {
	l.t.Helper()
	once := func(c decide.Cluster) decide.Cluster {
		c.Epoch, c.Unchecked, c.UncheckedSince, c.Recovered, c.Formation = 0, false, time.Time{}, time.Time{}, nil
		return c
	}
	require.NotEmpty(l.t, before.cluster.MDMs)
	require.NotEmpty(l.t, before.cluster.FaultSets)
	assert.Equal(l.t, once(before.cluster), once(after.cluster))
	assert.Equal(l.t, before.nodes, after.nodes)
	assert.Equal(l.t, slices.Sorted(maps.Keys(before.ledger)), slices.Sorted(maps.Keys(after.ledger)))
	assert.Equal(l.t, before.ledger, after.ledger)
	assert.Equal(l.t, before.tasks, after.tasks, "nothing is launched anew")
	assert.Equal(l.t, before.started, after.started, "and nothing restarted")
	assert.Equal(l.t, before.bought, after.bought, "nothing is bought or given back")
	assert.Equal(l.t, before.volumes, after.volumes)
	require.False(l.t, l.t.Failed())
}
