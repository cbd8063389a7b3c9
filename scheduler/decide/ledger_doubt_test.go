package decide_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// While the ledger isn't known nodes hear of nothing that they could buy or take back, and nothing is ordered in the place of anything.
func TestOrders_unknownLedger(t *testing.T) {
	w := growing(t, 6, 1)
	before := len(w.Ledger[0].Orders)
	w.part[w.Ledger[0].Orders[0].Key()] = &part{since: w.Now, volume: "vol-1"}
	w.work()
	w.pass(12 * time.Second)
	require.Equal(t, "vol-1", w.Ledger[0].Orders[0].VolumeID)
	w.latency = 100 * time.Hour
	w.Cluster.Unchecked, w.Cluster.UncheckedSince = true, w.Now
	last := w.Ledger[0].Orders[before-1]
	w.Nodes[last.Node].Report.Orders = []api.OrderState{{Expansion: last.Expansion, Index: last.Index, Attempt: 1, Stage: api.OrderFailed, Reason: "NoCapacity"}}
	for range 100 { // 20 minutes: longer than patience
		w.pass(12 * time.Second)
		for _, id := range w.nodes {
			for _, o := range decide.Spec(&w.State, w.Nodes[id]).Growth.Orders {
				require.NotEmpty(t, o.VolumeID)
				require.False(t, o.Abandon)
			}
		}
	}
	assert.Len(t, decide.Spec(&w.State, w.Nodes[w.Ledger[0].Orders[0].Node]).Growth.Orders, 1, "what is bought may be attached")
	assert.Len(t, w.Ledger[0].Orders, before)
	assert.NotContains(t, w.story(), "GrowthOrderGivenUp")
}

// What was on its way when the doubt began is never deleted afterwards, whether it was given up before, or is later.
func TestOwned_doubtedIsNeverDeleted(t *testing.T) {
	rows := []struct {
		name   string
		before bool
	}{{"given up before", true}, {"given up afterwards", false}}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := growing(t, 3, 1)
			w.partOf("i-2").volume = "vol-1"
			w.latency = 100 * time.Hour
			w.minutes(1, 0)
			if row.before {
				w.deaf = "i-2"
				w.minutes(16, 0)
				require.True(t, w.on("i-2")[0].Abandon)
			}
			w.Cluster.Unchecked, w.Cluster.UncheckedSince = true, w.Now
			w.minutes(1, 0)
			w.Cluster.Unchecked, w.deaf = false, ""
			w.Settings.Growth.Node.CleanupFile = "/etc/cleanup"
			w.partOf("i-2").fails = "DeviceMissing"
			for range 20 {
				w.minutes(2, 0)
				o := w.on("i-2")[0]
				w.listed(w.owned(o, "vol-1", "available"))
				for _, d := range w.deletions() {
					require.NotEqual(t, "vol-1", d.VolumeID)
				}
			}
			o := w.on("i-2")[0]
			assert.True(t, o.GivenUp)
			assert.True(t, o.Settled)
			assert.True(t, o.There(), "it costs")
			require.NotEmpty(t, decide.GrowthOf(&w.State).Orphans)
			assert.NotContains(t, decide.GrowthOf(&w.State).Orphans[0].Why, "delete")
		})
	}
}

// Where growth is turned down while an expansion goes on, nodes hear of nothing that they could buy; what is bought comes into the pool, and what nodes say is taken.
func TestOrders_turnedDownMeanwhile(t *testing.T) {
	for _, mode := range []api.GrowthMode{api.GrowthDryRun, api.GrowthOff} {
		t.Run(string(mode), func(t *testing.T) {
			w := growing(t, 6, 1)
			before := len(w.Ledger[0].Orders)
			w.partOf("i-2").volume = "vol-2"
			w.bought["vol-2"] = &bought{node: "i-2"}
			w.latency = 5 * time.Minute
			w.pass(time.Second)
			w.work()
			w.pass(time.Second)
			require.Equal(t, "vol-2", w.on("i-2")[0].VolumeID)
			w.Settings.Growth.Mode = mode
			for range 5 * 20 {
				for _, id := range w.nodes {
					if told := decide.Spec(&w.State, w.Nodes[id]).Growth; told != nil {
						for _, o := range told.Orders {
							require.True(t, o.Abandon || o.VolumeID != "", "%s could buy", id)
						}
					}
				}
				w.minutes(1, 0)
			}
			assert.True(t, w.on("i-2")[0].InPool)
			assert.Len(t, w.bought, 1, "before")
			assert.Len(t, w.Ledger[0].Orders, before, "nothing in the place of what isn't bought")
			assert.Equal(t, api.ExpansionEnded, w.Ledger[0].State)
			assert.True(t, w.Ledger[0].Settled)
			assert.Equal(t, 1, decide.GrowthOf(&w.State).Volumes)
			for _, id := range w.nodes {
				if told := decide.Spec(&w.State, w.Nodes[id]).Growth; told != nil {
					assert.Equal(t, api.GrowthDryRun, mode)
					assert.Empty(t, told.Orders)
				}
			}
		})
	}
}

// What was given up before a backup was made may have been attached by anybody before that was restored: that nobody had it is a word of then.
func TestOwned_restoredAsGivenUpIsNeverDeleted(t *testing.T) {
	w := growing(t, 3, 1)
	o := w.on("i-2")[0]
	w.say("i-2", api.OrderState{Stage: api.OrderFailed, VolumeID: "vol-2", Reason: "Invalid"})
	w.pass(time.Second)
	w.say("i-2", api.OrderState{Stage: api.OrderKept, VolumeID: "vol-2", Reason: "NoCleanupCredentials"})
	w.pass(time.Second)
	require.True(t, w.on("i-2")[0].Settled)
	w.Nodes["i-2"].Report.Orders = nil
	w.restart()
	w.Settings.Growth.Node.CleanupFile = "/etc/cleanup"
	w.Cluster.Unchecked, w.Cluster.UncheckedSince = true, w.Now
	for range 12 {
		w.pass(time.Minute)
	}
	w.listed(w.owned(o, "vol-2", "available"))
	w.Cluster.Unchecked = false
	w.keptForGood(t, o, "nothing shows that it was never handed over")
}
