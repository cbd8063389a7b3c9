package decide_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// attachedOn i-2: vol-2 is there as a disk, and nodes may delete.
func attachedOn(t *testing.T, stage api.OrderStage) (*poolWorld, decide.Order) {
	t.Helper()
	w := growing(t, 3, 1)
	w.Settings.Growth.Node.CleanupFile = "/etc/cleanup"
	o := w.on("i-2")[0]
	w.say("i-2", api.OrderState{Stage: stage, VolumeID: "vol-2", Disk: "vol-2", Retry: true})
	w.pass(time.Second)
	return w, o
}

// shows vol-2 as a disk, refused for that reason.
func (w *poolWorld) shows(node, reason string) {
	r := w.Nodes[node].Report
	r.Disks = append(r.Disks[:1:1], api.Disk{ID: "vol-2", SizeBytes: 200 * gib, State: api.DiskRefused, Reason: reason, Message: "ext4"})
	w.pass(time.Second)
}

// keptForGood: whatever listings show from now on, nobody is told to delete vol-2, and people are told of it.
func (w *poolWorld) keptForGood(t *testing.T, o decide.Order, why string) {
	t.Helper()
	for range 4 {
		w.listed(w.owned(o, "vol-2", "available"))
		for _, d := range w.deletions() {
			require.NotEqual(t, "vol-2", d.VolumeID)
		}
		w.restart()
		for range 20 {
			w.pass(time.Minute)
		}
	}
	w.listed(w.owned(o, "vol-2", "available"))
	require.Len(t, decide.GrowthOf(&w.State).Orphans, 1)
	assert.Contains(t, decide.GrowthOf(&w.State).Orphans[0].Why, why)
	assert.Equal(t, api.Cents(1600), decide.GrowthOf(&w.State).Orphans[0].Cost)
	assert.True(t, w.on("i-2")[0].Settled)
}

func (w *poolWorld) patience() {
	for range 20 {
		w.pass(time.Minute)
	}
}

// What was attached is deleted only by who looked at it there. Whoever finds it detached can't tell what is on it.
func TestOwned_whatWasAttachedIsNotDeletedFromElsewhere(t *testing.T) {
	for name, befalls := range map[string]func(*poolWorld){
		"its node refused it for what is on it, and is gone": func(w *poolWorld) { w.shows("i-2", "HasSignature"); w.deaf = "i-2"; w.patience() },
		"its node refused it, and was given up for that":     func(w *poolWorld) { w.shows("i-2", "HasSignature"); w.patience(); w.deaf = "i-2" },
		"it was refused, detached by hand, and given up then": func(w *poolWorld) {
			w.shows("i-2", "HasSignature")
			w.Nodes["i-2"].Report.Disks = w.Nodes["i-2"].Report.Disks[:1]
			w.patience()
		},
		"its node is gone, and said nothing of it":  func(w *poolWorld) { w.deaf = "i-2"; w.patience() },
		"its node is removed, and may be anybody's": func(w *poolWorld) { w.Nodes["i-2"].Removal = &decide.Leaver{Phase: api.RemovalLeaving}; w.patience() },
	} {
		for _, stage := range []api.OrderStage{api.OrderAttached, api.OrderPresent} {
			t.Run(name+", "+string(stage), func(t *testing.T) {
				w, o := attachedOn(t, stage)
				befalls(w)
				require.True(t, w.on("i-2")[0].GivenUp)
				w.keptForGood(t, o, "look what is on it")
			})
		}
	}
}

// The same before it was attached, or after its node found it empty and took it off: nobody had it.
func TestOwned_whatNobodyHadIsDeletedFromElsewhere(t *testing.T) {
	for name, row := range map[string][]api.OrderState{
		"never attached": {{Stage: api.OrderCreated, VolumeID: "vol-2", Retry: true}},
		"taken off": {{Stage: api.OrderPresent, VolumeID: "vol-2", Disk: "vol-2"}, {Stage: api.OrderFailed, VolumeID: "vol-2", Reason: "DeviceMissing"},
			{Stage: api.OrderCreated, VolumeID: "vol-2", Reason: "TakenOff", Retry: true}},
	} {
		t.Run(name, func(t *testing.T) {
			w := growing(t, 3, 1)
			w.Settings.Growth.Node.CleanupFile = "/etc/cleanup"
			o := w.on("i-2")[0]
			for _, said := range row {
				w.say("i-2", said)
				w.pass(time.Second)
			}
			w.deaf = "i-2"
			w.patience()
			w.listed(w.owned(o, "vol-2", "available"))
			told := slices.DeleteFunc(decide.OrdersFor(&w.State, w.Nodes["i-1"]), func(o api.VolumeOrder) bool { return o.VolumeID != "vol-2" })
			require.Len(t, told, 1)
			assert.True(t, told[0].Abandon)
		})
	}
}

// A listing shows that it was attached, of which its node never spoke.
func TestOwned_aListingShowsThatItWasAttached(t *testing.T) {
	w, o := attachedOn(t, api.OrderCreated)
	w.deaf = "i-2"
	taken := w.owned(o, "vol-2", "in-use")
	taken.Instance = "i-2"
	w.listed(taken)
	w.patience()
	w.keptForGood(t, o, "nothing shows that it was empty")
}

// A refusal that passed is no reason to keep it: its node found it empty since.
func TestOrders_refusedForAMoment(t *testing.T) {
	w, _ := attachedOn(t, api.OrderPresent)
	w.shows("i-2", "InUse")
	assert.True(t, w.on("i-2")[0].Used)
	w.shows("i-2", "WaitingForApproval")
	assert.False(t, w.on("i-2")[0].Used)
}

// A removed node's machine may be anybody's: what is attached to it is taken.
func TestOwned_onARemovedNodeItIsTaken(t *testing.T) {
	w, o := attachedOn(t, api.OrderCreated)
	w.Nodes["i-2"].Removal = &decide.Leaver{Phase: api.RemovalLeaving}
	w.patience()
	w.Nodes["i-2"].Removal = &decide.Leaver{Phase: api.RemovalDone}
	taken := w.owned(o, "vol-2", "in-use")
	taken.Instance = "i-2"
	w.listed(taken)
	assert.Equal(t, "AttachedElsewhere", w.on("i-2")[0].Reason)
	w.keptForGood(t, o, "attached to i-2")
}

// What is paid for and in no pool is listed, attached or not.
func TestOwned_strandedIsListed(t *testing.T) {
	orphans := func(w *poolWorld) []api.OrphanView { return decide.GrowthOf(&w.State).Orphans }
	t.Run("its node was removed with it", func(t *testing.T) {
		w := growing(t, 3, 1)
		w.minutes(6, 0)
		o, n := w.on("i-2")[0], w.Nodes["i-2"]
		require.True(t, o.InPool)
		w.listed(w.owned(o, o.VolumeID, "in-use"))
		require.Empty(t, orphans(w))
		n.Removal = &decide.Leaver{Phase: api.RemovalDone}
		w.listed(w.owned(o, o.VolumeID, "in-use"))
		require.Len(t, orphans(w), 1)
		assert.Contains(t, orphans(w)[0].Why, "no part of the cluster any more")
		assert.Equal(t, api.Cents(1600), orphans(w)[0].Cost)
		w.adopt(w.Nodes["i-3"], o.VolumeID)
		w.listed(w.owned(o, o.VolumeID, "in-use"))
		assert.Empty(t, orphans(w), "a person attached it to another node, and it is in the pool there")
	})
	t.Run("claimed, then refused", func(t *testing.T) {
		w, o := attachedOn(t, api.OrderPresent)
		n := w.Nodes["i-2"]
		n.Claims = []api.DiskClaim{{Disk: "vol-2"}}
		w.pass(time.Second)
		n.Claims = nil
		w.shows("i-2", "InUse")
		require.True(t, w.on("i-2")[0].Given)
		w.listed(w.owned(o, "vol-2", "in-use"))
		assert.Empty(t, orphans(w), "it may get there yet")
		for range 65 {
			w.pass(time.Minute)
		}
		w.listed(w.owned(o, "vol-2", "in-use"))
		require.Len(t, orphans(w), 1)
		assert.Contains(t, orphans(w)[0].Why, "didn't get into it")
		for _, d := range w.deletions() {
			assert.NotEqual(t, "vol-2", d.VolumeID)
		}
	})
}
