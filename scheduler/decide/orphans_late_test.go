package decide_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// lacks: volumes are in no listing for an hour.
func (w *poolWorld) lacks() {
	for range 6 {
		w.listed()
		for range 5 {
			w.pass(2 * time.Minute)
		}
	}
}

// Nobody works any more on what a node had that is dead, removed or on its way out: once a person deleted it, it counts no more.
func TestOwned_deletedAfterItsNode(t *testing.T) {
	for name, set := range map[string]func(*poolWorld, *decide.Node){
		"dead":                  func(w *poolWorld, n *decide.Node) { w.deaf = n.ID },
		"dead, and handed over": func(w *poolWorld, n *decide.Node) { w.deaf = n.ID; n.Claims = []api.DiskClaim{{Disk: "vol-2"}} },
		"removed": func(w *poolWorld, n *decide.Node) {
			w.deaf = n.ID
			n.Removal, n.Revoked = &decide.Leaver{Phase: api.RemovalDone}, true
		},
		"leaving": func(_ *poolWorld, n *decide.Node) { n.Removal = &decide.Leaver{Phase: api.RemovalLeaving} },
	} {
		t.Run(name, func(t *testing.T) {
			w := growing(t, 3, 1)
			w.say("i-2", api.OrderState{Stage: api.OrderAttached, VolumeID: "vol-2", Retry: true})
			w.say("i-3", api.OrderState{Stage: api.OrderAttached, VolumeID: "vol-3", Retry: true})
			w.pass(time.Second)
			set(w, w.Nodes["i-2"])
			for range 20 {
				w.pass(time.Minute)
			}
			require.Equal(t, 3, decide.GrowthOf(&w.State).Volumes)
			w.lacks()
			assert.Equal(t, 2, decide.GrowthOf(&w.State).Volumes)
			assert.Equal(t, 1, strings.Count(w.story(), "GrowthVolumeGone"), "a node that is at work on its volume says itself what becomes of it")
			assert.True(t, w.on("i-2")[0].Settled)
		})
	}
}

// Two volumes of one expansion that go at a time are both gone.
func TestOwned_twoAreGone(t *testing.T) {
	w := growing(t, 3, 1)
	w.minutes(6, 0)
	for _, n := range w.all {
		n.Report.Disks = n.Report.Disks[:1]
	}
	w.listed()
	for range 11 {
		w.pass(time.Minute)
	}
	w.listed()
	assert.Zero(t, decide.GrowthOf(&w.State).Volumes)
}

// Each listing is taken, however soon it comes after the last; and the same one once.
func TestOwned_eachListingIsTaken(t *testing.T) {
	w := growing(t, 3, 1)
	list := func(listing int64, volumes ...api.OwnedVolume) {
		w.View.Owned = &api.OwnedVolumes{Volumes: volumes, Listing: listing}
		w.pass(time.Second)
	}
	list(1)
	list(2, strange("vol-s"))
	assert.Len(t, decide.GrowthOf(&w.State).Orphans, 1)
	list(2)
	assert.Len(t, decide.GrowthOf(&w.State).Orphans, 1)
	list(3)
	assert.Empty(t, decide.GrowthOf(&w.State).Orphans)
}

// What its node is about to take off and delete is no orphan: as an expansion ends the leader lists at once.
func TestOwned_beingGivenUpIsNoOrphan(t *testing.T) {
	for _, state := range []string{"in-use", "available"} {
		w := growing(t, 3, 1)
		w.Settings.Growth.Node.CleanupFile = "/etc/cleanup"
		w.say("i-2", api.OrderState{Stage: api.OrderFailed, VolumeID: "vol-2", Reason: "DeviceMissing"})
		w.pass(time.Second)
		o := w.on("i-2")[0]
		require.True(t, o.Abandon)
		w.listed(w.owned(o, "vol-2", state))
		assert.NotContains(t, w.story(), "GrowthOrphan", state)
		assert.Empty(t, decide.GrowthOf(&w.State).Orphans)
		assert.Len(t, w.deletions(), 1)
		for range 16 {
			w.pass(time.Minute)
		}
		w.listed(w.owned(o, "vol-2", state))
		assert.Len(t, decide.GrowthOf(&w.State).Orphans, 1, "it should be gone by now")
	}
}

// What couldn't be deleted is tried again daily, and by a scheduler that was started with other credentials.
func TestOwned_cleanupIsTriedAgain(t *testing.T) {
	w := growing(t, 3, 1)
	w.Settings.Growth.Node.CleanupFile = "/etc/cleanup"
	w.say("i-2", api.OrderState{Stage: api.OrderFailed, VolumeID: "vol-2", Reason: "DeviceMissing"})
	w.pass(time.Second)
	o := w.on("i-2")[0]
	told := func() int {
		return len(slices.DeleteFunc(w.deletions(), func(o api.VolumeOrder) bool { return o.VolumeID != "vol-2" }))
	}
	refuses := func() {
		w.say("i-2", api.OrderState{Stage: api.OrderKept, VolumeID: "vol-2", Reason: "Denied", Message: "no right"})
		w.pass(time.Second)
		require.Zero(t, told())
	}
	tried := func() int {
		w.listed(w.owned(o, "vol-2", "available"))
		was := told()
		w.Nodes["i-2"].Report.Orders = nil
		return was
	}
	refuses()
	require.Zero(t, tried(), "its last report still tells of the try before")
	require.Equal(t, 1, tried(), "it is detached by now")
	refuses()
	assert.Zero(t, tried())
	assert.Contains(t, decide.GrowthOf(&w.State).Orphans[0].Why, "couldn't be deleted (no right): that is tried again daily")
	w.restart()
	require.Equal(t, 1, tried())
	refuses()
	for range 23 {
		w.pass(time.Hour)
	}
	assert.Zero(t, tried())
	for range 2 {
		w.pass(time.Hour)
	}
	assert.Equal(t, 1, tried())
}

// What somebody attached elsewhere, or again, after it was given up may hold his data: it isn't deleted once he detaches it.
func TestOwned_takenBySomebodyIsNeverDeleted(t *testing.T) {
	for name, row := range map[string]struct {
		before   []string // states that listings show first
		instance string
		why      string
	}{
		"by another instance":           {nil, "i-other", "attached to i-other"},
		"left on its own":               {nil, "i-2", "nothing shows that it was empty when it was taken off"},
		"again, on its own node":        {[]string{"available"}, "i-2", "attached to i-2"},
		"by another, after it was free": {[]string{"available"}, "i-other", "attached to i-other"},
	} {
		t.Run(name, func(t *testing.T) {
			w := growing(t, 3, 1)
			o := w.on("i-2")[0]
			w.say("i-2", api.OrderState{Stage: api.OrderFailed, VolumeID: "vol-2", Reason: "DeviceMissing"})
			w.pass(time.Second)
			w.say("i-2", api.OrderState{Stage: api.OrderKept, VolumeID: "vol-2", Reason: "NoCleanupCredentials", Message: "nodes may not delete"})
			w.pass(time.Second)
			w.Nodes["i-2"].Report.Orders = nil
			for _, state := range row.before {
				w.listed(w.owned(o, "vol-2", state))
			}
			taken := w.owned(o, "vol-2", "in-use")
			taken.Instance = row.instance
			w.listed(taken)
			w.Settings.Growth.Node.CleanupFile = "/etc/cleanup"
			for range 3 {
				w.listed(w.owned(o, "vol-2", "available"))
				w.restart()
				w.pass(25 * time.Hour)
			}
			assert.Empty(t, w.deletions())
			w.listed(w.owned(o, "vol-2", "available"))
			require.Len(t, decide.GrowthOf(&w.State).Orphans, 1)
			assert.Contains(t, decide.GrowthOf(&w.State).Orphans[0].Why, row.why)
		})
	}
}

// A node that was told to delete what somebody then attached is told so no more.
func TestOwned_takenWhileItIsBeingDeleted(t *testing.T) {
	w := growing(t, 3, 1)
	w.Settings.Growth.Node.CleanupFile = "/etc/cleanup"
	o := w.on("i-2")[0]
	w.say("i-2", api.OrderState{Stage: api.OrderFailed, VolumeID: "vol-2", Reason: "DeviceMissing"})
	w.pass(time.Second)
	w.say("i-2", api.OrderState{Stage: api.OrderKept, VolumeID: "vol-2", Reason: "Denied"})
	w.pass(time.Second)
	w.Nodes["i-2"].Report.Orders = nil
	for range 16 {
		w.pass(time.Minute)
	}
	told := func() bool {
		return slices.ContainsFunc(w.deletions(), func(o api.VolumeOrder) bool { return o.VolumeID == "vol-2" })
	}
	w.listed(w.owned(o, "vol-2", "available"))
	require.True(t, told())
	taken := w.owned(o, "vol-2", "in-use")
	taken.Instance = "i-other"
	w.listed(taken)
	assert.False(t, told())
}

// A stage that no node of this version says isn't stored: what nodes say of an order is bounded.
func TestOrders_unknownStage(t *testing.T) {
	w := growing(t, 3, 1)
	w.say("i-2", api.OrderState{Stage: "as long as a report may be", VolumeID: "vol-2", Retry: true})
	w.pass(time.Second)
	assert.Empty(t, w.on("i-2")[0].Stage)
	assert.Equal(t, "vol-2", w.on("i-2")[0].VolumeID)
}

// With growth off and nothing open nobody waits for a listing, and no node looks how many volumes it takes.
func TestGrow_offWaitsForNothing(t *testing.T) {
	w := growing(t, 3, 1)
	w.minutes(6, 0)
	for i := 0; w.Ledger[0].State != api.ExpansionEnded || !w.Ledger[0].Settled; i++ {
		require.Less(t, i, 10)
		w.minutes(1, 0)
	}
	w.events = nil
	w.Settings.Growth.Mode = api.GrowthOff
	w.Nodes["i-1"].Report.Cloud = nil // who leads can't list
	w.restart()
	w.pass(time.Second)
	assert.NotContains(t, w.story(), "GrowthWaits")

	w = growing(t, 3, 1)
	w.say("i-2", api.OrderState{Stage: api.OrderFailed, VolumeID: "vol-2", Reason: "DeviceMissing"})
	w.pass(time.Second)
	w.Settings.Growth.Mode = api.GrowthOff
	told := decide.Spec(&w.State, w.Nodes["i-2"]).Growth
	require.NotNil(t, told, "it takes back what was given up")
	assert.False(t, told.WatchSlots)
}

// Its node took it off and died; somebody attached it elsewhere, and let it go again before anybody was to delete it.
func TestOwned_takenRightAfterItWasTakenOff(t *testing.T) {
	w, o := attachedOn(t, api.OrderAttached)
	w.say("i-2", api.OrderState{Stage: api.OrderFailed, VolumeID: "vol-2", Reason: "DeviceMissing"})
	w.pass(time.Second)
	w.say("i-2", api.OrderState{Stage: api.OrderCreated, VolumeID: "vol-2", Reason: "TakenOff", Retry: true})
	w.pass(time.Second)
	late := w.owned(o, "vol-2", "in-use")
	late.Instance = "i-2"
	w.listed(late)
	require.True(t, w.on("i-2")[0].Blank, "that was before it was taken off")
	w.deaf = "i-2"
	w.pass(time.Minute)
	taken := w.owned(o, "vol-2", "in-use")
	taken.Instance = "i-other"
	w.listed(taken)
	for _, d := range w.deletions() {
		assert.NotEqual(t, "vol-2", d.VolumeID, "its node may be back, and knows only that it took it off")
	}
	w.patience()
	w.keptForGood(t, o, "attached to i-other")
}

// People are told to delete what was handed over and came into no pool. Once they did it counts no more, though its node lives.
func TestOwned_strandedAndDeleted(t *testing.T) {
	w, o := attachedOn(t, api.OrderPresent)
	n := w.Nodes["i-2"]
	n.Claims = []api.DiskClaim{{Disk: "vol-2"}}
	w.pass(time.Second)
	n.Claims = nil
	w.shows("i-2", "InUse")
	for range 65 {
		w.pass(time.Minute)
	}
	w.listed(w.owned(o, "vol-2", "in-use"))
	w.lacks()
	o = w.on("i-2")[0]
	require.True(t, o.There(), "the node has the disk, whatever a listing says")
	n.Report.Disks, n.Report.Orders = n.Report.Disks[:1], nil
	w.lacks()
	o = w.on("i-2")[0]
	assert.True(t, o.Settled)
	assert.False(t, o.There())
}

// A leader that is away for a minute in each hour is no reason to wait forever for a disk that needs a person.
func TestOrders_aLeaderThatGoesAndComes(t *testing.T) {
	w, _ := attachedOn(t, api.OrderPresent)
	for _, id := range []string{"i-1", "i-3"} {
		w.adopt(w.Nodes[id], "vol-"+id)
		w.say(id, api.OrderState{Stage: api.OrderPresent, VolumeID: "vol-" + id, Disk: "vol-" + id})
	}
	n := w.Nodes["i-2"]
	n.Claims = []api.DiskClaim{{Disk: "vol-2"}}
	w.pass(time.Second)
	n.Claims = nil
	w.shows("i-2", "InUse")
	for hour := range 6 {
		assert.Equal(t, hour < 4, w.Ledger[0].State == api.ExpansionBuying, hour)
		for range 59 {
			w.pass(time.Minute)
		}
		w.blind = true
		for range 3 {
			w.pass(20 * time.Second)
		}
		w.blind = false
	}
	o := w.on("i-2")[0]
	assert.True(t, o.There())
	assert.False(t, o.Settled)
}

// The leader lists its own region: what was bought in another one is paid for, whatever that listing lacks.
func TestOwned_inAnotherRegion(t *testing.T) {
	for _, id := range []string{"vol-2", ""} {
		w := growing(t, 3, 1)
		w.Ledger[0].Orders[w.on("i-2")[0].Index].Region = "us-west-2"
		w.say("i-2", api.OrderState{Stage: api.OrderCreating, VolumeID: id, Retry: true})
		w.pass(time.Second)
		w.deaf = "i-2"
		w.patience()
		w.lacks()
		o := w.on("i-2")[0]
		require.True(t, o.GivenUp)
		assert.True(t, o.There(), id)
	}
}
