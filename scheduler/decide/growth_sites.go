package decide

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"scaleio-framework/scheduler/api"
)

// A site is a node that can take volumes.
type site struct {
	node   *Node
	unit   string // fault unit
	zone   string
	region string
	slots  int
	chosen int
}

// sitesOf lists nodes that can take volumes, and says what stands against the others.
func sitesOf(s *State, have spending) (sites []site, why string) {
	var against []string
	more := 0
	not := func(format string, a ...any) {
		if len(against) >= maxAgainst {
			more++
			return
		}
		against = append(against, fmt.Sprintf(format, a...))
	}
	claimed := instances(s)
	for _, n := range byName(s.Nodes) {
		reason := cantTake(s, n)
		if reason == "" {
			reason = claimed.against(n)
		}
		if reason != "" {
			not("%s %s", n.Name, reason)
			continue
		}
		unit, _ := s.Cluster.FaultSet(n)
		if unit == "" {
			unit = n.Name
		}
		c := n.Report.Cloud
		slots := min(c.SlotsMax-c.SlotsUsed-unattached(s, n)-s.Settings.Growth.SpareSlots, s.Settings.Growth.MaxPerNode-have.perNode[n.ID], devicesPerSDS-devicesOf(n))
		if slots <= 0 {
			not("%s has no slot left (%d of %d used, %d stay free; %d of %d volumes bought)",
				n.Name, c.SlotsUsed, c.SlotsMax, s.Settings.Growth.SpareSlots, have.perNode[n.ID], s.Settings.Growth.MaxPerNode)
			continue
		}
		sites = append(sites, site{node: n, unit: unit, zone: c.Zone, region: c.Region, slots: slots})
	}
	if more > 0 {
		against = append(against, fmt.Sprintf("%d more can't either", more))
	}
	return sites, strings.Join(against, "; ")
}

const maxAgainst = 5 // nodes whose reasons are told

// cantTake says why a node can't take a volume now.
func cantTake(s *State, n *Node) string {
	set, named := s.Cluster.FaultSet(n)
	switch {
	case n.Removal != nil || n.Revoked || n.Conflict != "" || n.Moved != "":
		return "is on its way out, or isn't who it was"
	case !s.live(n):
		return "isn't heard"
	case !s.Role(n).Storage() || !holds(n, stepRunSDS):
		return "runs no SDS"
	case cutOff(s, n):
		return "has an SDS that the MDM isn't connected to"
	case !named && set == "":
		return "has no fault set"
	case s.Held(n) != nil || holds(n, api.ConditionHeld):
		return "is held"
	case n.Report.Cloud == nil || n.Report.Cloud.Provider == "":
		return "is on no cloud"
	case !n.Report.Cloud.Verified:
		return "can't verify its instance (" + n.Report.Cloud.Reason + ")"
	case len(n.Report.Cloud.Notices) > 0:
		return "is to be interrupted (" + n.Report.Cloud.Notices[0].Kind + ")"
	case n.Report.Cloud.SlotsMax == 0:
		return "doesn't know how many volumes it takes"
	case failedLately(s, n):
		return "failed to bring a volume lately"
	}
	return ""
}

// cutOff: what it buys now couldn't be added.
func cutOff(s *State, n *Node) bool {
	return s.View != nil && s.View.ClusterView != nil && slices.ContainsFunc(s.View.SDSs, func(x api.SDSView) bool { return x.Name == n.Name && away(&x) })
}

// claims are the nodes of each EC2 instance: which are one by their identity, or say that they run on it.
type claims map[string][2]*Node

func instances(s *State) claims {
	all := claims{}
	for _, n := range s.Nodes {
		if n.RemovalOf() == api.RemovalDone {
			continue
		}
		all[n.ID] = all.with(n.ID, n)
		if n.Report != nil && n.Report.Cloud != nil && n.Report.Cloud.InstanceID != n.ID {
			all[n.Report.Cloud.InstanceID] = all.with(n.Report.Cloud.InstanceID, n)
		}
	}
	return all
}

// with one more: of any number two are enough to know.
func (c claims) with(instance string, n *Node) [2]*Node {
	if two := c[instance]; two[0] != nil {
		return [2]*Node{two[0], n}
	}
	return [2]*Node{n}
}

// against says why a node can't grow as the instance that it says it is. A node whose first start knew no instance has its machine-id as identity, and keeps it: it is
// taken for the instance that it verified since. An instance that two nodes claim is neither's.
func (c claims) against(n *Node) string {
	instance := n.Report.Cloud.InstanceID
	if instance == "" {
		return "doesn't say which instance it is"
	}
	if n.ID != instance && instanceForm.MatchString(n.ID) {
		return "has another identity than its instance"
	}
	for _, other := range c[instance] {
		if other != nil && other != n {
			return "says that it is instance " + instance + ", and so does " + other.Name + ": one of them isn't; remove the one that is gone"
		}
	}
	return ""
}

var instanceForm = regexp.MustCompile(`^i-[0-9a-f]+$`)

// failedLately: it couldn't do its part in the expansion that goes on, or in one whose cooldown isn't over.
func failedLately(s *State, n *Node) bool {
	for _, e := range s.Ledger {
		if e.State != api.ExpansionBuying && (e.State != api.ExpansionEnded || s.Now.Sub(e.Ended) >= s.Settings.Growth.Cooldown) {
			continue
		}
		if slices.ContainsFunc(e.Orders, func(o Order) bool { return o.Node == n.ID && o.GivenUp && !(o.Burnt && o.Attempt < mostAttempts) }) {
			return true
		}
	}
	return false
}

// unattached are volumes of a node that have a slot, or will, and that its look at its slots doesn't count: it is up to half an hour old.
func unattached(s *State, n *Node) (count int) {
	counted := n.Report.Cloud.Attached
	for _, e := range s.Ledger {
		if e.State != api.ExpansionBuying && e.State != api.ExpansionEnded {
			continue
		}
		for i := range e.Orders {
			o := &e.Orders[i]
			switch {
			case o.Node != n.ID || !o.There() || slices.Contains(counted, o.VolumeID):
			case len(counted) == 0: // an agent of the version before doesn't say
				if !o.Settled && o.Stage != api.OrderAttached && o.Stage != api.OrderPresent {
					count++
				}
			case !o.Settled || o.shown(s):
				count++
			}
		}
	}
	return count
}

func devicesOf(n *Node) (count int) {
	for _, d := range reported(n) {
		if d.State != api.DiskRefused {
			count++
		}
	}
	return count
}

// allowance is how many volumes caps and budget allow now, and which of them is the tightest.
func allowance(s *State, have spending, sites []site, v api.VolumeOrder) (room int, why string) {
	g := &s.Settings.Growth
	room = math.MaxInt
	limit := func(left int, format string, a ...any) {
		if left < room {
			if room = left; room < maxPlanned {
				why = fmt.Sprintf(format, a...)
			}
		}
	}
	limit(g.MaxPerCluster-have.volumes, "%d of %d volumes are bought (growth-max-per-cluster)", have.volumes, g.MaxPerCluster)
	limit(g.MaxPerDay-have.today, "%d of %d volumes were bought within a day (growth-max-per-day)", have.today, g.MaxPerDay)
	devices := 0
	if s.View != nil {
		for _, sds := range s.View.SDSs {
			for i := range sds.Devices {
				if !sds.Devices[i].OtherPool {
					devices++
				}
			}
		}
	}
	limit(devicesPerPool-devices, "the pool has %d of %d devices", devices, devicesPerPool)
	if g.Budget == 0 {
		return max(0, room), why
	}
	var dearest api.Cents
	for _, at := range sites {
		cost, ok := g.Prices.Monthly(at.region, v)
		if !ok {
			return 0, fmt.Sprintf("the price of %s in %s isn't known, so that the budget can't be kept: name it in growth-price-file", v.Type, at.region)
		}
		dearest = max(dearest, cost)
	}
	if !have.priced {
		return 0, "the price of a volume that was bought isn't known, so that the budget can't be kept: name it in growth-price-file"
	}
	if dearest > 0 {
		limit(int((g.Budget-have.monthly)/dearest), "$%s of $%s a month are spent, and a volume costs $%s (growth-budget)", have.monthly, g.Budget, dearest)
	}
	return max(0, room), why
}
