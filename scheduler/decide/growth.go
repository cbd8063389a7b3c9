package decide

import (
	"fmt"
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
)

// GrowthSettings are the operator's policy. The zero value means off.
type GrowthSettings struct {
	Mode          api.GrowthMode
	Threshold     int           // percent of what may be used
	Takes         time.Duration // growing, from decision to capacity, as far as nothing else was seen
	Safety        float64       // times that it takes: so far ahead a forecast is acted on
	Cooldown      time.Duration // between expansions, unless the pool would be full by then
	Patience      time.Duration // with an order that makes no progress
	MaxPerNode    int
	MaxPerCluster int
	MaxPerDay     int
	Budget        api.Cents // per month; 0 = none
	Prices        Prices
	Volume        api.VolumeOrder // size (0 = as the pool's devices), type, performance, encryption
	SpareSlots    int             // attachment slots that stay free on every node
	Node          api.NodeGrowth  // tags, endpoint, credentials: what every node is told
}

// Growing is what is remembered in memory alone: it begins anew with each process.
type Growing struct {
	History
	told      map[string]string    // what people were told last, by kind of event
	quiet     time.Time            // since when the reason of what is proposed is gone
	calm      time.Time            // since when there is no reason to grow
	begun     bool                 // this process looked at growth before
	heir      bool                 // it began with a ledger: what the one before saw beside it is to be seen again
	listed    time.Time            // when the volumes were listed that strangers and orphans are made from
	listing   int64                // which listing that was
	cleaned   map[string]time.Time // volumes that a node was told to delete by this process, and when
	strangers []api.OwnedVolume    // that the ledger doesn't know
	orphans   []api.OrphanView
	missing   map[string]time.Time // volumes of the ledger that a listing lacked
	looked    time.Time            // sample that was looked at last for whether the pool should grow
	refused   time.Time            // since when it should and can't: that isn't tried with every sample
	free      time.Time            // since when nothing held and this process watched: patience with nodes counts from then
	sighted   time.Time            // since when the leader's view is fresh: patience with disks that wait for the leader counts from then
	soon      map[string]bool      // nodes that may get orders soon
	foreseen  time.Time            // when those were looked for
}

// tryAgain what was refused.
const tryAgain = 2 * time.Minute

// hysteresis: an expansion is made so large that this many points are between the threshold and how full the pool is then.
const hysteresis = 10

// Grow looks at the pool and at what was ordered. Nothing is decided while growth is off, or the cluster is held, read-only or not whole; what nodes report is
// taken always.
func Grow(s *State) (out GrowthOutcome) {
	g := &s.Settings.Growth
	if s.Growing == nil || g.off() && len(s.Ledger) == 0 {
		return out
	}
	if !s.Growing.begun {
		s.Growing.begun, s.Growing.heir = true, len(s.Ledger) > 0
	}
	doubt(s, &out)
	if s.Growing.free.IsZero() || s.Held(nil) != nil || s.Cluster.Unchecked {
		s.Growing.free = s.Now
	}
	if s.Growing.sighted.IsZero() || !s.sees() {
		s.Growing.sighted = s.Now
	}
	uses := usesOfOrders(s)
	for i, e := range s.Ledger {
		if !e.open() {
			continue
		}
		if next := pursue(s, e, uses, &out); next != e {
			s.Ledger[i] = next
			out.store(e, next)
		}
	}
	followSettled(s, uses, &out)
	leave(s, &out)
	compareOwned(s, &out)
	tellUnlisted(s, &out)
	e := inFlight(s)
	if e != nil && e.State == api.ExpansionProposed {
		if why := outdated(s, e); why != "" {
			withdraw(s, e, why, &out)
			e = nil
		}
	}
	if g.off() || s.Held(nil) != nil || !s.Cluster.Open(api.GatePoolReady) {
		return out
	}
	switch {
	case e == nil:
		forget(s, &out)
		begin(s, &out)
	case e.State == api.ExpansionProposed:
		reconsider(s, e, &out)
	}
	return out
}

// A trigger is why the pool should grow now.
type trigger struct {
	why  string
	rate float64 // bytes per second that come in meanwhile
}

// triggered says why the pool should grow, or what stands against deciding that now.
func triggered(s *State) (t *trigger, waits string) {
	h, g := &s.Growing.History, &s.Settings.Growth
	last, any := h.Last()
	if h.doubt != "" || !any {
		return nil, h.doubt
	}
	if s.Now.Sub(last.At) > sampleFresh {
		return nil, "the last sample is too old"
	}
	since := lastEnded(s) // what was seen before its capacity came says nothing of now
	switch {
	case h.streak(s.Now, since, func(x *Sample) bool { return !x.Room || x.Used > x.Raw-x.Largest && x.Largest > 0 }):
		t = &trigger{why: "no room to protect all data again after losing the largest fault unit"}
	case !h.dropped.IsZero():
		return nil, fmt.Sprintf("capacity went away at %s and is expected back: that is no demand", h.dropped.UTC().Format(time.TimeOnly))
	default:
		t = demand(s, last, since)
	}
	if left := g.Cooldown - s.Now.Sub(since); t != nil && !since.IsZero() && left > 0 {
		if !urgent(s, last, left) {
			return nil, fmt.Sprintf("the last expansion ended %s ago; the next one may begin in %s", s.Now.Sub(since).Round(time.Second), left.Round(time.Second))
		}
		t.why += fmt.Sprintf("; the other %s of growth-cooldown aren't waited for, since the pool could be full by then", left.Round(time.Second))
	}
	return t, ""
}

func demand(s *State, last Sample, since time.Time) *trigger {
	h, g := &s.Growing.History, &s.Settings.Growth
	over := h.streak(s.Now, since, func(x *Sample) bool { return x.Fullness() > float64(g.Threshold) })
	if !over && !h.rising() {
		return nil
	}
	f := h.Forecast()
	rate := 0.0
	if f.Confident && f.Rate > 0 {
		rate = f.Rate
	}
	if over {
		return &trigger{why: fmt.Sprintf("%.1f %% in use, threshold %d %%%s", last.Fullness(), g.Threshold, last.without()), rate: rate}
	}
	ahead := horizon(s)
	level := last.Usable / 100 * int64(g.Threshold)
	left, ok := f.Until(last.Used, level)
	if !f.Confident || !ok || left > ahead || !last.Steady || !h.higher(f, s.Now.Add(-ahead)) || !h.streak(s.Now, since, func(*Sample) bool { return true }) {
		return nil
	}
	return &trigger{rate: rate, why: fmt.Sprintf("%.1f %% in use and filling by %s a minute: %d %% in %s (a line explains %.0f %% of %d samples), and growing is begun %s ahead",
		last.Fullness(), bytesText(int64(f.Rate*60)), g.Threshold, left.Round(time.Second), 100*f.Confidence, f.Samples, ahead.Round(time.Second))}
}

// urgent: waiting so long could leave no time to grow.
func urgent(s *State, last Sample, left time.Duration) bool {
	if last.Fullness() >= float64(100+s.Settings.Growth.Threshold)/2 {
		return true
	}
	f := s.Growing.Forecast()
	full, ok := f.Until(last.Used, last.Usable)
	return ok && f.Confident && full < left+horizon(s)
}

// horizon is how far ahead a forecast is acted on: the time that growing takes, times safety.
func horizon(s *State) time.Duration {
	return time.Duration(float64(takes(s)) * s.Settings.Growth.Safety)
}

// takes: as configured, or as long as one of the last expansions took, if that was longer; within reason, since one that got stuck says nothing.
func takes(s *State) time.Duration {
	longest, set := time.Duration(0), s.Settings.Growth.Takes
	for i := max(0, len(s.Ledger)-5); i < len(s.Ledger); i++ {
		e := s.Ledger[i]
		if e.State == api.ExpansionEnded && inPoolOf(e) > 0 {
			longest = max(longest, e.Ended.Sub(e.Started))
		}
	}
	return min(max(set, longest), 2*set)
}

// begin an expansion, or say what would be begun.
func begin(s *State, out *GrowthOutcome) {
	last, _ := s.Growing.Last()
	if !last.At.After(s.Growing.looked) || s.Now.Sub(s.Growing.refused) < tryAgain {
		return
	}
	s.Growing.looked = last.At
	t, waits := triggered(s)
	if t == nil {
		if waits == "" {
			s.Growing.calmed(s.Now)
		}
		foresee(s, last)
		return
	}
	s.Growing.calm = time.Time{}
	if unlisted(s) != "" {
		return
	}
	p := planGrowth(s, t)
	g := &s.Settings.Growth
	switch {
	case p.Refused != "":
		s.Growing.refused = s.Now
		out.once(s, kindRefused, "", p.Kind, api.Event{Message: "the pool should grow and can't: " + p.Refused, Why: t.why})
	case g.Mode == api.GrowthDryRun:
		out.once(s, kindDryRun, "", p.What(s), api.Event{Message: "would buy " + p.What(s), Why: t.why, Cost: p.Cost})
	default:
		e := p.expansion(s, t)
		s.Ledger = append(s.Ledger, e)
		if g.Mode == api.GrowthAuto {
			e.start(s, "scaleio-scheduler, within its budget", out)
			return
		}
		out.Expansions = append(out.Expansions, e)
		out.tell(s, api.Event{Kind: "GrowthProposed", Message: fmt.Sprintf("%s; `scaleio-scheduler approve %s`", p.What(s), e.ID), Why: t.why, Cost: e.Cost})
	}
}

// calmed: the pool needs nothing now. After a while without a reason to grow, the next one is news again.
func (g *Growing) calmed(now time.Time) {
	if g.calm.IsZero() {
		g.calm = now
	}
	if now.Sub(g.calm) >= reconsiders {
		delete(g.told, kindRefused)
		delete(g.told, kindDryRun)
	}
}

// Events that are told once for each time that the pool should grow.
const (
	kindRefused = "GrowthRefused"
	kindDryRun  = "GrowthDryRun"
)

// foresee which nodes may get orders soon. A node at rest asks once a minute; those are told to wait for word, so that growing isn't begun a minute late.
func foresee(s *State, last Sample) {
	g, mem := &s.Settings.Growth, s.Growing
	if s.Now.Sub(mem.foreseen) < foreseeEvery || g.Mode == api.GrowthDryRun {
		return
	}
	near := last.Fullness() > float64(g.Threshold-hysteresis)
	if !near && mem.rising() {
		f := mem.Forecast()
		left, ok := f.Until(last.Used, last.Usable/100*int64(g.Threshold))
		near = ok && f.Confident && left < 2*horizon(s)
	}
	mem.soon = nil
	if !near {
		return
	}
	mem.foreseen, mem.soon = s.Now, map[string]bool{}
	for _, at := range planGrowth(s, &trigger{}).Sites {
		mem.soon[at.node.ID] = true
	}
}

const foreseeEvery = time.Minute

// ordersSoon: a node that waits for word would hear of its orders at once.
func ordersSoon(s *State, n *Node) bool {
	if s.Growing != nil && s.Growing.soon[n.ID] {
		return true
	}
	e := inFlight(s)
	return e != nil && slices.ContainsFunc(e.Orders, func(o Order) bool { return !o.Settled && o.Node == n.ID })
}

// start a decided expansion: from when this is stored its nodes have their orders.
func (e *Expansion) start(s *State, who string, out *GrowthOutcome) {
	e.State, e.Who, e.Started = api.ExpansionBuying, who, s.Now
	if e.Tags = s.Settings.Growth.Node.Tags; e.Tags == nil {
		e.Tags = map[string]string{}
	}
	for i := range e.Orders {
		e.Orders[i].Since = s.Now
	}
	out.Expansions = append(out.Expansions, e)
	out.tell(s, api.Event{Kind: "GrowthStarted", Who: who, Message: "buys " + e.what(s), Why: e.Why, Cost: e.Cost})
}

// reconsider what waits for a person: it is withdrawn when its reason is gone, or when it can't be carried out any more. In auto mode nobody needs to be waited for.
func reconsider(s *State, e *Expansion, out *GrowthOutcome) {
	if unlisted(s) != "" {
		return
	}
	why := standing(s, e)
	t, waits := triggered(s)
	if why == "" && t == nil && waits == "" {
		why = "its reason is gone"
	}
	mem := s.Growing
	if why == "" {
		mem.quiet = time.Time{}
		if s.Settings.Growth.Mode == api.GrowthAuto && t != nil { // what can't be told yet is no reason to buy
			next := e.clone()
			s.replace(next)
			next.start(s, "scaleio-scheduler, within its budget", out)
		}
		return
	}
	if mem.quiet.IsZero() {
		mem.quiet = s.Now
	}
	if s.Now.Sub(mem.quiet) < reconsiders {
		return
	}
	withdraw(s, e, why, out)
}

func withdraw(s *State, e *Expansion, why string, out *GrowthOutcome) {
	next := e.clone()
	next.State, next.Ended, next.Outcome = api.ExpansionWithdrawn, s.Now, "withdrawn: "+why
	s.Growing.quiet = time.Time{}
	s.replace(next)
	out.Expansions = append(out.Expansions, next)
	out.tell(s, api.Event{Kind: "GrowthWithdrawn", Message: fmt.Sprintf("expansion %s isn't waited for any more: %s", e.ID, why)})
}

// keptExpansions of which nothing is left are remembered, for people.
const keptExpansions = 20

// forget the oldest expansions of which nothing is left. What may still be there is never forgotten.
func forget(s *State, out *GrowthOutcome) {
	if len(s.Ledger) <= keptExpansions {
		return
	}
	empty := 0
	for i := len(s.Ledger) - 1; i >= 0; i-- {
		e := s.Ledger[i]
		if e.open() || e.State != api.ExpansionWithdrawn && slices.ContainsFunc(e.Orders, func(o Order) bool { return o.There() }) {
			continue
		}
		if empty++; empty > keptExpansions && s.Now.Sub(e.Ended) > day {
			s.Ledger = slices.Delete(s.Ledger, i, i+1)
			out.Dropped = append(out.Dropped, e.ID)
		}
	}
}

// reconsiders: for so long the reason of a proposal must be gone.
const reconsiders = 10 * time.Minute
