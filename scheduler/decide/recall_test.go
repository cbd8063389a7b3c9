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
	assert.Equal(t, []any{"", false, true, true}, []any{second.Orders[1].VolumeID, second.Orders[1].Settled, second.Orders[1].Doubted, second.Orders[1].There()},
		"nobody knows whether it was bought: it isn't bought again, and is counted")

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

// A volume that was bought while the store was lost, so that no node remembers it as its own: its node's word or a listing shows it, and it goes its way to the pool, as it was
// meant to. If nothing shows one, none is bought: the order is given up.
func TestRecover_whatWasBoughtMeanwhileGoesOn(t *testing.T) {
	recovered := func() *State {
		s, all := remembering(t)
		got, err := Recover("c1", all, s.Now)
		require.NoError(t, err)
		s.Settings.Growth.Patience, s.Growing = 10*time.Minute, &Growing{}
		s.Cluster, s.Nodes, s.Ledger = got.Cluster, got.Nodes, got.Ledger
		return s
	}
	told := func(s *State) (volumes []string) {
		for _, o := range ordersFor(s, s.Nodes["b"]) {
			volumes = append(volumes, o.VolumeID)
		}
		return volumes
	}
	later := func(s *State, d time.Duration) {
		s.Now = s.Now.Add(d)
		for _, n := range s.Nodes {
			n.SeenAt = s.Now
		}
		Grow(s)
	}
	s := recovered()
	later(s, time.Second)
	assert.Empty(t, told(s))
	s.Nodes["b"].Report.Orders = []api.OrderState{{Expansion: "e2", Index: 1, Attempt: 1, VolumeID: "vol-5", Stage: api.OrderAttached}}
	later(s, time.Second)
	assert.Equal(t, []string{"vol-5"}, told(s), "its node says so")

	s = recovered()
	e, o := ordered(s, api.OwnedVolume{VolumeID: "vol-5", Node: "b", Expansion: "e2", Order: "1.1"})
	require.NotNil(t, o)
	adopt(s, e, o, api.OwnedVolume{VolumeID: "vol-5"}, &GrowthOutcome{})
	assert.Equal(t, []string{"vol-5"}, told(s), "a listing shows it")

	s = recovered()
	later(s, time.Second)
	s.Cluster.Unchecked = false
	later(s, time.Second)
	assert.Empty(t, told(s), "nothing is bought")
	later(s, 11*time.Minute)
	last := s.Ledger[1].Orders[1]
	assert.NotEmpty(t, last.hopeless(s), "it is given up as soon as the volumes were listed")
	last.giveUp(s, "", &GrowthOutcome{})
	assert.Equal(t, []any{true, api.OrderKept, true}, []any{last.Settled, last.Stage, last.There()}, "and counted")
}

func TestRecover_guessesNothing(t *testing.T) {
	rows := map[string]func(map[string]*Evidence){
		"others 00000000000000aa": func(all map[string]*Evidence) { all["c"].Spec.SystemID = "00000000000000bb" },
		"it remembers the MDMs":   func(all map[string]*Evidence) { all["b"].Spec.MDMs = all["b"].Spec.MDMs[:2] },
		"remember the name n-a":   func(all map[string]*Evidence) { all["c"].Spec.Name = "n-a" },
		"its MDM belongs to": func(all map[string]*Evidence) {
			all["a"].Report.MDM = &api.MDMView{InCluster: true, SystemID: "00000000000000cc"}
		},
		"can't be read": func(all map[string]*Evidence) { all["a"].Spec.Recall = []byte(`[]`) },
		"such an epoch": func(all map[string]*Evidence) { all["b"].Report.Version.Epoch = 3 + MaxJump + 1 },
		"such an epoch (1099511627776, others heard 3)": func(all map[string]*Evidence) { all["b"].Report.Version.Epoch = 1 << 40 },
		"or number of grants":                           func(all map[string]*Evidence) { all["b"].Spec.Version.Generation = 1 << 62 },
		"n-c: only there fault set mine of \"r9\"":      func(all map[string]*Evidence) { remembers(all["c"], func(m *memory) { m.FaultSets["r9"] = "mine" }) },
		"n-b: only there it is remembered that fault sets were decided": func(all map[string]*Evidence) {
			for _, id := range []string{"a", "c"} {
				remembers(all[id], func(m *memory) { m.Spread, m.FaultSets = false, nil })
			}
		},
		"b: it remembers an order of a": func(all map[string]*Evidence) {
			remembers(all["b"], func(m *memory) { m.Bought[0].Order.Node = "a" })
		},
		"n-c: only there ScaleIO system 00000000000000aa": func(all map[string]*Evidence) {
			all["a"].Spec.SystemID, all["b"].Spec.SystemID = "", ""
		},
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

func remembers(e *Evidence, change func(*memory)) {
	var m memory
	_ = json.Unmarshal(e.Spec.Recall, &m)
	change(&m)
	e.Spec.Recall, _ = json.Marshal(m)
}

// What is the same for all isn't one node's to name: it is told by whom, and nothing comes of it.
func TestRecover_noSingleNodeNamesAnythingForAll(t *testing.T) {
	s, all := remembering(t)
	own := api.Gateway{Node: "a", Address: "10.0.0.1:443", CertificatePEM: "a's own"}
	all["a"].Spec.Volumes.Gateways = []api.Gateway{own}
	all["c"].Spec.Volumes.Gateways = []api.Gateway{{Node: "a", Address: "6.6.6.6:443", CertificatePEM: "mine"}, {Node: "b", Address: "6.6.6.6:443"}, {Node: "c", Address: "6.6.6.6:443"}}
	all["c"].Spec.MDMs[0].CertificatePEM, all["c"].Spec.MDMs[1].IPs = "mine", []string{"6.6.6.6"}
	all["a"].Spec.Gates, all["b"].Spec.Gates = api.Gates[:3], api.Gates[:4]
	got, err := Recover("c1", all, s.Now)
	require.NoError(t, err)
	assert.Equal(t, []api.Gateway{own}, got.Cluster.Gateways, "a manager's own word counts, and nobody's for another")
	assert.Equal(t, s.Cluster.MDMs, got.Cluster.MDMs)
	assert.Equal(t, api.Gates[:4], got.Cluster.Gates)
	assert.Equal(t, map[string][]string{"c": {"that the gate pool-ready is open", "a gateway of a at 6.6.6.6:443", "a gateway of b at 6.6.6.6:443", "a gateway of c at 6.6.6.6:443"}}, got.Doubts)

	_, all = remembering(t)
	for id := range all {
		all[id].Spec.Volumes.Gateways = []api.Gateway{own}
	}
	all["b"].Spec.SystemID, all["c"].Spec.SystemID = "", ""
	all["b"].Report.MDM = &api.MDMView{InCluster: true, SystemID: s.Cluster.SystemID}
	all["a"].Spec.Role = api.RoleUndecided // it was told nothing of the whole: it doesn't count
	got, err = Recover("c1", all, s.Now)
	require.NoError(t, err)
	assert.Empty(t, got.Cluster.SystemID)
	all["a"].Spec.Role = api.RoleManager
	got, err = Recover("c1", all, s.Now)
	require.NoError(t, err)
	assert.Equal(t, s.Cluster.SystemID, got.Cluster.SystemID, "ScaleIO says so itself")
	assert.Empty(t, got.Doubts)
}

// An epoch that a liar names doesn't bring the next scheduler to where it believes nobody any more.
func TestRecover_anyNumberOfTimes(t *testing.T) {
	s, all := remembering(t)
	for range 3 {
		highest := int64(0)
		for id := range all {
			highest = max(highest, all[id].Report.Version.Epoch)
		}
		all["c"].Report.Version.Epoch = highest + MaxJump
		got, err := Recover("c1", all, s.Now)
		require.NoError(t, err)
		require.Equal(t, highest+MaxJump+1, got.Cluster.Epoch)
		for id := range all {
			all[id].Report.Version.Epoch = got.Cluster.Epoch
		}
	}
	highest := all["a"].Report.Version.Epoch
	require.Greater(t, highest, int64(MaxJump))
	all["a"].Report.Version.Epoch, all["a"].Spec.Version.Epoch = 0, 0
	all["d"] = &Evidence{Key: "key-d", Report: &api.Report{Node: api.Identity{ID: "d", Hostname: "n-d"}}, At: s.Now}
	got, err := Recover("c1", all, s.Now)
	require.NoError(t, err, "nor one that names a low one, or never had orders")
	assert.Equal(t, highest+1, got.Cluster.Epoch)
	all["d"].Report.Version.Epoch = 1 << 40
	got, err = Recover("c1", all, s.Now)
	require.NoError(t, err)
	assert.Equal(t, highest+1, got.Cluster.Epoch)
	all["c"].Report.Version.Epoch = 1 << 40
	_, err = Recover("c1", all, s.Now)
	require.ErrorContains(t, err, "n-c: no scheduler gave orders of such an epoch")
	require.NotContains(t, err.Error(), "n-b: no scheduler")
}

// After a recovery each node has what it remembers; what the configuration says goes to them in waves.
func TestResumed_goesOnByWaves(t *testing.T) {
	s, all := remembering(t)
	got, err := Recover("c1", all, s.Now)
	require.NoError(t, err)
	s.Nodes = got.Nodes
	r, turns, events := Resumed(s, got.Told)
	assert.Equal(t, []any{RolloutDone, r.Target, 0, 0}, []any{r.State, r.Base, len(turns), len(events)}, "all have what the configuration says")

	later := *s
	set := *s.Settings
	set.Agent, set.Packages, set.Reboots = &api.AgentBinary{SHA256: "new"}, []api.Package{{Component: "sds", Version: "9"}}, api.RebootsRolling
	later.Settings = &set
	told := got.Told["b"]
	told.ModuleMirror = "https://canary"
	got.Told["b"] = told
	r, turns, events = Resumed(&later, got.Told)
	require.Len(t, events, 1)
	assert.Equal(t, RolloutRunning, r.State)
	later.Rollout = &r
	for id, n := range got.Nodes {
		n.Turn = turns[id]
		spec := Spec(&later, n)
		assert.Nil(t, spec.Agent)
		assert.Empty(t, spec.Reboots)
		assert.Equal(t, map[bool]string{true: "https://canary"}[id == "b"], spec.ModuleMirror, "as it remembers")
		n.SeenAt = s.Now
		n.Report.Version = later.Version(n)
	}
	out := Roll(&later)
	require.Len(t, out.Turns, 1, "the canary")
	for _, turn := range out.Turns {
		assert.Equal(t, r.Target, turn.Version)
	}
	r, _, _ = Resumed(&later, nil)
	assert.Equal(t, RolloutDone, r.State, "nobody remembers anything")
}

// What fewer than half of the nodes remember, be it one whose settings sort before all others, is told to nobody else: an agent runs as root.
func TestResumed_tellsNobodyWhatFewRemember(t *testing.T) {
	s, all := remembering(t)
	s.Settings.Agent = &api.AgentBinary{URL: "https://ours", SHA256: "configured"}
	got, err := Recover("c1", all, s.Now)
	require.NoError(t, err)
	s.Nodes = got.Nodes
	for _, liar := range []string{"a", "b", "c"} {
		for i, id := range []string{"a", "b", "c"} {
			told := got.Told[id]
			told.Agent = &api.AgentBinary{URL: "https://" + id, SHA256: string(rune('1' + i))}
			if id == liar {
				told.Agent.URL, told.Disks.Use = "https://evil", api.DiskUse("evil")
			}
			got.Told[id] = told
		}
		r, turns, _ := Resumed(s, got.Told)
		s.Rollout = &r
		require.Len(t, turns, 3, "each has its own")
		for _, n := range got.Nodes {
			n.Turn = turns[n.ID]
			assert.Equal(t, got.Told[n.ID].Agent.URL, Spec(s, n).Agent.URL)
		}
		assert.Equal(t, "https://ours", Spec(s, &Node{ID: "new"}).Agent.URL)
		_, err := AbortRollout(s)
		require.ErrorContains(t, err, "configure it", "there is nothing to go back to")
	}
	for _, id := range []string{"a", "b"} {
		got.Told[id] = func(t NodeSettings) NodeSettings {
			t.Agent = &api.AgentBinary{URL: "https://former", SHA256: "f"}
			t.Disks.Use = ""
			return t
		}(got.Told[id])
	}
	r, _, _ := Resumed(s, got.Told)
	assert.Equal(t, "https://former", r.Versions[r.Base].Agent.URL, "more than half")
	assert.Equal(t, s.Settings.Disks, r.Versions[r.Base].Disks, "of those that give none nobody remembers any")

	liar := got.Told["a"]
	liar.Agent = &api.AgentBinary{URL: "https://evil", SHA256: "f"}
	got.Told["c"] = liar
	for range 20 { // whatever the order of a map
		r, _, _ = Resumed(s, got.Told)
		assert.Equal(t, "https://former", r.Versions[r.Base].Agent.URL, "the same binary from elsewhere")
	}
}

// told is what a node has of its spec.
func told(t *testing.T, s *State, id string) *Evidence {
	t.Helper()
	raw, err := json.Marshal(Spec(s, s.Nodes[id]))
	require.NoError(t, err)
	spec := &api.NodeSpec{}
	require.NoError(t, json.Unmarshal(raw, spec))
	return &Evidence{Key: s.Nodes[id].Key, Report: s.Nodes[id].Report, Spec: spec, At: s.Now}
}

// What was being given up is kept and rests: nothing shows that it was never handed over, and once a person deleted it, it doesn't count for good.
func TestRecover_whatWasBeingGivenUpRests(t *testing.T) {
	s, all := remembering(t)
	s.Ledger[1].Orders[0].Abandon, s.Ledger[1].Orders[0].GivenUp = true, true
	all["a"] = told(t, s, "a")
	got, err := Recover("c1", all, s.Now)
	require.NoError(t, err)
	o := got.Ledger[1].Orders[0]
	assert.Equal(t, []any{"vol-4", api.OrderKept, true, true, true, false}, []any{o.VolumeID, o.Stage, o.Settled, o.Doubted, o.GivenUp, o.Abandon})

	after := State{Now: s.Now, Settings: s.Settings, Cluster: got.Cluster, Nodes: got.Nodes, Ledger: got.Ledger, Growing: &Growing{}}
	after.Cluster.Unchecked = false
	var there []api.OwnedVolume
	for _, id := range []string{"vol-1", "vol-2", "vol-3"} {
		there = append(there, api.OwnedVolume{VolumeID: id, State: "in-use"})
	}
	before := spent(&after).volumes
	for range 2 {
		after.Now = after.Now.Add(2 * listingLag)
		for _, n := range after.Nodes {
			n.SeenAt = after.Now
		}
		vanished(&after, there, after.Now, &GrowthOutcome{})
	}
	assert.Equal(t, before-1, spent(&after).volumes, "a person deleted it")
}

// What a node is to delete for another one isn't its own purchase.
func TestRecover_aDeleterBoughtNothing(t *testing.T) {
	s, all := remembering(t)
	o := &s.Ledger[1].Orders[0]
	*o = Order{VolumeOrder: o.VolumeOrder, Node: "c", Region: o.Region, Stage: api.OrderCreated, GivenUp: true, Deleter: "a", Blank: true}
	o.Abandon = true
	for id := range all {
		all[id] = told(t, s, id)
	}
	require.True(t, all["a"].Spec.Growth.Orders[0].Abandon)
	got, err := Recover("c1", all, s.Now)
	require.NoError(t, err)
	assert.Equal(t, "c", got.Ledger[1].Orders[0].Node)
	delete(all, "c")
	got, err = Recover("c1", all, s.Now)
	require.NoError(t, err)
	assert.Equal(t, []any{"", api.OrderDeleted}, []any{got.Ledger[1].Orders[0].Node, got.Ledger[1].Orders[0].Stage}, "a listing finds it, and nobody takes it for a's")
}

// What was bought long ago doesn't count as today's.
func TestRecover_knowsWhenExpansionsEnded(t *testing.T) {
	s, all := remembering(t)
	ended := s.Now.Add(-30 * time.Hour)
	s.Ledger[0].Ended = ended
	for _, id := range []string{"b", "c"} { // a was off when it ended
		all[id] = told(t, s, id)
	}
	remembers(all["a"], func(m *memory) { m.Bought[0].Expansion.Ended = time.Time{} })
	remembers(all["c"], func(m *memory) { m.Bought[0].Expansion.Ended = s.Now.Add(time.Hour) })
	got, err := Recover("c1", all, s.Now)
	require.NoError(t, err)
	assert.True(t, ended.Equal(got.Ledger[0].Ended), "%s", got.Ledger[0].Ended)
	assert.Equal(t, s.Now, got.Ledger[1].Ended, "that was on its way")
	after := State{Now: s.Now, Settings: s.Settings, Ledger: got.Ledger}
	assert.Equal(t, 2, spent(&after).today)
}
