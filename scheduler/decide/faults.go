package decide

import (
	"fmt"
	"slices"
	"strings"

	"scaleio-framework/scheduler/api"
)

// A fault set can be given to an SDS only when it is added, so the choice is made once, at formation: three or more failure domains make one
// fault set each, one makes none. Two can't be: ScaleIO needs three fault units, and nodes of one rack would have to stand for two.
const minFaultSets = 3

// MinSpare is the product's default spare percentage.
const MinSpare = 10

// domains that nodes have, sorted; nodes without the attribute aside, and those that will never carry data.
func domains(s *State) []string {
	var all []string
	if s.Settings.DomainAttribute == "" {
		return nil
	}
	for _, n := range s.Nodes {
		if n.Conflict != "" || n.Revoked || n.Removal != nil || n.Report == nil || !n.Report.Platform.Supported || s.clientOnly(n) {
			continue
		}
		if n.Domain != "" && !slices.Contains(all, n.Domain) {
			all = append(all, n.Domain)
		}
	}
	slices.Sort(all)
	return all
}

func twoDomains(s *State) string {
	if all := domains(s); len(all) == 2 {
		return fmt.Sprintf("nodes in a third failure domain (%s is only %s): ScaleIO needs three fault sets or none; add a node, or start "+
			"without a failure domain attribute for good", s.Settings.DomainAttribute, strings.Join(all, " and "))
	}
	return ""
}

// faultSets for the domains: existing ones stay as they are, new domains are added.
func faultSets(present map[string]string, all []string) map[string]string {
	sets := map[string]string{}
	used := map[string]bool{}
	for domain, name := range present {
		sets[domain], used[name] = name, true
	}
	for _, domain := range all {
		if sets[domain] == "" {
			name := Name(strings.ReplaceAll(domain, ".", "-"), "fault-set", func(n string) bool { return used[n] })
			sets[domain], used[name] = name, true
		}
	}
	return sets
}

// FaultSet of a node; ok is false while none can be named though the cluster has them.
func (c *Cluster) FaultSet(n *Node) (name string, ok bool) {
	if len(c.FaultSets) == 0 {
		return "", true
	}
	name = c.FaultSets[n.Domain]
	return name, name != ""
}

func (c *Cluster) faultSetNames() []string {
	var names []string
	for _, name := range c.FaultSets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// coming are the bytes of volumes that an expansion buys for a node and that aren't among its disks yet. They come one after the other: the spare is that of the
// pool as it will be. If it followed each of them, it would have to rise first, in a pool that is nearly full.
func coming(s *State, n *Node) (bytes int64) {
	for _, e := range s.Ledger {
		if e.State != api.ExpansionBuying {
			continue
		}
		for i := range e.Orders {
			o := &e.Orders[i]
			shown := slices.ContainsFunc(reported(n), func(d api.Disk) bool { return o.is(d.ID) && d.State != api.DiskRefused })
			if o.Node == n.ID && o.lives() && !o.InPool && !shown {
				bytes += int64(o.SizeGiB) << 30
			}
		}
	}
	return bytes
}

// units sums what each fault unit gives or may give soon: by the nodes' reports, and not less than what the pool holds of it already. An agent
// that was just started hasn't seen its disks, or doesn't know yet which of them the pool has; the spare mustn't follow that.
func units(s *State) map[string]int64 {
	pooled := map[string]int64{}
	if s.View != nil {
		for _, sds := range s.View.SDSs {
			pooled[sds.Name] += poolBytes(&sds)
		}
	}
	sums := map[string]int64{}
	for _, n := range s.Nodes {
		if n.Report == nil || s.clientOnly(n) || n.Removal != nil {
			continue
		}
		unit, _ := s.Cluster.FaultSet(n)
		if unit == "" {
			unit = n.Name
		}
		var gives int64
		for _, d := range n.Report.Disks {
			if d.State != api.DiskRefused {
				gives += d.SizeBytes
			}
		}
		sums[unit] += max(gives, pooled[n.Name]) + coming(s, n)
	}
	for unit, sum := range sums {
		if sum == 0 {
			delete(sums, unit)
		}
	}
	return sums
}

// SparePercent leaves room to re-protect after the largest fault unit is lost.
func SparePercent(units map[string]int64) int {
	var total, largest int64
	for _, bytes := range units {
		total += bytes
		largest = max(largest, bytes)
	}
	if len(units) < minFaultSets { // they will be: a pool works only with three
		return 34
	}
	return max(MinSpare, int((largest*100+total-1)/total))
}
