package decide_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"scaleio-framework/scheduler/decide"
)

// losses are a year's lost SDSs: for minutes, for hours, or for good.
type losses struct {
	random  *rand.Rand
	next    time.Time // when something is lost
	back    time.Time // when it comes back; zero: it doesn't
	changed time.Time // when something was lost or came back last
	before  map[string]bool
	empty   time.Time // when nothing was in use last: no sample is taken from such a pool
}

// settled says whether for so long nothing was lost, came back, or hid behind an empty pool.
func (l *losses) settled(at time.Time, span time.Duration) bool {
	return at.Sub(l.changed) >= span && at.Sub(l.empty) >= span
}

// rebuilt is how long lost copies take to be made anew.
const rebuilt = 6 * time.Minute

func newLosses(seed uint64, w *poolWorld) *losses {
	l := &losses{random: rand.New(rand.NewPCG(seed, 8))}
	if l.random.IntN(2) == 0 {
		return nil
	}
	w.total = []total{counts, drops, dropsAndSays}[l.random.IntN(3)]
	l.next = now.Add(l.days(40))
	return l
}

func (l *losses) days(most int) time.Duration {
	return time.Duration(1+l.random.IntN(most*24)) * time.Hour
}

// until the next thing happens; 0 while what happened is to be looked at closely.
func (l *losses) until(at time.Time) time.Duration {
	if at.Sub(l.changed) < 20*time.Minute {
		return 0
	}
	left := l.next.Sub(at)
	if !l.back.IsZero() {
		left = min(left, l.back.Sub(at))
	}
	return max(0, left)
}

// pass of time: SDSs are lost and come back. It says whether that happened now.
func (l *losses) pass(w *poolWorld) bool {
	if w.used == 0 {
		l.empty = w.Now
	}
	switch {
	case !l.back.IsZero() && !w.Now.Before(l.back):
		l.back, w.broken = time.Time{}, false
		w.lose(names(l.before)...)
	case !w.Now.Before(l.next):
		l.next = w.Now.Add(l.days(60))
		l.lose(w)
	default:
		if w.broken && w.Now.Sub(l.changed) > rebuilt {
			w.broken = false
			w.figures()
		}
		return false
	}
	l.changed = w.Now
	return true
}

// lose one node, or a whole fault unit, or any third of the nodes.
func (l *losses) lose(w *poolWorld) {
	l.before = map[string]bool{}
	for name := range w.lost {
		if w.lost[name] {
			l.before[name] = true
		}
	}
	all := names(l.before)
	rack, one, kind := w.all[l.random.IntN(len(w.all))].Domain, l.random.IntN(len(w.all)), l.random.IntN(4)
	for i, n := range w.all {
		if i == one || kind == 0 && n.Domain == rack || kind == 1 && l.random.IntN(3) == 0 {
			all = append(all, n.Name)
		}
	}
	kind = l.random.IntN(5)
	if len(all) > len(w.all)/2 {
		all, kind = append(names(l.before), w.all[one].Name), 2
	}
	w.broken = true
	w.lose(all...)
	switch kind {
	case 0:
		l.back = time.Time{}
	case 1:
		l.back = w.Now.Add(time.Duration(16+l.random.IntN(600)) * time.Minute)
	default:
		l.back = w.Now.Add(time.Duration(20+l.random.IntN(14*60)) * time.Second)
	}
	if !l.back.IsZero() && !l.next.After(l.back) {
		l.next = l.back.Add(time.Hour)
	}
}

// expected capacity that may be used: what was lost minutes ago comes back, as long as there is room for all data without it.
func (y *year) expected() int64 {
	l := y.losses
	if l == nil || l.settled(y.Now, 15*time.Minute) || y.used > y.reached() {
		return y.usable()
	}
	raw := y.sum(func(name string) bool { return !l.before[name] || !y.lost[name] })
	return raw - raw/100*int64(y.View.Pool.SparePercent)
}

// largest fault unit of what is left.
func (y *year) largest() int64 {
	units := map[string]int64{}
	for i := range y.View.SDSs {
		if sds := &y.View.SDSs[i]; !y.lost[sds.Name] {
			for _, d := range sds.Devices {
				units[sds.FaultSet] += d.SizeBytes
			}
		}
	}
	return slices.Max(slices.Collect(maps.Values(units)))
}

// cornered: what is left beside its largest fault unit doesn't hold both copies of all data.
func (y *year) cornered() bool { return y.losses != nil && y.used > y.reached()-y.largest() }

func names(of map[string]bool) (all []string) {
	for name := range of {
		all = append(all, name)
	}
	return all
}

// notDeaf: what is left of a pool isn't over its threshold for long, if it can grow.
func (y *year) notDeaf() error {
	g := &y.Settings.Growth
	if y.losses == nil || y.faulty || y.inFlight() || !y.losses.settled(y.Now, 16*time.Minute) || y.fullness() < float64(g.Threshold)+1 || y.rate < 0 || y.saw > 0 {
		y.over, y.idle = 0, 0
		return nil
	}
	if n := len(y.Ledger); n > 0 && y.Now.Sub(y.Ledger[n-1].Ended) < g.Cooldown+5*time.Minute {
		y.over, y.idle = 0, 0
		return nil
	}
	if y.over++; y.over < 24 {
		return nil
	}
	v := decide.GrowthOf(&y.State)
	if v.Next == nil || v.Next.Refused != "" {
		y.idle = 0
		return nil
	}
	if y.idle++; y.idle > 6 { // it may be possible only since now
		return fmt.Errorf("at %s: %.1f %% of what is left in use (%s), though %s could be bought; waits: %q", y.Now.Sub(now), y.fullness(), y.total, v.Next.What, v.Waiting)
	}
	return nil
}
