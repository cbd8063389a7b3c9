package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
)

// The MDM cluster: two managers and a tie-breaker, in three failure domains if there are as many.
var seats = []api.Role{api.RoleManager, api.RoleManager, api.RoleTieBreaker}

// chooseMDMs fills the seats. They are filled at once when nothing better can come (three failure domains, or every seat by a node that an
// operator pinned to it), else after the settling time. Waiting says what for; again, when to look.
func chooseMDMs(s *State) (chosen []api.MDM, waiting string, again time.Duration) {
	usable, refused := candidates(s)
	if !enough(usable) {
		return nil, tooFew(s, usable, refused), 0
	}
	if why := twoDomains(s); why != "" {
		return nil, why, 0
	}
	nodes, pinned := fill(s, usable)
	if !best(s, nodes, pinned) {
		if left := s.Settling.Add(s.Settings.Settle).Sub(s.Now); left > 0 {
			return nil, fmt.Sprintf("a better spread of the MDMs than %s; decided in %s", describe(s, nodes), left.Round(time.Second)), left
		}
	}
	for i, n := range nodes {
		chosen = append(chosen, api.MDM{Node: n.ID, Name: n.Name, Role: seats[i], IPs: n.Report.Addresses})
	}
	return chosen, "", 0
}

// candidates are nodes that *reported* as supported; offers and joins prove nothing.
func candidates(s *State) (usable []*Node, refused []string) {
	for _, n := range byName(s.Nodes) {
		switch {
		case !s.live(n):
			refused = append(refused, n.Name+" hasn't reported")
		case n.Revoked || n.Conflict != "":
			refused = append(refused, n.Name+" has an identity conflict")
		case n.Report.Platform.OS == "" && !n.Report.Platform.Supported && n.Report.Platform.Reason == "":
			refused = append(refused, n.Name+" is still looking at itself")
		case n.Report.Platform == (api.Platform{}):
			refused = append(refused, n.Name+" hasn't looked around yet")
		case !n.Report.Platform.Supported:
			refused = append(refused, fmt.Sprintf("%s isn't supported (%s)", n.Name, n.Report.Platform.Reason))
		case s.clientOnly(n):
			refused = append(refused, fmt.Sprintf("%s is a client (%s; allow-unsupported is off)", n.Name, n.Report.Platform.Pretty))
		case n.Pin == string(api.RoleData):
			refused = append(refused, n.Name+" is pinned to data")
		case n.TooSmall:
			refused = append(refused, n.Name+" is too small for an MDM")
		case len(n.Report.Addresses) == 0:
			refused = append(refused, n.Name+" reports no address")
		case s.Held(n) != nil:
			refused = append(refused, n.Name+" is held")
		default:
			usable = append(usable, n)
		}
	}
	return usable, refused
}

// enough: a node for each seat, and two that may carry a manager.
func enough(usable []*Node) bool {
	return len(usable) >= len(seats) && managing(usable) >= managerSeats
}

const managerSeats = 2

func managing(usable []*Node) (count int) {
	for _, n := range usable {
		if mayManage(n) {
			count++
		}
	}
	return count
}

func tooFew(s *State, usable []*Node, refused []string) string {
	lack := fmt.Sprintf("can carry an MDM (%d of %d there", len(usable), len(seats))
	missing := len(seats) - len(usable)
	if managers := managing(usable); managerSeats-managers > missing {
		missing = managerSeats - managers
		lack = fmt.Sprintf("can carry an MDM manager (%d of %d there", managers, managerSeats)
	}
	text := fmt.Sprintf("%d more nodes that %s", missing, lack)
	if missing == 1 {
		text = "1 more node that " + lack
	}
	if n := len(s.Expected); n > 0 {
		text += fmt.Sprintf(", %d placed but not joined", n)
	}
	if len(refused) > 5 {
		refused = append(refused[:5:5], fmt.Sprintf("and %d more", len(refused)-5))
	}
	if len(refused) > 0 {
		text += "; " + strings.Join(refused, ", ")
	}
	return text + ")"
}

// fill gives each seat to the candidate that suits best: pinned to it first, then in a failure domain that isn't used yet, then of a supported
// system, then by name. There are enough of them.
func fill(s *State, usable []*Node) (nodes []*Node, pinned int) {
	nodes = make([]*Node, len(seats))
	taken, domains := map[*Node]bool{}, map[string]bool{}
	spare := managing(usable) - managerSeats // how many that may manage can do something else
	seat := func(i int, suits func(*Node) bool) bool {
		var pick *Node
		for _, n := range usable {
			if taken[n] || seats[i] == api.RoleManager && !mayManage(n) || seats[i] != api.RoleManager && mayManage(n) && spare <= 0 || !suits(n) {
				continue
			}
			fresh := func(n *Node) bool { return !domains[s.domain(n)] }
			if pick == nil || fresh(n) && !fresh(pick) || fresh(n) == fresh(pick) && mayManage(n) && !mayManage(pick) {
				pick = n
			}
		}
		if pick == nil {
			return false
		}
		nodes[i], taken[pick], domains[s.domain(pick)] = pick, true, true
		return true
	}
	for i, role := range seats {
		if seat(i, func(n *Node) bool { return n.Pin == string(role) }) {
			pinned++
		}
	}
	for i := range seats {
		if nodes[i] == nil && !seat(i, func(n *Node) bool { return n.Pin == "" }) {
			seat(i, func(*Node) bool { return true }) // pinned to the other seat, which is full
		}
	}
	return nodes, pinned
}

// best: nothing that may still come would be chosen instead.
func best(s *State, nodes []*Node, pinned int) bool {
	if pinned == len(seats) {
		return true
	}
	for _, e := range s.Expected {
		if api.Role(e.Pin).MDM() {
			return false
		}
	}
	for _, n := range s.Nodes {
		if n.SeenAt.IsZero() && api.Role(n.Pin).MDM() {
			return false
		}
	}
	domains := map[string]bool{}
	for _, n := range nodes {
		if !mayManage(n) && len(s.Expected) > 0 {
			return false // a supported one may come
		}
		domains[s.domain(n)] = true
	}
	return len(domains) == len(seats)
}

// domain of a node for spreading. Without the attribute a node is alone; with it, nodes that lack it may share anything, so they share one.
func (s *State) domain(n *Node) string {
	if s.Settings.DomainAttribute == "" {
		return "node " + n.ID
	}
	return n.Domain
}

func describe(s *State, nodes []*Node) string {
	var parts []string
	for _, n := range nodes {
		part := n.Name
		if s.Settings.DomainAttribute != "" {
			part = fmt.Sprintf("%s in %s %q", n.Name, s.Settings.DomainAttribute, n.Domain)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// byName are all nodes in the order of their names.
func byName(nodes map[string]*Node) []*Node {
	return those(nodes, func(*Node) bool { return true })
}

// those that are wanted, in the order of their names: ten thousand are sorted in 20 ms, which each look would take.
func those(nodes map[string]*Node, wanted func(*Node) bool) (all []*Node) {
	for _, n := range nodes {
		if wanted(n) {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b *Node) int { return strings.Compare(a.Name, b.Name) })
	return all
}
