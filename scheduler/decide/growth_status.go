package decide

import (
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
)

// growthFor a node: its orders, and how it reaches the cloud. Nodes that are on none hear nothing of it; where growth is off only what was begun before goes on,
// as far as it buys nothing.
func growthFor(s *State, n *Node) *api.NodeGrowth {
	g := &s.Settings.Growth
	if n.Report == nil || n.Report.Cloud == nil {
		return nil
	}
	spec := g.Node
	spec.Orders, spec.WatchSlots = ordersFor(s, n), !g.off()
	spec.Tags = tagsFor(s, spec.Orders)
	spec.Left = leftBy(s, n)
	if g.off() && len(spec.Orders)+len(spec.Left) == 0 && !(s.Leads(n) && slices.ContainsFunc(s.Ledger, (*Expansion).open)) { // what was begun ends by a listing
		return nil
	}
	if s.Leads(n) {
		spec.Listing = "first"
		for _, e := range s.Ledger {
			if e.State == api.ExpansionEnded {
				spec.Listing = e.ID
			}
		}
	}
	return &spec
}

// tagsFor what is bought by these orders: as they were when their expansion began, whatever the configuration says since.
func tagsFor(s *State, orders []api.VolumeOrder) map[string]string {
	for _, o := range slices.Backward(orders) {
		for _, e := range s.Ledger {
			if e.ID == o.Expansion && e.Tags != nil && !o.Abandon {
				return e.Tags
			}
		}
	}
	return s.Settings.Growth.Node.Tags
}

// shownExpansions: the newest, for people.
const shownExpansions = 10

// GrowthOf the cluster as people see it; nil where it is off.
func GrowthOf(s *State) *api.GrowthView {
	g := &s.Settings.Growth
	if s.Growing == nil || g.Mode == "" {
		return nil
	}
	have := spent(s)
	v := &api.GrowthView{
		Mode: g.Mode, Threshold: g.Threshold, Volumes: have.volumes, Monthly: have.monthly, Priced: have.priced, Budget: g.Budget,
		MaxPerNode: g.MaxPerNode, MaxVolumes: g.MaxPerCluster, MaxPerDay: g.MaxPerDay, OrderedToday: have.today, Orphans: s.Growing.orphans,
	}
	for i := max(0, len(s.Ledger)-shownExpansions); i < len(s.Ledger); i++ {
		v.Expansions = append(v.Expansions, s.Ledger[i].view(s))
	}
	last, any := s.Growing.Last()
	if !any {
		v.Waiting = orText(s.Growing.doubt, "no sample of the pool yet")
		return v
	}
	v.Fullness, v.UsedBytes, v.UsableBytes = last.Fullness(), last.Used, last.Usable
	if s.View != nil && s.View.Pool != nil {
		v.Provisioned = 2 * s.View.Pool.ProvisionedBytes
	}
	v.Forecast = forecastView(s, last)
	if v.Waiting = unlisted(s); v.Waiting != "" || s.Cluster.Unchecked {
		v.WaitsFor, _ = unable(s)
	}
	if g.Mode != api.GrowthOff && inFlight(s) == nil {
		t, waits := triggered(s)
		v.Waiting = orText(v.Waiting, waits)
		v.Next = nextView(s, t)
		if t != nil && v.Next.Refused != "" {
			v.Waiting = v.Next.Refused
		}
	}
	return v
}

func forecastView(s *State, last Sample) *api.ForecastView {
	f := s.Growing.Forecast()
	v := &api.ForecastView{PerDay: int64(f.Rate * day.Seconds()), Confidence: f.Confidence, Confident: f.Confident, Samples: f.Samples, SpanMS: f.Span.Milliseconds()}
	if left, ok := f.Until(last.Used, last.Usable/100*int64(s.Settings.Growth.Threshold)); ok && f.Confident && left > 0 {
		v.ThresholdMS = left.Milliseconds()
	}
	if left, ok := f.Until(last.Used, last.Usable); ok && f.Confident && left > 0 {
		v.FullMS = left.Milliseconds()
	}
	return v
}

// nextView is what would be bought if it had to be now: as for a pool that is at its threshold.
func nextView(s *State, t *trigger) *api.ExpansionView {
	why := "not needed now"
	if t == nil {
		t = &trigger{why: why}
	}
	p := planGrowth(s, t)
	if p.Refused != "" {
		return &api.ExpansionView{Why: t.why, Refused: p.Refused, What: "nothing"}
	}
	v := &api.ExpansionView{Why: t.why, What: p.What(s), Cost: p.Cost, Priced: p.Priced, Gain: p.Gain}
	for _, at := range p.Sites {
		v.Orders = append(v.Orders, api.OrderView{Node: at.node.Name, SizeGiB: p.Volume.SizeGiB, Type: p.Volume.Type})
	}
	return v
}

func (e *Expansion) view(s *State) api.ExpansionView {
	v := api.ExpansionView{ID: e.ID, State: e.State, Decided: e.Decided.UTC().Truncate(time.Second), Why: e.Why, Who: e.Who, What: e.what(s), Cost: e.Cost, Priced: e.Priced,
		Gain: e.Gain, Outcome: e.Outcome}
	if !e.Ended.IsZero() {
		v.Ended = e.Ended.UTC().Truncate(time.Second)
	}
	for _, o := range e.Orders {
		stage := o.Stage
		if o.Abandon && !o.Settled {
			stage = "given up"
		}
		v.Orders = append(v.Orders, api.OrderView{Node: nameOf(s, o.Node), SizeGiB: o.SizeGiB, Type: o.Type, Stage: stage, Volume: o.VolumeID, InPool: o.InPool,
			Given: o.Given, Reason: o.Reason, Message: o.Message})
	}
	return v
}
