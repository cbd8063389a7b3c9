package decide

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
)

const (
	listingLag   = 10 * time.Minute // what was created so long before a listing is in it
	orphanSilent = 15 * time.Minute // its own node wasn't heard for so long: another one may delete its volume
)

var zonePattern = regexp.MustCompile(`^([a-z]{2}(?:-[a-z]+)+-\d+)`)

// regionOf a zone: "us-east-1a", and local ones like "us-west-2-lax-1a".
func regionOf(zone string) string { return zonePattern.FindString(zone) }

// compareOwned holds a new listing of the cluster's volumes against the ledger. What the ledger ordered and hasn't found yet is adopted; what it gave up before it was
// handed over is deleted; all else is listed with what it costs.
func compareOwned(s *State, out *GrowthOutcome) {
	owned, at, ok := listing(s)
	g := s.Growing
	if !ok || !at.After(g.listed) || g.again(s.View.Owned, at) {
		return
	}
	g.listed, g.listing, g.strangers, g.orphans = at, s.View.Owned.Listing, nil, nil
	ids := map[string]bool{}
	for _, v := range owned {
		ids[v.VolumeID] = true
	}
	uses := usesOf(s, ids)
	for _, v := range owned {
		e, o := ordered(s, v)
		if o != nil && o.VolumeID == "" { // its node hasn't said so, and may never
			e, o = adopt(s, e, o, v, out)
		}
		if o != nil && o.VolumeID == v.VolumeID && !o.There() && at.Sub(o.Since) > api.OrderTTL {
			e, o = cameBack(s, e, o, v, out)
		}
		if o != nil && o.handled(s, v) {
			e = amend(s, e, o, out, func(o *Order) { o.Blank = false })
			o = &e.Orders[o.Index]
		}
		switch {
		case o != nil && o.VolumeID == v.VolumeID && !o.There(): // a read that lags
		case o == nil && uses[v.VolumeID] != unused:
			g.strangers = append(g.strangers, v)
			orphan(s, v, "the ledger doesn't know it, and the pool uses it or is about to: it may hold data, so leave it as it is", out)
		case o == nil:
			g.strangers = append(g.strangers, v)
			orphan(s, v, "the ledger doesn't know it: look at it, then attach it or delete it yourself", out)
		case uses[v.VolumeID] != unused, o.VolumeID == v.VolumeID && (o.InPool || o.Given):
			if why := o.strays(s, v, uses[v.VolumeID]); why != "" {
				orphan(s, v, why, out)
			}
		case o.VolumeID == v.VolumeID && !o.Settled && (!o.Abandon || at.Sub(o.Since) < orphanSilent && !s.beyondReach(o.told()) && !o.takenBy(s, v)): // on its way, in or out
		case o.VolumeID == v.VolumeID && v.State == "available":
			if !o.Loose {
				e = amend(s, e, o, out, func(o *Order) { o.Loose = true })
				o = &e.Orders[o.Index]
			}
			cleanUp(s, e, o, v, out)
		default:
			if o.takenBy(s, v) && !o.mayHoldData() {
				amend(s, e, o, out, func(o *Order) {
					o.Settled, o.Stage, o.Reason, o.Message = true, api.OrderKept, "AttachedElsewhere", plainText("a listing showed it attached to "+v.Instance, MaxOrderMessage)
				})
			}
			orphan(s, v, "it was given up, and it is "+v.State+": it is kept", out)
		}
	}
	vanished(s, owned, at, out)
	if !s.Cluster.Unchecked {
		boughtNothing(s, at, out)
	}
	if s.Cluster.Unchecked && s.Now.Sub(s.Cluster.UncheckedSince) > listingLag && at.Sub(s.Cluster.UncheckedSince) > listingLag {
		out.Checked = true
		out.tell(s, api.Event{Kind: "GrowthLedgerChecked", Message: fmt.Sprintf("%d volumes carry the cluster's tag, %d of them are unknown here: "+
			"those count against budget and limits, and are listed", len(owned), len(g.strangers))})
	}
}

// asOrdered is what has the price of a volume that is there.
func asOrdered(v api.OwnedVolume) api.VolumeOrder {
	return api.VolumeOrder{Type: v.Type, SizeGiB: v.SizeGiB, IOPS: v.IOPS, ThroughputMiBs: v.ThroughputMiBs}
}

// ordered finds the order that a volume was bought for, by its id or by its tags.
func ordered(s *State, v api.OwnedVolume) (*Expansion, *Order) {
	for _, e := range s.Ledger {
		for i := range e.Orders {
			o := &e.Orders[i]
			if o.VolumeID == v.VolumeID && v.VolumeID != "" {
				return e, o
			}
		}
	}
	for _, e := range s.Ledger {
		if e.ID != v.Expansion || e.State == api.ExpansionProposed || e.State == api.ExpansionWithdrawn {
			continue
		}
		for i := range e.Orders {
			if o := &e.Orders[i]; o.VolumeID == "" && o.Node == v.Node && v.Order == fmt.Sprintf("%d.%d", o.Index, o.Attempt) {
				return e, o
			}
		}
	}
	return nil, nil
}

// amend an order in a copy of its expansion.
func amend(s *State, e *Expansion, o *Order, out *GrowthOutcome, change func(*Order)) *Expansion {
	i := o.Index
	next := e
	if !slices.Contains(out.Expansions, e) {
		next = e.clone()
		s.replace(next)
		out.Expansions = append(out.Expansions, next)
	}
	change(&next.Orders[i])
	next.Settled = next.Settled && next.Orders[i].Settled
	return next
}

func adopt(s *State, e *Expansion, o *Order, v api.OwnedVolume, out *GrowthOutcome) (*Expansion, *Order) {
	cost, _ := s.Settings.Growth.Prices.Monthly(o.Region, o.VolumeOrder)
	out.tell(s, api.Event{Node: nameOf(s, o.Node), Kind: "GrowthVolumeFound", Cost: cost, Why: "it carries the order's tags",
		Message: fmt.Sprintf("%s is order %d of expansion %s", v.VolumeID, o.Index, e.ID)})
	e = amend(s, e, o, out, func(o *Order) { o.VolumeID, o.Since = v.VolumeID, s.Now })
	return e, &e.Orders[o.Index]
}

// cameBack: EC2 was said not to have it any more, and shows it. It costs, and counts again.
func cameBack(s *State, e *Expansion, o *Order, v api.OwnedVolume, out *GrowthOutcome) (*Expansion, *Order) {
	cost, _ := s.Settings.Growth.Prices.Monthly(o.Region, o.VolumeOrder)
	out.tell(s, api.Event{Node: nameOf(s, o.Node), Kind: "GrowthVolumeFound", Cost: cost, Why: "it was taken for gone, and EC2 shows it",
		Message: fmt.Sprintf("%s is order %d of expansion %s", v.VolumeID, o.Index, e.ID)})
	e = amend(s, e, o, out, func(o *Order) { o.Stage, o.Settled, o.Since = api.OrderKept, true, s.Now })
	return e, &e.Orders[o.Index]
}

// strays: what is or was on its way into the pool isn't there, and won't be by itself.
func (o *Order) strays(s *State, v api.OwnedVolume, as use) string {
	switch {
	case v.State != "available" || o.shown(s):
		return o.stranded(s)
	case as != unused:
		return "the pool counts on it, so it may hold data, and isn't attached: bring its node back, or remove that node from the cluster"
	}
	return "it was handed over to the pool, so it may hold data, and isn't attached: bring its node back, or delete it once its SDS is removed"
}

// cleanUp clears away a volume that was given up before it was handed over: its own node deletes it, or where that is gone, the leader's.
func cleanUp(s *State, e *Expansion, o *Order, v api.OwnedVolume, out *GrowthOutcome) {
	if s.Cluster.Unchecked || o.Doubted {
		orphan(s, v, "it was given up, and the ledger wasn't known meanwhile: nothing shows that it was never handed over, so it is kept; look what is on it", out)
		return
	}
	if o.mayHoldData() {
		orphan(s, v, "its node kept it, since it may hold somebody's data ("+orText(o.Message, o.Reason)+"): look what is on it, then delete it yourself", out)
		return
	}
	if !o.Blank {
		unlooked(s, e, o, v, out)
		return
	}
	text := "it was given up before it was handed over"
	if s.Settings.Growth.Node.CleanupFile == "" {
		orphan(s, v, text+"; nodes may not delete volumes (growth-cleanup-credentials-file): delete it yourself", out)
		return
	}
	deleter := o.Node
	if s.beyondReach(deleter) {
		deleter = s.Leases.Leader
	}
	if o.Settled && o.Deleter == deleter && s.Now.Sub(s.Growing.cleaned[v.VolumeID]) < cleanAgain && !s.Growing.cleaned[v.VolumeID].IsZero() {
		orphan(s, v, text+", and couldn't be deleted ("+orText(o.Message, o.Reason)+"): that is tried again daily, and by a scheduler that begins anew", out)
		return
	}
	orphan(s, v, text+" and is being deleted", out)
	if o.Abandon && !o.Settled && o.told() == deleter {
		return // it is at it
	}
	if n := s.Nodes[deleter]; n != nil && o.said(n) != nil {
		return // its last word on what it was told before: that would be taken for this try's
	}
	if s.Growing.cleaned == nil {
		s.Growing.cleaned = map[string]time.Time{}
	}
	s.Growing.cleaned[v.VolumeID] = s.Now
	amend(s, e, o, out, func(o *Order) { o.Abandon, o.Settled, o.Deleter, o.Stage = true, false, deleter, "" })
}

// unlooked: it was attached, and its node didn't say that it was empty as it took it off. Whoever finds it detached can't tell.
func unlooked(s *State, e *Expansion, o *Order, v api.OwnedVolume, out *GrowthOutcome) {
	if o.Abandon && !o.Settled && o.told() == o.Node && !s.beyondReach(o.Node) {
		orphan(s, v, "it was given up before it was handed over; its node says whether it is empty", out)
		return
	}
	if !o.Settled {
		amend(s, e, o, out, func(o *Order) { o.keep(s) })
	}
	orphan(s, v, "it was given up after it was attached, and nothing shows that it was empty when it was taken off: look what is on it, then delete it yourself", out)
}

// cleanAgain: what couldn't be deleted may be deletable later, with credentials that somebody mended.
const cleanAgain = day

// beyondReach: a node that carries out no order, and won't: it is gone or on its way out, or wasn't heard for long, by a scheduler that listened.
func (s *State) beyondReach(id string) bool {
	n := s.Nodes[id]
	return n == nil || n.Revoked || n.Removal != nil || !s.live(n) && s.Now.Sub(n.SeenAt) > orphanSilent && s.Now.Sub(s.Growing.free) > orphanSilent
}

// orphan lists a volume that is paid for and in no pool, and tells of it once.
func orphan(s *State, v api.OwnedVolume, why string, out *GrowthOutcome) {
	cost, priced := s.Settings.Growth.Prices.Monthly(regionOf(v.Zone), asOrdered(v))
	s.Growing.orphans = append(s.Growing.orphans, api.OrphanView{VolumeID: v.VolumeID, Node: nameOf(s, v.Node), State: v.State, SizeGiB: v.SizeGiB, Cost: cost, Priced: priced, Why: why})
	out.once(s, "GrowthOrphan", v.VolumeID, why, api.Event{Node: nameOf(s, v.Node), Message: fmt.Sprintf("%s (%d GiB %s, %s)", v.VolumeID, v.SizeGiB, v.Type, v.State), Why: why, Cost: cost})
}

// vanished: volumes of the ledger that nobody works on any more, and that two listings lack, far enough apart, are gone: a person deleted them. They count no more.
func vanished(s *State, owned []api.OwnedVolume, at time.Time, out *GrowthOutcome) {
	there := map[string]bool{}
	for _, v := range owned {
		there[v.VolumeID] = true
	}
	seen := s.Growing.missing
	s.Growing.missing = map[string]time.Time{}
	for _, e := range slices.Clone(s.Ledger) {
		for i := range e.Orders {
			o := &e.Orders[i]
			rests := o.Settled || (o.Abandon || o.Given) && s.beyondReach(o.told()) || o.Given && o.idle(s) >= givenFor // whom people were told to delete it
			if !rests || o.VolumeID == "" || !o.There() || there[o.VolumeID] || o.shown(s) || o.elsewhere(s) {
				continue
			}
			since, before := seen[o.VolumeID]
			if !before {
				since = at
			}
			if s.Growing.missing[o.VolumeID] = since; at.Sub(since) < listingLag {
				continue
			}
			e = amend(s, e, o, out, func(o *Order) { o.Stage, o.InPool, o.Settled = api.OrderDeleted, false, true })
			out.tell(s, api.Event{Node: nameOf(s, o.Node), Kind: "GrowthVolumeGone", Message: o.VolumeID + " is in no listing any more: it was deleted, and costs nothing from now on"})
		}
	}
}

// shown: its node has the disk, whatever a listing says.
func (o *Order) shown(s *State) bool {
	n := s.Nodes[o.Node]
	return n != nil && s.live(n) && slices.ContainsFunc(reported(n), func(d api.Disk) bool { return o.is(d.ID) })
}

// boughtNothing: orders that were given up, and of which nobody said whether something was bought. A listing that is late enough, of what no node could have bought
// since, settles them.
func boughtNothing(s *State, at time.Time, out *GrowthOutcome) {
	for _, e := range slices.Clone(s.Ledger) {
		if e.State != api.ExpansionBuying && e.State != api.ExpansionEnded {
			continue
		}
		for i := range e.Orders {
			o := &e.Orders[i]
			if o.VolumeID != "" || !o.There() || o.elsewhere(s) || at.Sub(o.mayBuyUntil(s)) < listingLag {
				continue
			}
			e = amend(s, e, o, out, func(o *Order) { o.Stage, o.Settled = api.OrderDeleted, true })
			out.tell(s, api.Event{Node: nameOf(s, o.Node), Kind: "GrowthBoughtNothing", Why: "a listing of the cluster's volumes lacks it, and its node can't have bought anything since",
				Message: fmt.Sprintf("order %d of expansion %s bought nothing", o.Index, e.ID)})
		}
	}
}

// mayBuyUntil: nodes buy only what the scheduler confirmed lately. A node that is heard, and hasn't settled the order, may still be at it.
func (o *Order) mayBuyUntil(s *State) time.Time {
	switch n := s.Nodes[o.Node]; {
	case o.Settled:
		return o.Since
	case !o.Abandon || n != nil && s.live(n):
		return s.Now
	case n != nil && n.SeenAt.After(s.Growing.free):
		return n.SeenAt.Add(api.OrderTTL)
	}
	return s.Growing.free.Add(api.OrderTTL)
}
