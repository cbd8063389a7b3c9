package decide

import "scaleio-framework/scheduler/api"

// doubt the orders of which something may still come while the ledger isn't known: what stands in a restored one may have been handed over after it was written.
// They may go on once the cluster's volumes were listed; what is given up of them is kept. So is what was given up before: that nobody had it was true when it was
// written, and whoever attached it since may have written on it.
func doubt(s *State, out *GrowthOutcome) {
	if !s.Cluster.Unchecked {
		return
	}
	for i, e := range s.Ledger {
		next := e
		for j := range e.Orders {
			o := &e.Orders[j]
			if o.Settled && !o.GivenUp && !o.Abandon || o.Doubted || e.State == api.ExpansionWithdrawn {
				continue
			}
			if next == e {
				next = e.clone()
			}
			o = &next.Orders[j]
			if o.Doubted = true; o.Abandon && !o.Settled {
				o.Abandon, o.Settled, o.Stage, o.Since = false, true, api.OrderKept, s.Now
			}
		}
		if next != e {
			s.Ledger[i] = next
			out.Expansions = append(out.Expansions, next)
		}
	}
}

// toldNow: its node hears of the order. While the ledger isn't known nothing is bought and nothing taken back; where growth is off, or only says what it
// would do, nothing is bought.
func (o *Order) toldNow(s *State) bool {
	switch {
	case s.Cluster.Unchecked || o.Doubted && o.Abandon:
		return o.VolumeID != "" && !o.Abandon
	case o.Abandon && !o.Blank && o.told() != o.Node: // who didn't have it can't look at it
		return false
	case !s.Settings.Growth.buys():
		return o.VolumeID != "" || o.Abandon
	}
	return true
}

// unproven: it was remembered by its node, and nothing shows that a volume was bought. None is bought any more: what for, nobody knows.
func (e *Expansion) unproven(o *Order) bool {
	return e.State == api.ExpansionEnded && o.VolumeID == "" && !o.Abandon
}

func (g *GrowthSettings) off() bool { return g.Mode == "" || g.Mode == api.GrowthOff }

// buys: volumes are bought, by itself or as a person approves.
func (g *GrowthSettings) buys() bool { return g.Mode == api.GrowthAuto || g.Mode == api.GrowthApprove }
