package decide

import (
	"cmp"
	"fmt"
	"slices"

	"scaleio-framework/scheduler/api"
)

// A GrowthPlan is an expansion before it is decided.
type GrowthPlan struct {
	Sites   []site // in the order in which volumes are placed; one may be there several times
	Volume  api.VolumeOrder
	Gain    int64 // usable, raw
	Cost    api.Cents
	Priced  bool
	Refused string // why there is none
	Kind    string // of the refusal: the same while only numbers change
}

const (
	devicesPerPool = 300
	mostGrowth     = 50 // percent of the raw capacity that one expansion adds, unless a volume in each fault unit is more
	leastGain      = 90 // percent of what added capacity should bring
)

// planGrowth chooses volumes and nodes: as many as bring the pool below the threshold by the hysteresis, demand that comes in meanwhile included; spread so that
// mirroring can use them; within attachment slots, caps and budget. It is simulated before it is proposed.
func planGrowth(s *State, t *trigger) GrowthPlan {
	p := GrowthPlan{Volume: s.Settings.Growth.Volume}
	last, _ := s.Growing.Last()
	if p.Kind, p.Refused = cantGrow(s); p.Refused != "" {
		return p
	}
	if p.Volume.SizeGiB = volumeSize(s); p.Volume.SizeGiB == 0 {
		return p.refuse("NoSize", "no device of the pool says how large volumes are to be: set growth-volume-size")
	}
	have := spent(s)
	room, limit := allowance(s, have, nil, p.Volume)
	if room < minFaultSets {
		return p.refuse("Limit", limit)
	}
	sites, why := sitesOf(s, have)
	room, limit = allowance(s, have, sites, p.Volume)
	units := unitsNow(s)
	size := int64(p.Volume.SizeGiB) << 30
	wanted := func(usable, raw, largest int64) bool {
		g := &s.Settings.Growth
		coming := last.Used + int64(t.rate*horizon(s).Seconds())
		return percentOf(last.Used, usable) <= float64(g.Threshold-hysteresis) && percentOf(coming, usable) <= float64(g.Threshold) && last.Used <= raw-largest
	}
	good := choose(sites, units, size, min(room, maxPlanned), wanted)
	if len(good) == 0 {
		if room < minFaultSets && limit != "" {
			return p.refuse("Limit", limit)
		}
		return p.refuse("NoSites", fmt.Sprintf("it needs volumes in %d fault units at least, and %s", minFaultSets, orText(why, "no spread of them keeps the spare policy")))
	}
	p.Sites = good
	before, _, _ := capacity(units, nil, size)
	after, _, _ := capacity(units, good, size)
	p.Gain = after - before
	p.Priced = true
	for _, at := range good {
		v := p.Volume
		cost, ok := s.Settings.Growth.Prices.Monthly(at.region, v)
		p.Cost += cost
		p.Priced = p.Priced && ok
	}
	return p
}

func (p GrowthPlan) refuse(kind, why string) GrowthPlan {
	p.Kind, p.Refused = kind, why
	return p
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// cantGrow names what stands against any growth.
func cantGrow(s *State) (kind, why string) {
	switch {
	case s.Cluster.Unchecked:
		_, why := unable(s)
		return "LedgerUnknown", "what was bought before this state was taken over isn't known yet: the leader's node has to list the cluster's volumes first" + why
	case s.Settings.Disks.Use == api.DiskUseNone:
		return "DisksUseNone", "disks-use is none: nodes would refuse what is bought"
	}
	return "", ""
}

// volumeSize in GiB: as configured, or as most disks in the pool have it.
func volumeSize(s *State) int {
	if set := s.Settings.Growth.Volume.SizeGiB; set > 0 {
		return set
	}
	counts := map[int]int{}
	for _, n := range s.Nodes {
		for _, d := range reported(n) {
			if d.State == api.DiskAdopted {
				counts[int((d.SizeBytes+1<<30-1)>>30)]++
			}
		}
	}
	best := 0
	for size, count := range counts {
		if count > counts[best] || count == counts[best] && size > best {
			best = size
		}
	}
	return best
}

// unitsNow are the pool's devices by fault unit, and what is ordered and not among them yet: what was handed over may come into the pool long after its
// expansion ended. What is away with its SDS, and not expected back, is neither.
func unitsNow(s *State) map[string]int64 {
	units, gone := map[string]int64{}, map[string]bool{}
	if s.View != nil {
		lost := !s.Growing.gone()
		addUnits(units, s.View.ClusterView, lost)
		for i := range s.View.SDSs {
			sds := &s.View.SDSs[i]
			gone[sds.Name] = !lost && away(sds) && !sds.InMaint
		}
	}
	for _, e := range s.Ledger {
		if e.State != api.ExpansionBuying && e.State != api.ExpansionEnded {
			continue
		}
		for i := range e.Orders {
			o := &e.Orders[i]
			if n := s.Nodes[o.Node]; n != nil && o.lives() && o.There() && !o.InPool && !gone[n.Name] {
				unit, _ := s.Cluster.FaultSet(n)
				if unit == "" {
					unit = n.Name
				}
				units[unit] += int64(o.SizeGiB) << 30
			}
		}
	}
	return units
}

// choose places volumes one by one, first in three fault units, then always in the smallest, until wanted says that it is enough. What can't go on ends at the last
// spread that was good: three units, none above the spare, and nearly all of what is added can be used.
func choose(sites []site, units map[string]int64, size int64, most int, wanted func(usable, raw, largest int64) bool) (good []site) {
	sites = slices.Clone(sites)
	sums := map[string]int64{}
	for unit, bytes := range units {
		sums[unit] = bytes
	}
	var raw int64
	for _, bytes := range units {
		raw += bytes
	}
	touched := map[string]bool{}
	var chosen []site
	for len(chosen) < most {
		i := smallest(sites, sums, touched)
		if i < 0 {
			break
		}
		sites[i].chosen++
		chosen = append(chosen, sites[i])
		sums[sites[i].unit] += size
		touched[sites[i].unit] = true
		added := size * int64(len(chosen))
		if added > raw/100*mostGrowth && (len(good) > 0 || len(chosen) > max(minFaultSets, len(units))) { // not however much it takes to look useful
			break
		}
		if !useful(units, chosen, size) {
			continue
		}
		good = slices.Clone(chosen)
		if wanted(capacity(units, good, size)) {
			break
		}
	}
	return good
}

// smallest is the site in the smallest fault unit, units without a volume before others until three have one; within a unit the node with the most slots.
func smallest(sites []site, sums map[string]int64, touched map[string]bool) int {
	best := -1
	spread := len(touched) < minFaultSets
	for i := range sites {
		at := &sites[i]
		if at.slots-at.chosen <= 0 || spread && touched[at.unit] {
			continue
		}
		if best < 0 || before(at, &sites[best], sums) {
			best = i
		}
	}
	return best
}

func before(a, b *site, sums map[string]int64) bool {
	return cmp.Or(cmp.Compare(sums[a.unit], sums[b.unit]), cmp.Compare(a.chosen, b.chosen), cmp.Compare(b.slots-b.chosen, a.slots-a.chosen)) < 0
}

// useful: the spread is over three fault units at least, and brings nearly what it should.
func useful(units map[string]int64, chosen []site, size int64) bool {
	touched := map[string]bool{}
	for _, at := range chosen {
		touched[at.unit] = true
	}
	if len(touched) < minFaultSets {
		return false
	}
	return worthwhile(units, chosen, size)
}

// worthwhile: no fault unit above the spare, which follows the largest, and nearly all of what is added beside the spare can be used.
func worthwhile(units map[string]int64, chosen []site, size int64) bool {
	before, rawBefore, _ := capacity(units, nil, size)
	after, rawAfter, _ := capacity(units, chosen, size)
	if rawBefore <= 0 {
		return false
	}
	should := float64(rawAfter-rawBefore) * float64(before) / float64(rawBefore)
	return float64(after-before)*100 >= should*leastGain
}

// capacity of fault units with what is added: what may be used beside the spare that the largest asks for, both copies in different units.
func capacity(units map[string]int64, added []site, size int64) (usable, raw, largest int64) {
	sums := make(map[string]int64, len(units)+len(added))
	for unit, bytes := range units {
		sums[unit] = bytes
	}
	for _, at := range added {
		sums[at.unit] += size
	}
	for _, bytes := range sums {
		raw += bytes
		largest = max(largest, bytes)
	}
	usable = raw - (raw*int64(SparePercent(sums))+99)/100
	return min(usable, 2*(raw-largest)), raw, largest
}

// What is planned, for people.
func (p GrowthPlan) What(s *State) string {
	var nodes []string
	for _, at := range p.Sites {
		nodes = append(nodes, at.node.Name)
	}
	return whatText(len(p.Sites), p.Volume, nodes, p.Gain, p.Cost, p.Priced)
}

func whatText(count int, v api.VolumeOrder, nodes []string, gain int64, cost api.Cents, priced bool) string {
	slices.Sort(nodes)
	price := "at a price that isn't known"
	if priced {
		price = "for $" + cost.String() + " a month"
	}
	return fmt.Sprintf("%d volumes of %d GiB %s on %s, %s: %s more to use (raw, both copies)", count, v.SizeGiB, v.Type, orNone(slices.Compact(nodes)), price, bytesText(gain))
}

// expansion that the plan becomes once it is decided.
func (p GrowthPlan) expansion(s *State, t *trigger) *Expansion {
	e := &Expansion{ID: s.Nonce, State: api.ExpansionProposed, Decided: s.Now, Why: t.why, Gain: p.Gain, Cost: p.Cost, Priced: p.Priced}
	for _, at := range p.Sites {
		e.add(p.Volume, at)
	}
	e.Planned = len(e.Orders)
	return e
}

func (e *Expansion) add(v api.VolumeOrder, at site) {
	v.Expansion, v.Index, v.Attempt, v.Zone = e.ID, len(e.Orders), 1, at.zone
	v.VolumeID, v.Abandon = "", false
	e.Orders = append(e.Orders, Order{VolumeOrder: v, Node: at.node.ID, Region: at.region, Blank: true})
}
