package decide_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// under runs a test for each way in which the product may show a lost SDS.
func under(t *testing.T, test func(*testing.T, total), totals ...total) {
	for _, of := range append([]total{counts, drops, dropsAndSays}, totals...) {
		t.Run(string(of), func(t *testing.T) { test(t, of) })
	}
}

func growsUnder(of total, units, perUnit, size int) *poolWorld {
	w := grows(units, perUnit, size)
	w.total = of
	return w
}

// A lost SDS is not demand: its capacity is expected back for a quarter of an hour, and no longer.
func TestGrow_notForLostCapacity(t *testing.T) {
	under(t, func(t *testing.T, of total) {
		w := growsUnder(of, 4, 1, 200)
		w.fill(60)
		w.minutes(5, 0)
		w.lose("n04")
		w.minutes(14, 0)
		assert.Empty(t, w.Ledger)
		g := decide.GrowthOf(&w.State)
		assert.Contains(t, g.Waiting, "expected back")
		assert.InDelta(t, 60, g.Fullness, 0.1, "of what is expected")
		w.lose()
		w.minutes(30, 0)
		assert.Empty(t, w.Ledger, "it came back")
		w.lose("n04")
		w.minutes(17, 0)
		require.Len(t, w.Ledger, 1, "it didn't: what is left is too full")
		assert.Contains(t, w.Ledger[0].Why, "80.0 % in use")
		if of != delists {
			assert.Contains(t, w.Ledger[0].Why, "200 GB are lost")
		}
		for _, o := range w.Ledger[0].Orders {
			assert.NotEqual(t, "i-4", o.Node, "its SDS couldn't take what it buys")
		}
	}, delists)
}

// Half of the nodes are gone, and what is left is nearly full: it is seen, during the rebuild and after it.
func TestGrow_whatIsLeftIsNearlyFull(t *testing.T) {
	under(t, func(t *testing.T, of total) {
		w := growsUnder(of, 9, 1, 200)
		w.fill(60) // 950 GB
		w.minutes(5, 0)
		w.broken = true
		w.lose("n06", "n07", "n08", "n09")
		w.minutes(14, 0)
		assert.Empty(t, w.Ledger, "room for everything, and it may come back")
		w.broken = false
		w.minutes(2, 0)
		require.Len(t, w.Ledger, 1)
		assert.Greater(t, decide.GrowthOf(&w.State).Fullness, 90.0, "and the alert hears of it")
		w.minutes(120, 0)
		assert.Less(t, decide.GrowthOf(&w.State).Fullness, 70.0)
	})
}

// More is in use than what is left: nothing is waited for.
func TestGrow_whenNothingCanBeProtectedAgain(t *testing.T) {
	under(t, func(t *testing.T, of total) {
		w := growsUnder(of, 9, 1, 200)
		w.fill(69)
		w.minutes(5, 0)
		require.Empty(t, w.Ledger)
		w.broken = true
		w.lose("n05", "n06", "n07", "n08", "n09")
		w.minutes(1, 0)
		require.Len(t, w.Ledger, 1)
		assert.Contains(t, w.Ledger[0].Why, "no room to protect")
		assert.Len(t, w.Ledger[0].Orders, 4, "half of what is left, or one in each fault unit that is")
	}, delists)
}

// Whether lost copies count as in use isn't known either: what has one good copy needs another, and what has none needs nothing.
func TestGrow_roomForEveryDatumThatHasACopy(t *testing.T) {
	rows := []struct {
		name                               string
		inUse, protected, degraded, failed int64
		room                               bool
	}{
		{"lost copies are in use, and fit", 590, 290, 300, 0, true},
		{"lost copies are in use, and don't", 610, 310, 300, 0, false},
		{"lost copies aren't, and fit", 440, 290, 300, 0, true},
		{"lost copies aren't, and don't", 460, 310, 300, 0, false},
		{"what has no copy comes back with its SDS, or not at all", 700, 400, 180, 120, true},
		{"an agent of the version before", 590, 0, 300, 0, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := grows(4, 1, 200)
			w.Settings.Growth.Threshold = 99
			w.lose("n04")
			p := w.View.Pool
			p.InUseBytes, p.ProtectedBytes, p.DegradedBytes, p.FailedBytes = row.inUse*gib, row.protected*gib, row.degraded*gib, row.failed*gib
			for range 6 {
				w.pass(12 * time.Second)
			}
			assert.Equal(t, row.room, len(w.Ledger) == 0, "%+v", decide.GrowthOf(&w.State).Waiting)
		})
	}
}

// A scheduler that begins while an SDS is lost takes what is left for no more normal than the one before did.
func TestGrow_restartsWhileCapacityIsLost(t *testing.T) {
	under(t, func(t *testing.T, of total) {
		w := growsUnder(of, 4, 1, 200)
		w.fill(60)
		w.minutes(5, 0)
		w.lose("n04")
		w.minutes(3, 0)
		w.Growing = &decide.Growing{}
		w.minutes(14, 0)
		assert.Empty(t, w.Ledger)
		assert.Contains(t, decide.GrowthOf(&w.State).Waiting, "expected back")
		w.lose()
		w.minutes(30, 0)
		assert.Empty(t, w.Ledger, "it came back")
		w.lose("n04")
		w.Growing = &decide.Growing{}
		w.minutes(17, 0)
		assert.Len(t, w.Ledger, 1, "it didn't")
	})
}

// What is lost for good is no part of the pool that an expansion is measured by.
func TestGrow_enoughWithoutWhatIsLost(t *testing.T) {
	under(t, func(t *testing.T, of total) {
		w := growsUnder(of, 30, 1, 200)
		w.Settings.Growth.Mode = api.GrowthDryRun
		w.minutes(1, 0)
		var away []string
		for _, n := range w.all[20:] {
			away = append(away, n.Name)
		}
		w.lose(away...)
		w.minutes(17, 0)
		w.fill(85)
		w.minutes(2, 0)
		next := decide.GrowthOf(&w.State).Next
		require.NotNil(t, next)
		assert.Len(t, next.Orders, 9, "%s", next.What) // from 20 to 29 units: below 60 %
	})
}

// An SDS in maintenance comes back when that ends, however long it takes; but what can't be protected meanwhile has no room.
func TestGrow_notForMaintenance(t *testing.T) {
	under(t, func(t *testing.T, of total) {
		w := growsUnder(of, 4, 1, 200)
		w.fill(65)
		w.minutes(5, 0)
		w.View.SDSs[3].InMaint = true
		w.lose("n04")
		w.minutes(180, 0)
		assert.Empty(t, w.Ledger)
		assert.InDelta(t, 65, decide.GrowthOf(&w.State).Fullness, 0.1)
		w.View.SDSs[3].InMaint = false
		w.minutes(17, 0)
		assert.Len(t, w.Ledger, 1, "it ended, and the SDS isn't back")
	})
}

// While a node is taken out, an SDS that is lost beside it is no more demand than at other times; and what was taken out is missed by nobody.
func TestGrow_lostWhileANodeIsRemoved(t *testing.T) {
	under(t, func(t *testing.T, of total) {
		w := growsUnder(of, 6, 1, 200)
		w.fill(55)
		w.minutes(5, 0)
		w.Nodes["i-6"].Removal = &decide.Leaver{Phase: api.RemovalDraining}
		w.View.SDSs[5].Removing = true
		w.lose("n05")
		w.minutes(10, 0)
		assert.Empty(t, w.Ledger)
		w.lose()
		w.View.SDSs = w.View.SDSs[:5]
		w.figures()
		w.minutes(1, 0)
		assert.Empty(t, decide.GrowthOf(&w.State).Waiting)
		assert.InDelta(t, w.fullness(), decide.GrowthOf(&w.State).Fullness, 0.1)
	})
}

// Of a pool that can't be reached at all nothing is decided.
func TestSamples_nothingCanBeReached(t *testing.T) {
	under(t, func(t *testing.T, of total) {
		w := growsUnder(of, 3, 1, 200)
		w.fill(65)
		w.minutes(2, 0)
		w.lose("n01", "n02", "n03")
		w.minutes(30, 0)
		assert.Empty(t, w.Ledger)
		g := decide.GrowthOf(&w.State)
		assert.NotEmpty(t, g.Waiting)
		assert.InDelta(t, 65, g.Fullness, 0.1, "the last that was known")
	})
}

// What a person put into another pool is neither ours to count nor a fault unit of ours.
func TestGrow_anotherPoolIsntOurs(t *testing.T) {
	w := grows(10, 1, 200)
	w.fill(60)
	w.minutes(2, 0)
	units := decide.UnitsNow(&w.State)
	before := decide.StorageGate(w.View.ClusterView, 0, "")
	for i := range w.View.SDSs {
		sds := &w.View.SDSs[i]
		sds.Devices = append(sds.Devices, api.DeviceView{ID: "theirs-" + sds.Name, SizeBytes: int64(i%2) * 2000 * gib, OtherPool: true})
	}
	w.figures()
	w.minutes(60, 0)
	assert.Empty(t, w.Ledger)
	assert.Equal(t, units, decide.UnitsNow(&w.State))
	assert.Equal(t, before, decide.StorageGate(w.View.ClusterView, 0, ""), "the spare covers our largest fault unit")
	w.lose("n02")
	w.minutes(14, 0)
	assert.InDelta(t, 60, decide.GrowthOf(&w.State).Fullness, 0.1)
	assert.Empty(t, w.Ledger, "what is lost of the other pool is no business of ours")
}
