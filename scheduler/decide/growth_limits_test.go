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

// say what a node reports of its first order.
func (w *poolWorld) say(node string, state api.OrderState) {
	o := w.on(node)[0]
	state.Expansion, state.Index, state.Attempt = o.Expansion, o.Index, o.Attempt
	w.Nodes[node].Report.Orders = []api.OrderState{state}
}

// Where no price is known a person approves a number of volumes: what takes the place of those that may still cost doesn't exceed it.
func TestOrders_withinApprovalWithoutAPrice(t *testing.T) {
	w := grows(3, 4, 200)
	w.Settings.Growth.Mode, w.Settings.Growth.Prices, w.Settings.Growth.Budget = api.GrowthApprove, decide.Prices{}, 0
	w.fill(75)
	w.minutes(2, 0)
	require.Len(t, w.Ledger, 1)
	planned := len(w.Ledger[0].Orders)
	_, _, err := decide.ApproveExpansion(&w.State, w.Ledger[0].ID, "ann")
	require.NoError(t, err)
	for range 8 {
		for _, n := range w.all {
			n.Report.Orders = nil
		}
		for _, o := range w.Ledger[0].Orders {
			if n := w.Nodes[o.Node]; !o.GivenUp {
				n.Report.Orders = append(n.Report.Orders, api.OrderState{Expansion: o.Expansion, Index: o.Index, Attempt: o.Attempt, VolumeID: fmt.Sprintf("vol-%d", o.Index), Stage: api.OrderFailed, Reason: "AttachStuck"})
			}
		}
		w.pass(time.Minute)
	}
	assert.Equal(t, planned, decide.GrowthOf(&w.State).Volumes)
	assert.Contains(t, w.story(), "GrowthSmaller")
}

// What brought nothing is replaced, price or not.
func TestOrders_replacedWithoutAPrice(t *testing.T) {
	w := grows(3, 2, 200)
	w.Settings.Growth.Mode, w.Settings.Growth.Prices, w.Settings.Growth.Budget = api.GrowthApprove, decide.Prices{}, 0
	w.fill(75)
	w.minutes(2, 0)
	_, _, err := decide.ApproveExpansion(&w.State, w.Ledger[0].ID, "ann")
	require.NoError(t, err)
	w.partOf(w.Ledger[0].Orders[1].Node).fails = "NoCapacity"
	w.minutes(6, 0)
	assert.Len(t, w.Ledger[0].Orders, 4)
	assert.Len(t, w.bought, 3)
}

// A node that goes to and fro between two stages makes no progress by that.
func TestOrders_onlyForwardIsProgress(t *testing.T) {
	w := growing(t, 3, 1)
	for i := range 20 {
		w.say("i-2", api.OrderState{VolumeID: "vol-1", Retry: true, Stage: []api.OrderStage{api.OrderAttached, api.OrderCreated}[i%2]})
		w.pass(time.Minute)
	}
	assert.True(t, w.on("i-2")[0].GivenUp)
	assert.Contains(t, w.story(), "no progress for 15m0s")
	w = growing(t, 3, 1)
	for _, stage := range []api.OrderStage{api.OrderCreating, api.OrderCreated, api.OrderAttached} {
		w.say("i-2", api.OrderState{VolumeID: "vol-1", Retry: true, Stage: stage})
		for range 10 {
			w.pass(time.Minute)
		}
	}
	assert.False(t, w.on("i-2")[0].GivenUp, "slow, and forward")
}

// A node that shows another disk for its order each time gets one approved.
func TestOrders_oneDiskOfAnOrderIsApproved(t *testing.T) {
	w := growing(t, 3, 1)
	for i := range 800 {
		w.say("i-2", api.OrderState{VolumeID: "vol-1", Retry: true, Stage: api.OrderAttached, Disk: fmt.Sprintf("%0100d", i)})
		w.pass(time.Second)
	}
	assert.Equal(t, []string{"vol-1", strings.Repeat("0", 100)}, w.Nodes["i-2"].Approved)
}

// A look at a node's slots may be half an hour old: what was attached since has a slot all the same.
func TestSites_slotsOfWhatWasAttachedSince(t *testing.T) {
	w := grows(3, 1, 200)
	look := func(volumes ...string) {
		w.each(func(n *decide.Node) {
			n.Report.Cloud.SlotsMax, n.Report.Cloud.SlotsUsed = 6, 2+len(volumes) // two stay free
			n.Report.Cloud.Attached = append([]string{"vol-root", "vol-data"}, volumes...)
		})
	}
	w.fill(75)
	w.Settings.Growth.Cooldown = 0
	for range 5 * 60 {
		look()
		w.work()
		look()
		w.fill(88)
		w.pass(5 * time.Second)
	}
	per := map[string]int{}
	for _, b := range w.bought {
		per[b.node]++
	}
	assert.Equal(t, map[string]int{"i-1": 2, "i-2": 2, "i-3": 2}, per)
	assert.Contains(t, decide.GrowthOf(&w.State).Waiting, "has no slot left")
}

// What nobody could look for counts as if it were there, until a listing tells.
func TestOrders_whatNobodyLookedForCounts(t *testing.T) {
	w := growing(t, 3, 1)
	w.say("i-2", api.OrderState{Stage: api.OrderWaiting, Reason: "Denied", Message: "nobody looked"})
	w.pass(time.Second)
	o := w.on("i-2")[0]
	require.True(t, o.Abandon, "its node tries no more")
	assert.Contains(t, w.story(), "Denied: nobody looked")
	w.say("i-2", api.OrderState{Stage: api.OrderKept, Reason: "Denied"})
	w.pass(time.Second)
	require.True(t, w.on("i-2")[0].Settled)
	assert.Equal(t, 3, decide.GrowthOf(&w.State).Volumes)
	for range 11 {
		w.pass(time.Minute)
	}
	w.listed()
	assert.Equal(t, 2, decide.GrowthOf(&w.State).Volumes)
}
