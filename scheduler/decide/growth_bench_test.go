package decide_test

import (
	"fmt"
	"testing"
	"time"

	"scaleio-framework/scheduler/decide"
)

// What growth costs the scheduler: with each sample of the leader, and with each plan.
func BenchmarkGrow(b *testing.B) {
	for _, nodes := range []int{10, 100, 1000, 10_000} {
		w := grows(3, (nodes+2)/3, 200)
		w.fill(50)
		w.minutes(5, 0)
		b.Run(fmt.Sprintf("sample/%d", nodes), func(b *testing.B) {
			for b.Loop() {
				w.Now = w.Now.Add(12 * time.Second)
				w.View.At = w.Now
				w.Growing.Take(&w.State)
				decide.Grow(&w.State)
			}
		})
		b.Run(fmt.Sprintf("plan/%d", nodes), func(b *testing.B) {
			for b.Loop() {
				decide.GrowthOf(&w.State)
			}
		})
	}
}
