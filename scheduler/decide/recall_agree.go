package decide

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"scaleio-framework/scheduler/api"
)

// maxGrants of formation that any cluster came to.
const maxGrants = 1 << 20

// A witness is a node and what it remembers of the whole cluster. Only those with a role count: others were told nothing of it.
type witness struct {
	node *Node
	spec *api.NodeSpec
	memory
}

func (w witness) votes() bool { return w.spec.Role != api.RoleUndecided }

// contradicts says what it remembers otherwise than a cluster is.
func (w witness) contradicts(c *Cluster) error {
	switch {
	case len(w.spec.MDMs) > 0 && len(c.MDMs) > 0 && seating(w.spec.MDMs) != seating(c.MDMs):
		return fmt.Errorf("it remembers the MDMs %s, others %s", names(w.spec.MDMs), names(c.MDMs))
	case w.spec.SystemID != "" && c.SystemID != "" && w.spec.SystemID != c.SystemID:
		return fmt.Errorf("it remembers ScaleIO system %s, others %s", w.spec.SystemID, c.SystemID)
	}
	for _, domain := range slices.Sorted(maps.Keys(w.FaultSets)) {
		if have := c.FaultSets[domain]; have != "" && have != w.FaultSets[domain] {
			return fmt.Errorf("it remembers fault set %s of %q, others %s", w.FaultSets[domain], domain, have)
		}
	}
	return nil
}

// seating of the MDMs: who has which part. Addresses and certificates are each node's own to tell.
func seating(all []api.MDM) string {
	var text []string
	for _, m := range all {
		text = append(text, m.Node+" "+string(m.Role))
	}
	return strings.Join(text, ",")
}

// A ballot is who says what of one fact.
type ballot map[string][]*Node

func (b ballot) say(what string, n *Node) { b[what] = append(b[what], n) }

// won is what more than half of all say; "" = there is no such thing.
func (b ballot) won(of int) string {
	for what, by := range b {
		if 2*len(by) > of {
			return what
		}
	}
	return ""
}

// agree on what is the same for all nodes: what more than half of those with a role remember, so that no single node can name a gateway or a fault set for the others.
// What the rest remembers otherwise is a conflict; what it remembers besides is told, and where it can't be undone later, a conflict as well.
func (r *recovery) agree() {
	voters := slices.DeleteFunc(slices.Clone(r.witnesses), func(w witness) bool { return !w.votes() })
	r.agreeOnMDMs(voters)
	r.agreeOnSystem(voters)
	r.agreeOnSpread(voters)
	r.agreeOnGates(voters)
	r.agreeOnGateways(voters)
	for _, w := range r.witnesses {
		if err := w.contradicts(&r.Cluster); err != nil {
			r.differ("%s: %v", w.node.Name, err)
		}
	}
}

func (r *recovery) doubt(n *Node, format string, a ...any) {
	r.Doubts[n.ID] = append(r.Doubts[n.ID], fmt.Sprintf(format, a...))
}

func (r *recovery) agreeOnMDMs(voters []witness) {
	all := ballot{}
	for _, w := range voters {
		if len(w.spec.MDMs) > 0 {
			all.say(seating(w.spec.MDMs), w.node)
		}
	}
	won := all.won(len(voters))
	switch {
	case won == "" && len(all) > 1:
		for _, what := range slices.Sorted(maps.Keys(all)) {
			r.differ("%s: it remembers the MDMs %s, others do otherwise", whose(all[what]), what)
		}
	case won != "":
		by := slices.IndexFunc(voters, func(w witness) bool { return seating(w.spec.MDMs) == won })
		for _, m := range voters[by].spec.MDMs {
			r.Cluster.MDMs = append(r.Cluster.MDMs, r.agreeOnMDM(m.Node, voters))
		}
	}
}

// agreeOnMDM: of itself a node knows best. Of one that isn't heard its certificate is left out where the others don't agree: it is read anew.
func (r *recovery) agreeOnMDM(node string, voters []witness) api.MDM {
	whole, bare := ballot{}, ballot{}
	for _, w := range voters {
		i := slices.IndexFunc(w.spec.MDMs, func(m api.MDM) bool { return m.Node == node })
		if i < 0 {
			continue
		}
		m := w.spec.MDMs[i]
		if w.node.ID == node {
			return m
		}
		whole.say(text(m), w.node)
		m.CertificatePEM = ""
		bare.say(text(m), w.node)
	}
	var m api.MDM
	if err := json.Unmarshal([]byte(cmp.Or(whole.won(len(voters)), bare.won(len(voters)))), &m); err != nil {
		r.differ("which addresses the MDM of %s has, of that no more than half remember the same", node)
	}
	return m
}

// agreeOnSystem: ScaleIO's own word, from a node that has an MDM, is as good as that of many.
func (r *recovery) agreeOnSystem(voters []witness) {
	all := ballot{}
	own := map[string]bool{}
	for _, w := range voters {
		if w.spec.SystemID != "" {
			all.say(w.spec.SystemID, w.node)
		}
		if m := w.node.Report.MDM; m != nil && m.InCluster && strings.Contains(seating(r.Cluster.MDMs), w.node.ID+" ") {
			own[m.SystemID] = true
		}
	}
	won := all.won(len(voters))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		switch {
		case won == "" && (len(all) > 1 || !own[id]):
			r.differ("%s: only there ScaleIO system %s is remembered, and no MDM says that it belongs to it", whose(all[id]), id)
		case won == "":
			won = id
		}
	}
	r.Cluster.SystemID = won
}

// agreeOnSpread: an SDS can't change its fault set, so here nothing is left out in silence.
func (r *recovery) agreeOnSpread(voters []witness) {
	c := &r.Cluster
	spread, sets := ballot{}, map[string]ballot{}
	for _, w := range voters {
		c.Grants = max(c.Grants, w.Grants)
		if w.Spread {
			spread.say("decided", w.node)
		}
		for domain, set := range w.FaultSets {
			if sets[domain] == nil {
				sets[domain] = ballot{}
			}
			sets[domain].say(set, w.node)
		}
	}
	c.Spread = spread.won(len(voters)) != ""
	if by := spread["decided"]; !c.Spread && len(by) > 0 {
		r.differ("%s: only there it is remembered that fault sets were decided", whose(by))
	}
	for _, domain := range slices.Sorted(maps.Keys(sets)) {
		won := sets[domain].won(len(voters))
		if won == "" {
			for _, set := range slices.Sorted(maps.Keys(sets[domain])) {
				r.differ("%s: only there fault set %s of %q is remembered", whose(sets[domain][set]), set, domain)
			}
			continue
		}
		if c.FaultSets == nil {
			c.FaultSets = map[string]string{}
		}
		c.FaultSets[domain] = won
	}
}

// agreeOnGates: one that too few remember is closed, and opens by what is seen.
func (r *recovery) agreeOnGates(voters []witness) {
	c := &r.Cluster
	all := ballot{}
	for _, w := range voters {
		for _, g := range w.spec.Gates {
			all.say(string(g), w.node)
		}
	}
	for _, g := range api.Gates {
		by := all[string(g)]
		if 2*len(by) > len(voters) {
			c.Gates = append(c.Gates, g)
			continue
		}
		for _, n := range by {
			r.doubt(n, "that the gate %s is open", g)
		}
	}
	c.PeersChecked = c.Open(api.GateMDMsInstalled)
}

// agreeOnGateways: of its own a manager knows best. What isn't agreed on is left out, and read anew on its node.
func (r *recovery) agreeOnGateways(voters []witness) {
	c := &r.Cluster
	all, said := map[string]ballot{}, map[string]api.Gateway{}
	for _, w := range voters {
		if w.spec.Volumes == nil {
			continue
		}
		for _, g := range w.spec.Volumes.Gateways {
			if all[g.Node] == nil {
				all[g.Node] = ballot{}
			}
			all[g.Node].say(text(g), w.node)
			said[text(g)] = g
		}
	}
	for _, node := range slices.Sorted(maps.Keys(all)) {
		won := all[node].won(len(voters))
		for what, by := range all[node] {
			manager := slices.ContainsFunc(managersOf(c), func(m api.MDM) bool { return m.Node == node })
			if manager && slices.ContainsFunc(by, func(n *Node) bool { return n.ID == node }) {
				won = what
			}
		}
		if won != "" {
			c.Gateways = append(c.Gateways, said[won])
		}
		for _, what := range slices.Sorted(maps.Keys(all[node])) {
			for _, n := range all[node][what] {
				if what != won {
					r.doubt(n, "a gateway of %s at %s", node, said[what].Address)
				}
			}
		}
	}
}

// text by which two of them are the same.
func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil { // plain data: can't be
		return ""
	}
	return string(raw)
}

func whose(all []*Node) string {
	var text []string
	for _, n := range all {
		text = append(text, n.Name)
	}
	slices.Sort(text)
	return strings.Join(text, ", ")
}
