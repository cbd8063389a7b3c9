package decide_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

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
