package decide

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
)

// leastFullWave is the size up to which waves double; beyond it they are a tenth of the cluster.
const leastFullWave = 64

// left are the nodes that are still to be given the target. Silent ones aren't waited for: they find it when they come back.
func (s *State) left() (left []*Node) {
	r := s.Rollout
	waved := map[string]string{}
	for v, t := range r.Versions {
		waved[v] = t.waved()
	}
	for _, n := range s.Nodes {
		switch {
		case waved[r.version(n)] == waved[r.Target], r.failed(n):
		case !s.live(n) || s.Held(n) != nil || n.Removal != nil || n.Revoked || n.Conflict != "":
		default:
			left = append(left, n)
		}
	}
	return left
}

// unheard: a node may be about to report to a process that was just started; before that it is neither in a wave nor silent.
func (s *State) unheard() bool { return s.unheardSince(s.Rollout.Begun) }

// unheardSince this process took something up.
func (s *State) unheardSince(begun time.Time) bool {
	if s.Now.Sub(begun) > 3*api.RestPoll/2 {
		return false
	}
	for _, n := range s.Nodes {
		if n.SeenAt.IsZero() && n.Removal == nil && !n.Revoked && n.Conflict == "" {
			return true
		}
	}
	return false
}

// next wave.
func (r *Rollout) next(s *State, left []*Node, out *Rolling) {
	slices.SortFunc(left, func(a, b *Node) int {
		return cmp.Or(first(whole(a), whole(b)), first(s.Role(a) == api.RoleData, s.Role(b) == api.RoleData),
			cmp.Compare(weight(s, a), weight(s, b)), strings.Compare(s.domain(a), s.domain(b)), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	r.Calm = time.Time{}
	r.Wave++
	var chosen []*Node
	switch r.Wave {
	case 0:
		chosen = left[:1]
	case 1:
		chosen = s.besideCanary(left)
		if len(chosen) > 0 {
			break
		}
		r.Wave++
		fallthrough
	default:
		chosen = left[:min(len(left), r.size(s))]
	}
	var all []string
	for _, n := range chosen {
		out.Turns[n.ID] = Turn{Version: r.Target, Rollout: r.Number, Wave: r.Wave, Whole: whole(n), Since: s.Now}
		all = append(all, n.Name)
	}
	out.Again = time.Second
	out.tell(s, "", "RolloutWave", short(fmt.Sprintf("wave %d of %s goes to %s", r.Wave, r.Versions[r.Target].describe(r.Versions[r.Base]), strings.Join(all, ", "))))
}

// besideCanary are the nodes of its failure domain.
func (s *State) besideCanary(left []*Node) (same []*Node) {
	for _, c := range s.Nodes {
		if c.Turn.Rollout != s.Rollout.Number || c.Turn.Wave != 0 {
			continue
		}
		for _, n := range left {
			if s.domain(n) == s.domain(c) {
				same = append(same, n)
			}
		}
	}
	return same
}

// size of a wave: as many as have it.
func (r *Rollout) size(s *State) int {
	given := 0
	for _, n := range s.Nodes {
		if n.Turn.Rollout == r.Number && n.Turn.Failed == "" {
			given++
		}
	}
	return min(max(2, given), max(leastFullWave, len(s.Nodes)/10))
}
