package decide_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// The whole story once: the pool fills, the cluster buys, and the capacity is there.
func TestGrow_fromSampleToCapacity(t *testing.T) {
	w := grows(3, 1, 200)
	w.fill(71)
	w.minutes(1, 0)
	require.Len(t, w.Ledger, 1)
	e := w.Ledger[0]
	assert.Equal(t, api.ExpansionBuying, e.State)
	require.Len(t, e.Orders, 3, "one in each fault unit")
	assert.Equal(t, api.Cents(4800), e.Cost)
	before := w.View.Pool.RawBytes
	w.minutes(4, 0)
	assert.Equal(t, before+3*200*gib, w.View.Pool.RawBytes)
	assert.Equal(t, api.ExpansionEnded, w.Ledger[0].State)
	assert.Less(t, w.fullness(), 40.0)
	assert.Equal(t, []string{
		"GrowthStarted", "GrowthVolumeBought", "GrowthVolumeBought", "GrowthVolumeBought", "GrowthHandedOver", "GrowthInPool", "GrowthHandedOver", "GrowthInPool",
		"GrowthHandedOver", "GrowthInPool", "GrowthEnded",
	}, w.kinds())
	w.minutes(60, 0)
	assert.Len(t, w.Ledger, 1, "once")
	for _, n := range w.Nodes {
		assert.Empty(t, decide.Spec(&w.State, n).Growth.Orders, "nothing is left to do")
	}
}

// Samples that can't be relied on never cause an act.
func TestGrow_doubtfulSamples(t *testing.T) {
	rows := []struct {
		name string
		spot func(*poolWorld)
		says string
	}{
		{"missing", func(w *poolWorld) { w.View.Pool = nil }, "no pool"},
		{"no capacity", func(w *poolWorld) { w.View.Pool.RawBytes = 0 }, "no capacity"},
		{"more used than there is", func(w *poolWorld) { w.View.Pool.InUseBytes = 2 * w.View.Pool.RawBytes }, "more in use"},
		{"negative", func(w *poolWorld) { w.View.Pool.InUseBytes = -1 }, "negative"},
		{"spare of everything", func(w *poolWorld) { w.View.Pool.SpareBytes = w.View.Pool.RawBytes }, "more in use"},
		{"impossible spare", func(w *poolWorld) { w.View.Pool.SparePercent = 100 }, "impossible spare"},
		{"a former leader's", func(w *poolWorld) { w.View.From = "i-2" }, "former leader"},
		{"another system's", func(w *poolWorld) { w.View.SystemID = "bb" }, "another system"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := grows(3, 1, 200)
			w.fill(95)
			row.spot(w)
			for range 20 {
				w.pass(12 * time.Second)
			}
			assert.Empty(t, w.Ledger)
			assert.Contains(t, decide.GrowthOf(&w.State).Waiting, row.says)
		})
	}
	t.Run("old", func(t *testing.T) {
		w := grows(3, 1, 200)
		w.fill(95)
		w.pass(12 * time.Second)
		for range 20 { // the same view, told again and again
			w.Now = w.Now.Add(12 * time.Second)
			w.Growing.Take(&w.State)
			decide.Grow(&w.State)
		}
		assert.Empty(t, w.Ledger)
	})
	t.Run("a good one in between", func(t *testing.T) {
		w := grows(3, 1, 200)
		w.fill(95)
		for i := range 40 { // no three good ones in a row
			pool := w.View.Pool
			if i%3 == 2 {
				w.View.Pool = nil
			}
			w.pass(12 * time.Second)
			w.View.Pool = pool
		}
		assert.Empty(t, w.Ledger)
	})
}

func TestGrow_threeSamplesOverHalfAMinute(t *testing.T) {
	w := grows(3, 1, 200)
	w.fill(80)
	for range 3 {
		w.pass(12 * time.Second)
		assert.Empty(t, w.Ledger, "over %s", w.Now.Sub(now))
	}
	w.pass(12 * time.Second)
	assert.Len(t, w.Ledger, 1)

	w = grows(3, 1, 200)
	w.fill(80)
	for range 2 {
		w.pass(40 * time.Second)
		assert.Empty(t, w.Ledger, "two samples, far apart")
	}
	w.pass(40 * time.Second)
	assert.Len(t, w.Ledger, 1)
}

// Growth is announced before the threshold when the line leads there.
func TestGrow_byForecast(t *testing.T) {
	w := grows(3, 1, 200)
	w.fill(40)
	w.minutes(30, 0)
	require.Empty(t, w.Ledger)
	w.latency = time.Hour
	w.minutes(4, w.usable()/100*2) // 2 % a minute: 70 % in a quarter of an hour
	require.Len(t, w.Ledger, 1)
	assert.Less(t, w.fullness(), 50.0)
	assert.Contains(t, w.Ledger[0].Why, "filling by")
	v := decide.GrowthOf(&w.State)
	assert.True(t, v.Forecast.Confident)
	assert.InDelta(t, 2*24*60, 100*float64(v.Forecast.PerDay)/float64(w.usable()), 30)
	assert.InDelta(t, 26*time.Minute.Milliseconds(), v.Forecast.FullMS, float64(time.Minute.Milliseconds()))
}

// A step, noise, or data that goes isn't demand that goes on.
func TestGrow_notOnNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	rows := []struct {
		name string
		at   func(i int) float64 // percent after so many samples
	}{
		{"a step", func(i int) float64 { return map[bool]float64{true: 60, false: 40}[i > 100] }},
		{"noise", func(int) float64 { return 55 + 13*random.Float64() }},
		{"a fast sawtooth", func(i int) float64 { return 50 + float64(i%8) }},
		{"a slow sawtooth", func(i int) float64 { return 60 + float64(i%20)/3 }},
		{"falling", func(i int) float64 { return 65 - float64(i)/100 }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := grows(3, 1, 200)
			for i := range 3000 {
				w.fill(row.at(i))
				w.pass(12 * time.Second)
			}
			assert.Empty(t, w.Ledger)
		})
	}
}

func TestGrow_modes(t *testing.T) {
	run := func(mode api.GrowthMode) *poolWorld {
		w := grows(3, 1, 200)
		w.Settings.Growth.Mode = mode
		w.fill(80)
		w.minutes(5, 0)
		return w
	}
	off := run(api.GrowthOff)
	assert.Empty(t, off.Ledger)
	assert.Empty(t, off.events)
	assert.Nil(t, decide.Spec(&off.State, off.Nodes["i-1"]).Growth, "no node calls a cloud")

	dry := run(api.GrowthDryRun)
	assert.Empty(t, dry.Ledger)
	assert.Equal(t, []string{"GrowthDryRun"}, dry.kinds(), "told once")
	assert.Contains(t, dry.events[0].Message, "3 volumes of 200 GiB gp3 on n01, n02, n03, for $48.00 a month")

	ask := run(api.GrowthApprove)
	require.Len(t, ask.Ledger, 1)
	assert.Equal(t, api.ExpansionProposed, ask.Ledger[0].State)
	assert.Empty(t, decide.Spec(&ask.State, ask.Nodes["i-1"]).Growth.Orders)
	_, _, err := decide.ApproveExpansion(&ask.State, "nonsense", "ann")
	require.ErrorContains(t, err, "no expansion")
	_, _, err = decide.ApproveExpansion(&ask.State, ask.Ledger[0].ID[:7], "ann")
	require.ErrorContains(t, err, "too short")
	ask.Ledger = append(ask.Ledger, &decide.Expansion{ID: ask.Ledger[0].ID[:8] + "-other", State: api.ExpansionWithdrawn})
	_, _, err = decide.ApproveExpansion(&ask.State, ask.Ledger[0].ID[:9], "ann")
	require.ErrorContains(t, err, "give the whole id")
	ask.Ledger = ask.Ledger[:1]
	view, out, err := decide.ApproveExpansion(&ask.State, ask.Ledger[0].ID[:8], "ann@desk")
	require.NoError(t, err)
	assert.Equal(t, ask.Ledger[0].ID, view.ID)
	assert.Contains(t, view.What, "for $48.00 a month")
	require.Len(t, out.Events, 1)
	assert.Equal(t, "ann@desk", out.Events[0].Who)
	assert.Len(t, decide.Spec(&ask.State, ask.Nodes["i-1"]).Growth.Orders, 1)
	_, _, err = decide.ApproveExpansion(&ask.State, ask.Ledger[0].ID, "bob")
	require.Error(t, err, "once")
	ask.minutes(5, 0)
	assert.Equal(t, api.ExpansionEnded, ask.Ledger[0].State)
}

// A spread that can be used only if very much is bought isn't bought: here one fault unit of four can't take part, and 33 volumes would be the least.
func TestGrow_notHoweverMuchItTakes(t *testing.T) {
	w := grows(4, 2, 300)
	for i, n := range w.all[:4] {
		for j := range 5 {
			if n.Domain != "r2" || j > 0 {
				w.adopt(n, fmt.Sprintf("more-%d-%d", i, j))
			}
		}
		if n.Domain == "r2" {
			n.Report.Cloud.Verified, w.all[i+4].Report.Cloud.Verified = false, false
		}
	}
	w.figures()
	g := &w.Settings.Growth
	g.MaxPerNode, g.MaxPerCluster, g.MaxPerDay = 25, 250, 200
	w.fill(75)
	w.minutes(2, 0)
	for _, e := range w.Ledger {
		assert.LessOrEqual(t, len(e.Orders), 13, "half of what is there")
	}
	assert.Empty(t, w.Ledger)
	assert.Contains(t, decide.GrowthOf(&w.State).Waiting, "n02 can't verify its instance")
}

// What waits for a person is withdrawn when nobody needs it any more, and refused when it can't be as it was proposed.
func TestGrow_proposals(t *testing.T) {
	w := grows(3, 1, 200)
	w.Settings.Growth.Mode = api.GrowthApprove
	w.fill(80)
	w.minutes(2, 0)
	require.Len(t, w.Ledger, 1)
	w.Nodes["i-2"].Report.Cloud.Verified = false
	_, _, err := decide.ApproveExpansion(&w.State, w.Ledger[0].ID, "ann")
	require.ErrorContains(t, err, "n02 can't take its volumes any more")
	w.Nodes["i-2"].Report.Cloud.Verified = true
	w.fill(30)
	w.minutes(9, 0)
	assert.Equal(t, api.ExpansionProposed, w.Ledger[0].State)
	w.minutes(5, 0)
	assert.Equal(t, api.ExpansionWithdrawn, w.Ledger[0].State)
	assert.Contains(t, strings.Join(w.kinds(), " "), "GrowthWithdrawn")
}

// Nothing is decided under a brake, without a whole cluster, or with a ledger that isn't known.
func TestGrow_buysNothing(t *testing.T) {
	rows := []struct {
		name string
		set  func(*poolWorld)
	}{
		{"held", func(w *poolWorld) { w.Cluster.Hold = &api.Hold{Author: "ann"} }},
		{"read-only", func(w *poolWorld) { w.Cluster.ReadOnly = &decide.ReadOnly{Node: "i-1"} }},
		{"no pool yet", func(w *poolWorld) { w.Cluster.Gates = w.Cluster.Gates[:3] }},
		{"unknown ledger", func(w *poolWorld) { w.Cluster.Unchecked = true }},
		{"no cloud", func(w *poolWorld) { w.each(func(n *decide.Node) { n.Report.Cloud = nil }) }},
		{"identity not verified", func(w *poolWorld) { w.each(func(n *decide.Node) { n.Report.Cloud.Verified = false }) }},
		{"another instance", func(w *poolWorld) { w.each(func(n *decide.Node) { n.Report.Cloud.InstanceID = "i-99" }) }},
		{"slots unknown", func(w *poolWorld) { w.each(func(n *decide.Node) { n.Report.Cloud.SlotsMax = 0 }) }},
		{"two slots stay free", func(w *poolWorld) { w.each(func(n *decide.Node) { n.Report.Cloud.SlotsUsed = 25 }) }},
		{"interruption announced", func(w *poolWorld) {
			w.each(func(n *decide.Node) { n.Report.Cloud.Notices = []api.CloudNotice{{Kind: "spot-interruption"}} })
		}},
		{"only two fault units can", func(w *poolWorld) { w.Nodes["i-3"].Hold = &api.Hold{Author: "ann"} }},
		{"no price under a budget", func(w *poolWorld) { w.Settings.Growth.Prices = decide.Prices{} }},
		{"budget for two", func(w *poolWorld) { w.Settings.Growth.Budget = 4799 }},
		{"cap of the cluster", func(w *poolWorld) { w.Settings.Growth.MaxPerCluster = 2 }},
		{"cap of a day", func(w *poolWorld) { w.Settings.Growth.MaxPerDay = 2 }},
		{"disks-use none", func(w *poolWorld) { w.Settings.Disks.Use = api.DiskUseNone }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := grows(3, 1, 200)
			row.set(w)
			w.fill(90)
			w.minutes(30, 0)
			assert.Empty(t, w.Ledger)
			assert.LessOrEqual(t, len(w.events), 1, "told once: %v", w.kinds())
		})
	}
}

func (w *poolWorld) each(change func(*decide.Node)) {
	for _, n := range w.Nodes {
		change(n)
	}
}

// Volumes go where mirroring can use them.
func TestGrow_spread(t *testing.T) {
	w := grows(3, 2, 200) // six nodes in three racks
	w.fill(75)
	w.minutes(1, 0)
	require.Len(t, w.Ledger, 1)
	racks := map[string]int{}
	for _, o := range w.Ledger[0].Orders {
		racks[w.Nodes[o.Node].Domain]++
	}
	assert.Equal(t, map[string]int{"r1": 1, "r2": 1, "r3": 1}, racks)
	w.minutes(5, 0)
	gained := w.usable()
	assert.Greater(t, gained, int64(6*200)*gib*66/100)
	assert.Equal(t, 34, w.View.Pool.SparePercent)
}

// A rack that is smaller gets more, but never all: three fault units take part.
func TestGrow_evensOut(t *testing.T) {
	w := grows(4, 1, 200)
	for i := range 3 {
		for range 3 {
			w.serial++
			w.adopt(w.Nodes[w.nodes[i]], "extra-"+w.nodes[i]+string(rune('a'+w.serial)))
		}
	}
	w.figures()
	w.fill(72)
	w.minutes(1, 0)
	require.Len(t, w.Ledger, 1)
	count := map[string]int{}
	for _, o := range w.Ledger[0].Orders {
		count[o.Node]++
	}
	assert.GreaterOrEqual(t, len(count), 3)
	assert.Contains(t, count, "i-4")
}

// What would make the largest fault units larger still brings too little beside the spare that they ask for.
func TestGrow_notWhereMirroringCantUseIt(t *testing.T) {
	w := grows(9, 1, 100)
	for i := range 3 {
		for j := range 5 {
			w.adopt(w.all[i], fmt.Sprintf("extra-%d-%d", i, j))
		}
	}
	for _, n := range w.all[3:] {
		n.Report.Cloud = nil
	}
	w.figures()
	w.Settings.Growth.Volume.SizeGiB = 200
	w.fill(75)
	w.minutes(5, 0)
	assert.Empty(t, w.Ledger)
	assert.Contains(t, decide.GrowthOf(&w.State).Next.Refused, "is on no cloud")
	w.all[3].Report.Cloud = w.all[2].Report.Cloud
	assert.Contains(t, decide.GrowthOf(&w.State).Next.Refused, "another identity")
}

// After an expansion the next one waits, unless the pool would be full by then; and what was seen before its capacity came is forgotten.
func TestGrow_cooldown(t *testing.T) {
	w := grows(3, 1, 200)
	w.Settings.Growth.Cooldown = 2 * time.Hour
	w.fill(75)
	w.minutes(5, 0)
	require.Len(t, w.Ledger, 1)
	require.Equal(t, api.ExpansionEnded, w.Ledger[0].State)
	w.fill(75)
	w.minutes(60, 0)
	assert.Len(t, w.Ledger, 1)
	assert.Contains(t, decide.GrowthOf(&w.State).Waiting, "the next one may begin in")
	w.fill(86)
	w.minutes(1, 0)
	assert.Len(t, w.Ledger, 2, "it is nearly full")
	w.minutes(5, 0)
	w.fill(72)
	w.minutes(60, 0)
	require.Len(t, w.Ledger, 2)
	w.minutes(65, 0)
	assert.Len(t, w.Ledger, 3, "the pause is over")
}
