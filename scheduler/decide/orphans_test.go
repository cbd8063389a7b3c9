package decide_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// listed is the leader's listing of the cluster's volumes, taken now.
func (w *poolWorld) listed(volumes ...api.OwnedVolume) {
	w.View.Owned = &api.OwnedVolumes{Volumes: volumes}
	w.pass(12 * time.Second)
	w.View.Owned = nil
}

func (w *poolWorld) owned(o decide.Order, id, state string) api.OwnedVolume {
	return api.OwnedVolume{VolumeID: id, Node: o.Node, Expansion: o.Expansion, Order: fmt.Sprintf("%d.%d", o.Index, o.Attempt), State: state, Zone: "us-east-1a", Type: "gp3", SizeGiB: 200}
}

func TestOwned_whatIsOrderedIsFound(t *testing.T) {
	w := growing(t, 3, 1)
	w.listed(w.owned(w.on("i-2")[0], "vol-f", "available"))
	assert.Equal(t, "vol-f", w.on("i-2")[0].VolumeID)
	assert.Contains(t, w.story(), "GrowthVolumeFound")
	assert.Empty(t, decide.GrowthOf(&w.State).Orphans)
}

func TestOwned_strangersAreListedAndCounted(t *testing.T) {
	w := growing(t, 3, 1)
	stranger := w.owned(w.on("i-2")[0], "vol-s", "available")
	stranger.Expansion = "of another time"
	for range 3 {
		w.listed(stranger)
	}
	v := decide.GrowthOf(&w.State)
	require.Len(t, v.Orphans, 1)
	assert.Equal(t, api.Cents(1600), v.Orphans[0].Cost)
	assert.Contains(t, v.Orphans[0].Why, "doesn't know it")
	assert.Equal(t, 4, v.Volumes)
	assert.Equal(t, api.Cents(4*1600), v.Monthly)
	assert.Equal(t, 1, strings.Count(w.story(), "GrowthOrphan"), "told once")
	for _, n := range w.Nodes {
		for _, o := range decide.Spec(&w.State, n).Growth.Orders {
			assert.False(t, o.Abandon)
		}
	}
}

// Only what was given up before it was handed over is deleted, by its own node, or by the leader's where that is gone; and only where nodes may delete at all.
func TestOwned_deletesOnlyWhatWasNeverHandedOver(t *testing.T) {
	gone := func(t *testing.T, cleanup string) *poolWorld {
		w := growing(t, 3, 1)
		w.Settings.Growth.Node.CleanupFile = cleanup
		w.partOf("i-2").mute = true
		w.minutes(18, 0)
		require.Equal(t, api.OrderKept, w.on("i-2")[0].Stage)
		require.NotEmpty(t, w.on("i-2")[0].VolumeID)
		w.each(func(n *decide.Node) { n.Report.Orders = nil })
		return w
	}
	told := func(w *poolWorld, node string) []api.VolumeOrder {
		return decide.Spec(&w.State, w.Nodes[node]).Growth.Orders
	}

	w := gone(t, "")
	o := w.on("i-2")[0]
	w.listed(w.owned(o, o.VolumeID, "available"))
	assert.Empty(t, told(w, "i-2"))
	require.Len(t, decide.GrowthOf(&w.State).Orphans, 1)
	assert.Contains(t, decide.GrowthOf(&w.State).Orphans[0].Why, "delete it yourself")

	w = gone(t, "/etc/cleanup")
	o = w.on("i-2")[0]
	w.listed(w.owned(o, o.VolumeID, "available"))
	require.Len(t, told(w, "i-2"), 1)
	assert.True(t, told(w, "i-2")[0].Abandon)
	assert.Equal(t, o.VolumeID, told(w, "i-2")[0].VolumeID)

	w = gone(t, "/etc/cleanup")
	o = w.on("i-2")[0]
	w.deaf = "i-2"
	w.minutes(20, 0)
	w.listed(w.owned(o, o.VolumeID, "available"))
	assert.Empty(t, told(w, "i-2"))
	require.Len(t, told(w, "i-1"), 1, "the leader's node")
	w.Nodes["i-1"].Report.Orders = []api.OrderState{{Expansion: o.Expansion, Index: o.Index, Attempt: o.Attempt, Stage: api.OrderDeleted, VolumeID: o.VolumeID}}
	w.pass(time.Second)
	assert.False(t, func() bool { o := w.on("i-2")[0]; return o.There() }())
	assert.Equal(t, 2, decide.GrowthOf(&w.State).Volumes)

	w = gone(t, "/etc/cleanup")
	o = w.on("i-2")[0]
	w.listed(w.owned(o, o.VolumeID, "in-use"))
	assert.Empty(t, told(w, "i-2"), "attached somewhere")

	w = growing(t, 3, 1)
	w.Settings.Growth.Node.CleanupFile = "/etc/cleanup"
	w.minutes(6, 0)
	o = w.on("i-2")[0]
	require.True(t, o.InPool)
	w.listed(w.owned(o, o.VolumeID, "available"))
	assert.Empty(t, decide.GrowthOf(&w.State).Orphans, "its node has the disk: the listing lags")
	w.Nodes["i-2"].Report.Disks = w.Nodes["i-2"].Report.Disks[:1]
	w.listed(w.owned(o, o.VolumeID, "available"))
	for _, id := range w.nodes {
		assert.Empty(t, told(w, id), "it may hold data")
	}
	assert.Contains(t, decide.GrowthOf(&w.State).Orphans[0].Why, "may hold data")
}

// What a person deleted counts no more; a listing that lags behind, or that lacks it once, says nothing.
func TestOwned_whatIsGone(t *testing.T) {
	w := growing(t, 3, 1)
	w.minutes(6, 0)
	var all []api.OwnedVolume
	for _, o := range w.Ledger[0].Orders {
		all = append(all, w.owned(o, o.VolumeID, "in-use"))
	}
	w.listed()
	w.minutes(11, 0)
	w.listed()
	assert.Equal(t, 3, decide.GrowthOf(&w.State).Volumes, "the nodes have the disks: the listing is wrong")
	gone := w.Nodes[w.Ledger[0].Orders[0].Node]
	gone.Report.Disks = gone.Report.Disks[:1]
	w.listed(all...)
	w.listed(all[1:]...)
	assert.Equal(t, 3, decide.GrowthOf(&w.State).Volumes)
	w.listed(all...)
	w.minutes(11, 0)
	w.listed(all[1:]...)
	assert.Equal(t, 3, decide.GrowthOf(&w.State).Volumes, "it was there in between")
	w.minutes(11, 0)
	w.listed(all[1:]...)
	assert.Equal(t, 2, decide.GrowthOf(&w.State).Volumes)
	assert.Contains(t, w.story(), "GrowthVolumeGone")
}

// A node that was lost before it said whether it bought something is counted, until a late listing shows that it didn't; or what it bought.
func TestOwned_settlesWhatALostNodeMayHaveBought(t *testing.T) {
	lost := func() *poolWorld {
		w := growing(t, 3, 1)
		w.partOf("i-2").mute = true
		w.deaf = "i-2"
		w.Settings.Growth.Patience = 5 * time.Minute
		w.minutes(7, 0)
		require.True(t, w.on("i-2")[0].Abandon)
		require.Equal(t, 3, decide.GrowthOf(&w.State).Volumes)
		w.listed()
		require.Equal(t, 3, decide.GrowthOf(&w.State).Volumes, "it could still have bought a moment ago")
		w.minutes(30, 0)
		return w
	}
	w := lost()
	w.listed()
	assert.Equal(t, 2, decide.GrowthOf(&w.State).Volumes)
	assert.Contains(t, w.story(), "GrowthBoughtNothing")

	w = lost()
	w.listed(w.owned(w.on("i-2")[0], "vol-late", "available"))
	assert.Equal(t, 3, decide.GrowthOf(&w.State).Volumes)
	assert.Equal(t, "vol-late", w.on("i-2")[0].VolumeID)
	assert.Len(t, decide.GrowthOf(&w.State).Orphans, 1)
}

// After a state was taken over nothing is bought before the cluster's volumes were listed, late enough for what was being bought then to be among them.
func TestOwned_checksTheLedger(t *testing.T) {
	w := grows(3, 1, 200)
	w.Cluster.Unchecked, w.Cluster.UncheckedSince = true, w.Now
	w.fill(90)
	w.minutes(1, 0)
	w.listed()
	w.minutes(9, 0)
	assert.Empty(t, w.Ledger)
	assert.Contains(t, decide.GrowthOf(&w.State).Waiting, "isn't known yet")
	w.minutes(2, 0)
	w.View.Owned = &api.OwnedVolumes{}
	out := w.pass(12 * time.Second)
	assert.True(t, out.Checked)
	w.Cluster.Unchecked = false
	w.minutes(4, 0)
	assert.NotEmpty(t, w.Ledger)
}

// What its node kept because of what is on it isn't deleted later by somebody who can't see that any more.
func TestOwned_keptForItsDataIsNeverDeleted(t *testing.T) {
	for _, reason := range []string{"InUse", "HandedOver", "NotAsOrdered", "AttachedElsewhere"} {
		w := growing(t, 3, 1)
		w.Settings.Growth.Node.CleanupFile = "/etc/cleanup"
		o, n := w.on("i-2")[0], w.Nodes["i-2"]
		said := api.OrderState{Expansion: o.Expansion, Index: o.Index, Attempt: 1, Stage: api.OrderFailed, VolumeID: "vol-1", Reason: "DeviceMissing"}
		n.Report.Orders = []api.OrderState{said}
		w.pass(time.Second)
		said.Stage, said.Reason, said.Message = api.OrderKept, reason, "it has an ext4 signature"
		n.Report.Orders = []api.OrderState{said}
		w.pass(time.Second)
		require.True(t, w.on("i-2")[0].Settled)
		w.deaf = "i-2"
		for range 100 {
			w.pass(12 * time.Second)
		}
		w.listed(w.owned(o, "vol-1", "available"))
		for _, who := range w.Nodes {
			for _, told := range decide.OrdersFor(&w.State, who) {
				assert.False(t, told.Abandon && told.VolumeID == "vol-1", "%s: %s is told to delete it", reason, who.ID)
			}
		}
		orphans := decide.GrowthOf(&w.State).Orphans
		require.Len(t, orphans, 1)
		assert.Contains(t, orphans[0].Why, "ext4")
	}
}
