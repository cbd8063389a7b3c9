package decide_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// What couldn't be done, or would have been, is told once for each time that the pool should grow.
func TestGrow_tellsAgain(t *testing.T) {
	rows := []struct {
		kind string
		set  func(*poolWorld)
	}{
		{"GrowthRefused", func(w *poolWorld) { w.each(func(n *decide.Node) { n.Report.Cloud = nil }) }},
		{"GrowthDryRun", func(w *poolWorld) { w.Settings.Growth.Mode = api.GrowthDryRun }},
	}
	for _, row := range rows {
		t.Run(row.kind, func(t *testing.T) {
			w := grows(3, 1, 200)
			row.set(w)
			for range 3 {
				w.fill(80)
				w.minutes(30, 0)
				w.fill(30)
				w.minutes(60, 0)
			}
			assert.Equal(t, []string{row.kind, row.kind, row.kind}, w.kinds())
		})
	}
	w := grows(3, 1, 200)
	w.Settings.Growth.Mode = api.GrowthDryRun
	for range 5 { // up and down about the threshold
		w.fill(71)
		w.minutes(4, 0)
		w.fill(69)
		w.minutes(4, 0)
	}
	assert.Equal(t, []string{"GrowthDryRun"}, w.kinds())
}

// EC2 takes a client token with the tags alone that it came with first: those that an expansion began with stay its own, whatever the configuration says since.
func TestSpec_tagsOfAnExpansionStay(t *testing.T) {
	w := growing(t, 3, 1)
	before := decide.Spec(&w.State, w.Nodes["i-2"]).Growth.Tags
	assert.Empty(t, before)
	w.Settings.Growth.Node.Tags = map[string]string{"team": "storage"}
	w.pass(time.Second)
	told := decide.Spec(&w.State, w.Nodes["i-2"]).Growth
	require.NotEmpty(t, told.Orders)
	assert.Empty(t, told.Tags)
	raw, err := json.Marshal(w.Ledger[0])
	require.NoError(t, err)
	again := &decide.Expansion{}
	require.NoError(t, json.Unmarshal(raw, again))
	w.Ledger[0] = again
	assert.Empty(t, decide.Spec(&w.State, w.Nodes["i-2"]).Growth.Tags, "after a restart too")
	w.minutes(6, 0)
	require.Equal(t, api.ExpansionEnded, w.Ledger[0].State)
	assert.Equal(t, map[string]string{"team": "storage"}, decide.Spec(&w.State, w.Nodes["i-2"]).Growth.Tags)
}
