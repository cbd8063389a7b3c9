package decide

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
)

// An Outcome is what came of a look besides the new record.
type Outcome struct {
	Events   []api.Event
	Waiting  string        // for what, while the next decision can't be made
	Settling time.Time     // since when three nodes would do
	Again    time.Duration // look again then, even if nothing happens; 0 = no need
}

// Decide takes the cluster's decisions as far as the snapshot allows. What stands in the record is never taken back.
func Decide(s *State) (Cluster, Outcome) {
	c := copyOf(s.Cluster)
	out := Outcome{Settling: s.Settling}
	readOnly(s, &c, &out)
	now := *s
	now.Cluster.ReadOnly = c.ReadOnly
	s = &now
	if h := s.Held(nil); h != nil {
		out.Waiting = fmt.Sprintf("the hold of %s to end (%s)", h.Author, h.Reason)
		return c, out
	}

	// 1. Roles.
	if len(c.MDMs) == 0 && c.SystemID != "" {
		out.Waiting = "a person: the storage system " + c.SystemID + " exists, and which nodes have its MDMs isn't known; restore a backup (new MDMs would be a second system)"
		return c, out
	}
	if len(c.MDMs) == 0 {
		if usable, _ := candidates(s); !enough(usable) {
			out.Settling = time.Time{}
		} else if out.Settling.IsZero() {
			out.Settling = s.Now
		}
		look := *s
		look.Settling = out.Settling
		c.MDMs, out.Waiting, out.Again = chooseMDMs(&look)
		if len(c.MDMs) == 0 {
			return c, out
		}
		out.tell(s, "", "RolesDecided", "MDM managers and tie-breaker: "+names(c.MDMs),
			spread(s, c.MDMs)...)
	}
	c.open(s, &out, api.GateRolesDecided, true)

	if !c.PeersChecked && !c.Open(api.GateMDMsInstalled) && peersReached(s, &c) {
		c.PeersChecked = true
		out.tell(s, "", "PeersChecked", "the nodes of all MDMs reach each other: "+names(c.MDMs), "each of them reported so for its present orders")
	}

	// 2. MDMs installed.
	c.open(s, &out, api.GateMDMsInstalled, every(s, &c, c.MDMs, stepRunMDM))
	if !c.Open(api.GateMDMsInstalled) {
		out.Waiting = "an MDM on " + names(lacking(s, c.MDMs, stepRunMDM))
		if apart := apart(s, &c); len(apart) > 0 {
			out.Waiting = "these nodes to reach the others' ports: " + names(apart)
		}
		return c, out
	}

	// 3. The grant to form the cluster.
	if c.Formation == nil && c.SystemID == "" {
		if out.Waiting = grantFormation(s, &c); out.Waiting != "" {
			return c, out
		}
		out.tell(s, c.Formation.Node, "FormationGranted", "may form the cluster; fault sets: "+orNone(c.faultSetNames()),
			"every MDM is installed and says that it is in no cluster", "grants", strconv.Itoa(c.Grants), "domains", orNone(domains(s)))
	}

	// 4. The system that came of it is ours for good.
	if c.SystemID == "" {
		if pinSystem(s, &c); c.SystemID == "" {
			out.Waiting = "the ScaleIO cluster to be formed on " + nameOf(s, c.Formation.Node)
			return c, out
		}
		out.tell(s, c.Formation.Node, "SystemPinned", "formed ScaleIO system "+c.SystemID, "its MDM, which had the grant, is in a cluster now; no other system is ever taken for ours",
			"systemId", c.SystemID, "grants", strconv.Itoa(c.Grants))
	}

	// 5. What the leader sees of it, and the gateways.
	pinMDMs(s, &c, &out)
	pinGateways(s, &c, &out)
	addFaultSets(s, &c, &out)
	view := viewNow(s)
	c.open(s, &out, api.GateClusterFormed, view != nil && view.Mode == "3_node" && view.State == "Normal")
	c.open(s, &out, api.GateGatewayReady, c.Open(api.GateClusterFormed) && every(s, &c, managersOf(&c), stepTrustMDMs) && certified(&c))
	c.open(s, &out, api.GatePoolReady, c.Open(api.GateGatewayReady) && view != nil && view.PoolReady)
	out.Waiting = waitsFor(s, &c)
	return c, out
}

func waitsFor(s *State, c *Cluster) string {
	switch {
	case s.Leases.Leader == "":
		return "a node whose MDM is master to take the leader's lease"
	case !c.Open(api.GateClusterFormed):
		return "the MDM cluster to be 3_node and Normal"
	case !c.Open(api.GateGatewayReady):
		return "a gateway on " + names(lacking(s, managersOf(c), stepTrustMDMs))
	case !c.Open(api.GatePoolReady):
		return "protection domain, pool and fault sets"
	}
	return ""
}

// open a gate once; it never closes again.
func (c *Cluster) open(s *State, out *Outcome, g api.Gate, now bool) {
	if now && !c.Open(g) {
		c.Gates = append(c.Gates, g)
		out.tell(s, "", "GateOpened", string(g), evidenceOf(s, c, gateWhy[g])...)
	}
}

// every one of the members reports the step's fact as true, for its present spec. A node that failed or is silent satisfies nothing.
func every(s *State, c *Cluster, members []api.MDM, step string) bool {
	for _, m := range members {
		if n := s.Nodes[m.Node]; !s.current(n) || !holdsNow(n, step) {
			return false
		}
	}
	return len(members) > 0
}

func lacking(s *State, members []api.MDM, step string) []api.MDM {
	return slices.DeleteFunc(slices.Clone(members), func(m api.MDM) bool {
		n := s.Nodes[m.Node]
		return s.current(n) && holdsNow(n, step)
	})
}

// viewNow is the leader's view if its report was made for the present spec.
func viewNow(s *State) *View {
	if s.View == nil || s.View.From != s.Leases.Leader || s.View.SystemID != s.Cluster.SystemID || !s.current(s.Nodes[s.View.From]) {
		return nil
	}
	return s.View
}

// pinMDMs keeps the certificates that MDMs have on their own nodes: gateways are told to trust those and no others.
func pinMDMs(s *State, c *Cluster, out *Outcome) {
	for i := range c.MDMs {
		m := &c.MDMs[i]
		n := s.Nodes[m.Node]
		if n == nil || !s.live(n) || n.Report.MDM == nil || n.Report.MDM.CertificatePEM == "" || n.Report.MDM.CertificatePEM == m.CertificatePEM {
			continue
		}
		if m.CertificatePEM != "" {
			out.tell(s, m.Node, "MDMCertificateChanged", "its MDM has another certificate now", "the node read it from its own disk")
		}
		m.CertificatePEM = n.Report.MDM.CertificatePEM
	}
}

// pinGateways keeps the certificates that managers read on themselves, so that everyone else can tell their gateways from others.
func pinGateways(s *State, c *Cluster, out *Outcome) {
	for _, m := range managersOf(c) {
		n := s.Nodes[m.Node]
		if n == nil || !s.live(n) || n.Report.Gateway == nil || n.Report.Gateway.CertificatePEM == "" {
			continue
		}
		seen := *n.Report.Gateway
		seen.Node = m.Node
		i := slices.IndexFunc(c.Gateways, func(g api.Gateway) bool { return g.Node == m.Node })
		switch {
		case i < 0:
			c.Gateways = append(c.Gateways, seen)
		case c.Gateways[i] != seen:
			out.tell(s, m.Node, "GatewayChanged", "its gateway shows another certificate or address now", "the node read it on itself", "address", seen.Address)
			c.Gateways[i] = seen
		}
	}
}

func certified(c *Cluster) bool { return len(c.Gateways) >= len(managersOf(c)) }

// addFaultSets gives a domain that came after formation a fault set of its own, if the cluster has them at all.
func addFaultSets(s *State, c *Cluster, out *Outcome) {
	if len(c.FaultSets) == 0 {
		return
	}
	for _, domain := range domains(s) {
		if c.FaultSets[domain] == "" {
			c.FaultSets = faultSets(c.FaultSets, []string{domain})
			out.tell(s, "", "FaultSetAdded", c.FaultSets[domain], "a node of a failure domain that had none", "domain", domain)
		}
	}
}

// tell people what was decided; because is why, and then facts by name, as they were.
func (o *Outcome) tell(s *State, node, kind, message string, because ...string) {
	e := api.Event{Time: s.Now.UTC(), Node: nameOf(s, node), Kind: kind, Message: message}
	if len(because) > 0 {
		e.Why, because = because[0], because[1:]
	}
	for i := 0; i+1 < len(because); i += 2 {
		if e.Evidence == nil {
			e.Evidence = map[string]string{}
		}
		e.Evidence[because[i]] = because[i+1]
	}
	o.Events = append(o.Events, e)
}

func nameOf(s *State, id string) string {
	if n := s.Nodes[id]; n != nil {
		return n.Name
	}
	return id
}

func names(members []api.MDM) string {
	var all []string
	for _, m := range members {
		all = append(all, m.Name)
	}
	return orNone(all)
}

func orNone(all []string) string {
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

// copyOf shares nothing that Decide writes to.
func copyOf(c Cluster) Cluster {
	c.MDMs, c.Gates, c.Gateways = slices.Clone(c.MDMs), slices.Clone(c.Gates), slices.Clone(c.Gateways)
	c.FaultSets = maps.Clone(c.FaultSets)
	return c
}

// gateWhy is what was seen that opened a gate.
var gateWhy = map[api.Gate]string{
	api.GateRolesDecided:  "three nodes for the MDMs were chosen",
	api.GateMDMsInstalled: "every chosen node reported that its MDM runs",
	api.GateClusterFormed: "the leader sees the MDM cluster 3_node and Normal",
	api.GateGatewayReady:  "every manager reported a gateway that trusts the MDMs",
	api.GatePoolReady:     "the leader sees protection domain, pool, fault sets and the volume driver's user",
}

func evidenceOf(s *State, c *Cluster, why string) []string {
	facts := []string{why, "mdms", names(c.MDMs), "leader", nameOf(s, s.Leases.Leader)}
	if s.View != nil {
		facts = append(facts, "mode", s.View.Mode, "state", s.View.State, "sampleAge", s.Now.Sub(s.View.At).Round(time.Millisecond).String())
	}
	return facts
}

// spread of the MDMs over failure domains, among how many nodes.
func spread(s *State, mdms []api.MDM) []string {
	var of []string
	for _, m := range mdms {
		if n := s.Nodes[m.Node]; n != nil {
			of = append(of, n.Domain)
		}
	}
	return []string{"the best spread over failure domains among the nodes that reported as supported", "nodes", strconv.Itoa(len(s.Nodes)), "domains", strings.Join(of, ", "), "settling", s.Settings.Settle.String()}
}
