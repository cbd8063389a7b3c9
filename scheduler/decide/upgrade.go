package decide

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
)

// upgradeOrder of the components is the product's own: a newer MDM serves older SDSs and SDCs, nobody promises the reverse. So the whole cluster is done with one
// before the next begins, and a node is interrupted once for each.
var upgradeOrder = []string{"gateway", "mdm", "sds", "sdc"}

// IntentUpgrade is the record that a node writes before it upgrades the component that is its subject.
const IntentUpgrade = "upgrade"

const stepFetchUpgrades = "fetch-upgrades"

// Reasons of a node's steps: it waits to upgrade, and an agent of the version before leaves that to people.
const (
	reasonUpgradeWaits = "UpgradeWaits"
	reasonOlder        = "OlderVersion"
)

// settleTime is what a sample of the storage has to be younger than the end of an interruption: a daemon that was away for a second may not have been missed at once.
const settleTime = 3 * time.Second

// An upgrade that a node asks for.
type upgrade struct {
	node      *Node
	component string
	begun     bool
}

func stepUpgrade(component string) string { return "upgrade-" + component }

// upgrades that nodes ask for, in the order in which they come.
func upgrades(s *State) []upgrade {
	var all []upgrade
	for _, n := range s.Nodes {
		all = append(all, s.upgradesOf(n)...)
	}
	slices.SortFunc(all, s.before)
	return all
}

func (s *State) upgradesOf(n *Node) (all []upgrade) {
	if n.Report == nil || !slices.ContainsFunc(n.Report.Wants, isUpgrade) || !s.live(n) || n.Removal != nil || n.Revoked || n.Conflict != "" || s.Held(n) != nil {
		return nil
	}
	for _, c := range upgradeOrder {
		if wants(n, c) {
			all = append(all, upgrade{n, c, n.upgrading(c)})
		}
	}
	return all
}

// before orders: what was begun, then by component, and of each the node of the master MDM last.
func (s *State) before(a, b upgrade) int {
	return cmp.Or(first(s.granted(a), s.granted(b)), first(a.begun, b.begun),
		cmp.Compare(slices.Index(upgradeOrder, a.component), slices.Index(upgradeOrder, b.component)),
		cmp.Compare(weight(s, a.node), weight(s, b.node)), strings.Compare(a.node.Name, b.node.Name), strings.Compare(a.node.ID, b.node.ID))
}

func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func isUpgrade(l api.LeaseName) bool {
	return strings.HasPrefix(string(l), string(api.UpgradeLease("")))
}

func wants(n *Node, component string) bool {
	return n.Report != nil && slices.Contains(n.Report.Wants, api.UpgradeLease(component))
}

func (n *Node) upgrading(component string) bool {
	return n.Report != nil && slices.ContainsFunc(n.Report.Intents, func(i api.Intent) bool { return i.Kind == IntentUpgrade && i.Subject == component })
}

// granted: it is what the holder of the lease was given it for. Nothing comes before that: the node may be about to begin.
func (s *State) granted(u upgrade) bool {
	return s.Leases.Disruption == u.node.ID && s.Leases.For == u.component
}

// weight of a node: the more hangs on its MDM, the later.
func weight(s *State, n *Node) int {
	switch {
	case n.Report.MDM != nil && n.Report.MDM.Master:
		return 3
	case s.Role(n) == api.RoleManager:
		return 2
	case s.Role(n) == api.RoleTieBreaker:
		return 1
	}
	return 0
}

// turn is the component that a node is to upgrade next; "" while it is another's turn.
func turn(s *State, n *Node) string {
	if next, ahead := queued(s, n, 1); ahead == 0 {
		return next
	}
	return ""
}

// queued gives the component that a node is to upgrade first, and how many upgrades come before that, or enough of them. It is asked with every report, so nothing
// is sorted.
func queued(s *State, n *Node, enough int) (component string, ahead int) {
	own := s.upgradesOf(n)
	if len(own) == 0 {
		return "", enough
	}
	next := slices.MinFunc(own, s.before)
	for _, other := range s.Nodes {
		for _, u := range s.upgradesOf(other) {
			if s.before(u, next) < 0 {
				if ahead++; ahead == enough {
					return next.component, ahead
				}
			}
		}
	}
	return next.component, ahead
}

// soonUp says whether a node's turn may come before it would report again at rest.
func soonUp(s *State, n *Node) bool {
	const enough = 8
	_, ahead := queued(s, n, enough)
	return ahead < enough
}

// upgradeWaits says why a node's upgrade may not begin, beside what the storage says: the order holds only if all were heard who take part in it.
func upgradeWaits(s *State, who *Node, component string) string {
	if who.upgrading(component) { // what was begun comes to its end
		component = ""
	}
	for _, n := range byName(s.Nodes) {
		if why := s.behind(n, component); why != "" {
			return why
		}
		switch {
		case !s.Role(n).Storage() || n.Removal != nil || n.Conflict != "" || s.Held(n) != nil:
		case !s.live(n):
			return n.Name + " isn't heard, and may have to be upgraded before"
		case !s.current(n) || !passed(n), !n.Report.Ready && condition(n, stepFetchUpgrades) == nil: // an agent that was restarted knows the orders before it looks
			return n.Name + " hasn't looked at its newest orders yet"
		}
	}
	return ""
}

// behind says what of a node is to be upgraded before a component of any node, and can't be yet: its package isn't fetched, a person masked its daemon. An agent of
// the version before upgrades nothing.
func (s *State) behind(n *Node, component string) string {
	if n.Removal != nil || n.Conflict != "" || s.Held(n) != nil {
		return ""
	}
	for _, c := range upgradeOrder[:max(0, slices.Index(upgradeOrder, component))] {
		if cond := condition(n, stepUpgrade(c)); cond != nil && cond.Reason == reasonUpgradeWaits && !wants(n, c) {
			return fmt.Sprintf("%s comes before and can't yet: %s", n.Name, cond.Message)
		}
		if cond := condition(n, "install-"+c); cond != nil && cond.Reason == reasonOlder {
			return fmt.Sprintf("%s comes before and can't yet: %s", n.Name, cond.Message)
		}
	}
	return ""
}

// MayUpgrade gives the component that the holder of the disruption lease may upgrade now; "" = none. A master hands its part over first.
func MayUpgrade(s *State, n *Node) string {
	if s.Leases.Disruption != n.ID || s.rebooter() == n {
		return ""
	}
	component := turn(s, n)
	if component == "" || s.Held(n) != nil || notSafe(s) != "" || upgradeWaits(s, n, component) != "" {
		return ""
	}
	if component == "mdm" && (mayLead(s, n) || mute(s, n) && !n.upgrading("mdm")) { // what has begun makes its MDM silent by itself
		return ""
	}
	return component
}

// handOver names the MDM that is to become master, while the master's node holds the lease to upgrade its own or to reboot. It doesn't ask whether all nodes follow their newest
// orders: this is part of one. Also of an upgrade that was begun and changed nothing yet: the part may have come back to it meanwhile, and it doesn't go on before.
func handOver(s *State) string {
	n := s.Nodes[s.Leases.Disruption]
	if n == nil || !mayLead(s, n) || s.Held(n) != nil || notSafe(s) != "" {
		return ""
	}
	if s.rebooter() == n && (mayNotReboot(s, n) != "" || intends(n, IntentReboot)) || s.rebooter() != n && turn(s, n) != "mdm" {
		return ""
	}
	for _, m := range s.Cluster.MDMs {
		if m.Role == api.RoleManager && m.Node != n.ID && s.View != nil && slices.ContainsFunc(s.View.Members, func(x api.MDMMember) bool {
			return x.Name == m.Name && x.Role == "slave" && x.Status == "Normal"
		}) {
			return m.Name
		}
	}
	return ""
}

// upgradeBehind is the upgrade that a step waits for, whose own message says what is wrong; else the step.
func upgradeBehind(n *Node, step string) string {
	for _, c := range upgradeOrder {
		if step == "install-"+c && n.upgrading(c) && condition(n, stepUpgrade(c)) != nil {
			return stepUpgrade(c)
		}
	}
	return step
}

// planUpgrades lists them in their order, and what keeps the first from beginning.
func planUpgrades(s *State, add func(node, act, why string, permanent bool)) {
	for i, u := range upgrades(s) {
		why := "after the one before, while the storage is healthy"
		if i == 0 {
			why = upgradeState(s, u)
		}
		if c := condition(u.node, stepUpgrade(u.component)); c != nil && u.begun {
			why = c.Message
		} else if c != nil {
			text, _, _ := strings.Cut(c.Message, ": ")
			why = text + "; " + why
		}
		if u.component == "mdm" && mayLead(s, u.node) {
			why += "; it is master, and hands that over before"
		}
		add(u.node.Name, "upgrade "+u.component, why, false)
	}
}

func upgradeState(s *State, u upgrade) string {
	holder := s.Leases.Disruption
	switch {
	case u.begun:
		return "begun"
	case holder != "" && holder != u.node.ID:
		return "waits: the disruption lease is with " + nameOf(s, holder)
	}
	for _, why := range []string{upgradeWaits(s, u.node, u.component), notSafe(s)} {
		if why != "" {
			return "waits: " + why
		}
	}
	if draining(s) != "" {
		return fmt.Sprintf("waits: %s is being removed", draining(s))
	}
	return "now"
}
