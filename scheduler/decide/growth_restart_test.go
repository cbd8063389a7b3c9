package decide_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// restart the scheduler: what is in memory alone is gone.
func (w *poolWorld) restart() { w.Growing = &decide.Growing{} }

// strange is a volume with the cluster's tag that the ledger doesn't know.
func strange(id string) api.OwnedVolume {
	return api.OwnedVolume{VolumeID: id, Node: "i-2", Expansion: "of another time", Order: "0.1", State: "available", Zone: "us-east-1a", Type: "gp3", SizeGiB: 200}
}

// Volumes that the ledger doesn't know count against the budget; a scheduler that has just begun knows of none until the leader listed them, and buys nothing before.
func TestGrow_aNewSchedulerLooksForUnknownVolumesFirst(t *testing.T) {
	w := growing(t, 3, 1)
	w.minutes(6, 0)
	require.Equal(t, api.ExpansionEnded, w.Ledger[0].State)
	w.Settings.Growth.Budget = 7 * 1600 // three are bought, three more fit, a stranger wouldn't
	w.restart()
	w.Settings.Growth.Cooldown = 0
	w.fill(75)
	w.minutes(10, 0)
	assert.Len(t, w.Ledger, 1, "nothing before a listing")
	assert.Contains(t, decide.GrowthOf(&w.State).Waiting, "has to list the cluster's volumes first")
	var all []api.OwnedVolume
	for _, o := range w.Ledger[0].Orders {
		all = append(all, w.owned(o, o.VolumeID, "in-use"))
	}
	w.listed(append(all, strange("vol-s"), strange("vol-t"))...)
	w.minutes(10, 0)
	assert.Len(t, w.Ledger, 1)
	assert.Contains(t, decide.GrowthOf(&w.State).Waiting, "growth-budget")
	w.listed(all...)
	w.minutes(10, 0)
	assert.Len(t, w.Ledger, 2)
}

// inherits: a new scheduler finds what the one before proposed, and was set to auto meanwhile.
func inherits(t *testing.T) *poolWorld {
	w := grows(3, 1, 200)
	w.Settings.Growth.Mode = api.GrowthApprove
	w.fill(75)
	w.minutes(2, 0)
	require.Len(t, w.Ledger, 1)
	w.restart()
	w.Settings.Growth.Mode = api.GrowthAuto
	return w
}

// What waits for a person isn't bought or withdrawn before that either, and nothing is ordered in the place of anything.
func TestGrow_aNewSchedulerDecidesNothingAboutWhatGoesOn(t *testing.T) {
	w := inherits(t)
	w.minutes(15, 0)
	assert.Equal(t, api.ExpansionProposed, w.Ledger[0].State)
	_, _, err := decide.ApproveExpansion(&w.State, w.Ledger[0].ID, "ann")
	require.ErrorContains(t, err, "list the cluster's volumes first")
	w.listed()
	w.minutes(1, 0)
	assert.Equal(t, api.ExpansionBuying, w.Ledger[0].State)

	w = growing(t, 6, 1)
	before := len(w.Ledger[0].Orders)
	w.restart()
	w.partOf("i-2").fails = "NoCapacity"
	w.minutes(3, 0)
	assert.Len(t, w.Ledger[0].Orders, before)
	w.listed()
	w.minutes(1, 0)
	assert.Len(t, w.Ledger[0].Orders, before+1)
}

// An unknown volume costs what its performance costs too.
func TestOwned_strangersCostTheirPerformance(t *testing.T) {
	w := grows(3, 1, 200)
	v := strange("vol-s")
	v.IOPS, v.ThroughputMiBs = 16000, 1000
	w.listed(v)
	g := decide.GrowthOf(&w.State)
	require.Len(t, g.Orphans, 1)
	const cost = 1600 + (16000-3000)/2 + (1000-125)*4
	assert.Equal(t, api.Cents(cost), g.Orphans[0].Cost)
	assert.Equal(t, api.Cents(cost), g.Monthly)
}

// A disk that was handed over and comes into the pool long after its expansion ended is counted on: nothing is bought beside it.
func TestGrow_countsWhatIsStillToCome(t *testing.T) {
	w := grows(3, 1, 200)
	w.Settings.Growth.Cooldown = 0
	w.fill(75)
	w.minutes(1, 0)
	require.Len(t, w.Ledger, 1)
	for _, o := range w.Ledger[0].Orders {
		n := w.Nodes[o.Node]
		n.Report.Orders = []api.OrderState{{Expansion: o.Expansion, Index: o.Index, Attempt: 1, Stage: api.OrderPresent, VolumeID: "vol-" + o.Node, Disk: "vol-" + o.Node}}
		n.Claims = []api.DiskClaim{{Disk: "vol-" + o.Node}}
	}
	for range 5 * 65 {
		w.pass(12 * time.Second)
		if w.Ledger[0].State == api.ExpansionEnded {
			break
		}
	}
	require.Equal(t, api.ExpansionEnded, w.Ledger[0].State)
	units := decide.UnitsNow(&w.State)
	assert.Equal(t, map[string]int64{"r1": 400 * gib, "r2": 400 * gib, "r3": 400 * gib}, units)
	w.Ledger[0].Orders[0].Stage, w.Ledger[0].Orders[0].Given, w.Ledger[0].Orders[0].Settled = api.OrderDeleted, false, true
	assert.Equal(t, 200*gib, decide.UnitsNow(&w.State)[w.Nodes[w.Ledger[0].Orders[0].Node].Domain], "gone")
}

// No room to protect all data again is a reason to grow like others: it waits for the end of the cooldown, unless the pool could be full by then.
func TestGrow_noRoomRespectsTheCooldown(t *testing.T) {
	w := growing(t, 3, 1)
	w.minutes(6, 0)
	require.Equal(t, api.ExpansionEnded, w.Ledger[0].State)
	w.fill(50)
	noRoom := func(minutes int) {
		for range minutes * 5 {
			w.View.Pool.UnreachedBytes = w.View.Pool.RawBytes - w.used + gib // what is left doesn't hold both copies of everything
			w.pass(12 * time.Second)
		}
	}
	w.minutes(20, 0)
	noRoom(2)
	assert.Len(t, w.Ledger, 1)
	assert.Contains(t, decide.GrowthOf(&w.State).Waiting, "the next one may begin in")
	noRoom(9) // and not so long that what is lost isn't expected back
	require.Len(t, w.Ledger, 2)
	assert.Contains(t, w.Ledger[1].Why, "no room to protect")
	assert.NotContains(t, w.Ledger[1].Why, "cooldown")

	w = growing(t, 3, 1)
	w.minutes(6, 0)
	w.fill(95)
	w.minutes(2, 0)
	require.Len(t, w.Ledger, 2)
	assert.Contains(t, w.Ledger[1].Why, "growth-cooldown aren't waited for", "whoever reads the events learns why")
}

// A gateway that answers with zeros says nothing of a pool that data was in.
func TestSamples_nothingInUseAllAtOnce(t *testing.T) {
	w := grows(3, 1, 200)
	w.minutes(2, 0)
	assert.Empty(t, decide.GrowthOf(&w.State).Waiting, "a new pool is empty")
	w.fill(75)
	w.minutes(1, 0)
	w.Ledger = nil
	w.View.Pool.InUseBytes = 0
	w.pass(12 * time.Second)
	assert.Contains(t, decide.GrowthOf(&w.State).Waiting, "nothing in use")
	assert.InDelta(t, 75, decide.GrowthOf(&w.State).Fullness, 0.1, "the last one that counts")
	w.View.Pool.InUseBytes = w.used
	w.pass(12 * time.Second)
	assert.Empty(t, w.Ledger, "what came before isn't one with what comes after")
}

// A new scheduler that finds a proposal, and was set to auto meanwhile, has seen nothing yet: that is no reason to buy.
func TestGrow_autoBuysNothingUnseen(t *testing.T) {
	w := inherits(t)
	w.View.Pool, w.View.Owned = nil, &api.OwnedVolumes{}
	w.Now = w.Now.Add(time.Hour)
	for _, n := range w.all {
		n.SeenAt = w.Now
	}
	w.View.At = w.Now
	w.Growing.Take(&w.State)
	decide.Grow(&w.State)
	assert.Equal(t, api.ExpansionProposed, w.Ledger[0].State)
}

// Where growth was turned off meanwhile, what was begun still ends: the leader lists for that.
func TestGrow_offInTheMiddleOfAnExpansion(t *testing.T) {
	w := growing(t, 3, 1)
	w.deaf = "i-2"
	w.minutes(5, 0)
	w.restart()
	w.Settings.Growth.Mode = api.GrowthOff
	w.Nodes["i-1"].Report.MDM = &api.MDMView{Installed: true, InCluster: true, Master: true, SystemID: "aa"}
	leader := decide.Spec(&w.State, w.Nodes["i-1"]).Growth
	require.NotNil(t, leader)
	assert.NotEmpty(t, leader.Listing)
	w.listed()
	w.minutes(20, 0)
	assert.Equal(t, api.ExpansionEnded, w.Ledger[0].State)
	w.deaf = ""
	for range 10 { // all of it is settled
		w.minutes(20, 0)
		w.listed()
	}
	require.True(t, w.Ledger[0].Settled)
	assert.Nil(t, decide.Spec(&w.State, w.Nodes["i-1"]).Growth, "nothing is left to look for")
}

// A leader that can't list says so, and so do status and events: nothing is bought, and somebody has to do something about it.
func TestGrow_whoeverCantListIsNamed(t *testing.T) {
	for name, set := range map[string]func(*poolWorld) string{
		"outside EC2": func(w *poolWorld) string {
			w.Nodes["m-1"].Report.Cloud = nil
			return "m01 leads and is no EC2 instance: make an MDM on one the master"
		},
		"no right": func(w *poolWorld) string {
			w.View.Conditions = []api.Condition{{Type: "list-owned-volumes", Status: api.Unknown, Reason: api.ReasonFailed, Message: "DescribeVolumes: denied"}}
			return "m01 leads and can't: DescribeVolumes: denied; let its role list volumes"
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := growing(t, 4, 1)
			w.minutes(1, 0)
			w.restart()
			w.events = nil
			m := &decide.Node{ID: "m-1", Name: "m01", SeenAt: w.Now, Report: &api.Report{Cloud: &api.CloudView{Provider: "aws"}}}
			w.Nodes[m.ID], w.all = m, append(w.all, m)
			w.Leases.Leader, w.View.From = m.ID, m.ID
			want := set(w)
			w.minutes(30, 0)
			g := decide.GrowthOf(&w.State)
			assert.Contains(t, g.Waiting, want)
			assert.Equal(t, "m01", g.WaitsFor)
			assert.Equal(t, 1, strings.Count(w.story(), "GrowthWaits m01: nothing is bought"))
			assert.Contains(t, w.story(), want)
			w.listed()
			assert.Empty(t, decide.GrowthOf(&w.State).WaitsFor)

			w.Cluster.Unchecked, w.Cluster.UncheckedSince = true, w.Now
			assert.Equal(t, "m01", decide.GrowthOf(&w.State).WaitsFor, "nor is a ledger checked that is in doubt")
		})
	}
}

// A ledger that was restored knows nothing of what was bought since it was written: that counts for the day too.
func TestGrow_unknownVolumesCountForTheDay(t *testing.T) {
	for age, none := range map[time.Duration]bool{time.Hour: true, 25 * time.Hour: false} {
		w := grows(3, 1, 200)
		w.Settings.Growth.MaxPerDay = 3
		w.Cluster.Unchecked, w.Cluster.UncheckedSince = true, w.Now.Add(-time.Hour)
		w.fill(90)
		var all []api.OwnedVolume
		for _, id := range []string{"vol-1", "vol-2", "vol-3"} {
			v := strange(id)
			v.Created = w.Now.Add(-age)
			all = append(all, v)
		}
		w.View.Owned = &api.OwnedVolumes{Volumes: all}
		require.True(t, w.pass(12*time.Second).Checked)
		w.Cluster.Unchecked, w.View.Owned = false, nil
		w.minutes(5, 0)
		assert.Equal(t, none, len(w.Ledger) == 0, age)
	}
}
