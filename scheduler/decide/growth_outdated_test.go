package decide_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// What waits for approval is what the configuration says, at the price that was shown; else it is withdrawn at once, by a scheduler that buys nothing too, and nobody can approve it.
func TestGrow_outdatedProposals(t *testing.T) {
	rows := []struct {
		name   string
		change func(*decide.GrowthSettings)
		why    string
		next   api.ExpansionState // of what is proposed instead, if anything is
	}{
		{"encryption", func(g *decide.GrowthSettings) { g.Volume.Encrypted, g.Volume.KMSKey = true, "key-1" }, "other volumes", api.ExpansionProposed},
		{"type and size, in auto", func(g *decide.GrowthSettings) {
			g.Volume.Type, g.Volume.SizeGiB, g.Mode = "st1", 500, api.GrowthAuto
		}, "other volumes", api.ExpansionBuying},
		{"price", func(g *decide.GrowthSettings) {
			g.Prices = decide.Prices{"us-east-1": {"gp3": {GiB: 0.8}}}
		}, "it would cost $480.00 a month by the prices of now", api.ExpansionProposed},
		{"no price any more", func(g *decide.GrowthSettings) { g.Prices = decide.Prices{} }, "no such price any more", api.ExpansionProposed},
		{"dry-run", func(g *decide.GrowthSettings) { g.Mode = api.GrowthDryRun }, "growth is dry-run", ""},
		{"off", func(g *decide.GrowthSettings) { g.Mode = api.GrowthOff }, "growth is off", ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := grows(3, 1, 200)
			w.Settings.Growth.Mode, w.Settings.Growth.Budget = api.GrowthApprove, 0
			w.fill(80)
			w.minutes(2, 0)
			require.Len(t, w.Ledger, 1)
			was := *w.Ledger[0]
			require.EqualValues(t, 4800, was.Cost)
			row.change(&w.Settings.Growth)
			_, _, err := decide.ApproveExpansion(&w.State, was.ID, "ann")
			require.ErrorContains(t, err, row.why)
			w.minutes(4, 0)
			assert.Contains(t, strings.Join(w.kinds(), " "), "GrowthWithdrawn")
			if row.next == "" {
				assert.Equal(t, api.ExpansionWithdrawn, w.Ledger[0].State)
				assert.Len(t, w.Ledger, 1)
				return
			}
			last := w.Ledger[len(w.Ledger)-1]
			require.NotEqual(t, was.ID, last.ID)
			for _, o := range last.Orders {
				set := w.Settings.Growth.Volume
				assert.Equal(t, []any{set.Type, set.Encrypted, set.KMSKey}, []any{o.Type, o.Encrypted, o.KMSKey})
			}
			assert.NotEqual(t, api.ExpansionWithdrawn, last.State)
		})
	}
}

// A cheaper price, and a size that follows the pool, are what was approved, or less.
func TestGrow_proposalsThatStand(t *testing.T) {
	w := grows(3, 1, 200)
	w.Settings.Growth.Mode = api.GrowthApprove
	w.fill(80)
	w.minutes(2, 0)
	require.Len(t, w.Ledger, 1)
	w.Settings.Growth.Prices = decide.Prices{"us-east-1": {"gp3": {GiB: 0.04}}}
	w.minutes(2, 0)
	_, _, err := decide.ApproveExpansion(&w.State, w.Ledger[0].ID, "ann")
	require.NoError(t, err)
}
