package decide

import (
	"fmt"
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
)

// Leader renews or grants the leader's lease to a node that just reported. Only a node whose MDM is master of our system gets it, and only
// once the lease of another has run out on its holder's clock: that clock started before ours, when the report was sent.
func Leader(s *State, n *Node) Leases {
	l := s.Leases
	if !mayLead(s, n) || l.Leader != n.ID && l.Leader != "" && s.Now.Before(l.LeaderUntil) {
		return l
	}
	l.Leader, l.LeaderUntil = n.ID, s.Now.Add(api.LeaderLeaseTTL)
	return l
}

// mayLead: a node that we chose as manager says that its MDM is master. What a node says of itself is not enough: the lease brings the admin password.
func mayLead(s *State, n *Node) bool {
	if s.Cluster.SystemID == "" || n.Report == nil || n.Report.MDM == nil || n.Revoked || n.Conflict != "" || s.Role(n) != api.RoleManager {
		return false
	}
	m := n.Report.MDM
	return m.Master && m.InCluster && m.Unknown == "" && m.SystemID == s.Cluster.SystemID
}

// Leads says whether a node holds the lease and reported as master in its last report.
func (s *State) Leads(n *Node) bool {
	return s.Leases.Leader == n.ID && s.Now.Before(s.Leases.LeaderUntil) && mayLead(s, n)
}

// MayLeadSoon says that a node waits for the leader's lease: its MDM is master, and the lease of the former one has yet to run out.
func MayLeadSoon(s *State, n *Node) bool { return mayLead(s, n) && !s.Leads(n) }

// NoLead says to a manager that nobody leads: the master may have died, and a node at rest would look at its own MDM only a minute later.
func NoLead(s *State, n *Node) bool {
	return s.Cluster.SystemID != "" && s.Role(n) == api.RoleManager && !(s.Leases.Leader != "" && s.Now.Before(s.Leases.LeaderUntil))
}

// Disruption grants or takes back the one right to interrupt a node. There is no timeout: its holder may be rebooting. It comes back on
// evidence, when the holder reports that it is Ready, wants it no more and is at nothing that it began under it, or by an operator. A node that
// is to reboot looks Ready until it goes down: its intent tells the difference, and it takes that back only after it came up with another boot id.
func Disruption(s *State, n *Node) (l Leases, why string) {
	l = s.Leases
	if s.rebooter() == n {
		return rebootEnds(s, n), ""
	}
	upgrades := turn(s, n)
	wants := upgrades != "" || n.Report != nil && slices.Contains(n.Report.Wants, api.LeaseDisruption)
	if l.Disruption == n.ID {
		if l.For != upgrades {
			l.For, l.After = upgrades, s.Now // what it was for is done, or was undone: older samples know nothing of that
		}
		if !wants && s.current(n) && whole(n) && !intends(n, IntentRestartMesos, IntentReboot, IntentUpgrade) {
			l = Undisrupted(s)
		}
		return l, ""
	}
	if !wants && !wantsReboot(n) {
		return l, ""
	}
	if why = mayNotInterrupt(s, n, upgrades, !wants); why != "" {
		return l, why
	}
	l.Disruption, l.Boot, l.For = n.ID, n.Report.BootID, upgrades
	if !wants {
		l.For, l.Since = ForReboot, s.Now
	}
	return l, ""
}

func mayNotInterrupt(s *State, n *Node, upgrades string, reboot bool) string {
	switch {
	case s.Leases.Disruption != "":
		return "the disruption lease is with " + nameOf(s, s.Leases.Disruption)
	case s.Leases.Service != nil:
		return "SDS " + s.Leases.Service.Name + " leaves maintenance"
	case s.Held(n) != nil:
		return "held"
	case draining(s) != "":
		return draining(s) + " is being removed"
	case reboot && s.windowClosed() != "":
		return s.windowClosed()
	}
	if why := notSafe(s); why != "" || upgrades == "" {
		return why
	}
	return upgradeWaits(s, n, upgrades)
}

// whole: nothing on the node lacks but a reboot that is people's: a new driver works from the next boot while volumes keep the old one in use, and the others needn't
// wait for that.
func whole(n *Node) bool {
	if n.Report.Ready {
		return true
	}
	reboot := false
	for c := range n.Conditions() {
		switch {
		case c.Type == api.ConditionUnsupportedSpec, c.Type == api.ConditionNotJoined, c.Type == api.ConditionIdentityConflict:
			return false
		case c.Status == api.True, c.Reason == api.ReasonWaitingForStep:
		case c.Reason == reasonRebootNeeded, c.Reason == reasonRebootHeld:
			reboot = true
		default:
			return false
		}
	}
	return reboot && passed(n)
}

// Undisrupted are the leases without that to interrupt a node. What it interrupted is to be seen by a sample that is younger.
func Undisrupted(s *State) Leases {
	l := s.Leases
	return Leases{Leader: l.Leader, LeaderUntil: l.LeaderUntil, Service: l.Service, After: s.Now}
}

// Released by a person, who may not know that the holder hears nobody: for as long as it may still use its right, nobody else gets one.
func Released(s *State) Leases {
	l := Undisrupted(s)
	l.After = s.Now.Add(api.WordLife)
	return l
}

// draining names the node whose data is on the way out: until it is, no other may be missed.
func draining(s *State) string {
	for _, n := range those(s.Nodes, func(n *Node) bool { return n.RemovalOf() == api.RemovalDraining }) {
		return n.Name
	}
	return ""
}

// notSafe says why no node may be interrupted now. Before there is a ScaleIO system there is nothing to lose. Whether there is one, its id says and not a gate: a restored state may
// know the one and be from before the other opened, while there is data by now.
func notSafe(s *State) string {
	if s.Cluster.SystemID == "" && !s.Cluster.Open(api.GateClusterFormed) {
		for _, n := range those(s.Nodes, func(n *Node) bool { return n.Report != nil && n.Report.MDM != nil && n.Report.MDM.InCluster }) {
			return n.Name + " is in an MDM cluster already, and whose that is isn't known yet"
		}
		return ""
	}
	if s.View == nil || s.View.From != s.Leases.Leader {
		return "the leader's view of the storage isn't there"
	}
	if s.View.Pool == nil && (s.Cluster.Open(api.GatePoolReady) || s.Cluster.Epoch > 1) { // its gateway is away: it sees the MDMs alone
		return "the leader's sample shows no pool"
	}
	ours := ""
	if s.Leases.Service != nil && s.Leases.Service.Node == s.Leases.Disruption {
		ours = s.Leases.Service.SDS
	}
	if why := StorageGate(s.View.ClusterView, s.Now.Sub(s.View.At), ours); why != "" {
		return why
	}
	if after := s.Leases.After; !after.IsZero() && s.View.At.Before(after.Add(settleTime)) {
		return "the leader's sample is from before the end of the last interruption"
	}
	return ""
}

// Reasons of steps that only a reboot would end.
const (
	reasonRebootNeeded = "RebootNeeded"
	reasonRebootHeld   = "RebootHeld"
)

// Intents of what is done under the disruption lease: a node reports them from before it begins until all is as it was.
const (
	IntentRestartMesos = "restart-mesos-agent"
	IntentReboot       = "reboot"
)

func intends(n *Node, kinds ...string) bool {
	return n.Report != nil && slices.ContainsFunc(n.Report.Intents, func(i api.Intent) bool { return slices.Contains(kinds, i.Kind) })
}

// begun says whether the holder is past the point where it could still leave it. A reboot is at that point only when the node comes up again.
func begun(s *State, n *Node) bool {
	return intends(n, IntentRestartMesos) || intends(n, IntentReboot) && n.Report.BootID != s.Leases.Boot
}

// MayInterrupt says whether the holder of the disruption lease may use it now. The lease was given on a sample of then and never times out, so
// until its holder has begun the storage is judged anew with every answer; what has begun goes on to its end.
func MayInterrupt(s *State, n *Node) bool {
	if s.Leases.Disruption != n.ID || s.rebooter() == n && !intends(n, IntentRestartMesos) {
		return false
	}
	return begun(s, n) || s.Held(n) == nil && notSafe(s) == ""
}

// SampleLife is how old a sample may be that an interruption rests on.
const SampleLife = 10 * time.Second

// StorageGate is the one judgement of whether the storage can lose a node now: "" or what is wrong. The one SDS that may be in maintenance is the one that we put
// there, for the node that is to be interrupted.
func StorageGate(v *api.ClusterView, age time.Duration, ours string) string {
	switch {
	case age > SampleLife:
		return fmt.Sprintf("the last sample is %s old", age.Round(time.Second))
	case v.State != "Normal":
		return "the MDM cluster is " + v.State
	}
	for _, sds := range v.SDSs {
		switch {
		case sds.Removing:
			return fmt.Sprintf("data of SDS %s is on the way out", sds.Name)
		case sds.InMaint && (ours == "" || sds.ID != ours):
			return fmt.Sprintf("SDS %s is in maintenance", sds.Name)
		case sds.Connection != "Connected":
			return fmt.Sprintf("SDS %s is %s", sds.Name, sds.Connection)
		}
	}
	if v.Pool == nil {
		return ""
	}
	p := v.Pool
	switch {
	case p.FailedBytes != 0:
		return fmt.Sprintf("%d bytes are failed", p.FailedBytes)
	case p.DegradedBytes != 0:
		return fmt.Sprintf("%d bytes are degraded", p.DegradedBytes)
	case p.UnreachedBytes != 0:
		return fmt.Sprintf("%d bytes are unreachable", p.UnreachedBytes)
	case p.RebuildBytes != 0:
		return fmt.Sprintf("%d bytes are being rebuilt", p.RebuildBytes)
	}
	if p.RawBytes > 0 && int64(SparePercent(inPool(v))) > int64(p.SparePercent) {
		return fmt.Sprintf("%d %% spare don't cover the largest fault unit", p.SparePercent)
	}
	return ""
}
