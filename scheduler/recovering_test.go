package scheduler_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

// lose scheduler and store; what an operator kept is a backup of the keys alone.
func (b *bench) lose() {
	b.t.Helper()
	keys := b.backup(true)
	require.NoError(b.t, b.halt())
	b.options.Store = &store.Memory{}
	b.mesos.mu.Lock()
	b.mesos.frames = []scheduler.KnownFramework{{ID: b.mesos.id}}
	b.mesos.mu.Unlock()
	cluster, err := scheduler.Recover(b.t.Context(), b.options.Store, keys, "", time.Now())
	require.NoError(b.t, err)
	require.NotEmpty(b.t, cluster)
	_, err = scheduler.Recover(b.t.Context(), b.options.Store, keys, "", time.Now())
	require.ErrorIs(b.t, err, scheduler.ErrNotEmpty)
}

// nobodyAnswers a node any more.
func (b *bench) nobodyAnswers(n *node) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return n.failure() != nil }, 60*time.Second, time.Millisecond)
}

func waits(text string) func(api.ClusterStatus) bool {
	return func(s api.ClusterStatus) bool { return strings.Contains(s.Waiting, text) }
}

// kept is what must be the same after a recovery.
func (b *bench) kept() (c decide.Cluster, nodes map[string]decide.Node) {
	c = b.clusterRecord()
	c.Epoch, c.Unchecked, c.UncheckedSince, c.Recovered, c.Formation = 0, false, time.Time{}, time.Time{}, nil
	slices.SortFunc(c.Gateways, func(a, b api.Gateway) int { return strings.Compare(a.Node, b.Node) })
	all, err := b.options.Store.List(b.t.Context(), "nodes/")
	require.NoError(b.t, err)
	nodes = map[string]decide.Node{}
	for _, rec := range all {
		var n decide.Node
		require.NoError(b.t, json.Unmarshal(rec.Value, &n))
		n.Generation, n.SpecHash = 0, ""
		nodes[n.ID] = n
	}
	return c, nodes
}

func (b *bench) recoveredEnd(what string) api.ClusterStatus {
	b.t.Helper()
	b.until("all told", waits("all 5 nodes told"))
	b.ahead.Add(int64(time.Minute))
	return b.until(what, func(s api.ClusterStatus) bool { return ready(s) && hasEvent(s, "Recovered") })
}

// Scheduler and store are gone. Of the keys alone, the nodes' memory and the tasks that Mesos knows another comes to the same state: nothing is launched, nothing restarts, and
// meanwhile no node gets an order.
func TestCluster_isRecoveredFromItsNodes(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	require.NoError(t, b.people("operate").Hold(t.Context(), api.HoldRequest{Node: "n4", Author: "me", Reason: "mine"}))
	b.until("n4 knows", func(api.ClusterStatus) bool { return b.nodes[3].answer().Hold != nil })
	require.NoError(t, b.people("operate").Hold(t.Context(), api.HoldRequest{Node: "n4", Author: "me", Release: true}))
	b.until("n4 knows", func(api.ClusterStatus) bool { return b.nodes[3].answer().Hold == nil })
	s := b.until("ready", ready)
	before, tasks := b.end(s), len(b.mesos.tasks)
	cluster, nodes := b.kept()

	b.lose()
	versions := map[string]api.Version{}
	for _, n := range b.nodes { // the last answer may be on its way yet
		b.nobodyAnswers(n)
		versions[n.id] = n.answer().Spec.Version
	}
	b.start()
	b.until("all told", waits("all 5 nodes told"))
	for _, n := range b.nodes {
		assert.Equal(t, versions[n.id], n.answer().Spec.Version, "no order before the end")
		var refused *api.Error
		require.ErrorAs(t, n.failure(), &refused)
		assert.Equal(t, api.CodeRecovering, refused.Code)
	}
	require.NoError(t, b.halt())
	b.start() // it begins to listen again
	s = b.recoveredEnd("recovered")
	assert.Equal(t, before, b.end(s))
	assert.Equal(t, "framework-1", s.Framework)
	assert.Equal(t, 5, b.mesos.count(), "nothing was launched")
	assert.Equal(t, tasks, len(b.mesos.tasks))
	again, nodesAgain := b.kept()
	assert.Equal(t, cluster, again)
	assert.Equal(t, nodes, nodesAgain)
	for _, n := range b.nodes {
		assert.Greater(t, n.answer().Spec.Version.Epoch, versions[n.id].Epoch)
	}
	require.NoError(t, b.halt())
	b.start()
	s = b.until("ready after a restart", ready)
	assert.Equal(t, before, b.end(s))
}

// A node that is off is waited for; a person may go on without it, and when it comes back it is taken with what it remembers. Who shows another's memory isn't.
func TestRecovery_waitsForWhoIsOffAndTakesItLater(t *testing.T) {
	b := newBench(t)
	b.start()
	before := b.end(b.until("ready", ready))
	off := b.nodes[4]
	off.kill()
	b.lose()
	b.start()
	b.until("n5 is missing", waits("4 nodes told what they remember; missing: [mesos-agent agent-"+off.id+"]"))
	b.ahead.Add(int64(time.Hour))
	b.until("as ever", waits("missing: [mesos-agent agent-"+off.id))
	var refused *api.Error
	require.ErrorAs(t, b.people("read").Recover(t.Context(), api.RecoverRequest{Author: "me", Without: []string{"x"}}), &refused)
	assert.Equal(t, api.CodeForbidden, refused.Code)
	require.NoError(t, b.people("operate").Hold(t.Context(), api.HoldRequest{Author: "me", Reason: "until I have looked"}))
	require.NoError(t, b.people("operate").Recover(t.Context(), api.RecoverRequest{Author: "me", Without: []string{"agent-" + off.id}}))
	b.ahead.Add(int64(time.Minute))
	held := b.until("recovered", func(s api.ClusterStatus) bool { return hasEvent(s, "Recovered") })
	if assert.NotNil(t, held.Hold, "what was put on meanwhile stays on") {
		require.NoError(t, b.people("operate").Hold(t.Context(), api.HoldRequest{Author: "me", Release: true}))
	}
	require.Error(t, b.people("operate").Recover(t.Context(), api.RecoverRequest{Author: "me", Without: []string{"x"}}), "it is over")
	off.place(off.env)
	s := b.until("all are back", func(s api.ClusterStatus) bool { return ready(s) && hasEvent(s, "NodeRecovered") })
	assert.Equal(t, before, b.end(s))
}

// Nodes that remember different things: nothing is guessed.
func TestRecovery_refusesWhatContradicts(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	b.lose() // before that an answer on its way would make it forget its lie
	liar := b.nodes[4]
	liar.mu.Lock()
	liar.last.Spec.SystemID = "00000000000000ff"
	liar.mu.Unlock()
	b.start()
	b.until("told why", waits("n5: it remembers ScaleIO system 00000000000000ff, others 0000000000000001"))
	b.ahead.Add(int64(time.Hour))
	b.until("as ever", waits("remember different things"))
	require.NoError(t, b.people("operate").Recover(t.Context(), api.RecoverRequest{Author: "me", Without: []string{"n5", "agent-machine-5"}}))
	b.ahead.Add(int64(time.Minute))
	b.until("recovered without it", func(s api.ClusterStatus) bool { return hasEvent(s, "Recovered") })
	b.until("it isn't taken later either", func(s api.ClusterStatus) bool { return hasEvent(s, "LatecomerRefused") })
}

// Settings that no record holds stop a recovery too, and it says whose they are.
func TestRecovery_namesWhoseSettingsAreTooLarge(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	noise := func() string { // what packing makes no smaller
		bytes := make([]byte, 42_000)
		_, _ = rand.Read(bytes)
		return base64.StdEncoding.EncodeToString(bytes)
	}
	b.lose()
	liar := b.nodes[3]
	liar.mu.Lock()
	liar.last.Spec.ModuleMirror = noise()
	liar.mu.Unlock()
	b.options.Settings.Packages = append(b.options.Settings.Packages, api.Package{Component: "sds", OS: "none", Version: noise()})
	b.start()
	s := b.until("told whose", waits("remembers of settings is larger than any"))
	assert.Contains(t, s.Waiting, "what "+liar.id+" remembers")
}

// Nobody who is heard knows the MDMs: whoever does may come yet, and new ones would be a second storage.
func TestRecovery_makesNoNewMDMs(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	b.lose() // before that an answer on its way would tell them again
	var memory []api.MDM
	for _, n := range b.nodes {
		n.mu.Lock()
		memory, n.last.Spec.MDMs = n.last.Spec.MDMs, nil
		n.mu.Unlock()
	}
	b.options.CopyFile = filepath.Join(t.TempDir(), "previous.backup")
	require.NoError(t, os.WriteFile(b.options.CopyFile, []byte("all that was"), 0o600))
	b.start()
	b.until("nobody knows", waits("(5 told)"))
	b.ahead.Add(int64(time.Hour))
	s := b.until("as ever", waits("remembers which nodes have the MDMs"))
	assert.False(t, hasEvent(s, "Recovered"))
	copied, err := os.ReadFile(b.options.CopyFile)
	require.NoError(t, err)
	assert.Equal(t, "all that was", string(copied), "a copy of the recovering store would be of less")

	for i, n := range b.nodes[:3] {
		n.mu.Lock()
		n.last.Spec.MDMs = memory
		n.mu.Unlock()
		b.ahead.Add(int64(time.Hour))
		if i < 2 {
			b.until("too few know", waits("remembers which nodes have the MDMs"))
		}
	}
	b.until("three of five know", func(s api.ClusterStatus) bool { return hasEvent(s, "Recovered") })
	require.Eventually(t, func() bool {
		copied, err := os.ReadFile(b.options.CopyFile)
		return err == nil && len(copied) > 1000
	}, 10*time.Second, 5*time.Millisecond)
}

// What is new in the configuration of the scheduler that recovers comes to the nodes in waves, as it does to one that lost nothing.
func TestRecovery_doesntSkipTheWaves(t *testing.T) {
	b := newBench(t)
	b.options.Settings.RolloutCalm = time.Hour
	b.start()
	b.until("ready", ready)
	b.lose()
	b.options.Settings.Reboots = api.RebootsRolling
	b.start()
	b.until("all told", waits("all 5 nodes told"))
	b.ahead.Add(int64(time.Minute))
	s := b.until("the canary", func(s api.ClusterStatus) bool {
		return hasEvent(s, "Recovered") && ready(s) && s.Rollout != nil && s.Rollout.Given == 1 && s.Rollout.Why == ""
	})
	told := 0
	for _, n := range b.nodes {
		if n.answer().Spec.Reboots == api.RebootsRolling {
			told++
		}
	}
	assert.Equal(t, 1, told, "%v", s.Rollout)
	require.NoError(t, b.halt())
	b.start()
	s = b.until("it goes on where it was", func(s api.ClusterStatus) bool { return ready(s) && s.Rollout != nil })
	assert.Equal(t, 1, s.Rollout.Given)
}
