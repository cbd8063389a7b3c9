package decide

import (
	"fmt"
	"slices"
	"strings"

	"scaleio-framework/scheduler/api"
)

// stepInstallSDC is a step of every node, and after it there is something installed.
const stepInstallSDC = "install-sdc"

// preflight is what a node is told about it.
func preflight(s *State, n *Node) *api.Preflight {
	return &api.Preflight{Done: s.Cluster.PeersChecked || s.Cluster.Open(api.GateMDMsInstalled), Refused: refusals(s, n)}
}

// peersReached: every node that is to carry an MDM reaches the others, by a report for its present orders. Then all of them may install, and it is never asked again: what
// a firewall does later is no reason to stop a storage that runs.
func peersReached(s *State, c *Cluster) bool {
	return len(c.MDMs) > 0 && len(notReached(s, c)) == 0
}

func notReached(s *State, c *Cluster) []api.MDM {
	return slices.DeleteFunc(slices.Clone(c.MDMs), func(m api.MDM) bool {
		n := s.Nodes[m.Node]
		if !s.current(n) {
			return false
		}
		seen := condition(n, api.StepCheckPeers)
		if seen == nil {
			return n.looked() && passed(n) // an agent of a version that doesn't check
		}
		return seen.Generation == n.Report.Version.Generation && (seen.Status == api.True || seen.Reason == api.ReasonPeersReached)
	})
}

// apart are those that said that they don't reach the others, or not yet.
func apart(s *State, c *Cluster) []api.MDM {
	if c.PeersChecked {
		return nil
	}
	return slices.DeleteFunc(notReached(s, c), func(m api.MDM) bool { return condition(s.Nodes[m.Node], api.StepCheckPeers) == nil })
}

// refusals are what the scheduler alone sees against installing on a node. Once something is installed there, they are told no more.
func refusals(s *State, n *Node) (all []api.Refusal) {
	if n.Report == nil || holds(n, stepInstallSDC) || len(n.Report.Addresses) == 0 {
		return nil
	}
	if n.Skew.Abs() > maxSkew {
		all = append(all, api.Refusal{Reason: api.ConditionClockSkew, Message: fmt.Sprintf("its clock is more than %s off the scheduler's: have both follow the same time servers (chrony, systemd-timesyncd)", maxSkew)})
	}
	var hosts, addresses []string
	sameHost := func(o *Node) bool { return o.Hostname != "" && o.Hostname == n.Hostname }
	sameAddress := func(o *Node) bool {
		return len(o.Report.Addresses) > 0 && o.Report.Addresses[0] == n.Report.Addresses[0]
	}
	for _, other := range those(s.Nodes, func(o *Node) bool {
		return o != n && s.live(o) && o.RemovalOf() != api.RemovalDone && (sameHost(o) || sameAddress(o))
	}) {
		if sameHost(other) {
			hosts = append(hosts, other.Name)
		}
		if sameAddress(other) {
			addresses = append(addresses, other.Name)
		}
	}
	if len(hosts) > 0 {
		all = append(all, api.Refusal{Reason: "NameConflict", Message: fmt.Sprintf("its host name %s is that of %s, too: give one of them another", n.Hostname, strings.Join(hosts, ", "))})
	}
	if len(addresses) > 0 {
		all = append(all, api.Refusal{Reason: "AddressConflict", Message: fmt.Sprintf("its address %s is that of %s, too: give one of them another", n.Report.Addresses[0], strings.Join(addresses, ", "))})
	}
	return all
}
