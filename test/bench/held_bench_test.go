package main

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// restFor is more than a round of reports: the memory of joining and forming is given back.
const restFor = 90 * time.Second

// atATime so many machines come to Mesos: a node joins within the ten minutes that its token lives, however slow this machine is.
const atATime = 1000

// The scheduler's memory while so many nodes report at rest, each with four disks, over mTLS; for 50,000 nodes it is computed from the slope. And what it takes of a core.
func BenchmarkHeld(b *testing.B) {
	for b.Loop() {
		thousand, ten := held(b, 1000), held(b, 10_000)
		b.ReportMetric(thousand, "MiB@1000")
		b.ReportMetric(ten, "MiB@10000")
		b.ReportMetric(ten+(ten-thousand)/9000*40_000, "MiB@50000")
		b.ReportMetric(0, "ns/op")
	}
}

func held(b *testing.B, size int) float64 {
	f := newFleet(size)
	master, url := serveMaster(b)
	p := startScheduler(b, url, false)
	begun := time.Now()
	for from := 0; from < size; from += atATime {
		addAgents(master, from, from+atATime, f.tasks)
		p.until("all agents run their task", 5*time.Minute, func() bool { return master.Counts().Running == from+atATime })
		f.each(b, f.nodes[from:from+atATime], (*node).join)
	}
	joined := time.Since(begun)
	f.form(b, p)
	formed := p.rss()
	cpu, rested := p.cpu(), time.Now()
	unanswered := f.rest(restFor)
	most, parts := p.rss(), p.parts()
	share := 100 * (p.cpu() - cpu).Seconds() / time.Since(rested).Seconds()
	asked := time.Now()
	s, err := p.status()
	require.NoError(b, err)
	told := time.Since(asked)
	ready := 0
	for _, n := range s.Nodes {
		if n.Ready {
			ready++
		}
	}
	assert.Equal(b, size, ready)
	assert.NotEmpty(b, s.Leader)
	b.ReportMetric(share, fmt.Sprintf("%%core@%d", size))
	b.ReportMetric(told.Seconds(), fmt.Sprintf("s-status@%d", size))
	b.Logf("%d nodes: placed and joined in %.1f s, RSS %.1f MiB when all were formed, %.1f MiB at rest (%s), %.1f %% of a core, status in %.2f s, %d reports without an answer",
		size, joined.Seconds(), formed, most, parts, share, told.Seconds(), unanswered)
	runtime.KeepAlive(f)
	return most
}
