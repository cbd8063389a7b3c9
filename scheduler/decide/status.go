package decide

import (
	"fmt"
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
)

// Status is what people see, nodes in order of their names.
func Status(s *State, waiting string) api.ClusterStatus {
	c := &s.Cluster
	status := api.ClusterStatus{
		Cluster: c.ID, Name: s.Settings.ClusterName, Waiting: waiting, Gates: append([]api.Gate{}, c.Gates...), SystemID: c.SystemID,
		Hold: s.Held(nil), Nodes: []api.NodeStatus{},
	}
	if n := s.Nodes[s.Leases.Leader]; n != nil && s.Now.Before(s.Leases.LeaderUntil) {
		status.Leader = n.Name
	}
	if r := c.ReadOnly; r != nil {
		status.ReadOnly = fmt.Sprintf("an answer of the product on %s isn't understood: %s", nameOf(s, r.Node), r.Text)
	}
	status.Ready = c.Open(api.GatePoolReady) && len(s.Nodes) > 0 && len(s.Expected) == 0
	seen := allOwners(s)
	for _, n := range byName(s.Nodes) {
		line := nodeStatus(s, n, seen)
		status.Ready = status.Ready && (line.Ready || n.RemovalOf() == api.RemovalDone)
		status.Nodes = append(status.Nodes, line)
	}
	if s.View != nil {
		view := *s.View.ClusterView
		view.AgeMS = s.Now.Sub(s.View.At).Milliseconds()
		view.Claims = nil
		status.Storage = &view
		status.Ready = status.Ready && view.State == "Normal"
	} else {
		status.Ready = false
	}
	status.Growth, status.Rollout, status.Interruption = GrowthOf(s), rolloutView(s), Interruption(s)
	return status
}

// maxSkew of a node's clock against ours that isn't worth a word.
const maxSkew = 30 * time.Second

func nodeStatus(s *State, n *Node, seen map[string][]string) api.NodeStatus {
	line := api.NodeStatus{
		Node: n.ID, Name: n.Name, Hostname: n.Hostname, Role: s.Role(n), FaultDomain: n.Domain, Ready: Ready(s, n),
	}
	if !n.SeenAt.IsZero() {
		line.LastSeen = n.SeenAt.UTC().Truncate(time.Second)
	}
	if r := n.Report; r != nil {
		line.Step, line.Conditions, line.Disks, line.Agent = r.Step, slices.Collect(n.Conditions()), showDisks(s, n, seen), r.Agent
		if len(r.Addresses) > 0 {
			line.Address = r.Addresses[0]
		}
		line.Step = upgradeBehind(n, r.Step)
		if c := condition(n, line.Step); c != nil {
			line.Reason, line.Message = c.Reason, c.Message
		}
	}
	if view := Storage(s, n); view != nil {
		line.SDS = view.SDS
	}
	if n.Skew.Abs() > maxSkew {
		line.Conditions = append(line.Conditions, api.Condition{
			Type: api.ConditionClockSkew, Status: api.True, Reason: api.ConditionClockSkew,
			Message: fmt.Sprintf("its clock is %s off ours; certificates and logs suffer, leases don't", n.Skew), Generation: n.Generation,
		})
	}
	override(s, n, &line)
	return line
}

// showDisks as the node reports them, and what only the cluster as a whole can see against one.
func showDisks(s *State, n *Node, seen map[string][]string) []api.Disk {
	why := duplicates(s, n, seen)
	if len(why) == 0 {
		return n.Report.Disks
	}
	all := slices.Clone(n.Report.Disks)
	for i := range all {
		if text := why[all[i].ID]; text != "" && open(all[i]) {
			all[i].State, all[i].Reason, all[i].Message = api.DiskRefused, "DuplicateIdentity", text
		}
	}
	return all
}

// override puts what only the scheduler knows before what the node says.
func override(s *State, n *Node, line *api.NodeStatus) {
	set := func(reason, format string, a ...any) { line.Reason, line.Message = reason, fmt.Sprintf(format, a...) }
	line.Removal = n.RemovalOf()
	switch foreign := Foreign(&s.Cluster, n.Report); {
	case n.Removal != nil:
		line.Reason, line.Message = removalStatus(s, n)
	case n.Revoked:
		set("Revoked", "its key was revoked because its join token was used twice; release its identity to let it join again")
	case n.Conflict != "":
		set(api.ConditionIdentityConflict, "%s", n.Conflict)
	case foreign != "":
		set("ForeignSystem", "its MDM belongs to system %s, not to ours", foreign)
	case n.Moved != "":
		set("FaultDomainChanged", "it joined in %q and was seen in %q; a fault set can't be changed: put it back, or remove the node and add it again",
			n.Domain, n.Moved)
	case s.Held(n) != nil:
		set(api.ReasonHeld, "held by %s: %s", s.Held(n).Author, s.Held(n).Reason)
	case n.Report != nil && holds(n, api.ConditionHeld):
		set(api.ReasonHeld, "held on the node: %s", condition(n, api.ConditionHeld).Message)
	case n.Report == nil:
		set("NotReported", "joined, hasn't reported yet")
	case n.SeenAt.IsZero():
		set("NotSeen", "hasn't reported since this scheduler started")
	case s.Silent(n) > 0:
		set("Silent", "last report %s ago", s.Silent(n).Round(time.Second))
	case !line.Ready && n.Report.Ready:
		set("NewSpec", "hasn't answered its newest orders yet")
	}
}
