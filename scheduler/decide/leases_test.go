package decide_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

func TestLeader(t *testing.T) {
	b := formed("a", "b", "c")
	b.Leases = decide.Leases{}
	n1, n2 := b.Nodes["id1"], b.Nodes["id2"]
	assert.Empty(t, decide.Leader(&b.State, n2).Leader, "its MDM isn't master")
	b.Leases = decide.Leader(&b.State, n1)
	assert.Equal(t, "id1", b.Leases.Leader)
	assert.True(t, b.Leads(n1))

	b.with(2, mdm(master))
	b.Now = now.Add(14 * time.Second)
	assert.Equal(t, "id1", decide.Leader(&b.State, n2).Leader, "the old one may still act")
	assert.True(t, decide.MayLeadSoon(&b.State, n2))
	assert.True(t, decide.Awaited(&b.State, n2), "a new master that rested for a minute would leave the cluster without a leader for as long")
	assert.False(t, decide.MayLeadSoon(&b.State, b.Nodes["id3"]))
	b.Now = now.Add(15 * time.Second)
	assert.False(t, b.Leads(n1))
	assert.Equal(t, "id2", decide.Leader(&b.State, n2).Leader)
	b.with(2, mdm(foreign))
	assert.Equal(t, "id1", decide.Leader(&b.State, n2).Leader, "master of another system")
	b.with(1, mdm(slave))
	b.Now = now.Add(5 * time.Second)
	assert.False(t, b.Leads(n1), "not master any more")
}

func TestDisruption(t *testing.T) {
	b := formed("a", "b", "c").view().decided()
	b.with(2, wants(api.LeaseDisruption)).with(3, wants(api.LeaseDisruption))
	n2, n3 := b.Nodes["id2"], b.Nodes["id3"]
	l, why := decide.Disruption(&b.State, n2)
	require.Empty(t, why)
	b.Leases = l
	l, why = decide.Disruption(&b.State, n3)
	assert.Equal(t, "id2", l.Disruption)
	assert.Contains(t, why, "n2")

	b.Now = now.Add(24 * time.Hour)
	b.with(2, func(n *decide.Node) { n.SeenAt = b.Now })
	l, _ = decide.Disruption(&b.State, n2)
	assert.Equal(t, "id2", l.Disruption, "no timeout")
	b.with(2, func(n *decide.Node) { n.Report.Wants = nil })
	l, _ = decide.Disruption(&b.State, n2)
	assert.Equal(t, "id2", l.Disruption, "wants it no more, but isn't Ready")
	b.with(2, ready)
	l, _ = decide.Disruption(&b.State, n2)
	assert.Empty(t, l.Disruption)
}

func TestDisruption_needsHealthyStorage(t *testing.T) {
	sds := func(name string, gb int64) api.SDSView {
		return api.SDSView{Name: name, Connection: "Connected", Devices: []api.DeviceView{{SizeBytes: gb << 30}}}
	}
	full := func(v *api.ClusterView) {
		v.SDSs = []api.SDSView{sds("n1", 100), sds("n2", 100), sds("n3", 100)}
		v.Pool = &api.PoolView{RawBytes: 300 << 30, SparePercent: 34}
	}
	rows := []struct {
		name   string
		change func(*api.ClusterView)
		want   string
	}{
		{"healthy", full, ""},
		{"degraded cluster", func(v *api.ClusterView) { v.State = "Degraded" }, "Degraded"},
		{"degraded capacity", func(v *api.ClusterView) { full(v); v.Pool.DegradedBytes = 1 }, "degraded"},
		{"an SDS on its way out", func(v *api.ClusterView) { full(v); v.SDSs[0].Removing = true }, "on the way out"},
		{"failed capacity", func(v *api.ClusterView) { full(v); v.Pool.FailedBytes = 1 }, "failed"},
		{"unreachable capacity", func(v *api.ClusterView) { full(v); v.Pool.UnreachedBytes = 1 }, "unreachable"},
		{"rebuild", func(v *api.ClusterView) { full(v); v.Pool.RebuildBytes = 1 }, "rebuilt"},
		{"SDS away", func(v *api.ClusterView) { full(v); v.SDSs[1].Connection = "Disconnected" }, "n2"},
		{"SDS in maintenance", func(v *api.ClusterView) { full(v); v.SDSs[2].InMaint = true }, "maintenance"},
		{"spare too small", func(v *api.ClusterView) { full(v); v.Pool.SparePercent = 10 }, "spare"},
		{"uneven: spare too small", func(v *api.ClusterView) { full(v); v.SDSs[0] = sds("n1", 300) }, "spare"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := formed("a", "b", "c").view().decided().view(row.change).with(2, wants(api.LeaseDisruption))
			l, why := decide.Disruption(&b.State, b.Nodes["id2"])
			if row.want == "" {
				assert.Equal(t, "id2", l.Disruption)
				assert.Empty(t, why)
				return
			}
			assert.Empty(t, l.Disruption)
			assert.Contains(t, why, row.want)
		})
	}
	b := formed("a", "b", "c").view().decided().with(2, wants(api.LeaseDisruption))
	b.Now = now.Add(11 * time.Second)
	_, why := decide.Disruption(&b.State, b.Nodes["id2"])
	assert.Contains(t, why, "11s old")
	b.View = nil
	_, why = decide.Disruption(&b.State, b.Nodes["id2"])
	assert.Contains(t, why, "isn't there")
}

// A reboot from the wish to the way back: from the grant on no other node may be interrupted before this one is Ready under another boot id.
func TestDisruption_overAReboot(t *testing.T) {
	healthy := func(v *api.ClusterView) { v.Pool = &api.PoolView{SparePercent: 34} }
	rebooting := func(n *decide.Node) { n.Report.Intents = []api.Intent{{Kind: decide.IntentReboot, Subject: "6.1.0-2"}} }
	boot := func(id string) change { return func(n *decide.Node) { n.Report.BootID = id } }
	b := pooled().view(healthy).all(ready, boot("before")).with(2, wants(api.LeaseDisruption)).with(3, wants(api.LeaseDisruption))
	turn := func(i string) string {
		var why string
		b.Leases, why = decide.Disruption(&b.State, b.Nodes["id"+i])
		return why
	}
	require.Empty(t, turn("2"))
	require.Equal(t, "id2", b.Leases.Disruption)
	assert.Contains(t, turn("3"), "is with n2")

	b.with(2, rebooting, func(n *decide.Node) { n.Report.Wants = nil })
	turn("2")
	assert.Equal(t, "id2", b.Leases.Disruption, "it looks Ready, and is about to go down")
	assert.True(t, decide.MayInterrupt(&b.State, b.Nodes["id2"]))
	b.view(healthy, func(v *api.ClusterView) { v.Pool.DegradedBytes = 1 })
	assert.False(t, decide.MayInterrupt(&b.State, b.Nodes["id2"]), "it hasn't gone down: it may leave it")

	b.with(2, func(n *decide.Node) { n.SeenAt = now.Add(-time.Hour) })
	assert.Contains(t, turn("3"), "is with n2", "down: no timeout")
	b.with(2, func(n *decide.Node) { n.SeenAt, n.Report.Ready = now, false }, boot("after"))
	turn("2")
	assert.Equal(t, "id2", b.Leases.Disruption, "up, not Ready")
	assert.True(t, decide.MayInterrupt(&b.State, b.Nodes["id2"]), "it is to finish, whatever the storage is like")
	b.with(2, ready)
	turn("2")
	assert.Equal(t, "id2", b.Leases.Disruption, "Ready by a pass that began before its intent was taken back")
	b.with(2, func(n *decide.Node) { n.Report.Intents = nil })
	turn("2")
	assert.Empty(t, b.Leases.Disruption)
	assert.Contains(t, turn("3"), "degraded", "and the storage has a word before the next")
	b.view(healthy)
	assert.Contains(t, turn("3"), "from before the end", "a sample that doesn't know of it")
	b.later(4 * time.Second)
	require.Empty(t, turn("3"))
	assert.Equal(t, decide.Leases{Leader: "id1", LeaderUntil: b.Leases.LeaderUntil, Disruption: "id3", Boot: "before", After: now}, b.Leases)
}

// A node that found that it need not or must not reboot takes its intent back under the same boot id.
func TestDisruption_aRebootThatWasLeft(t *testing.T) {
	b := pooled().all(ready).with(2, func(n *decide.Node) {
		n.Report.BootID, n.Report.Intents = "b", []api.Intent{{Kind: decide.IntentReboot}}
	})
	b.Leases.Disruption, b.Leases.Boot = "id2", "b"
	b.Leases, _ = decide.Disruption(&b.State, b.Nodes["id2"])
	require.Equal(t, "id2", b.Leases.Disruption)
	b.with(2, func(n *decide.Node) { n.Report.Intents = nil })
	b.Leases, _ = decide.Disruption(&b.State, b.Nodes["id2"])
	assert.Empty(t, b.Leases.Disruption)
}
