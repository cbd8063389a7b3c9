package decide_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// A simulated year of a pool, many times: it fills in all ways that pools do, nodes and EC2 fail, limits and prices differ. Whatever happens, no limit is exceeded;
// the pool is never full if growing in time was possible; and nothing is bought without demand. Every run can be repeated by its seed.
func TestGrow_aYearOfFilling(t *testing.T) {
	runs := yearRuns
	if testing.Short() {
		runs = 100
	}
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // years make little, short-lived garbage
	var next, volumes, full, samples atomic.Int64
	var mu sync.Mutex
	failures := 0
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for {
				seed := uint64(next.Add(1))
				if seed > uint64(runs) {
					return
				}
				y := newYear(seed)
				err := y.live()
				volumes.Add(int64(len(y.bought)))
				samples.Add(int64(y.samples))
				full.Add(int64(y.fullFor))
				if err != nil {
					mu.Lock()
					if failures++; failures <= 5 {
						t.Errorf("seed %d: %v", seed, err)
					}
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d years, %d samples, %d of them of a full pool, as limits or faults explain; %d volumes bought, %d years failed", runs, samples.Load(), full.Load(), volumes.Load(), failures)
	require.Zero(t, failures)
	require.Positive(t, volumes.Load())
}

// year of one pool.
type year struct {
	*poolWorld
	random  *rand.Rand
	faulty  bool  // nodes and EC2 fail
	rate    int64 // raw bytes a minute that come in now
	left    time.Duration
	saw     time.Duration // period of a sawtooth; 0 = none
	fullFor int           // samples of a full pool
	counted int           // volumes when they were counted last
	begun   int           // expansions that were judged
	rises   [64]int64     // rate of the last quarter of an hour and more, by sample
	samples int
	late    bool      // the last expansion could begin only when the pool was well over its threshold: limits forbade it before
	able    time.Time // since when a full pool could grow and doesn't
	losses  *losses   // nil: nothing is lost
	over    int       // samples one after the other of a pool over its threshold that doesn't grow
	idle    int       // and of those, since when it could
}

func newYear(seed uint64) *year {
	random := rand.New(rand.NewPCG(seed, 7))
	units, perUnit := 3+random.IntN(4), 1+random.IntN(3)
	w := grows(units, perUnit, 100+random.IntN(4)*100)
	g := &w.Settings.Growth
	g.Threshold = 55 + random.IntN(26)
	g.Cooldown = time.Duration(5+random.IntN(60)) * time.Minute
	w.latency = time.Duration(20+random.IntN(int(g.Takes.Seconds())-60)) * time.Second
	y := &year{poolWorld: w, random: random, faulty: random.IntN(2) == 0}
	switch random.IntN(4) {
	case 0: // generous
		g.MaxPerCluster, g.MaxPerNode, g.MaxPerDay, g.Budget = 250, 25, 200, 100_000_000
	case 1:
		g.Budget = api.Cents(2000 + random.IntN(100_000))
	case 2:
		g.MaxPerDay, g.MaxPerCluster = 3+random.IntN(10), 10+random.IntN(60)
	case 3:
		g.MaxPerNode, g.SpareSlots = 1+random.IntN(6), random.IntN(6)
	}
	w.fill(float64(random.IntN(g.Threshold)))
	y.losses = newLosses(seed, w)
	return y
}

// live a year: most of it in steps of up to some days, with a few samples each; where something happens, in steps of a sample.
func (y *year) live() error {
	end := now.Add(365 * 24 * time.Hour)
	for y.Now.Before(end) {
		if y.left <= 0 {
			y.turn()
		}
		if skip := y.calm(); skip > 0 {
			y.Now = y.Now.Add(skip)
			y.left -= skip
			y.write(int64(skip.Minutes() * float64(y.rate)))
			for range 3 {
				if err := y.sample(); err != nil {
					return err
				}
			}
			continue
		}
		if err := y.sample(); err != nil {
			return err
		}
	}
	return nil
}

// calm is how long nothing happens that a closer look would show: less than a percent comes in.
func (y *year) calm() time.Duration {
	if y.saw > 0 || y.inFlight() {
		return 0
	}
	skip := min(5*24*time.Hour, y.left)
	if y.losses != nil {
		skip = min(skip, y.losses.until(y.Now))
	}
	if y.rate != 0 {
		skip = min(skip, 24*time.Hour, time.Duration(float64(y.usable())/100/math.Abs(float64(y.rate))*float64(time.Minute)))
	}
	if skip < 10*time.Minute {
		return 0
	}
	return skip
}

func (y *year) inFlight() bool {
	n := len(y.Ledger)
	return n > 0 && (y.Ledger[n-1].State == api.ExpansionBuying || y.Ledger[n-1].State == api.ExpansionProposed)
}

// turn to another way of filling.
func (y *year) turn() {
	y.saw = 0
	percent := float64(y.usable()) / 100
	if y.fullness() > float64(y.Settings.Growth.Threshold+100)/2 { // people don't live with that for long
		y.rate, y.left = -int64(percent), time.Duration(y.fullness()-20)*time.Minute
		return
	}
	switch y.random.IntN(12) {
	case 0, 1, 2, 8, 9: // nothing happens
		y.rate, y.left = 0, time.Duration(1+y.random.IntN(60))*24*time.Hour
	case 3, 4: // slowly, weeks long
		y.rate, y.left = int64(percent*y.random.Float64()*2/24/60), time.Duration(5+y.random.IntN(20))*24*time.Hour
	case 5: // data is deleted
		y.rate, y.left = -int64(percent*y.random.Float64()*2), time.Duration(5+y.random.IntN(30))*time.Minute
	case 6: // comes and goes
		y.saw = time.Duration(4+y.random.IntN(30)) * time.Minute
		y.rate, y.left = int64(percent*y.random.Float64()/2), time.Duration(20+y.random.IntN(60))*time.Minute
	default: // a burst, as fast as growing can be in time for
		y.rate, y.left = int64(percent*y.bearable()*y.random.Float64()), time.Duration(5+y.random.IntN(40))*time.Minute
	}
}

// bearable percent a minute: what is free above the threshold lasts for three samples, the decision, and as long as growing takes.
func (y *year) bearable() float64 {
	left := 100 - float64(y.Settings.Growth.Threshold)
	return left / (y.latency + 2*time.Minute).Minutes()
}

// sample is what happens in 16 seconds.
func (y *year) sample() error {
	const step = 16 * time.Second
	y.left -= step
	rate := y.rate
	if y.saw > 0 && y.Now.Sub(now)%y.saw > y.saw/2 {
		rate = -rate
	}
	if y.losses != nil && y.losses.pass(y.poolWorld) {
		y.late = true // what grows now was planned for another pool
	}
	y.samples++
	y.rises[y.samples%len(y.rises)] = rate
	y.write(rate * 16 / 60)
	if y.faulty && y.inFlight() {
		y.fail()
	}
	y.work()
	y.pass(step)
	if err := y.withinLimits(); err != nil {
		return err
	}
	if err := y.notDeaf(); err != nil {
		return err
	}
	return y.inTime()
}

// fail something, now and then.
func (y *year) fail() {
	for _, key := range slices.Sorted(maps.Keys(y.part)) { // a seed gives the same year again
		p := y.part[key]
		if p.volume != "" || p.fails != "" || p.mute {
			continue
		}
		switch y.random.IntN(400) {
		case 0:
			p.fails = "VolumeLimitExceeded"
		case 1:
			p.mute = true
		}
	}
}

func (y *year) withinLimits() error {
	g := &y.Settings.Growth
	if len(y.Ledger) == 0 {
		return nil
	}
	e := y.Ledger[len(y.Ledger)-1]
	if e.State != api.ExpansionBuying || y.counted == len(y.bought) && y.begun == len(y.Ledger) {
		return nil
	}
	y.counted = len(y.bought)
	if cost := y.monthly(); cost > g.Budget {
		return fmt.Errorf("at %s: $%s a month, with a budget of $%s", y.Now.Sub(now), cost, g.Budget)
	}
	if len(y.bought) > g.MaxPerCluster {
		return fmt.Errorf("at %s: %d volumes, and %d are allowed", y.Now.Sub(now), len(y.bought), g.MaxPerCluster)
	}
	perNode := map[string]int{}
	orders := map[string]int{}
	for _, b := range y.bought {
		perNode[b.node]++
		orders[b.order]++
		if perNode[b.node] > g.MaxPerNode {
			return fmt.Errorf("at %s: %d volumes for %s", y.Now.Sub(now), perNode[b.node], b.node)
		}
		if orders[b.order] > 1 {
			return fmt.Errorf("at %s: %d volumes for order %s", y.Now.Sub(now), orders[b.order], b.order)
		}
	}
	today, flying := 0, 0
	for _, x := range y.Ledger {
		if x.State == api.ExpansionBuying {
			flying++
		}
		if y.Now.Sub(x.Started) < 24*time.Hour {
			for _, o := range x.Orders {
				if o.VolumeID != "" {
					today++
				}
			}
		}
	}
	if today > g.MaxPerDay || flying > 1 {
		return fmt.Errorf("at %s: %d volumes within a day, %d expansions at a time", y.Now.Sub(now), today, flying)
	}
	for _, n := range y.Nodes {
		if c := n.Report.Cloud; c.SlotsUsed > c.SlotsMax-g.SpareSlots {
			return fmt.Errorf("at %s: %d of %d slots of %s are used", y.Now.Sub(now), c.SlotsUsed, c.SlotsMax, n.Name)
		}
	}
	return y.justified(e)
}

// justified: whenever something is bought there is demand, now or by the rate at which data comes in, and no more than that asks for.
func (y *year) justified(e *decide.Expansion) error {
	if y.begun == len(y.Ledger) {
		return nil
	}
	y.begun = len(y.Ledger)
	y.late = y.fullness() > float64(y.Settings.Growth.Threshold)+1.5*100*float64(y.rate)/float64(y.usable())+0.5
	g := &y.Settings.Growth
	fastest := int64(0)
	for _, r := range y.rises {
		fastest = max(fastest, r)
	}
	if y.begun > 1 {
		paused := e.Started.Sub(y.Ledger[y.begun-2].Ended)
		filled := y.used + int64(float64(fastest)*(g.Cooldown.Minutes()+2*g.Takes.Minutes()*g.Safety)*1.1)
		if paused < g.Cooldown && y.fullness() < float64(100+g.Threshold)/2-1 && filled < y.usable() {
			return fmt.Errorf("at %s: expansion only %s after the last one: %.1f %% in use, %d bytes a minute: %s", y.Now.Sub(now), paused, y.fullness(), fastest, e.Why)
		}
	}
	ahead := y.used + int64(float64(fastest)*2*g.Takes.Minutes()*g.Safety*1.1)
	threshold := y.expected() / 100 * int64(g.Threshold)
	if ahead < threshold-threshold/50 && !y.cornered() {
		return fmt.Errorf("at %s: expansion for nothing: %.1f %% in use, %d bytes a minute: %s", y.Now.Sub(now), y.fullness(), fastest, e.Why)
	}
	have := y.expected()
	if y.losses != nil && y.losses.settled(y.Now, 15*time.Minute) { // losses leave fault units of different size, and the largest must fit into the spare
		have = min(have, y.reached()-y.largest())
	}
	needed := float64(ahead)*100/float64(g.Threshold-10) - float64(have)
	round := 3 * int64(y.size) * gib
	if most := max(needed*1.6, 0) + float64(2*round); float64(e.Gain) > most {
		return fmt.Errorf("at %s: expansion by %d GB where %.0f GB would do", y.Now.Sub(now), e.Gain>>30, needed/float64(gib))
	}
	return nil
}

// inTime: a pool is full only if limits forbade what would have helped, or if something failed.
func (y *year) inTime() error {
	if y.used < y.usable() || y.rate <= 0 {
		y.able = time.Time{}
		return nil
	}
	y.fullFor++
	if y.faulty {
		return nil
	}
	if y.losses != nil && !y.losses.settled(y.Now, 16*time.Minute) {
		y.able = time.Time{}
		return nil
	}
	if y.inFlight() {
		if e := y.Ledger[len(y.Ledger)-1]; !y.late {
			return fmt.Errorf("at %s: full while it grows since %s: %s", y.Now.Sub(now), y.Now.Sub(e.Started), e.Why)
		}
		return nil
	}
	if y.fullFor%8 != 0 {
		return nil
	}
	next := decide.GrowthOf(&y.State).Next
	if next == nil || next.Refused != "" {
		y.able = time.Time{}
		return nil
	}
	if y.able.IsZero() {
		y.able = y.Now
	}
	if waited := y.Now.Sub(y.able); waited > 5*time.Minute && waited < 10*time.Minute {
		return fmt.Errorf("at %s: full, though %s could be bought; waits: %s", y.Now.Sub(now), next.What, decide.GrowthOf(&y.State).Waiting)
	}
	return nil
}
