package decide

import (
	"fmt"
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
)

// A Leaver is what is stored of a node on its way out.
type Leaver struct {
	Phase  api.Removal `json:"phase"`
	Author string      `json:"author"`
	Since  time.Time   `json:"since"`
	SDC    string      `json:"sdc,omitempty"` // GUID of its SDC, as the leader saw it last
}

// RemovalOf a node; "" while nobody wants it out.
func (n *Node) RemovalOf() api.Removal {
	if n.Removal == nil {
		return ""
	}
	return n.Removal.Phase
}

// MaxFullness in percent of what the rest of a pool may hold of data, beside its spare, when a node is taken out.
const MaxFullness = 70

// Refuse says why a node can't be removed now and what to do instead; "" = nothing stands against it.
func Refuse(s *State, n *Node) string {
	for _, other := range byName(s.Nodes) {
		if p := other.RemovalOf(); other != n && (p == api.RemovalDraining || p == api.RemovalLeaving) {
			return fmt.Sprintf("%s is being removed: one node at a time; wait for its end, or `nodes keep %s`", other.Name, other.Name)
		}
	}
	switch role := s.Role(n); {
	case role.MDM():
		return fmt.Sprintf("%s carries an MDM (%s), and this version moves none: remove a node that carries only data", n.Name, role)
	case n.Conflict != "":
		return n.Name + " has an identity conflict: release its identity first"
	case !s.Cluster.Open(api.GatePoolReady):
		return "the cluster isn't whole yet: until its pool is ready nothing is removed from it"
	case !s.live(n):
		return fmt.Sprintf("%s isn't heard: bring it back, so that its data can be moved and its agent can clean up", n.Name)
	case s.Held(n) != nil:
		return fmt.Sprintf("held by %s: release the hold first", s.Held(n).Author)
	case s.Leases.Disruption != "":
		return fmt.Sprintf("%s is being interrupted (disruption lease): wait until it is Ready again", nameOf(s, s.Leases.Disruption))
	}
	return dangerous(s, n)
}

// dangerous says why the storage can't do without a node now, from a sample that is at most 10 s old.
func dangerous(s *State, n *Node) string {
	if why := notSafe(s); why != "" {
		return "the storage isn't healthy: " + why + ": wait until it is; `status` shows what it lacks"
	}
	if k := mapped(s, n); k > 0 {
		return fmt.Sprintf("%d volumes are mapped to the SDC of %s: end the tasks that use them, or unmap them", k, n.Name)
	}
	if n.Report == nil || len(n.Report.Addresses) == 0 {
		return fmt.Sprintf("the addresses of %s aren't known, and by them its SDS is told: wait for its report", n.Name)
	}
	view := s.View.ClusterView
	data := false
	for _, sds := range view.SDSs {
		if !n.hasSDS(sds) {
			continue
		}
		if len(sds.IPs) > 0 && !common(sds.IPs, n.Report.Addresses) {
			return fmt.Sprintf("SDS %s has the addresses %v and its node %v: whose it is isn't clear; rename it with scli --rename_sds, or give it the node's address", sds.Name, sds.IPs, n.Report.Addresses)
		}
		if len(sds.Devices) == 0 {
			continue
		}
		data = true
		if set := sds.FaultSet; set != "" && !slices.ContainsFunc(view.SDSs, func(x api.SDSView) bool { return !n.hasSDS(x) && x.FaultSet == set }) {
			return fmt.Sprintf("%s is the last SDS of fault set %s: add another node to that failure domain first", n.Name, set)
		}
	}
	if !data {
		return ""
	}
	return tooFull(view, n)
}

// hasSDS: an SDS is the node's by its name, which is ours to give, or by its address: a person may have named it otherwise.
func (n *Node) hasSDS(sds api.SDSView) bool {
	return sds.Name == n.Name || n.Report != nil && common(sds.IPs, n.Report.Addresses)
}

func common(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// tooFull: the rest has to be three fault units, and take all data beside the spare that it then needs, up to MaxFullness.
func tooFull(v *api.ClusterView, n *Node) string {
	rest := *v
	rest.SDSs = slices.DeleteFunc(slices.Clone(v.SDSs), func(x api.SDSView) bool { return x.Removing || n.hasSDS(x) })
	units := inPool(&rest)
	if len(units) < minFaultSets {
		return fmt.Sprintf("%d fault units would be left, and data needs %d: add a node first", len(units), minFaultSets)
	}
	if v.Pool == nil {
		return "the leader's sample shows no pool: wait for the next one"
	}
	var raw int64
	for _, bytes := range units {
		raw += bytes
	}
	percent := SparePercent(units)
	usable := raw - raw/100*int64(percent)
	if used := v.Pool.InUseBytes; used > usable/100*MaxFullness {
		return fmt.Sprintf("the rest would hold %d GB of data in %d GB beside %d %% spare, which is more than %d %%: add disks or a node, or delete volumes",
			used>>30, usable>>30, percent, MaxFullness)
	}
	return ""
}

// mapped counts the volumes that a node's SDC has, by the leader's view.
func mapped(s *State, n *Node) int {
	if view := Storage(s, n); view != nil && view.SDC != nil {
		return view.SDC.Volumes
	}
	return 0
}

// leaving are the nodes that the leader takes out of the system. Once the product moves an SDS's data that goes on to its end, whatever is wished:
// it takes no way back.
func leaving(s *State) []api.LeavingNode {
	var all []api.LeavingNode
	for _, n := range those(s.Nodes, func(n *Node) bool { return n.Removal != nil }) {
		l := api.LeavingNode{Node: n.ID, Name: n.Name}
		switch n.RemovalOf() {
		case api.RemovalDraining:
			l.Drain = waitsToDrain(s, n) == ""
			if n.Report != nil {
				l.IPs = n.Report.Addresses
			}
		case api.RemovalDone:
			if l.SDC = n.Removal.SDC; l.SDC == "" || s.View == nil || !slices.ContainsFunc(s.View.SDCs, func(x api.SDCView) bool { return x.GUID == l.SDC }) {
				continue
			}
		default:
			continue
		}
		all = append(all, l)
	}
	return all
}

// waitsToDrain says why the SDS of a node isn't taken out right now.
func waitsToDrain(s *State, n *Node) string {
	if h := s.Held(n); h != nil {
		return "held by " + h.Author
	}
	if s.Leases.Disruption != "" {
		return nameOf(s, s.Leases.Disruption) + " is being interrupted"
	}
	if why := dangerous(s, n); why != "" {
		return why
	}
	if view := s.View.ClusterView; view.Pool != nil && view.Pool.SparePercent < SparePercent(units(s)) {
		return fmt.Sprintf("the pool's spare is to be %d %% first, for the nodes that stay", SparePercent(units(s)))
	}
	return ""
}

// Advance gives a leaver's record as it should be by now. Every step is taken from what was seen: after a restart the same is derived again.
func Advance(s *State, n *Node) *Leaver {
	if n.Removal == nil || s.Held(n) != nil {
		return n.Removal
	}
	next := *n.Removal
	view := viewNow(s)
	if seen := Storage(s, n); view != nil && seen != nil && seen.SDC != nil && (seen.SDC.Connected || next.SDC == "") && next.Phase != api.RemovalDone {
		next.SDC = seen.SDC.GUID
	}
	fresh := view != nil && s.Now.Sub(view.At) <= SampleLife && view.PoolReady
	there := view != nil && slices.ContainsFunc(view.SDSs, n.hasSDS)
	switch next.Phase {
	case api.RemovalDraining:
		known := n.Report != nil && len(n.Report.Addresses) > 0 // else an SDS of another name couldn't be told to be its
		if fresh && known && !there && mapped(s, n) == 0 {
			next.Phase = api.RemovalLeaving
		}
	case api.RemovalLeaving:
		if there { // a person added it since: it may hold data again, and its agent has to run it until that is out
			if fresh {
				next.Phase = api.RemovalDraining
			}
		} else if s.current(n) && n.Report.Ready && passed(n) && holdsNow(n, stepRemoveLeftovers) {
			next.Phase = api.RemovalDone
		}
	}
	return &next
}

// RemovalActs are what a removal does, in order.
func RemovalActs(s *State, n *Node) []string {
	var acts []string
	if view := Storage(s, n); view != nil && view.SDS != nil {
		var bytes int64
		for _, d := range view.SDS.Devices {
			bytes += d.SizeBytes
		}
		acts = append(acts, fmt.Sprintf("take SDS %s with %d devices (%d GB) out of the system; its data moves to the others first", view.SDS.Name, len(view.SDS.Devices), bytes>>30))
	}
	return append(acts,
		fmt.Sprintf("the agent on %s takes away volume driver, isolator settings, SDC and SDS; no disk is wiped", n.Name),
		"the SDC's entry is removed, the node's key is revoked, its Mesos task ends and none is placed there until `nodes readmit "+n.Name+"`")
}

// removalStatus is the line that people see of a node on its way out.
func removalStatus(s *State, n *Node) (reason, text string) {
	switch n.RemovalOf() {
	case api.RemovalDraining:
		if view := Storage(s, n); view != nil && view.SDS != nil && view.SDS.Removing {
			return "Draining", fmt.Sprintf("the data of its %d devices moves to other nodes", len(view.SDS.Devices))
		}
		if why := waitsToDrain(s, n); why != "" {
			return "DrainWaits", why
		}
		return "Draining", "its SDS is being taken out of the system"
	case api.RemovalLeaving:
		if s.current(n) && n.Report.Step != "" {
			if c := condition(n, n.Report.Step); c != nil {
				return "Leaving", n.Report.Step + ": " + c.Message
			}
		}
		return "Leaving", "its agent takes away what it put there"
	case api.RemovalDone:
		text = "removed by " + n.Removal.Author
		if c := condition(n, stepRemoveLeftovers); c != nil {
			text += "; " + c.Message
		}
		return "Removed", text
	}
	return "", ""
}
