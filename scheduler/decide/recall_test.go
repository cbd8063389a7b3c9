package decide

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

// remembering is a cluster that bought: what its nodes would tell.
func remembering(t *testing.T) (*State, map[string]*Evidence) {
	t.Helper()
	at := time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	order := func(expansion string, i int, node, volume string, o Order) Order {
		o.VolumeOrder = api.VolumeOrder{Expansion: expansion, Index: i, Attempt: 1, SizeGiB: 100, Type: "gp3", Zone: "us-east-1a", VolumeID: volume}
		o.Node, o.Region = node, "us-east-1"
		return o
	}
	s := &State{Now: at, Settings: &Settings{Growth: GrowthSettings{Mode: api.GrowthAuto}}, Nodes: map[string]*Node{}}
	s.Cluster = Cluster{
		ID: "c1", Epoch: 3, PeersChecked: true, SystemID: "00000000000000aa", Gates: api.Gates, Spread: true, FaultSets: map[string]string{"r1": "r1", "r2": "r2", "r3": "r3"}, Grants: 1,
		MDMs: []api.MDM{{Node: "a", Name: "n-a", Role: api.RoleManager}, {Node: "b", Name: "n-b", Role: api.RoleManager}, {Node: "c", Name: "n-c", Role: api.RoleTieBreaker}},
	}
	for id, domain := range map[string]string{"a": "r1", "b": "r2", "c": "r3"} {
		s.Nodes[id] = &Node{ID: id, Name: "n-" + id, Hostname: "n-" + id, Key: "key-" + id, AgentID: "agent-" + id, Domain: domain, Generation: 7, Approved: []string{"disk-" + id},
			Report: &api.Report{Node: api.Identity{ID: id, Hostname: "n-" + id}, Platform: api.Platform{OS: "ubuntu22.04", Supported: true}, Cloud: &api.CloudView{Provider: "aws"}}, SeenAt: at}
	}
	done := Order{Stage: api.OrderPresent, Given: true, InPool: true, Settled: true, Since: at}
	s.Ledger = []*Expansion{
		{ID: "e1", State: api.ExpansionEnded, Decided: at.Add(-time.Hour), Why: "full", Who: "me", Gain: 5, Cost: 800, Priced: true, Settled: true, Ended: at,
			Orders: []Order{order("e1", 0, "a", "vol-1", done), order("e1", 1, "b", "vol-2", done), order("e1", 2, "c", "vol-3", done)}},
		{ID: "e2", State: api.ExpansionBuying, Decided: at, Why: "fuller", Orders: []Order{order("e2", 0, "a", "vol-4", Order{Stage: api.OrderAttached}), order("e2", 1, "b", "", Order{})}},
	}
	all := map[string]*Evidence{}
	for id, n := range s.Nodes {
		spec := Spec(s, n)
		raw, err := json.Marshal(spec) // as it lies on the node's disk
		require.NoError(t, err)
		kept := api.NodeSpec{}
		require.NoError(t, json.Unmarshal(raw, &kept))
		n.Report.Version = spec.Version
		all[id] = &Evidence{Key: n.Key, Report: n.Report, Spec: &kept, At: at}
	}
	return s, all
}

func TestRecover_rebuildsStateAndLedger(t *testing.T) {
	s, all := remembering(t)
	got, err := Recover("c1", all, s.Now)
	require.NoError(t, err)
	want := s.Cluster
	want.Epoch, want.Unchecked, want.UncheckedSince = 4, true, s.Now
	assert.Equal(t, want, got.Cluster)
	for id, n := range s.Nodes {
		r := got.Nodes[id]
		assert.Equal(t, []any{n.Name, n.Key, n.AgentID, n.Domain, n.Generation, n.Approved}, []any{r.Name, r.Key, r.AgentID, r.Domain, r.Generation, r.Approved})
	}
	require.Len(t, got.Ledger, 2)
	first, second := got.Ledger[0], got.Ledger[1]
	assert.Equal(t, s.Ledger[0].Orders, first.Orders)
	assert.Equal(t, []any{"full", "me", api.Cents(800), true, api.ExpansionEnded}, []any{first.Why, first.Who, first.Cost, first.Settled, first.State})
	assert.Equal(t, "vol-4", second.Orders[0].VolumeID)
	assert.False(t, second.Orders[0].Settled, "it goes its way to the pool")
	assert.Equal(t, api.OrderKept, second.Orders[1].Stage, "nobody knows whether it was bought: it isn't bought again, and is counted")
	assert.True(t, second.Orders[1].Settled)

	after := *s
	after.Cluster, after.Nodes, after.Ledger = got.Cluster, got.Nodes, got.Ledger
	assert.Equal(t, spent(s).volumes, spent(&after).volumes)
	for id := range after.Nodes {
		for _, o := range ordersFor(&after, after.Nodes[id]) {
			assert.NotEmpty(t, o.VolumeID, "nothing is to be bought")
		}
	}
	delete(all, "b")
	got, err = Recover("c1", all, s.Now)
	require.NoError(t, err)
	assert.Equal(t, api.OrderDeleted, got.Ledger[0].Orders[1].Stage, "of a node that didn't tell a listing tells")
	assert.Equal(t, 2, got.Ledger[0].Orders[2].Index)
}

func TestRecover_guessesNothing(t *testing.T) {
	rows := map[string]func(map[string]*Evidence){
		"others 00000000000000aa": func(all map[string]*Evidence) { all["c"].Spec.SystemID = "00000000000000bb" },
		"it remembers the MDMs":   func(all map[string]*Evidence) { all["b"].Spec.MDMs = all["b"].Spec.MDMs[:2] },
		"remember the name n-a":   func(all map[string]*Evidence) { all["c"].Spec.Name = "n-a" },
		"its MDM belongs to": func(all map[string]*Evidence) {
			all["a"].Report.MDM = &api.MDMView{InCluster: true, SystemID: "00000000000000cc"}
		},
		"can't be read":             func(all map[string]*Evidence) { all["a"].Spec.Recall = []byte(`[]`) },
		"such an epoch":             func(all map[string]*Evidence) { all["b"].Report.Version.Epoch = MaxEpoch + 1 },
		"fault set other of \"r1\"": func(all map[string]*Evidence) { all["c"].Spec.Recall = []byte(`{"faultSets":{"r1":"other"}}`) },
		"both being interrupted": func(all map[string]*Evidence) {
			all["a"].Report.Intents = []api.Intent{{Kind: IntentReboot}}
			all["b"].Report.Intents = []api.Intent{{Kind: IntentReboot}}
		},
		"both told to form": func(all map[string]*Evidence) {
			all["a"].Report.Intents = []api.Intent{{Kind: stepFormCluster, Subject: "x"}}
			all["b"].Spec.Formation = &api.Formation{Node: "b", Nonce: "y"}
		},
		"both have order 0": func(all map[string]*Evidence) {
			all["b"].Spec.Recall = all["a"].Spec.Recall
			all["b"].Spec.Growth = nil
			var m memory
			_ = json.Unmarshal(all["b"].Spec.Recall, &m)
			m.Bought[0].Order.Node = "b"
			all["b"].Spec.Recall, _ = json.Marshal(m)
		},
	}
	for want, lie := range rows {
		t.Run(want, func(t *testing.T) {
			s, all := remembering(t)
			lie(all)
			_, err := Recover("c1", all, s.Now)
			require.ErrorContains(t, err, want)
		})
	}
}

func TestRecover_keepsWhoIsInTheMiddleOfAnAct(t *testing.T) {
	s, all := remembering(t)
	all["b"].Report.Intents = []api.Intent{{Kind: IntentReboot}}
	all["a"].Hold = &api.Hold{Author: "me"}
	all["c"].Hold = &api.Hold{Author: "me", Node: "c"}
	got, err := Recover("c1", all, s.Now)
	require.NoError(t, err)
	assert.Equal(t, "b", got.Holder)
	assert.Equal(t, "me", got.Cluster.Hold.Author)
	assert.Equal(t, "c", got.Nodes["c"].Hold.Node)
}
