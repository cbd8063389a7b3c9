package decide

import (
	"fmt"
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
)

// ForReboot is what the holder of the disruption lease got it for, where that is no component.
const ForReboot = "reboot"

func wantsReboot(n *Node) bool {
	return n != nil && n.Report != nil && slices.Contains(n.Report.Wants, api.LeaseReboot)
}

// rebooter is the node that may be rebooted, or is being; nil = none.
func (s *State) rebooter() *Node {
	if s.Leases.For != ForReboot {
		return nil
	}
	return s.Nodes[s.Leases.Disruption]
}

// rebootEnds gives the lease back, or over to what else the holder wants. After a reboot the storage has a word before: the SDS is connected and out of our
// maintenance, and what it missed is copied. A node that hasn't gone down gives it back too when its window closes, somebody holds it or its time is over, so that
// a window's end stops what hasn't begun, nobody else waits for that node, and the next time that it gets the right has its own.
func rebootEnds(s *State, n *Node) Leases {
	l := s.Leases
	if intends(n, IntentRestartMesos, IntentReboot, IntentUpgrade) || l.Service != nil || !s.current(n) {
		return l
	}
	switch back := n.Report.BootID != l.Boot; {
	case !back && !n.stays, !back && wantsReboot(n) && s.Held(n) == nil && s.windowClosed() == "" && !s.late(), back && notSafe(s) != "":
		return l
	}
	if whole(n) {
		return Undisrupted(s)
	}
	if next := turn(s, n); next != "" || slices.Contains(n.Report.Wants, api.LeaseDisruption) {
		l = Undisrupted(s)
		l.Disruption, l.Boot, l.For = n.ID, n.Report.BootID, next
	}
	return l
}

func (s *State) windowClosed() string {
	w := s.Settings.RebootWindow
	if w.Open(s.Now) {
		return ""
	}
	text := fmt.Sprintf("it is outside of the reboot window (%s)", w)
	if next := w.Next(s.Now); !next.IsZero() {
		text += ", which opens at " + next.Format("Mon 2006-01-02 15:04 MST")
	}
	return text
}

// mayNotReboot says what stands against the holder's reboot beside its own part in the cluster: what would keep it from beginning anew.
func mayNotReboot(s *State, n *Node) string {
	switch {
	case !wantsReboot(n):
		return "it wants no reboot any more"
	case s.Held(n) != nil:
		return "held"
	case s.late():
		return "it had its time"
	}
	if why := s.windowClosed(); why != "" {
		return why
	}
	return notSafe(s)
}

// rebootWaits says what the holder waits for before it may go down: its MDM hands its part over, its SDS is in maintenance.
func rebootWaits(s *State, n *Node) string {
	if why := mayNotReboot(s, n); why != "" {
		return why
	}
	if mayLead(s, n) {
		if handOver(s) == "" {
			return "its MDM is master, and no other manager is in step to take that over"
		}
		return "its MDM is master, and hands that over first"
	}
	if mute(s, n) {
		return "its MDM doesn't say whether it is master"
	}
	if m := s.Leases.Service; m != nil && m.Leave { // also where the leader's sample still shows it there
		return "its SDS leaves maintenance first"
	}
	if sds := sdsOf(s, n); sds != nil && !sds.InMaint {
		return "its SDS goes into maintenance first"
	}
	return ""
}

// mute: a node's MDM gave no answer, or none that says what it is. It may be master still.
func mute(s *State, n *Node) bool {
	return s.Cluster.SystemID != "" && s.Role(n).MDM() && (n.Report.MDM == nil || !n.Report.MDM.InCluster)
}

// sdsOf a node, as the leader sees it.
func sdsOf(s *State, n *Node) *api.SDSView {
	if view := Storage(s, n); view != nil {
		return view.SDS
	}
	return nil
}

// MayReboot says whether the holder of the disruption lease may reboot now: once. What is left to do after it asks for no right.
func MayReboot(s *State, n *Node) bool {
	return n != nil && s.rebooter() == n && rebootWaits(s, n) == "" && n.Report.BootID == s.Leases.Boot
}

// Told a node an answer. One with the right to reboot may be followed by its going down at once, without a word. It stays where it is once it reports that it saw a later
// answer, without the right, and no note of a reboot: it makes that first, and then looks at its right again. After our own start that isn't known of any.
func (n *Node) Told(a api.Answer) {
	if slices.ContainsFunc(a.Leases, func(l api.Lease) bool { return l.Name == api.LeaseReboot }) {
		n.stays, n.barred = false, ""
		return
	}
	n.barred = a.ETag
}

// Shows by its report which answer it saw last, and what it is at.
func (n *Node) Shows(r *api.Report) {
	n.stays = n.stays || n.barred != "" && n.barred == r.Seen && !r.Unread
}

// late: the holder of the lease to reboot isn't what it was in time.
func (s *State) late() bool {
	within := s.Settings.RebootWithin
	return s.rebooter() != nil && within > 0 && s.Now.Sub(s.Leases.Since) >= within
}

// Late says whether people are to be told that the node which was to reboot isn't back. No other is interrupted until it is, or an operator releases the lease. One
// that is heard, whole, and never began just gives the right back.
func Late(s *State) bool { return s.overdue() && !s.Leases.Late }

func (s *State) overdue() bool {
	n := s.rebooter()
	return s.late() && (!s.live(n) || intends(n, IntentReboot) || n.Report.BootID != s.Leases.Boot || !whole(n) || s.deaf(n))
}

// deaf: the holder tells of itself, and never that it heard that its right is over, or that nothing of a reboot is noted.
func (s *State) deaf(n *Node) bool {
	return !n.stays && s.Now.Sub(s.Leases.Since) >= s.Settings.RebootWithin+Alive
}

// rebootState for people.
func rebootState(s *State, n *Node) string {
	switch {
	case s.Silent(n) > 0:
		return fmt.Sprintf("it went down and isn't heard for %s", s.Silent(n).Round(time.Second))
	case intends(n, IntentReboot) && n.Report.BootID == s.Leases.Boot:
		return "it goes down"
	case s.late() && s.deaf(n) && n.Report.BootID == s.Leases.Boot:
		return "it doesn't say that it heard that its right is over, or can't read its notes: see its agent's log"
	case n.Report != nil && n.Report.BootID == s.Leases.Boot:
		if why := rebootWaits(s, n); why != "" {
			return "before its reboot: " + why
		}
		return "it may reboot now"
	case s.Leases.Service != nil:
		return "it is up again: its SDS leaves maintenance"
	case n.Report == nil || !whole(n) || !s.current(n):
		return "it is up again and isn't Ready yet"
	}
	if why := notSafe(s); why != "" {
		return "it is up again and Ready; " + why
	}
	return "it is up again"
}

// Interruption for people; nil = nobody has the right.
func Interruption(s *State) *api.InterruptionView {
	n := s.Nodes[s.Leases.Disruption]
	if n == nil {
		return nil
	}
	v := &api.InterruptionView{Node: n.Name, For: s.Leases.For, Since: s.Leases.Since.UTC().Truncate(time.Second)}
	switch v.For {
	case ForReboot:
		v.State, v.Late = rebootState(s, n), s.overdue()
	case "":
		v.State, v.Since = "its Mesos agent may be restarted", time.Time{}
	default:
		v.State, v.Since = v.For+" is upgraded", time.Time{}
	}
	if s.Leases.Since.IsZero() {
		v.Since = time.Time{}
	}
	return v
}

// planReboots lists the nodes that wait for theirs, and what the first waits for.
func planReboots(s *State, add func(node, act, why string, permanent bool)) {
	for _, n := range those(s.Nodes, wantsReboot) {
		why := "waits: "
		switch holder := s.Leases.Disruption; {
		case holder == n.ID && s.Leases.For == ForReboot:
			why = rebootState(s, n)
		case s.Held(n) != nil:
			why += "held"
		case s.windowClosed() != "":
			why += s.windowClosed()
		case holder != "":
			why += "the disruption lease is with " + nameOf(s, holder)
		case notSafe(s) != "":
			why += notSafe(s)
		default:
			why = "now"
		}
		add(n.Name, "reboot", why, false)
	}
}

// InterruptedFor ends a sentence about what a node may be interrupted.
func InterruptedFor(what string) string {
	switch what {
	case "":
		return ""
	case ForReboot:
		return " to reboot"
	}
	return " to upgrade " + what
}
