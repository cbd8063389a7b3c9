package decide

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
)

// memory is what each node keeps for a scheduler that lost everything: what its spec doesn't say anyway. Nodes don't look into it.
type memory struct {
	Agent     string            `json:"agent,omitempty"` // Mesos'
	Domain    string            `json:"domain,omitempty"`
	Pin       string            `json:"pin,omitempty"`
	TooSmall  bool              `json:"tooSmall,omitempty"`
	Spread    bool              `json:"spread,omitempty"`
	FaultSets map[string]string `json:"faultSets,omitempty"`
	Grants    int               `json:"grants,omitempty"`
	Removal   *Leaver           `json:"removal,omitempty"`
	Bought    []bought          `json:"bought,omitempty"`
}

// bought is an order of the node, with the expansion that it is part of. Of those that aren't settled its spec says how far they are.
type bought struct {
	Expansion Expansion `json:"expansion"` // without its orders
	Order     Order     `json:"order"`
}

// remember what a node is to keep for us.
func remember(s *State, n *Node) json.RawMessage {
	m := memory{Agent: n.AgentID, Domain: n.Domain, Pin: n.Pin, TooSmall: n.TooSmall, Spread: s.Cluster.Spread, FaultSets: s.Cluster.FaultSets, Grants: s.Cluster.Grants, Removal: n.Removal}
	for _, e := range s.Ledger {
		for i := range e.Orders {
			o := e.Orders[i]
			if o.Node != n.ID || o.VolumeID == "" || !o.There() {
				continue
			}
			head := *e
			head.Tags, head.Orders, head.State, head.Outcome, head.Settled = nil, nil, "", "", false
			if !o.Settled { // how far it is changes with every look, and a spec mustn't
				o = Order{VolumeOrder: o.VolumeOrder, Node: o.Node, Region: o.Region, Given: o.Given}
			}
			m.Bought = append(m.Bought, bought{head, o})
		}
	}
	raw, err := json.Marshal(m)
	if err != nil { // plain data: can't be
		return nil
	}
	return raw
}

// MaxJump is how far above what the others heard a node's epoch is believed to be. Each restoration raises it by one, so who names a higher one lies; and of those
// that lie within it none brings ours to its end, or to where the next scheduler believes nobody any more.
const MaxJump = 1 << 10

// maxVersion of anything: above it numbers come to their end.
const maxVersion = 1 << 60

// Evidence is what one node says to a scheduler that lost everything.
type Evidence struct {
	Key    string // fingerprint of its certificate's
	Report *api.Report
	Spec   *api.NodeSpec // the last that it followed; nil = it never had one
	Hold   *api.Hold
	At     time.Time
}

func (e *Evidence) memory() (m memory, err error) {
	if e.Spec == nil || len(e.Spec.Recall) == 0 {
		return m, nil
	}
	return m, json.Unmarshal(e.Spec.Recall, &m)
}

// Recovered is the state that nodes remember.
type Recovered struct {
	Cluster Cluster
	Nodes   map[string]*Node
	Ledger  []*Expansion
	Holder  string // of the disruption lease: it is in the middle of an act
	Told    map[string]NodeSettings
	Doubts  map[string][]string // by node: what it alone remembers, and nothing came of
}

// recovery gathers evidence; what two nodes say differently is a conflict, and nothing comes of it.
type recovery struct {
	Recovered
	now       time.Time
	orders    map[string]map[int]Order
	heads     map[string]Expansion
	epochs    map[string]int64
	witnesses []witness
	conflicts []string
}

func newRecovery(now time.Time) *recovery {
	return &recovery{now: now, orders: map[string]map[int]Order{}, heads: map[string]Expansion{}, epochs: map[string]int64{}}
}

// Recover rebuilds the state from what nodes remember of the cluster id. Its ledger is in doubt, and its epoch above all that any node heard.
func Recover(id string, all map[string]*Evidence, now time.Time) (Recovered, error) {
	r := newRecovery(now)
	r.Cluster, r.Nodes = Cluster{ID: id, Unchecked: true, UncheckedSince: now}, map[string]*Node{}
	r.Told, r.Doubts = map[string]NodeSettings{}, map[string][]string{}
	for _, node := range slices.Sorted(maps.Keys(all)) {
		if err := r.take(node, all[node]); err != nil {
			r.differ("%s: %v", node, err)
		}
	}
	r.names()
	r.agree()
	r.systems()
	r.epoch()
	r.ledger()
	if len(r.conflicts) > 0 {
		return Recovered{}, errors.New(strings.Join(r.conflicts, "; "))
	}
	return r.Recovered, nil
}

// epoch above all that any node heard. It is the middle one that others are measured by: neither who names a low one nor who names a high one makes the others incredible.
func (r *recovery) epoch() {
	c := &r.Cluster
	byEpoch := slices.SortedFunc(maps.Keys(r.epochs), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.epochs[a], r.epochs[b]), strings.Compare(a, b))
	})
	for _, id := range byEpoch {
		e, middle := r.epochs[id], r.epochs[byEpoch[(len(byEpoch)-1)/2]]
		if e > middle+MaxJump {
			r.differ("%s: no scheduler gave orders of such an epoch (%d, others heard %d)", r.Nodes[id].Name, e, middle)
			continue
		}
		c.Epoch = e
	}
	c.Epoch++
}

func (r *recovery) differ(format string, a ...any) {
	r.conflicts = append(r.conflicts, fmt.Sprintf(format, a...))
}

func (r *recovery) take(id string, e *Evidence) error {
	m, err := e.memory()
	if err != nil {
		return fmt.Errorf("what it remembers can't be read: %w", err)
	}
	epoch, generation := e.Report.Version.Epoch, int64(0)
	if e.Spec != nil {
		epoch, generation = max(epoch, e.Spec.Version.Epoch), e.Spec.Version.Generation
	}
	if max(epoch, generation) > maxVersion || min(epoch, generation) < 0 || m.Grants < 0 || m.Grants > maxGrants {
		return errors.New("no scheduler gave orders of such an epoch, generation or number of grants")
	}
	n := &Node{
		ID: id, Hostname: e.Report.Node.Hostname, AgentUUID: e.Report.Node.AgentUUID, Key: e.Key, AgentID: m.Agent, Domain: m.Domain, Pin: m.Pin, TooSmall: m.TooSmall,
		Removal: m.Removal, Report: e.Report, SeenAt: e.At,
	}
	r.Nodes[id] = n
	if intends(n, IntentRestartMesos, IntentReboot, IntentUpgrade) {
		if r.Holder != "" {
			return fmt.Errorf("it and %s are both being interrupted", r.Holder)
		}
		r.Holder = id
	}
	if e.Spec != nil { // who never had orders heard no epoch
		r.epochs[id] = epoch
	}
	c := &r.Cluster
	if h := e.Hold; h != nil && h.Author != api.AuthorScheduler {
		if h.Node == "" {
			c.Hold = h
		} else {
			n.Hold = h
		}
	}
	if e.Spec == nil {
		return nil
	}
	n.Name, n.Generation, n.Claims, n.Approved = e.Spec.Name, e.Spec.Version.Generation, e.Spec.Claims, e.Spec.Disks.Approved
	if e.Spec.Remove && n.Removal == nil {
		n.Removal = &Leaver{Phase: api.RemovalLeaving, Author: "recovered", Since: r.now}
	}
	r.witnesses = append(r.witnesses, witness{n, e.Spec, m})
	if r.Told != nil {
		r.Told[id] = toldBy(e, m)
	}
	return errors.Join(r.bought(e.Spec, m), r.formation(e))
}

// bought by the node itself: what others bought they tell.
func (r *recovery) bought(spec *api.NodeSpec, m memory) error {
	for _, b := range m.Bought {
		if b.Order.Node != spec.Node {
			return fmt.Errorf("it remembers an order of %s", b.Order.Node)
		}
		r.order(b.Expansion, b.Order)
	}
	if spec.Growth == nil {
		return nil
	}
	for _, o := range spec.Growth.Orders {
		_, known := r.orders[o.Expansion][o.Index]
		elsewhere := o.Abandon && o.VolumeID != "" // what it bought itself it remembers: this one it was to delete for another node
		if !known && !elsewhere {
			r.order(Expansion{ID: o.Expansion, Decided: r.now}, Order{VolumeOrder: o, Node: spec.Node, Region: regionOf(o.Zone), Since: r.now})
		}
	}
	return nil
}

// formation: a node that was told to form the cluster may be at it.
func (r *recovery) formation(e *Evidence) error {
	f := e.Spec.Formation
	for _, i := range e.Report.Intents {
		if i.Kind == stepFormCluster {
			f = &api.Formation{Node: e.Spec.Node, Nonce: i.Subject}
		}
	}
	if f == nil || f.Node != e.Spec.Node {
		return nil
	}
	if have := r.Cluster.Formation; have != nil && *have != *f {
		return fmt.Errorf("it and %s were both told to form the cluster", have.Node)
	}
	r.Cluster.Formation = f
	return nil
}

// names must be unique: SDSs and MDMs have them.
func (r *recovery) names() {
	taken := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(r.Nodes)) {
		n := r.Nodes[id]
		if other := taken[n.Name]; n.Name != "" && other != "" {
			r.differ("%s and %s both remember the name %s", other, id, n.Name)
		}
		taken[n.Name] = id
	}
	for _, id := range slices.Sorted(maps.Keys(r.Nodes)) {
		if n := r.Nodes[id]; n.Name == "" {
			n.Name = Name(n.Hostname, id, func(name string) bool { return taken[name] != "" })
			taken[n.Name] = id
		}
	}
}

// systems: what an MDM says of itself must be what was remembered.
func (r *recovery) systems() {
	for _, n := range byName(r.Nodes) {
		if other := Foreign(&r.Cluster, n.Report); other != "" {
			r.differ("%s: its MDM belongs to ScaleIO system %s, remembered is %s", n.Name, other, r.Cluster.SystemID)
		}
	}
}

func (r *recovery) order(head Expansion, o Order) {
	if o.Index < 0 || o.Index >= MaxOrders {
		r.differ("%s: order %d of expansion %s can't be", o.Node, o.Index, o.Expansion)
		return
	}
	all := r.orders[o.Expansion]
	if all == nil {
		all = map[int]Order{}
		r.orders[o.Expansion] = all
	}
	if have, ok := all[o.Index]; ok && (have.Node != o.Node || have.VolumeID != o.VolumeID) {
		r.differ("%s and %s both have order %d of expansion %s", have.Node, o.Node, o.Index, o.Expansion)
	}
	all[o.Index] = o
	known, ok := r.heads[o.Expansion]
	ended := known.Ended // of those that remember an end: who was off then remembers none
	if head.Ended.After(ended) && !head.Ended.After(r.now) {
		ended = head.Ended
	}
	if !ok || known.Why == "" {
		known = head
	}
	known.ID, known.Ended = o.Expansion, ended
	r.heads[o.Expansion] = known
}

// ledger of what was bought. No expansion is in flight any more: what has a volume goes its way to the pool. Of what has none nobody knows whether it was bought: it is told to
// nobody (unproven), and counted; its node's word or a listing shows a volume, or it is given up.
func (r *recovery) ledger() {
	for _, id := range slices.Sorted(maps.Keys(r.orders)) {
		e := r.heads[id]
		e.State, e.Outcome, e.Settled = api.ExpansionEnded, "recovered from the nodes", true
		if e.Ended.IsZero() {
			e.Ended = r.now
		}
		last := slices.Max(slices.Collect(maps.Keys(r.orders[id])))
		for i := range last + 1 {
			o, known := r.orders[id][i]
			switch {
			case !known: // its node was told nothing of it any more: nothing of it is left, or a listing finds it
				o = Order{VolumeOrder: api.VolumeOrder{Expansion: id, Index: i}, Stage: api.OrderDeleted, Since: r.now, Settled: true, GivenUp: true}
			case !o.Settled && o.VolumeID == "" && o.Abandon:
				o.Stage, o.Settled, o.GivenUp, o.Since = api.OrderKept, true, true, r.now
			case !o.Settled && o.Abandon && !o.Given: // nothing shows that it was never handed over: nothing deletes it, and once a person did it counts no more
				o.Stage, o.Settled, o.GivenUp, o.Doubted, o.Abandon, o.Since = api.OrderKept, true, true, true, false, r.now
			case !o.Settled:
				o.Doubted, o.Since = true, r.now
			}
			e.Settled = e.Settled && o.Settled
			e.Orders = append(e.Orders, o)
		}
		r.Ledger = append(r.Ledger, &e)
	}
}

// RecalledAgent is the Mesos agent whose task placed the node.
func RecalledAgent(e *Evidence) string {
	m, err := e.memory()
	if err != nil {
		return ""
	}
	return m.Agent
}

// Latecomer is a node that was off during the recovery. It must agree with what the others remembered; what it bought alone a listing finds.
func Latecomer(s *State, id string, e *Evidence) (*Node, error) {
	r := newRecovery(s.Now)
	r.Cluster, r.Nodes = copyOf(s.Cluster), map[string]*Node{}
	err := r.take(id, e)
	for _, w := range r.witnesses {
		err = errors.Join(err, w.contradicts(&s.Cluster))
	}
	if err != nil {
		return nil, err
	}
	n := r.Nodes[id]
	n.Untold = true // its epoch may be one that the others didn't know
	taken := func(name string) bool {
		return slices.ContainsFunc(byName(s.Nodes), func(n *Node) bool { return n.Name == name })
	}
	switch {
	case Foreign(&s.Cluster, e.Report) != "":
		return nil, fmt.Errorf("its MDM belongs to ScaleIO system %s", Foreign(&s.Cluster, e.Report))
	case n.Name != "" && taken(n.Name):
		return nil, fmt.Errorf("there is a node %s already", n.Name)
	case n.Name == "":
		n.Name = Name(n.Hostname, id, taken)
	}
	return n, nil
}
