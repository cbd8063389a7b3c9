package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos"
)

// How long the scheduler takes until each of 10,000 agents runs its task: from its start, on one core, with its state in a file. And what Mesos has to do for it
// afterwards: which offers it holds, and when the first agent would be offered again.
func BenchmarkPlaced(b *testing.B) {
	const agents = 10_000
	for b.Loop() {
		master, url := serveMaster(b)
		addAgents(master, 0, agents, func(int) mesos.TaskDriver { return mesos.RunAtOnce{} })
		p := startScheduler(b, url, true)
		p.until("the scheduler stored that all agents run their task", 5*time.Minute, func() bool { return p.metric(`scaleio_scheduler_task_updates_total{state="TASK_RUNNING"}`) >= agents })
		b.ReportMetric(time.Since(p.started).Seconds(), "s/10000")
		b.ReportMetric(p.cpu().Seconds(), "cpu-s/10000")
		p.until("what is left of each agent was offered and declined", time.Minute, func() bool { return master.Quiet() > 0 && master.Counts().Offers == 0 })
		made, begun, used := master.Counts().OffersMade, time.Now(), p.cpu()
		rest := time.NewTimer(20 * time.Second) // of twenty rounds of offers
		<-rest.C
		counts := master.Counts()
		require.Equal(b, agents, counts.Running)
		b.ReportMetric(float64(counts.Offers), "offers-held")
		b.ReportMetric(float64(counts.OffersMade-made), "offers-at-rest")
		b.ReportMetric(master.Quiet().Minutes(), "min-to-offer")
		b.ReportMetric(100*(p.cpu()-used).Seconds()/time.Since(begun).Seconds(), "%core-at-rest")
		b.ReportMetric(0, "ns/op")
	}
}
