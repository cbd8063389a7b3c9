package decide_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// growing is a world in which an expansion has just begun.
func growing(t *testing.T, units, perUnit int) *poolWorld {
	t.Helper()
	w := grows(units, perUnit, 200)
	w.fill(75)
	for len(w.Ledger) == 0 {
		w.pass(12 * time.Second)
		require.Less(t, w.Now.Sub(now), 5*time.Minute)
	}
	require.Equal(t, api.ExpansionBuying, w.Ledger[0].State)
	return w
}

// on a node: the orders of the first expansion.
func (w *poolWorld) on(node string) (all []decide.Order) {
	for _, o := range w.Ledger[0].Orders {
		if o.Node == node {
			all = append(all, o)
		}
	}
	return all
}

func (w *poolWorld) partOf(node string) *part {
	o := w.on(node)[0]
	p := w.part[o.Key()]
	if p == nil {
		p = &part{since: w.Now}
		w.part[o.Key()] = p
	}
	return p
}

func (w *poolWorld) story() string {
	var text strings.Builder
	for _, e := range w.events {
		fmt.Fprintf(&text, "%s %s: %s (%s)\n", e.Kind, e.Node, e.Message, e.Why)
	}
	return text.String()
}

// A node that can't do its part is replaced by another one of its fault unit.
func TestOrders_anotherNodeOfTheUnit(t *testing.T) {
	w := growing(t, 3, 2)
	failed := w.Ledger[0].Orders[1].Node
	w.partOf(failed).fails = "VolumeLimitExceeded"
	w.minutes(6, 0)
	e := w.Ledger[0]
	assert.Equal(t, api.ExpansionEnded, e.State)
	require.Len(t, e.Orders, 4)
	assert.True(t, e.Orders[1].GivenUp)
	assert.True(t, e.Orders[1].Settled, "nothing was bought for it")
	assert.NotEqual(t, failed, e.Orders[3].Node)
	assert.Equal(t, w.Nodes[failed].Domain, w.Nodes[e.Orders[3].Node].Domain)
	assert.Contains(t, e.Outcome, "3 volumes are in the pool; 1 orders were given up")
	assert.Len(t, w.bought, 3)
	assert.Contains(t, w.story(), "GrowthReplanned")
	assert.Contains(t, w.story(), "VolumeLimitExceeded")
}

// A scheduler that was just started hears the node that failed before those that could take its part.
func TestOrders_anotherNodeIsWaitedForAfterARestart(t *testing.T) {
	w := growing(t, 3, 2)
	failed := w.Ledger[0].Orders[1].Node
	w.partOf(failed).fails = "VolumeLimitExceeded"
	w.work()
	w.Growing = &decide.Growing{}
	for _, n := range w.all {
		n.SeenAt = time.Time{}
	}
	w.Nodes[failed].SeenAt = w.Now
	w.View.Owned = &api.OwnedVolumes{}
	decide.Grow(&w.State)
	require.Len(t, w.Ledger[0].Orders, 3)
	assert.False(t, w.Ledger[0].Orders[1].GivenUp, "nobody was asked whether he could take it")
	w.minutes(6, 0)
	require.Len(t, w.Ledger[0].Orders, 4)
	assert.Len(t, w.bought, 3)
	assert.Equal(t, w.Nodes[failed].Domain, w.Nodes[w.Ledger[0].Orders[3].Node].Domain)

	w = growing(t, 3, 2) // nor is one waited for that never comes
	failed = w.Ledger[0].Orders[1].Node
	w.partOf(failed).fails = "VolumeLimitExceeded"
	w.Growing = &decide.Growing{}
	for _, n := range w.all {
		n.SeenAt = time.Time{}
		if n.ID != failed && n.Domain != w.Nodes[failed].Domain {
			w.deaf = n.ID
		}
	}
	w.listed()
	w.minutes(1, 0)
	assert.Len(t, w.Ledger[0].Orders, 3)
	w.minutes(1, 0)
	assert.Len(t, w.Ledger[0].Orders, 4)
}

// Where nobody can take its part the expansion ends smaller, and says so.
func TestOrders_endsSmaller(t *testing.T) {
	w := growing(t, 3, 1)
	w.partOf("i-2").fails = "InsufficientVolumeCapacity"
	w.minutes(6, 0)
	assert.Equal(t, api.ExpansionEnded, w.Ledger[0].State)
	assert.Len(t, w.bought, 2)
	assert.Contains(t, w.story(), "GrowthSmaller : expansion "+w.Ledger[0].ID+" ends smaller: nobody takes the part of n02")
	assert.Contains(t, w.Ledger[0].Outcome, "2 volumes are in the pool; 1 orders were given up")
}

// A node that is silent, held or stuck for too long is given up; what it may have bought is counted until it says what became of it.
func TestOrders_patience(t *testing.T) {
	rows := []struct {
		name string
		set  func(*poolWorld)
		why  string
	}{
		{"mute", func(*poolWorld) {}, "no progress for 15m0s"},
		{"silent", func(w *poolWorld) { w.Nodes["i-2"].Revoked = false; w.deaf = "i-2" }, "isn't heard"},
		{"held", func(w *poolWorld) { w.Nodes["i-2"].Hold = &api.Hold{Author: "ann"} }, "is held"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := growing(t, 3, 1)
			w.partOf("i-2").mute = true
			row.set(w)
			w.minutes(14, 0)
			assert.False(t, w.on("i-2")[0].Abandon)
			w.minutes(3, 0)
			o := w.on("i-2")[0]
			assert.True(t, o.Abandon)
			assert.Contains(t, w.story(), row.why)
			assert.Equal(t, api.ExpansionEnded, w.Ledger[0].State)
			if row.name == "silent" {
				assert.True(t, o.There(), "nobody knows")
				assert.Equal(t, 3, decide.GrowthOf(&w.State).Volumes)
			}
		})
	}
}

// Neither a brake nor a scheduler that was away makes a node look slow.
func TestOrders_patienceCountsWatchedTimeAlone(t *testing.T) {
	w := growing(t, 3, 1)
	w.latency = 100 * time.Hour
	w.Cluster.Hold = &api.Hold{Author: "ann"}
	w.minutes(60, 0)
	w.Cluster.Hold = nil
	w.minutes(10, 0)
	assert.False(t, w.on("i-2")[0].Abandon, "held until a moment ago")
	w.Growing = &decide.Growing{} // another process, an hour later
	w.Now = w.Now.Add(time.Hour)
	w.deaf = "i-2"
	w.listed()
	w.minutes(10, 0)
	assert.False(t, w.on("i-2")[0].Abandon)
	w.minutes(10, 0)
	assert.True(t, w.on("i-2")[0].Abandon)
}

// A node at rest asks once a minute: whoever may be asked soon waits for word.
func TestGrow_nodesWaitForOrders(t *testing.T) {
	w := grows(3, 2, 200)
	w.each(func(n *decide.Node) { n.Report.Ready = true })
	next, other := w.Nodes["i-3"], w.Nodes["i-4"] // neither is a manager, and the next expansion would take the first of each rack
	w.fill(50)
	w.minutes(5, 0)
	assert.False(t, decide.Awaited(&w.State, next))
	w.fill(65)
	w.minutes(5, 0)
	require.Empty(t, w.Ledger)
	assert.True(t, decide.Awaited(&w.State, next))
	assert.False(t, decide.Awaited(&w.State, other))
	w.fill(40)
	w.minutes(5, 0)
	assert.False(t, decide.Awaited(&w.State, next))
	w.fill(75)
	w.minutes(1, 0)
	require.Len(t, w.Ledger, 1)
	for _, o := range w.Ledger[0].Orders {
		assert.True(t, decide.Awaited(&w.State, w.Nodes[o.Node]))
	}
}

// From the moment that a claim is stored nothing gives the disk up, whatever happens.
func TestOrders_handedOverIsNeverGivenUp(t *testing.T) {
	w := growing(t, 3, 1)
	w.latency = 4 * time.Minute
	w.minutes(3, 0)
	o := w.on("i-2")[0]
	require.NotEmpty(t, o.VolumeID)
	w.Nodes["i-2"].Claims = []api.DiskClaim{{Disk: o.VolumeID}}
	w.partOf("i-2").mute = true
	w.deaf = "i-2"
	w.minutes(90, 0)
	o = w.on("i-2")[0]
	assert.True(t, o.Given)
	assert.False(t, o.Abandon)
	assert.False(t, o.Settled)
	assert.Equal(t, api.ExpansionEnded, w.Ledger[0].State, "it isn't waited for for ever")
	assert.Contains(t, w.Ledger[0].Outcome, o.VolumeID+" isn't in it")
	assert.NotContains(t, w.story(), "GrowthOrderGivenUp", "not for a moment")
}

// A claim for a disk that was given up isn't taken; nor one for an EBS disk while it isn't clear whose order it is.
func TestOrders_noClaimForWhatIsGivenUp(t *testing.T) {
	w := growing(t, 3, 1)
	w.Leases.LeaderUntil = w.Now.Add(time.Hour)
	w.Nodes["i-1"].Report.MDM = &api.MDMView{Installed: true, InCluster: true, Master: true, SystemID: "aa"}
	w.Settings.Disks.Use = api.DiskUseAllEmpty
	n := w.Nodes["i-2"]
	offer := func(id string) {
		n.Report.Disks = append(n.Report.Disks[:1:1], api.Disk{ID: id, SizeBytes: 200 * gib, State: api.DiskOffered})
	}
	claimable := func() bool {
		claims, _ := decide.Claims(&w.State, &api.ClusterView{Claims: []api.DiskRef{{Node: "i-2", Disk: n.Report.Disks[1].ID}}})
		return len(claims["i-2"]) > 0
	}
	offer("vol-1")
	assert.False(t, claimable(), "the order's volume isn't known: it may be this one")
	offer("wwn-other")
	assert.True(t, claimable(), "no EBS volume")
	offer("vol-1")
	w.Ledger[0].Orders[w.on("i-2")[0].Index].VolumeID = "vol-1"
	assert.True(t, claimable())
	w.Ledger[0].Orders[w.on("i-2")[0].Index].Abandon = true
	assert.False(t, claimable(), "it is on its way out")
}

// A client token that EC2 takes no more makes another attempt, three in all.
func TestOrders_burntTokens(t *testing.T) {
	w := growing(t, 3, 1)
	n := w.Nodes["i-2"]
	for attempt := 1; attempt <= 3; attempt++ {
		o := w.on("i-2")[attempt-1]
		require.Equal(t, attempt, o.Attempt)
		n.Report.Orders = []api.OrderState{{Expansion: o.Expansion, Index: o.Index, Attempt: o.Attempt, Stage: api.OrderDeleted, Burnt: true,
			VolumeID: fmt.Sprintf("vol-%d", attempt), Reason: "Gone", Message: "the key may not be used"}}
		w.pass(time.Second)
	}
	all := w.on("i-2")
	require.Len(t, all, 3)
	tokens := map[string]bool{}
	for i, o := range all {
		assert.Equal(t, fmt.Sprintf("vol-%d", i+1), o.VolumeID, "each is known")
		assert.True(t, o.Burnt)
		assert.True(t, o.Settled)
		tokens[o.ClientToken("c1", "i-2")] = true
	}
	assert.Len(t, tokens, 3)
	g := decide.GrowthOf(&w.State)
	assert.Equal(t, 2, g.Volumes, "EC2 said that they are gone: they cost nothing")
	assert.Equal(t, 5, g.OrderedToday, "and were bought")
	assert.Equal(t, 2, strings.Count(w.story(), "GrowthAttempt"))
}

// A volume of a burnt token that EC2 shows after all is the ledger's: it counts, and is cleaned up.
func TestOwned_aBurntVolumeShowsUp(t *testing.T) {
	w := growing(t, 3, 1)
	w.Settings.Growth.Node.CleanupFile = "/etc/cleanup"
	o := w.on("i-2")[0]
	n := w.Nodes["i-2"]
	n.Report.Orders = []api.OrderState{{Expansion: o.Expansion, Index: o.Index, Attempt: 1, Stage: api.OrderDeleted, Burnt: true, VolumeID: "vol-1", Reason: "VolumeVanished"}}
	w.pass(time.Second)
	require.Len(t, w.on("i-2"), 2)
	w.listed(w.owned(o, "vol-1", "available"))
	assert.Empty(t, w.deletions(), "a read that lags")
	w.minutes(2, 0)
	w.listed(w.owned(o, "vol-1", "available"))
	require.Len(t, w.deletions(), 1)
	assert.Equal(t, "vol-1", w.deletions()[0].VolumeID)
	g := decide.GrowthOf(&w.State)
	assert.Equal(t, 4, g.Volumes)
	require.Len(t, g.Orphans, 1)
	assert.Contains(t, g.Orphans[0].Why, "is being deleted")
	w.minutes(6, 0)
	assert.Len(t, w.bought, 3, "one attempt more, and no other")
}

// What an order of a burnt token may have bought isn't known without its id: it is counted until somebody has looked, and a person's approval isn't exceeded meanwhile.
func TestOrders_burntAndUnknown(t *testing.T) {
	burnt := func(mode api.GrowthMode) *poolWorld {
		w := growing(t, 3, 1)
		w.Settings.Growth.Mode = mode
		o := w.on("i-2")[0]
		w.Nodes["i-2"].Report.Orders = []api.OrderState{{Expansion: o.Expansion, Index: o.Index, Attempt: 1, Stage: api.OrderWaiting, Burnt: true, Reason: "TokenBurnt"}}
		w.pass(time.Second)
		assert.True(t, w.on("i-2")[0].Abandon, "its node looks for what is there")
		return w
	}
	w := burnt(api.GrowthAuto)
	assert.Len(t, w.on("i-2"), 2)
	assert.Equal(t, 4, decide.GrowthOf(&w.State).Volumes)
	w = burnt(api.GrowthApprove)
	assert.Len(t, w.on("i-2"), 1)
	assert.Contains(t, w.story(), "the cost stays as it was decided")
}

// What a person approved isn't exceeded by what takes the place of something that may still cost.
func TestOrders_withinApproval(t *testing.T) {
	w := growing(t, 3, 2)
	w.Settings.Growth.Mode = api.GrowthApprove
	failed := w.Ledger[0].Orders[1].Node
	w.partOf(failed).mute = true
	w.deaf = failed
	w.minutes(20, 0)
	assert.Len(t, w.Ledger[0].Orders, 3, "its volume may be there")
	assert.Contains(t, w.story(), "the cost stays as it was decided")
}

// Nothing of which something may be left is forgotten.
func TestGrow_forgets(t *testing.T) {
	w := grows(3, 1, 200)
	add := func(id string, o decide.Order, state api.ExpansionState) {
		w.Ledger = append(w.Ledger, &decide.Expansion{ID: id, State: state, Decided: w.Now, Started: w.Now, Ended: w.Now, Settled: true, Orders: []decide.Order{o}})
	}
	add("kept", decide.Order{Stage: api.OrderKept, Settled: true, VolumeOrder: api.VolumeOrder{VolumeID: "vol-k"}}, api.ExpansionEnded)
	for i := range 40 {
		add(fmt.Sprint("failed", i), decide.Order{Stage: api.OrderFailed, Settled: true}, api.ExpansionEnded)
	}
	add("withdrawn", decide.Order{}, api.ExpansionWithdrawn)
	w.Now = w.Now.Add(48 * time.Hour)
	out := w.pass(12 * time.Second)
	assert.Len(t, out.Dropped, 21)
	assert.Len(t, w.Ledger, 21)
	assert.True(t, slices.ContainsFunc(w.Ledger, func(e *decide.Expansion) bool { return e.ID == "kept" }))
}

// A node whose disk is there did its part: it isn't given up, and nothing is bought in its place, because no leader claims.
func TestOrders_presentWaitsForTheLeader(t *testing.T) {
	rows := []struct {
		name  string
		set   func(*poolWorld)
		ended bool // it isn't waited for for ever
	}{
		{"no leader", func(w *poolWorld) { w.Leases.Leader = "" }, false},
		{"no fresh view", func(w *poolWorld) { w.blind = true }, false},
		{"claims wait", func(w *poolWorld) {
			for _, o := range w.Ledger[0].Orders {
				n := w.Nodes[o.Node]
				n.Report.Disks = append(n.Report.Disks, api.Disk{ID: "vol-" + o.Node, SizeBytes: 200 * gib, State: api.DiskOffered})
			}
		}, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := growing(t, 6, 1)
			before := len(w.Ledger[0].Orders)
			for _, o := range w.Ledger[0].Orders {
				w.Nodes[o.Node].Report.Orders = []api.OrderState{{Expansion: o.Expansion, Index: o.Index, Attempt: 1, Stage: api.OrderPresent, VolumeID: "vol-" + o.Node, Disk: "vol-" + o.Node}}
			}
			row.set(w)
			for range 5 * 70 {
				w.pass(12 * time.Second)
			}
			require.Len(t, w.Ledger[0].Orders, before)
			for _, o := range w.Ledger[0].Orders {
				assert.False(t, o.GivenUp)
				assert.False(t, o.Settled, "it is followed")
			}
			assert.Equal(t, row.ended, w.Ledger[0].State == api.ExpansionEnded)
		})
	}
}

// A disk that its node shows and doesn't offer makes no progress by itself.
func TestOrders_presentAndRefusedIsGivenUp(t *testing.T) {
	w := growing(t, 3, 1)
	o := w.on("i-2")[0]
	n := w.Nodes["i-2"]
	n.Report.Orders = []api.OrderState{{Expansion: o.Expansion, Index: o.Index, Attempt: 1, Stage: api.OrderPresent, VolumeID: "vol-2", Disk: "vol-2"}}
	n.Report.Disks = append(n.Report.Disks, api.Disk{ID: "vol-2", Path: "/dev/nvme1n1", SizeBytes: 200 * gib, State: api.DiskRefused, Reason: "InUse", Message: "somebody has it open"})
	var why string
	for range 5 * 17 {
		for _, e := range w.pass(12 * time.Second).Events {
			if e.Kind == "GrowthOrderGivenUp" {
				why = e.Why
			}
		}
	}
	assert.True(t, w.on("i-2")[0].GivenUp)
	assert.Contains(t, why, "its disk /dev/nvme1n1 has been refused: InUse: somebody has it open")
}
