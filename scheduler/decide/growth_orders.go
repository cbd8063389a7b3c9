package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
)

const (
	mostAttempts = 3            // of one volume: a client token that was burnt makes another order of the same node
	givenFor     = time.Hour    // a disk that was handed over and isn't in the pool by then needs a person; the expansion doesn't wait for him
	heldUpFor    = 4 * givenFor // nor any longer for a leader that goes and comes: what is on its way goes on, and a next expansion begins only where one sees the pool
)

// pursue an expansion: take what its nodes say, and as far as nothing holds it, give up what makes no progress, order in its place, and end it. What stands is left
// as it is: if anything changes, a new record is returned.
func pursue(s *State, e *Expansion, uses map[string]use, out *GrowthOutcome) *Expansion {
	next := e
	amend := func() *Expansion {
		if next == e {
			next = e.clone()
		}
		return next
	}
	for i := range e.Orders {
		if e.Orders[i].Settled {
			continue
		}
		o := e.Orders[i]
		o.hear(s, uses)
		o.permit(s, out)
		if was := &e.Orders[i]; o != *was {
			o.report(s, was, out)
			amend().Orders[i] = o
		}
	}
	if s.Held(nil) != nil || s.Cluster.Unchecked || unlisted(s) != "" || s.unheardSince(s.Growing.free) { // whoever wasn't heard yet could take a part
		return next
	}
	for i := range next.Orders {
		o := next.Orders[i]
		if o.Settled || o.Given || o.Abandon {
			continue
		}
		if why := o.hopeless(s); why != "" {
			o.giveUp(s, why, out)
			o.report(s, &next.Orders[i], out)
		}
		if o == next.Orders[i] {
			continue
		}
		amend().Orders[i] = o
		if o.GivenUp && next.State == api.ExpansionBuying {
			reorder(s, next, o, out)
		}
	}
	if next.State == api.ExpansionBuying && !slices.ContainsFunc(next.Orders, func(o Order) bool { return o.waits(s) }) {
		amend().end(s, out)
	}
	if next.State == api.ExpansionEnded && !slices.ContainsFunc(next.Orders, func(o Order) bool { return !o.Settled }) {
		amend().Settled = true
	}
	return next
}

// waits: its expansion isn't over.
func (o *Order) waits(s *State) bool {
	there := o.Given || o.Stage == api.OrderPresent
	return !o.Settled && !o.Abandon && !(there && (o.idle(s) >= givenFor || s.Now.Sub(o.watched(s)) >= heldUpFor))
}

// idle is how long an order has made no progress, as far as it could: not while all was held, nor while no scheduler watched; and what waits for the leader not
// while there is none that sees the pool.
func (o *Order) idle(s *State) time.Duration {
	since := o.watched(s)
	if (o.Given || o.Stage == api.OrderPresent) && s.Growing.sighted.After(since) {
		since = s.Growing.sighted
	}
	return s.Now.Sub(since)
}

// watched: since when it has made no progress while nothing was held.
func (o *Order) watched(s *State) time.Time {
	if s.Growing.free.After(o.Since) {
		return s.Growing.free
	}
	return o.Since
}

// sees: the leader's view of the pool is there, and fresh.
func (s *State) sees() bool {
	return s.View != nil && s.View.From == s.Leases.Leader && s.Now.Before(s.Leases.LeaderUntil) && s.Now.Sub(s.View.At) <= sampleFresh
}

// offered: its node did its part, and the disk waits for the leader's claim.
func (o *Order) offered(s *State, n *Node) bool {
	return o.Stage == api.OrderPresent && s.live(n) && slices.ContainsFunc(reported(n), func(d api.Disk) bool { return o.is(d.ID) && d.State == api.DiskOffered })
}

// permit the disk to be used: whoever approved the expansion approved it.
func (o *Order) permit(s *State, out *GrowthOutcome) {
	n := s.Nodes[o.Node]
	if n == nil || !o.lives() {
		return
	}
	for _, id := range []string{o.VolumeID, o.Disk} {
		if id != "" && !slices.Contains(n.Approved, id) && !slices.Contains(out.Approved[n.ID], id) {
			if out.Approved == nil {
				out.Approved = map[string][]string{}
			}
			out.Approved[n.ID] = append(out.Approved[n.ID], id)
		}
	}
}

// report what happened to an order since.
func (o *Order) report(s *State, was *Order, out *GrowthOutcome) {
	cost, _ := s.Settings.Growth.Prices.Monthly(o.Region, o.VolumeOrder)
	tell := func(kind, text string, cost api.Cents) {
		out.tell(s, api.Event{Node: nameOf(s, o.Node), Kind: kind, Who: nameOf(s, o.Node), Message: text, Why: "expansion " + o.Expansion, Cost: cost})
	}
	if o.VolumeID != was.VolumeID {
		tell("GrowthVolumeBought", fmt.Sprintf("%s: %d GiB %s in %s", o.VolumeID, o.SizeGiB, o.Type, o.Zone), cost)
	}
	switch {
	case o.Given && !was.Given:
		tell("GrowthHandedOver", o.VolumeID+" is handed over to the pool: from now on nothing deletes or detaches it", 0)
	case o.Stage == was.Stage:
	case o.Stage == api.OrderDeleted:
		tell("GrowthVolumeDeleted", orText(o.VolumeID, "an order that bought nothing")+" is gone", 0)
	case o.Stage == api.OrderKept:
		tell("GrowthVolumeKept", fmt.Sprintf("%s was given up and is kept: %s", orText(o.VolumeID, "a volume"), orText(o.Message, "this node may not delete it")), cost)
	}
	if o.InPool && !was.InPool {
		tell("GrowthInPool", o.VolumeID+" is part of the pool", 0)
	}
}

// hopeless says why an order is given up.
func (o *Order) hopeless(s *State) string {
	n := s.Nodes[o.Node]
	if n == nil || n.Removal != nil || n.Revoked || n.Conflict != "" {
		return "its node is on its way out, or isn't who it was"
	}
	said := o.said(n)
	switch {
	case said != nil && said.Burnt:
		o.Burnt = true
		return fmt.Sprintf("EC2 takes the client token of attempt %d no more: %s", o.Attempt, o.Message)
	case o.Stage == api.OrderFailed && (said == nil || !said.Retry), said != nil && !said.Retry && said.Stage == api.OrderWaiting:
		return o.Reason + ": " + o.Message
	case o.idle(s) < s.Settings.Growth.Patience, o.offered(s, n):
		return ""
	case !s.live(n):
		return "its node isn't heard"
	case s.Held(n) != nil || holds(n, api.ConditionHeld):
		return "its node is held"
	}
	for _, d := range reported(n) {
		if o.Stage == api.OrderPresent && o.is(d.ID) && d.State == api.DiskRefused {
			return fmt.Sprintf("for %s its disk %s has been refused: %s: %s", s.Settings.Growth.Patience, d.Path, d.Reason, d.Message)
		}
	}
	return fmt.Sprintf("no progress for %s: %s %s", s.Settings.Growth.Patience, o.Reason, o.Message)
}

// said is what its node says of this attempt.
func (o *Order) said(n *Node) *api.OrderState {
	if n.Report == nil {
		return nil
	}
	for i := range n.Report.Orders {
		if r := &n.Report.Orders[i]; r.Expansion == o.Expansion && r.Index == o.Index && r.Attempt == o.Attempt {
			return r
		}
	}
	return nil
}

// giveUp an order that was never handed over. Where nothing was bought it is over at once; else the node takes back what there is.
func (o *Order) giveUp(s *State, why string, out *GrowthOutcome) {
	o.GivenUp, o.Since = true, s.Now
	o.disapprove(out)
	switch {
	case o.Stage == api.OrderFailed && o.VolumeID == "", o.Stage == api.OrderDeleted:
		o.Settled = true
	case o.Doubted, o.Used:
		o.keep(s)
	default:
		o.Abandon = true
	}
	if o.Reason == "" {
		o.Reason, o.Message = "GivenUp", plainText(why, MaxOrderMessage)
	}
	out.tell(s, api.Event{Node: nameOf(s, o.Node), Kind: "GrowthOrderGivenUp", Why: why,
		Message: fmt.Sprintf("order %d of expansion %s: %d GiB %s %s", o.Index, o.Expansion, o.SizeGiB, o.Type, o.VolumeID)})
}

// reorder what a node failed to bring: on the same node if only its client token was used up, else on another one, of the same fault unit if there is one; or the
// expansion ends smaller.
func reorder(s *State, e *Expansion, was Order, out *GrowthOutcome) {
	failed := was.Node
	why := fmt.Sprintf("growth is not to buy anything (%s)", orText(string(s.Settings.Growth.Mode), string(api.GrowthOff)))
	if s.Settings.Growth.buys() {
		s.replace(e) // what was ordered by now is in the sums
		if was.Burnt && was.Attempt < mostAttempts {
			if why = again(s, e, was, out); why == "" {
				return
			}
		} else {
			var at site
			if at, why = substitute(s, e, failed); why == "" {
				e.add(e.Orders[0].VolumeOrder, at)
				e.ordered(s, "GrowthReplanned", "here in its place", nameOf(s, failed)+" couldn't do its part", out)
				return
			}
		}
	}
	out.tell(s, api.Event{Kind: "GrowthSmaller", Why: why, Message: fmt.Sprintf("expansion %s ends smaller: nobody takes the part of %s", e.ID, nameOf(s, failed))})
}

// ordered tells of an order that was just added.
func (e *Expansion) ordered(s *State, kind, what, why string, out *GrowthOutcome) {
	o := &e.Orders[len(e.Orders)-1]
	o.Since = s.Now
	cost, _ := s.Settings.Growth.Prices.Monthly(o.Region, o.VolumeOrder)
	out.tell(s, api.Event{Node: nameOf(s, o.Node), Kind: kind, Cost: cost, Why: why, Message: fmt.Sprintf("order %d of expansion %s: %d GiB %s %s", o.Index, e.ID, o.SizeGiB, o.Type, what)})
}

// again orders the same of the same node, with another client token. What the former one bought has an order of its own in the ledger, and counts as long as it may be
// there.
func again(s *State, e *Expansion, was Order, out *GrowthOutcome) (why string) {
	have, g := spent(s), &s.Settings.Growth
	at := site{node: s.Nodes[was.Node], zone: was.Zone, region: was.Region}
	room, limit := allowance(s, have, []site{at}, was.VolumeOrder)
	switch {
	case len(e.Orders) >= MaxOrders:
		return "too many orders were given up"
	case room < 1:
		return limit
	case have.perNode[was.Node] >= g.MaxPerNode:
		return fmt.Sprintf("%s has or may have its %d volumes", at.node.Name, g.MaxPerNode)
	case !withinApproval(s, e, was.Region):
		return "the former volume may still be there, and the cost stays as it was decided"
	}
	e.add(was.VolumeOrder, at)
	e.Orders[len(e.Orders)-1].Attempt = was.Attempt + 1
	e.ordered(s, "GrowthAttempt", fmt.Sprintf("in the place of order %d, attempt %d", was.Index, was.Attempt+1), was.Message, out)
	return ""
}

func substitute(s *State, e *Expansion, failed string) (at site, why string) {
	if len(e.Orders) >= MaxOrders {
		return at, "too many orders were given up"
	}
	v := e.Orders[0].VolumeOrder
	have := spent(s)
	sites, against := sitesOf(s, have)
	room, limit := allowance(s, have, sites, v)
	if room < 1 {
		return at, limit
	}
	unit := ""
	if n := s.Nodes[failed]; n != nil {
		if unit, _ = s.Cluster.FaultSet(n); unit == "" {
			unit = n.Name
		}
	}
	units, size := unitsNow(s), int64(v.SizeGiB)<<30
	sums := units
	for _, same := range []bool{true, false} {
		best := -1
		for i := range sites {
			if same == (sites[i].unit == unit) && worthwhile(units, sites[i:i+1], size) && withinApproval(s, e, sites[i].region) &&
				(best < 0 || before(&sites[i], &sites[best], sums)) {
				best = i
			}
		}
		if best >= 0 {
			return sites[best], ""
		}
	}
	return at, "no other node can, so that mirroring could use it and the cost stays as it was decided; " + against
}

// withinApproval: what a person approved, so many volumes at that cost if it was known, isn't exceeded by what takes the place of something that may still cost.
func withinApproval(s *State, e *Expansion, region string) bool {
	g := &s.Settings.Growth
	if g.Mode == api.GrowthAuto {
		return true
	}
	sum, _ := g.Prices.Monthly(region, e.Orders[0].VolumeOrder)
	volumes := 1
	for i := range e.Orders {
		if o := &e.Orders[i]; o.There() {
			cost, _ := g.Prices.Monthly(o.Region, o.VolumeOrder)
			sum += cost
			volumes++
		}
	}
	return volumes <= e.Planned && (!e.Priced || sum <= e.Cost)
}

func inPoolOf(e *Expansion) (count int) {
	for _, o := range e.Orders {
		if o.InPool {
			count++
		}
	}
	return count
}

// end an expansion, and say what came of it.
func (e *Expansion) end(s *State, out *GrowthOutcome) {
	e.State, e.Ended = api.ExpansionEnded, s.Now
	var cost api.Cents
	var left []string
	planned := 0
	for i := range e.Orders {
		o := &e.Orders[i]
		if !o.GivenUp {
			planned++
		}
		if o.There() {
			c, _ := s.Settings.Growth.Prices.Monthly(o.Region, o.VolumeOrder)
			cost += c
		}
		if o.There() && !o.InPool {
			left = append(left, orText(o.VolumeID, "an order of "+nameOf(s, o.Node))+" isn't in it")
		}
	}
	given := len(e.Orders) - planned
	e.Outcome = fmt.Sprintf("%d volumes are in the pool", inPoolOf(e))
	if given > 0 {
		e.Outcome += fmt.Sprintf("; %d orders were given up", given)
	}
	if len(left) > 0 {
		e.Outcome += "; " + cut(strings.Join(left, "; "), 300)
	}
	out.tell(s, api.Event{Kind: "GrowthEnded", Message: fmt.Sprintf("expansion %s after %s: %s", e.ID, s.Now.Sub(e.Started).Round(time.Second), e.Outcome), Why: e.Why, Cost: cost})
}

// what an expansion is, for people.
func (e *Expansion) what(s *State) string {
	if len(e.Orders) == 0 {
		return "nothing"
	}
	var nodes []string
	for _, o := range e.Orders {
		if !o.GivenUp {
			nodes = append(nodes, nameOf(s, o.Node))
		}
	}
	return whatText(len(nodes), e.Orders[0].VolumeOrder, nodes, e.Gain, e.Cost, e.Priced)
}
