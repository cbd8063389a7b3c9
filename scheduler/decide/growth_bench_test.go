package decide_test

import (
	"fmt"
	"testing"
	"time"

	"scaleio-framework/scheduler/api"
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

// What a look at all nodes costs the scheduler, and the orders that it makes in it: for the leader, who is told of the whole cluster, and for any other.
func BenchmarkLook(b *testing.B) {
	for _, nodes := range []int{10, 100, 1000, 10_000} {
		w := grows(3, (nodes+2)/3, 200)
		for _, n := range w.Nodes {
			for range 25 { // beside that of run-sds
				n.Report.Conditions = append(n.Report.Conditions, api.Condition{Type: "serve-storage", Status: api.True, Reason: api.ReasonSatisfied, Generation: 1})
			}
			n.Keep(n.Report)
		}
		w.Nodes["i-1"].Report.MDM = &api.MDMView{Installed: true, InCluster: true, Master: true, SystemID: "aa"}
		w.minutes(1, 0)
		b.Run(fmt.Sprintf("decide/%d", nodes), func(b *testing.B) {
			for b.Loop() {
				decide.Decide(&w.State)
				decide.Roll(&w.State)
				decide.Grow(&w.State)
			}
		})
		for name, id := range map[string]string{"leader": "i-1", "other": fmt.Sprintf("i-%d", nodes)} {
			b.Run(fmt.Sprintf("orders-of-%s/%d", name, nodes), func(b *testing.B) {
				for b.Loop() {
					decide.Hash(decide.Spec(&w.State, w.Nodes[id]))
					decide.Storage(&w.State, w.Nodes[id])
				}
			})
		}
	}
}
