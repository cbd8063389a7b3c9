package decide_test

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

const gib = int64(1) << 30

// poolWorld is a cluster whose nodes are EC2 instances, with a pool that fills and nodes that carry out their orders: everything but the decisions, in memory.
type poolWorld struct {
	decide.State
	size    int // GiB of each device
	used    int64
	events  []api.Event
	serial  int
	bought  map[string]*bought // volumes that were ever made, by id
	nodes   []string
	all     []*decide.Node
	latency time.Duration // from order to volume in the pool
	part    map[string]*part
	deaf    string          // node that isn't heard
	blind   bool            // the leader has no new view
	lost    map[string]bool // SDSs that are away
	total   total
	broken  bool // what was on a lost SDS isn't made anew elsewhere yet
}

// total is what becomes of the pool's total when an SDS is lost: nobody wrote that down.
type total string

const (
	counts       total = "the total counts what is lost"
	drops        total = "the total drops"
	dropsAndSays total = "the total drops, and what is lost is shown as unreachable too"
	delists      total = "not even the devices are listed"
)

type bought struct {
	node, order string
	deleted     bool
	given       bool
}

// part of an order on its node.
type part struct {
	since  time.Time
	volume string
	fails  string // reason; what it bought stays
	mute   bool   // its node says nothing of it, until it is given up
}

func grows(units, perUnit, size int) *poolWorld {
	w := &poolWorld{size: size, bought: map[string]*bought{}, part: map[string]*part{}, latency: 2 * time.Minute}
	settings := decide.Settings{
		DomainAttribute: "rack", StoragePool: "sp", ProtectionDomain: "pd", Disks: api.DiskPolicy{Use: api.DiskUseApprove},
		Growth: decide.GrowthSettings{
			Mode: api.GrowthAuto, Threshold: 70, Takes: 5 * time.Minute, Safety: 3, Cooldown: 30 * time.Minute, Patience: 15 * time.Minute,
			MaxPerNode: 20, MaxPerCluster: 100, MaxPerDay: 50, Budget: 1_000_000, Prices: decide.ListPrices(), SpareSlots: 2,
			Volume: api.VolumeOrder{Type: "gp3", Encrypted: true},
		},
	}
	w.State = decide.State{
		Now: now, Settings: &settings, Nodes: map[string]*decide.Node{}, Growing: &decide.Growing{}, Leases: decide.Leases{Leader: "i-1", LeaderUntil: now.Add(time.Hour)},
		Cluster: decide.Cluster{ID: "c1", Epoch: 1, SystemID: "aa", Gates: slices.Clone(api.Gates), FaultSets: map[string]string{}, Spread: true,
			MDMs: []api.MDM{{Node: "i-1", Role: api.RoleManager}, {Node: "i-2", Role: api.RoleManager}, {Node: "i-3", Role: api.RoleTieBreaker}}},
	}
	view := &api.ClusterView{SystemID: "aa", Mode: "3_node", State: "Normal", PoolReady: true, Pool: &api.PoolView{}}
	for i := range units * perUnit {
		rack := fmt.Sprintf("r%d", i%units+1)
		w.Cluster.FaultSets[rack] = rack
		n := &decide.Node{ID: fmt.Sprintf("i-%d", i+1), Name: fmt.Sprintf("n%02d", i+1), Domain: rack, Generation: 1, SeenAt: now, Report: &api.Report{
			Version: api.Version{Cluster: "c1", Epoch: 1, Generation: 1}, Platform: api.Platform{OS: "ubuntu22.04", Supported: true},
			Addresses:  []string{fmt.Sprintf("10.0.0.%d", i+1)},
			Conditions: []api.Condition{{Type: "run-sds", Status: api.True, Generation: 1}},
			Cloud: &api.CloudView{Provider: "aws", InstanceID: fmt.Sprintf("i-%d", i+1), InstanceType: "m5.large", Region: "us-east-1", Zone: "us-east-1a",
				Verified: true, SlotsMax: 27, SlotsUsed: 2},
		}}
		w.Nodes[n.ID] = n
		w.nodes, w.all = append(w.nodes, n.ID), append(w.all, n)
		view.SDSs = append(view.SDSs, api.SDSView{Name: n.Name, IPs: n.Report.Addresses, FaultSet: rack, Connection: "Connected"})
		w.View = &decide.View{ClusterView: view, From: "i-1", At: now}
		w.adopt(n, fmt.Sprintf("wwn-%d", i+1))
	}
	w.figures()
	return w
}

// adopt a disk: it is a device of the pool.
func (w *poolWorld) adopt(n *decide.Node, disk string) {
	n.Report.Disks = append(n.Report.Disks, api.Disk{ID: disk, SizeBytes: int64(w.size) * gib, State: api.DiskAdopted})
	for i := range w.View.SDSs {
		if sds := &w.View.SDSs[i]; sds.Name == n.Name {
			sds.Devices = append(sds.Devices, api.DeviceView{ID: "dev-" + disk, SizeBytes: int64(w.size) * gib})
		}
	}
}

// figures of the pool as the product would show them.
func (w *poolWorld) figures() {
	p := w.View.Pool
	units := map[string]int64{}
	for i := range w.View.SDSs {
		sds := &w.View.SDSs[i]
		sds.Connection = map[bool]string{false: "Connected", true: "Disconnected"}[w.lost[sds.Name]]
		for _, d := range sds.Devices {
			if !d.OtherPool {
				units[sds.FaultSet] += d.SizeBytes
			}
		}
	}
	p.SparePercent = decide.SparePercent(units)
	p.RawBytes = w.raw()
	if w.total != "" && w.total != counts {
		p.RawBytes = w.reached()
	}
	p.SpareBytes = p.RawBytes / 100 * int64(p.SparePercent)
	w.write(0)
}

// lose SDSs, or have them back.
func (w *poolWorld) lose(names ...string) {
	w.lost = map[string]bool{}
	for _, name := range names {
		w.lost[name] = true
	}
	w.figures()
}

// raw are the bytes of all devices, reached of those that can be.
func (w *poolWorld) raw() int64 { return w.sum(func(string) bool { return true }) }

func (w *poolWorld) reached() int64 { return w.sum(func(name string) bool { return !w.lost[name] }) }

func (w *poolWorld) sum(of func(sds string) bool) (sum int64) {
	for i := range w.View.SDSs {
		for _, d := range w.View.SDSs[i].Devices {
			if of(w.View.SDSs[i].Name) && !d.OtherPool {
				sum += d.SizeBytes
			}
		}
	}
	return sum
}

// usable of what can be reached.
func (w *poolWorld) usable() int64 {
	return w.reached() - w.reached()/100*int64(w.View.Pool.SparePercent)
}

func (w *poolWorld) fullness() float64 { return 100 * float64(w.used) / float64(w.usable()) }

// write so many bytes more, raw; what doesn't fit isn't written.
func (w *poolWorld) write(bytes int64) {
	w.used = min(max(0, w.used+bytes), max(w.used, w.usable()))
	p := w.View.Pool
	p.InUseBytes, p.FreeBytes = w.used, max(0, w.usable()-w.used)
	lost := w.raw() - w.reached()
	p.ProtectedBytes, p.DegradedBytes, p.UnreachedBytes = w.used, 0, 0
	if w.broken {
		p.DegradedBytes = 2 * int64(float64(w.used)*float64(lost)/float64(w.raw()))
		p.ProtectedBytes -= p.DegradedBytes
	}
	if w.total == "" || w.total == counts || w.total == dropsAndSays {
		p.UnreachedBytes = lost - p.DegradedBytes/2
	}
}

// fill to so many percent.
func (w *poolWorld) fill(percent float64) { w.write(int64(percent/100*float64(w.usable())) - w.used) }

// pass of time: everybody reports, the leader has a sample, and what is to be decided is.
func (w *poolWorld) pass(d time.Duration) decide.GrowthOutcome {
	w.Now = w.Now.Add(d)
	w.Leases.LeaderUntil = w.Now.Add(time.Minute)
	for _, n := range w.all {
		if n.ID != w.deaf {
			n.SeenAt = w.Now
		}
	}
	if !w.blind {
		w.View.At = w.Now
	}
	w.shown(func() { w.Growing.Take(&w.State) })
	if w.Nonce == "" || len(w.Ledger) > 0 && w.Ledger[len(w.Ledger)-1].ID == w.Nonce {
		w.serial++
		w.Nonce = strconv.Itoa(1e7+w.serial) + "-0000"
	}
	var out decide.GrowthOutcome
	w.shown(func() { out = decide.Grow(&w.State) })
	for id, disks := range out.Approved {
		w.Nodes[id].Approved = append(w.Nodes[id].Approved, disks...)
	}
	for id, disks := range out.Disapproved {
		w.Nodes[id].Approved = decide.WithoutDisks(w.Nodes[id].Approved, disks)
	}
	w.events = append(w.events, out.Events...)
	return out
}

// shown is the view that is decided on: without the devices of lost SDSs where the product lists them no more.
func (w *poolWorld) shown(do func()) {
	all := w.View.SDSs
	if w.total == delists {
		w.View.SDSs = slices.Clone(all)
		for i := range w.View.SDSs {
			if w.lost[all[i].Name] {
				w.View.SDSs[i].Devices = nil
			}
		}
	}
	do()
	w.View.SDSs = all
}

// minutes pass with a sample every 12 seconds; each brings so many bytes.
func (w *poolWorld) minutes(n int, perMinute int64) {
	for range n * 5 {
		w.write(perMinute / 5)
		w.work()
		w.pass(12 * time.Second)
	}
}

// work on the orders, as the nodes, EC2 and the leader would.
func (w *poolWorld) work() {
	if !w.orders() {
		return
	}
	came := false
	for _, id := range w.nodes {
		n := w.Nodes[id]
		if id == w.deaf {
			continue
		}
		n.Report.Orders = n.Report.Orders[:0:0]
		for _, o := range decide.OrdersFor(&w.State, n) {
			p := w.part[o.Key()]
			if p == nil {
				p = &part{since: w.Now}
				w.part[o.Key()] = p
			}
			if state := w.carryOut(n, o, p, &came); !p.mute || o.Abandon {
				n.Report.Orders = append(n.Report.Orders, state)
			}
		}
	}
	if came {
		w.figures()
	}
}

// orders: somebody has one.
func (w *poolWorld) orders() bool {
	for _, e := range w.Ledger {
		for i := range e.Orders {
			if !e.Orders[i].Settled {
				return true
			}
		}
	}
	return false
}

func (w *poolWorld) carryOut(n *decide.Node, o api.VolumeOrder, p *part, came *bool) api.OrderState {
	state := api.OrderState{Expansion: o.Expansion, Index: o.Index, Attempt: o.Attempt, Stage: api.OrderWaiting, VolumeID: p.volume, Retry: true}
	waited := w.Now.Sub(p.since)
	if o.Abandon {
		state.Stage = api.OrderKept
		if p.volume == "" {
			state.Stage = api.OrderDeleted
		}
		return state
	}
	if p.fails != "" {
		state.Stage, state.Reason, state.Retry = api.OrderFailed, p.fails, false
		return state
	}
	if waited >= w.latency/2 && p.volume == "" {
		w.serial++
		p.volume = fmt.Sprintf("vol-%08x", w.serial)
		w.bought[p.volume] = &bought{node: n.ID, order: o.Key()}
		n.Report.Cloud.SlotsUsed++
	}
	state.VolumeID = p.volume
	if waited >= w.latency && slices.Contains(n.Approved, p.volume) && !w.lost[n.Name] {
		state.Stage, state.Disk = api.OrderPresent, p.volume
		w.bought[p.volume].given = true
		w.adopt(n, p.volume)
		*came = true
	}
	return state
}

// kinds of events that were told, in order.
func (w *poolWorld) kinds() (all []string) {
	for _, e := range w.events {
		all = append(all, e.Kind)
	}
	return all
}

func (w *poolWorld) monthly() (sum api.Cents) {
	for _, b := range w.bought {
		if !b.deleted {
			cost, _ := w.Settings.Growth.Prices.Monthly("us-east-1", api.VolumeOrder{Type: "gp3", SizeGiB: w.size})
			sum += cost
		}
	}
	return sum
}
