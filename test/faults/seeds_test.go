package faults_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

var (
	oneSeed = flag.Uint64("seed", 0, "replay this seed alone, with its whole trace")
	seeds   = flag.Uint64("seeds", few, "how many seeds")
	first   = flag.Uint64("first", 1, "the first of them")
)

// outcome of a seed.
type outcome struct {
	hash  uint64
	wrong []string
	story string
	took  time.Duration // virtual
	world *world
}

// live through a plan, in a bubble of virtual time.
func live(t *testing.T, p plan) (o outcome) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, p)
		wrong := w.run()
		o = outcome{w.hash, wrong, w.story(), time.Since(w.begun), w}
	})
	return o
}

// Whatever befalls a cluster, in whatever order: its invariants hold after every step, and once it is left alone it is well again.
func TestSeeds(t *testing.T) {
	if *oneSeed != 0 {
		o := live(t, planOf(*oneSeed))
		t.Logf("seed %d, %s of virtual time, trace %016x\n%s", *oneSeed, o.took, o.hash, o.story)
		assert.Empty(t, o.wrong)
		return
	}
	var next, done, devices, volumes, grown, gone, setBacks, rebooted atomic.Uint64
	next.Store(*first)
	begun, mu := time.Now(), sync.Mutex{}
	t.Cleanup(func() {
		t.Logf("%d seeds in %s: %d disks given to pools, %d volumes bought by %d expansions; the scheduler's state was lost in %d and set back in %d; %d nodes rebooted", done.Load(), time.Since(begun).Round(time.Second), devices.Load(), volumes.Load(), grown.Load(), gone.Load(), setBacks.Load(), rebooted.Load())
	})
	for worker := range runtime.GOMAXPROCS(0) {
		t.Run(fmt.Sprint(worker), func(t *testing.T) {
			t.Parallel()
			for !t.Failed() {
				seed := next.Add(1) - 1
				if seed >= *first+*seeds {
					return
				}
				o := live(t, planOf(seed))
				if len(o.wrong) > 0 {
					t.Errorf("seed %d: %s\n%s\nreplay: go test ./test/faults -run Seeds -seed %d -v", seed, strings.Join(o.wrong, "; "), o.story, seed)
					next.Store(*first + *seeds)
				}
				devices.Add(uint64(o.world.known.devices))
				volumes.Add(uint64(o.world.cloud.made))
				grown.Add(uint64(o.world.count("GrowthEnded")))
				for _, n := range o.world.nodes {
					rebooted.Add(uint64(n.ours))
				}
				switch l := o.world.plan.loss; {
				case l.times > 0 && l.kind == lost:
					gone.Add(1)
				case l.times > 0:
					setBacks.Add(1)
				}
				mu.Lock()
				if n := done.Add(1); n == *seeds || time.Since(begun).Seconds()/10 > float64(reported.Load()) {
					reported.Add(1)
					fmt.Fprintf(os.Stderr, "%d of %d seeds, %s\n", n, *seeds, time.Since(begun).Round(time.Second))
				}
				mu.Unlock()
			}
		})
	}
}

var reported atomic.Int64

// The same seed goes the same way, to the last line: else nothing could be replayed.
func TestSeeds_areReplayed(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		p := planOf(seed)
		if seed > 3 {
			p.loss = lossOf(seed, &p, 1)
		}
		if seed > 2 {
			p.reboots = rebootsOf(seed, &p, 1)
		}
		a, b := live(t, p), live(t, p)
		if !assert.Equal(t, a.hash, b.hash, "seed %d", seed) {
			x, y := strings.Split(a.story, "\n"), strings.Split(b.story, "\n")
			for i := range min(len(x), len(y)) {
				if x[i] != y[i] {
					t.Fatalf("they part at\n%s\n%s", x[i], y[i])
				}
			}
		}
	}
}
