package growth_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	cloud "scaleio-framework/test/aws"
)

const (
	reachRuns = 40
	turnEvery = 20 * time.Millisecond // an agent is woken by what it waits for; here each looks so often,
	calmFor   = 29 * time.Second      // but not before a decision can be: that rests on half a minute of samples
)

// How long a pool waits for capacity that was decided: from the stored decision until all volumes are devices of the pool, less what the cloud itself takes (to
// create and attach a volume, and to answer these two calls). In virtual time, so that waits count and this machine's speed doesn't; CPU time is told beside it.
func BenchmarkReach(b *testing.B) {
	var own []time.Duration
	var cpu time.Duration
	for b.Loop() {
		for run := range reachRuns {
			begun := cpuTime(b)
			inBubble(b, func(t *testing.T) { own = append(own, overhead(t, uint64(run))) })
			cpu += cpuTime(b) - begun
		}
	}
	slices.Sort(own)
	b.ReportMetric(own[len(own)/2].Seconds(), "own-p50-s")
	b.ReportMetric(own[len(own)*99/100].Seconds(), "own-p99-s")
	b.ReportMetric(own[len(own)-1].Seconds(), "own-max-s")
	b.ReportMetric(float64(len(own)), "runs")
	b.ReportMetric(float64(cpu.Milliseconds())/float64(len(own)), "cpu-ms/run") // of everything in the process: the formation before it and the stand-ins too
	b.ReportMetric(0, "ns/op")
}

// overhead of one expansion in a cloud that takes its usual time.
func overhead(t *testing.T, seed uint64) time.Duration {
	chance := rand.New(rand.NewPCG(seed, 6))
	var takes cloud.Takes
	s := newSite(t, newGaps(), asInTheField, func(_ *scheduler.Options, c *cloud.Config) {
		c.Seed = seed
		c.Takes.Create += time.Duration(chance.ExpFloat64() * float64(500*time.Millisecond))
		c.Takes.Attach += time.Duration(chance.ExpFloat64() * float64(500*time.Millisecond))
		takes = c.Takes
	})
	defer s.close()
	s.formed()
	for calm := time.Now(); time.Since(calm) < calmFor; {
		s.round(time.Second)
	}
	require.Zero(t, s.count("GrowthStarted"))
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, n := range s.nodes {
		first := time.Duration(chance.Int64N(int64(turnEvery)))
		all.Go(func() {
			time.Sleep(first) // each in its own time
			for ctx.Err() == nil {
				n.turn(ctx)
				time.Sleep(turnEvery)
			}
		})
	}
	for limit := time.Now().Add(10 * time.Minute); len(s.storage.devices()) < 6 && time.Now().Before(limit); {
		time.Sleep(10 * time.Millisecond)
	}
	usable := time.Now()
	stop()
	all.Wait()
	require.Len(t, s.storage.devices(), 6, "never grown: %s", s.story())
	return usable.Sub(s.decided()) - takes.Create - takes.Attach - 2*takes.Call
}

// decided is when the expansion was.
func (s *site) decided() time.Time {
	var list api.EventList
	require.NoError(s.t, s.get(api.PathEvents, &list))
	i := slices.IndexFunc(list.Events, func(e api.Event) bool { return e.Kind == "GrowthStarted" })
	require.GreaterOrEqual(s.t, i, 0)
	return list.Events[i].Time
}

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
