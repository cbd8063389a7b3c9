package decide_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

const tb = int64(1) << 40

// whole: five nodes in three racks unless racks says else, each with a device of 1 TB in a pool with 1 TB of data.
func whole(racks ...string) *builder {
	if racks == nil {
		racks = []string{"a", "b", "c", "a", "b"}
	}
	b := formed(racks...)
	b.Cluster.Gates = api.Gates
	b.all(ready)
	return b.view(func(v *api.ClusterView) {
		v.PoolReady, v.Pool = true, &api.PoolView{RawBytes: int64(len(racks)) * tb, InUseBytes: tb, SparePercent: 50}
		for i, rack := range racks {
			v.SDSs = append(v.SDSs, api.SDSView{ID: fmt.Sprintf("s%d", i+1), Name: fmt.Sprintf("n%d", i+1), FaultSet: rack, Connection: "Connected", Membership: "Joined",
				Devices: []api.DeviceView{{ID: fmt.Sprintf("d%d", i+1), SizeBytes: tb, State: "Normal"}}})
			v.SDCs = append(v.SDCs, api.SDCView{ID: fmt.Sprintf("c%d", i+1), GUID: fmt.Sprintf("G%d", i+1), IP: fmt.Sprintf("10.0.0.%d", i+1), Connected: true})
		}
	})
}

func leaver(phase api.Removal) change {
	return func(n *decide.Node) { n.Removal = &decide.Leaver{Phase: phase, Author: "ann", Since: now} }
}

func (b *builder) seen(change func(*api.ClusterView)) *builder {
	change(b.View.ClusterView)
	return b
}

func TestRefuse(t *testing.T) {
	for name, row := range map[string]struct {
		state *builder
		node  string
		want  string
	}{
		"nothing against it":             {whole(), "id5", ""},
		"a manager":                      {whole(), "id1", "carries an MDM (manager), and this version moves none: remove a node that carries only data"},
		"the tie-breaker":                {whole(), "id3", "carries an MDM (tie-breaker)"},
		"another is on its way":          {whole().with(4, leaver(api.RemovalDraining)), "id5", "n4 is being removed: one node at a time; wait for its end, or `nodes keep n4`"},
		"another is leaving":             {whole().with(4, leaver(api.RemovalLeaving)), "id5", "n4 is being removed"},
		"another was removed":            {whole("a", "b", "c", "a", "b", "c").with(4, leaver(api.RemovalDone)), "id5", ""},
		"not heard":                      {whole().with(5, silent), "id5", "isn't heard: bring it back"},
		"identity conflict":              {whole().with(5, conflict), "id5", "release its identity"},
		"held":                           {whole().with(5, func(n *decide.Node) { n.Hold = &api.Hold{Author: "bob"} }), "id5", "held by bob: release the hold first"},
		"another is interrupted":         {func() *builder { b := whole(); b.Leases.Disruption = "id4"; return b }(), "id5", "n4 is being interrupted (disruption lease): wait until it is Ready again"},
		"no pool yet":                    {func() *builder { b := whole(); b.Cluster.Gates = api.Gates[:3]; return b }(), "id5", "isn't whole yet"},
		"no sample":                      {func() *builder { b := whole(); b.View = nil; return b }(), "id5", "view of the storage isn't there"},
		"an old sample":                  {func() *builder { b := whole(); b.View.At = now.Add(-time.Minute); return b }(), "id5", "sample is 1m0s old"},
		"degraded":                       {whole().seen(func(v *api.ClusterView) { v.Pool.DegradedBytes = 1 }), "id5", "1 bytes are degraded: wait until it is"},
		"an SDS is away":                 {whole().seen(func(v *api.ClusterView) { v.SDSs[1].Connection = "Disconnected" }), "id5", "SDS n2 is Disconnected"},
		"a person takes another SDS out": {whole("a", "b", "c", "a", "b", "c").seen(func(v *api.ClusterView) { v.SDSs[3].Removing = true }), "id5", "data of SDS n4 is on the way out"},
		"volumes are mapped":             {whole().seen(func(v *api.ClusterView) { v.SDCs[4].Volumes = 2 }), "id5", "2 volumes are mapped to the SDC of n5: end the tasks that use them, or unmap them"},
		"last of its fault set":          {whole("a", "b", "c", "d", "a"), "id4", "last SDS of fault set d: add another node to that failure domain first"},
		"not the last":                   {whole("a", "b", "c", "a", "b"), "id5", ""},
		"too few fault units": {whole("a", "b", "c", "a", "b").seen(func(v *api.ClusterView) {
			for i := range v.SDSs {
				v.SDSs[i].FaultSet = "" // as if there were none; n1 and n2 have no device
			}
			v.SDSs[0].Devices, v.SDSs[1].Devices = nil, nil
		}), "id5", "2 fault units would be left, and data needs 3: add a node first"},
		"too full":                               {whole("a", "b", "c", "a", "b").seen(func(v *api.ClusterView) { v.Pool.InUseBytes = 2 * tb }), "id5", "beside 50 % spare, which is more than 70 %: add disks or a node, or delete volumes"},
		"just enough":                            {whole("a", "b", "c", "a", "b").seen(func(v *api.ClusterView) { v.Pool.InUseBytes = tb * 139 / 100 }), "id5", ""},
		"its SDS has another name":               {whole("a", "b", "c", "d", "a").seen(func(v *api.ClusterView) { v.SDSs[3].Name, v.SDSs[3].IPs = "old", []string{"10.0.0.4"} }), "id4", "last SDS of fault set d"},
		"an SDS of its name elsewhere":           {whole().seen(func(v *api.ClusterView) { v.SDSs[4].IPs = []string{"10.0.9.9"} }), "id5", "SDS n5 has the addresses [10.0.9.9]"},
		"its SDS has no device: nothing is lost": {whole("a", "b", "c", "d", "a").seen(func(v *api.ClusterView) { v.SDSs[3].Devices = nil }), "id4", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide.Refuse(&row.state.State, row.state.Nodes[row.node])
			if row.want == "" {
				assert.Empty(t, got)
			} else {
				assert.Contains(t, got, row.want)
			}
		})
	}
}

// n5 on its way: what every side is told, phase by phase.
func TestRemoval_phases(t *testing.T) {
	b := whole().with(5, holds("run-sds"), disks(disk("x", api.DiskOffered)), claims("x"), leaver(api.RemovalDraining))
	n := b.Nodes["id5"]
	leads := func() *api.ClusterSpec { return decide.Spec(&b.State, b.Nodes["id1"]).Cluster }

	require.NotNil(t, leads())
	assert.Equal(t, []api.LeavingNode{{Node: "id5", Name: "n5", IPs: []string{"10.0.0.5"}, Drain: true}}, leads().Leaving)
	assert.Empty(t, leads().SDSs, "its SDS isn't wanted any more")
	assert.Empty(t, leads().Disks)
	assert.False(t, decide.Spec(&b.State, n).Remove, "the agent keeps the SDS running while data moves")
	assert.Equal(t, api.DiskUseNone, decide.Spec(&b.State, n).Disks.Use)
	assert.False(t, decide.Ready(&b.State, n))
	assert.True(t, decide.Awaited(&b.State, n))
	assert.Equal(t, api.RemovalDraining, decide.Advance(&b.State, n).Phase)

	b.seen(func(v *api.ClusterView) { v.SDCs[4].Volumes = 1 })
	assert.False(t, leads().Leaving[0].Drain, "a volume was mapped since")
	b.seen(func(v *api.ClusterView) { v.SDCs[4].Volumes, v.Pool.SparePercent = 0, 34 })
	assert.False(t, leads().Leaving[0].Drain, "the spare for those that stay comes first")
	b.seen(func(v *api.ClusterView) { v.Pool.SparePercent = 50 })

	_, why := decide.Disruption(&b.State, b.with(4, wants(api.LeaseDisruption)).Nodes["id4"])
	assert.Equal(t, "n5 is being removed", why)

	b.seen(func(v *api.ClusterView) { v.SDSs[4].Removing = true })
	assert.False(t, leads().Leaving[0].Drain, "it is under way")
	assert.Equal(t, api.RemovalDraining, decide.Advance(&b.State, n).Phase)

	// Drained.
	b.seen(func(v *api.ClusterView) { v.SDSs = v.SDSs[:4] })
	b.View.At = now.Add(-time.Minute)
	assert.Equal(t, api.RemovalDraining, decide.Advance(&b.State, n).Phase, "an old sample proves nothing")
	b.View.At = now
	n.Removal = decide.Advance(&b.State, n)
	assert.Equal(t, decide.Leaver{Phase: api.RemovalLeaving, Author: "ann", Since: now, SDC: "G5"}, *n.Removal)
	assert.True(t, decide.Spec(&b.State, n).Remove)
	assert.Empty(t, leads().Leaving, "its SDC is in use until the agent took the driver away")
	assert.Equal(t, decide.Needs{}, decide.SecretsFor(&b.State, n))

	// Bare.
	assert.Equal(t, api.RemovalLeaving, decide.Advance(&b.State, n).Phase, "it was Ready for other orders")
	b.with(5, holds("remove-leftovers"), stale)
	assert.Equal(t, api.RemovalLeaving, decide.Advance(&b.State, n).Phase, "a report for older orders")
	n.Generation--
	n.Removal = decide.Advance(&b.State, n)
	assert.Equal(t, api.RemovalDone, n.Removal.Phase)
	assert.True(t, decide.Spec(&b.State, n).Remove, "the last answer doesn't tell it to begin anew")
	assert.Equal(t, []api.LeavingNode{{Node: "id5", Name: "n5", SDC: "G5"}}, leads().Leaving, "now its SDC's entry can go")
	b.seen(func(v *api.ClusterView) { v.SDCs = v.SDCs[:4] })
	assert.Empty(t, leads().Leaving)
}

// A person named the SDS otherwise: it holds data all the same.
func TestRemoval_theSDSIsTheNodesByItsAddress(t *testing.T) {
	b := whole().with(5, leaver(api.RemovalDraining)).seen(func(v *api.ClusterView) { v.SDSs[4].Name, v.SDSs[4].IPs = "old", []string{"10.0.0.5"} })
	n := b.Nodes["id5"]
	assert.Equal(t, api.RemovalDraining, decide.Advance(&b.State, n).Phase)
	require.NotNil(t, decide.Storage(&b.State, n).SDS)
	assert.Equal(t, "old", decide.Storage(&b.State, n).SDS.Name)
	assert.Contains(t, decide.RemovalActs(&b.State, n)[0], "SDS old with 1 devices")
	b.seen(func(v *api.ClusterView) { v.SDSs = v.SDSs[:4] })
	b.with(5, noAddress)
	assert.Equal(t, api.RemovalDraining, decide.Advance(&b.State, n).Phase, "nobody can tell which SDS is its")
	n.Report.Addresses = []string{"10.0.0.5"}
	assert.Equal(t, api.RemovalLeaving, decide.Advance(&b.State, n).Phase)

	b.seen(func(v *api.ClusterView) { v.SDSs, v.Pool = nil, nil })
	assert.Nil(t, decide.Storage(&b.State, n), "without its gateway the leader sees no SDS: that isn't none")
}

// The SDC was installed anew: the entry of the one before has the same address, and a volume.
func TestRemoval_allEntriesOfItsSDCCount(t *testing.T) {
	for name, order := range map[string]func(own, old api.SDCView) []api.SDCView{
		"old last":  func(own, old api.SDCView) []api.SDCView { return []api.SDCView{own, old} },
		"old first": func(own, old api.SDCView) []api.SDCView { return []api.SDCView{old, own} },
	} {
		t.Run(name, func(t *testing.T) {
			own, old := api.SDCView{ID: "c5", GUID: "G5", IP: "10.0.0.5", Connected: true, Volumes: 1}, api.SDCView{ID: "c9", GUID: "G9", IP: "10.0.0.5", Volumes: 2}
			b := whole().seen(func(v *api.ClusterView) { v.SDCs = order(own, old) })
			n := b.Nodes["id5"]
			assert.Contains(t, decide.Refuse(&b.State, n), "3 volumes are mapped to the SDC of n5")
			own.Volumes, old.Volumes = 0, 0
			b.seen(func(v *api.ClusterView) { v.SDCs = order(own, old) }).with(5, leaver(api.RemovalLeaving))
			n.Removal = decide.Advance(&b.State, n)
			assert.Equal(t, "G5", n.Removal.SDC)
			own.Connected = false
			b.seen(func(v *api.ClusterView) { v.SDCs = order(own, old) })
			assert.Equal(t, "G5", decide.Advance(&b.State, n).SDC, "its driver is gone: which entry was its isn't forgotten")
		})
	}
}

// An SDS that a person adds while the agent cleans up is drained like the one before, by whatever name.
func TestRemoval_anSDSThatTurnsUpIsDrainedToo(t *testing.T) {
	b := whole().with(5, leaver(api.RemovalLeaving), holds("remove-leftovers"))
	n := b.Nodes["id5"]
	b.seen(func(v *api.ClusterView) { v.SDSs[4].Name, v.SDSs[4].IPs = "another", []string{"10.0.0.5"} })
	b.View.At = now.Add(-time.Minute)
	assert.Equal(t, api.RemovalLeaving, decide.Advance(&b.State, n).Phase, "an old sample proves nothing, and it isn't done either")
	b.View.At = now
	n.Removal = decide.Advance(&b.State, n)
	assert.Equal(t, api.RemovalDraining, n.Removal.Phase)
	assert.False(t, decide.Spec(&b.State, n).Remove)
	assert.True(t, decide.Spec(&b.State, b.Nodes["id1"]).Cluster.Leaving[0].Drain)
	b.seen(func(v *api.ClusterView) { v.SDSs = v.SDSs[:4] })
	assert.Equal(t, api.RemovalLeaving, decide.Advance(&b.State, n).Phase)
}

func TestRemoval_nothingMovesUnderAHold(t *testing.T) {
	b := whole().with(5, leaver(api.RemovalDraining)).seen(func(v *api.ClusterView) { v.SDSs = v.SDSs[:4] })
	b.Cluster.Hold = &api.Hold{Author: "bob"}
	assert.Equal(t, api.RemovalDraining, decide.Advance(&b.State, b.Nodes["id5"]).Phase)
	assert.Nil(t, decide.Advance(&b.State, b.Nodes["id4"]))
}
