package decide

import (
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
)

// An Expansion is the stored record of one growth of the pool: what was decided, who decided it, and what became of each volume. It is stored before any node
// hears of it, and kept as long as one of its volumes may be there.
type Expansion struct {
	ID      string             `json:"id"` // UUID
	State   api.ExpansionState `json:"state"`
	Decided time.Time          `json:"decided"`
	Why     string             `json:"why"`
	Who     string             `json:"who,omitempty"` // approved it
	Gain    int64              `json:"gainBytes"`     // usable, raw
	Cost    api.Cents          `json:"costCents"`     // per month, as it was decided
	Priced  bool               `json:"priced"`
	Started time.Time          `json:"started,omitzero"`
	Ended   time.Time          `json:"ended,omitzero"`
	Outcome string             `json:"outcome,omitempty"`
	Settled bool               `json:"settled,omitempty"` // nothing more comes of any order
	Planned int                `json:"planned,omitempty"` // volumes that were decided; what takes the place of others isn't among them
	Tags    map[string]string  `json:"tags,omitzero"`     // of its volumes, as they were when it began: EC2 refuses a client token with others. nil = from before they were stored
	Orders  []Order            `json:"orders"`
}

// An Order is one volume of it. VolumeOrder is what the node is told.
type Order struct {
	api.VolumeOrder
	Node    string         `json:"node"` // identity
	Region  string         `json:"region"`
	Stage   api.OrderStage `json:"stage,omitempty"`
	Since   time.Time      `json:"since"` // of the last progress
	Disk    string         `json:"disk,omitempty"`
	Given   bool           `json:"handedOver,omitempty"` // a claim for its disk was stored: from then on it may hold data, and nothing of ours deletes or detaches it
	InPool  bool           `json:"inPool,omitempty"`
	Left    bool           `json:"left,omitempty"`    // it was in the pool when its node began to leave: it may end with the instance
	Ends    bool           `json:"ends,omitempty"`    // it may have been set to: on a node that came back that is undone
	Settled bool           `json:"settled,omitempty"` // nothing more comes of it
	GivenUp bool           `json:"givenUp,omitempty"` // another one was ordered in its place, or the expansion ends smaller
	Loose   bool           `json:"loose,omitempty"`   // a listing showed it detached after it was given up: whoever attaches it from then on is none of ours
	Blank   bool           `json:"blank,omitempty"`   // nobody can have written on it: it never was attached, or its node found it empty and took it off. Of what a former version bought that isn't known
	Used    bool           `json:"used,omitempty"`    // its node refused its disk when it showed it last: something is on it, or has it
	Doubted bool           `json:"doubted,omitempty"` // it was on its way when the ledger wasn't known: nothing shows that it was never handed over, so nothing deletes it
	Deleter string         `json:"deleter,omitempty"` // node that is to delete it, where its own can't be
	Burnt   bool           `json:"burnt,omitempty"`   // given up because its client token is used up; its volume, if it shows up after all, is known by this order
	Reason  string         `json:"reason,omitempty"`
	Message string         `json:"message,omitempty"`
}

// There says whether the order's volume exists, or may.
func (o *Order) There() bool {
	switch o.Stage {
	case api.OrderDeleted:
		return false
	case api.OrderFailed:
		return o.VolumeID != "" || o.Abandon && !o.Settled
	}
	return true
}

// lives: it is counted on to become capacity, or did.
func (o *Order) lives() bool { return o.InPool || o.Given || !o.Abandon && !o.Settled }

// out: it was given up before it was handed over, and what was bought for it is there.
func (o *Order) out() bool {
	return (o.GivenUp || o.Abandon) && !o.Given && o.VolumeID != "" && o.There()
}

// open: something may still come of one of its orders.
func (e *Expansion) open() bool {
	return e.State == api.ExpansionBuying || e.State == api.ExpansionEnded && !e.Settled
}

// Upgrade a record of the version before, which kept no number of what was planned, nor which volumes may have been set to end with their instance. Of its orders each
// that was given up had another one in its place: where there was none, people approved more than is taken for approved.
func (e *Expansion) Upgrade(g *GrowthSettings) {
	if e.Planned > 0 || len(e.Orders) == 0 {
		return
	}
	e.Planned = len(e.Orders)
	for i := range e.Orders {
		o := &e.Orders[i]
		if o.GivenUp {
			e.Planned--
		}
		o.Ends = o.Ends || o.InPool && g.Node.DeleteOnTermination
	}
	e.Planned = max(1, e.Planned)
}

// clone shares nothing with the record that stands.
func (e *Expansion) clone() *Expansion {
	c := *e
	c.Orders = slices.Clone(e.Orders)
	return &c
}

// inFlight is the expansion that is proposed or buying; there is at most one.
func inFlight(s *State) *Expansion {
	for _, e := range s.Ledger {
		if e.State == api.ExpansionProposed || e.State == api.ExpansionBuying {
			return e
		}
	}
	return nil
}

// lastEnded is when the last expansion that was begun came to its end.
func lastEnded(s *State) (at time.Time) {
	for _, e := range s.Ledger {
		if e.State == api.ExpansionEnded && e.Ended.After(at) {
			at = e.Ended
		}
	}
	return at
}

// spending is what growth has bought so far, and what may exist without anybody knowing for sure.
type spending struct {
	volumes int
	today   int
	monthly api.Cents
	priced  bool // all of it
	perNode map[string]int
}

const day = 24 * time.Hour

// spent counts the ledger, and volumes that carry the cluster's tag though the ledger doesn't know them.
func spent(s *State) spending {
	all := spending{priced: true, perNode: map[string]int{}}
	add := func(region string, v api.VolumeOrder) {
		cost, ok := s.Settings.Growth.Prices.Monthly(region, v)
		all.volumes++
		all.monthly += cost
		all.priced = all.priced && ok
	}
	for _, e := range s.Ledger {
		if e.State != api.ExpansionBuying && e.State != api.ExpansionEnded {
			continue
		}
		for i := range e.Orders {
			o := &e.Orders[i]
			there := o.There()
			if there {
				add(o.Region, o.VolumeOrder)
				all.perNode[o.Node]++
			}
			// what is gone was bought too, or may have been without anybody learning of its id; before its expansion's end, nobody knows how long
			if (there || o.Stage == api.OrderDeleted) && (e.Ended.IsZero() || s.Now.Sub(e.Ended) < day) {
				all.today++
			}
		}
	}
	if s.Growing != nil {
		for _, v := range s.Growing.strangers {
			add(regionOf(v.Zone), asOrdered(v))
			all.perNode[v.Node]++
			if v.Expansion != "" && s.Now.Sub(v.Created) < day { // a ledger from before knows nothing of what was bought since
				all.today++
			}
		}
	}
	return all
}

// hear what the node says of an order, and what became of the disk.
func (o *Order) hear(s *State, uses map[string]use) {
	if n := s.Nodes[o.told()]; n != nil {
		if r := o.said(n); r != nil {
			o.take(s, r)
		}
	}
	o.follow(uses)
	o.look(s.Nodes[o.Node])
	if o.Given {
		o.Abandon = false
	}
	if o.Abandon && !o.Settled && o.Used {
		o.keep(s)
	}
	if !o.Settled && o.Abandon && (o.Stage == api.OrderDeleted || o.Stage == api.OrderKept || o.Stage == api.OrderFailed && o.VolumeID == "") {
		o.Settled = true
	}
}

func (o *Order) take(s *State, r *api.OrderState) {
	if o.VolumeID == "" && r.VolumeID != "" {
		o.VolumeID, o.Since = r.VolumeID, s.Now
	}
	if o.Disk == "" { // the first word stands: each is approved and stored
		o.Disk = r.Disk
	}
	if rank(r.Stage) > rank(o.Stage) || r.Stage != o.Stage && slices.Contains([]api.OrderStage{api.OrderFailed, api.OrderDeleted, api.OrderKept}, r.Stage) {
		o.Stage, o.Since = r.Stage, s.Now
	}
	o.Reason, o.Message = plainText(r.Reason, MaxReason), plainText(r.Message, MaxOrderMessage)
	o.blanks(r)
}

// rank of a stage on the way into the pool; 0 = it ended elsewhere, or hasn't begun. What was reached stays reached: a node that begins anew, or goes to and fro, makes
// no progress by it.
func rank(stage api.OrderStage) int {
	return 1 + slices.Index([]api.OrderStage{api.OrderWaiting, api.OrderCreating, api.OrderCreated, api.OrderAttached, api.OrderPresent}, stage)
}

// Bounds of an expansion's record: what a node says of its orders is in it.
const (
	MaxReason       = 40
	MaxOrderMessage = 110
	maxPlanned      = 64 // volumes of one expansion, and with what is ordered in place of others
	MaxOrders       = 80
)

// plainText takes one byte for each in a record.
func plainText(s string, most int) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) {
			return '\''
		}
		return r
	}, cut(s, most))
}

// is: a disk of that identity is the order's.
func (o *Order) is(disk string) bool { return disk != "" && (disk == o.VolumeID || disk == o.Disk) }

// told: the node that has the order.
func (o *Order) told() string {
	if o.Abandon && o.Deleter != "" {
		return o.Deleter
	}
	return o.Node
}

// ordersFor a node: what it is to buy, and what it is to take back.
func ordersFor(s *State, n *Node) []api.VolumeOrder {
	var all []api.VolumeOrder
	for _, e := range s.Ledger {
		if e.State != api.ExpansionBuying && e.State != api.ExpansionEnded {
			continue
		}
		for i := range e.Orders {
			if o := &e.Orders[i]; !o.Settled && o.told() == n.ID && o.toldNow(s) && !e.unproven(o) {
				told := o.VolumeOrder
				told.Unwritten = o.Abandon && o.Blank
				all = append(all, told)
			}
		}
	}
	return all
}

// untouchable: disks of a node that no claim may be taken for. What was given up is on its way out, or kept until a person says what becomes of it, on whatever
// node it is; and while the volume of an order isn't known yet, an EBS disk that no order knows may be it: once it is known, the ledger sees it handed over.
func untouchable(s *State, n *Node) func(disk string) bool {
	var own, out []*Order
	searching := false
	for _, e := range s.Ledger {
		if e.State != api.ExpansionBuying && e.State != api.ExpansionEnded {
			continue
		}
		for i := range e.Orders {
			switch o := &e.Orders[i]; {
			case o.out():
				out = append(out, o)
			case o.Node == n.ID && !o.Settled:
				own = append(own, o)
				searching = searching || o.VolumeID == ""
			}
		}
	}
	return func(disk string) bool {
		if slices.ContainsFunc(out, func(o *Order) bool { return o.is(disk) }) {
			return true
		}
		if slices.ContainsFunc(own, func(o *Order) bool { return o.is(disk) }) {
			return false
		}
		return searching && isVolume(disk)
	}
}

// isVolume: identity of an EBS volume.
func isVolume(disk string) bool { return len(disk) > 4 && disk[:4] == "vol-" }
