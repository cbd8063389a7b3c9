package decide

import (
	"fmt"
	"time"

	"scaleio-framework/scheduler/api"
)

// What is kept of the pool's past, in memory alone: a new process looks anew before it buys anything.
const (
	sampleEvery = 5 * time.Second // samples closer together say nothing new
	sampleFresh = 30 * time.Second
	sampleGap   = time.Minute // between two samples of one streak
	recentSpan  = 10 * time.Minute
	recentKept  = 128
	dayEvery    = 10 * time.Minute
	daySpan     = 24 * time.Hour
	dayKept     = 150

	streakLength = 3 // consistent samples that a decision rests on, over
	streakSpan   = 30 * time.Second

	dropSettles = 15 * time.Minute // how long capacity that went away is expected back
)

// A Sample of the pool, in raw bytes: both copies.
type Sample struct {
	At      time.Time
	at      float64 // seconds since the first sample
	From    string  // node that led
	Used    int64
	Raw     int64 // as expected: what went away minutes ago is expected back
	Away    int64 // of the pool, and isn't expected back
	Usable  int64 // of it, beside the spare
	Largest int64 // fault unit
	Room    bool  // what is degraded now can be protected again
	Steady  bool  // nothing is being rebuilt, so that what changes is demand
	First   bool  // of a streak: what came before wasn't to be trusted
	peak    int64 // used, since the sample before in the same ring
}

// Fullness in percent of what may be used.
func (s Sample) Fullness() float64 { return percentOf(s.Used, s.Usable) }

// without says what the pool goes without.
func (s Sample) without() string {
	if s.Away < s.Raw/100 {
		return ""
	}
	return fmt.Sprintf("; %s are lost with their SDSs, and not expected back", bytesText(s.Away))
}

func percentOf(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// History of a pool. The zero value is ready for use.
type History struct {
	recent, day []Sample
	peak        int64 // used since the last sample of day
	zero        time.Time
	expected    int64     // raw bytes
	dropped     time.Time // since when less is there than expected
	broken      bool      // something else than a good sample came since the last one
	doubt       string    // why the last view gave no sample
	units       map[string]int64
}

// Last sample; ok is false before the first.
func (h *History) Last() (Sample, bool) {
	if len(h.recent) == 0 {
		return Sample{}, false
	}
	return h.recent[len(h.recent)-1], true
}

// Take the leader's view that the snapshot holds. What is missing, zero, old, inconsistent or from a former leader is never used, and ends a streak.
func (h *History) Take(s *State) {
	if h.doubt = h.doubtful(s); h.doubt != "" {
		h.broken = true
		return
	}
	v := s.View
	last, any := h.Last()
	if any && v.At.Sub(last.At) < sampleEvery {
		return
	}
	if !any {
		h.zero = v.At
	}
	p := v.Pool
	r := reachOf(v.ClusterView)
	if !any { // of what is away nobody knows since when: a scheduler that begins anew gives it its time
		h.expected = r.listed
	}
	h.expect(s, r)
	spare := max(int64(float64(p.SpareBytes)*float64(h.expected)/float64(p.RawBytes)), h.expected/100*int64(p.SparePercent))
	sample := Sample{
		At: v.At, at: v.At.Sub(h.zero).Seconds(), From: v.From, Used: p.InUseBytes, Raw: h.expected, Usable: h.expected - spare, Away: max(0, r.listed-h.expected),
		Room:   needed(p) <= r.now,
		Steady: p.DegradedBytes == 0 && p.FailedBytes == 0 && p.RebuildBytes == 0 && h.dropped.IsZero(),
		First:  h.broken || !any || last.From != v.From || v.At.Sub(last.At) > sampleGap,
	}
	if sample.Used > sample.Raw/2 { // else it doesn't matter: less is in use than any two copies need
		sample.Largest = h.largest(v.ClusterView, sample.Room && !h.dropped.IsZero())
	}
	h.broken = false
	h.recent = keep(h.recent, sample, recentKept)
	h.peak = max(h.peak, sample.Used)
	if n := len(h.day); n == 0 || sample.At.Sub(h.day[n-1].At) >= dayEvery {
		sample.peak, h.peak = h.peak, 0
		h.day = keep(h.day, sample, dayKept)
	}
}

// largest fault unit of the pool; lost says whether what is away counts.
func (h *History) largest(v *api.ClusterView, lost bool) (most int64) {
	if h.units == nil {
		h.units = map[string]int64{}
	}
	clear(h.units)
	addUnits(h.units, v, lost)
	for _, bytes := range h.units {
		most = max(most, bytes)
	}
	return most
}

// keep the newest; the array is moved once in as many samples as it holds.
func keep(all []Sample, next Sample, most int) []Sample {
	if len(all) < 2*most {
		return append(all, next)
	}
	all = append(all[:0], all[len(all)-most+1:]...)
	return append(all, next)
}

// doubtful says why a view gives no sample.
func (h *History) doubtful(s *State) string {
	v := s.View
	switch {
	case v == nil || v.ClusterView == nil:
		return "no leader has shown the storage yet"
	case v.Pool == nil:
		return "the leader's view shows no pool"
	case v.From != s.Leases.Leader:
		return "the last view is a former leader's"
	case v.SystemID != s.Cluster.SystemID:
		return "the view is of another system"
	case s.Now.Sub(v.At) > sampleFresh:
		return fmt.Sprintf("the last sample is %s old", s.Now.Sub(v.At).Round(time.Second))
	}
	if last, _ := h.Last(); last.Used > 0 && v.Pool.InUseBytes == 0 {
		return "the pool shows nothing in use, and it did before: no answer looks like that too"
	}
	return h.inconsistent(v.Pool, reachOf(v.ClusterView))
}

func (h *History) inconsistent(p *api.PoolView, r reach) string {
	switch {
	case p.RawBytes <= 0:
		return "the pool shows no capacity"
	case p.InUseBytes < 0 || p.SpareBytes < 0 || p.FreeBytes < 0 || p.SparePercent < 0 || p.SparePercent > 99:
		return "the pool shows a negative capacity, or an impossible spare"
	case p.InUseBytes > max(p.RawBytes, r.listed, h.expected) || p.SpareBytes >= p.RawBytes || p.FreeBytes > p.RawBytes:
		return "the pool shows more in use, spare or free than there is"
	case r.now <= 0:
		return "nothing of the pool can be reached"
	}
	return ""
}

// expect the raw capacity. A lost SDS is not demand: what went away is expected back for a while; but not what a person takes out.
func (h *History) expect(s *State, r reach) {
	at := s.View.At
	if removing(s) {
		h.expected = min(h.expected, r.listed)
	}
	if r.stays >= h.expected-h.expected/100 {
		h.expected, h.dropped = r.stays, time.Time{}
		return
	}
	if h.dropped.IsZero() {
		h.dropped = at
	}
	if at.Sub(h.dropped) >= dropSettles {
		h.expected, h.dropped = r.stays, time.Time{}
	}
}

// gone says whether what is away isn't counted on: it had its time to come back, or what is left has no room without it.
func (h *History) gone() bool {
	last, _ := h.Last()
	return h.dropped.IsZero() || !last.Room
}

func removing(s *State) bool {
	for _, n := range s.Nodes {
		if n.Removal != nil && n.RemovalOf() != api.RemovalDone {
			return true
		}
	}
	return false
}

// streak says whether the newest samples, one after the other, all are as wanted, enough of them and over long enough. None from before since counts.
func (h *History) streak(now, since time.Time, wanted func(*Sample) bool) bool {
	last, any := h.Last()
	if !any || h.broken || now.Sub(last.At) > sampleFresh {
		return false
	}
	count := 0
	for i := len(h.recent) - 1; i >= 0; i-- {
		sample := &h.recent[i]
		if !sample.At.After(since) || !wanted(sample) {
			return false
		}
		if count++; count >= streakLength && last.At.Sub(sample.At) >= streakSpan {
			return true
		}
		if sample.First {
			return false
		}
	}
	return false
}

// rising: more is in use than a few samples ago. Nothing else leads to the threshold.
func (h *History) rising() bool {
	n := len(h.recent)
	return n > streakLength && h.recent[n-1].Used > h.recent[n-1-streakLength].Used
}
