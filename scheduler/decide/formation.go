package decide

import (
	"fmt"

	"scaleio-framework/scheduler/api"
)

// grantFormation gives one manager the right to form the cluster, once every chosen MDM says that it belongs to none. The grant is stored
// before its node is told, never times out, and moves only after an operator released it.
func grantFormation(s *State, c *Cluster) (waiting string) {
	for _, m := range c.MDMs {
		n := s.Nodes[m.Node]
		if s.current(n) && condition(n, stepFormCluster) != nil { // its pass began under an earlier grant: it may be forming one
			return fmt.Sprintf("%s to hear that it is to form no cluster any more", m.Name)
		}
		if !s.current(n) || n.Report.MDM == nil {
			return fmt.Sprintf("%s to say whether its MDM belongs to a cluster", m.Name)
		}
		mdm := n.Report.MDM
		switch {
		case mdm.Unknown != "":
			return fmt.Sprintf("a person: what the MDM of %s says isn't understood, so nothing is formed: %.200s", m.Name, mdm.Unknown)
		case mdm.InCluster:
			return fmt.Sprintf("a person: the MDM of %s already belongs to ScaleIO system %s, which this cluster didn't form", m.Name, mdm.SystemID)
		case !mdm.Installed:
			return fmt.Sprintf("%s to install its MDM", m.Name)
		}
	}
	if why := twoDomains(s); why != "" {
		return why
	}
	if !c.Spread {
		c.Spread = true
		if all := domains(s); len(all) >= minFaultSets {
			c.FaultSets = faultSets(nil, all)
		}
	}
	managers := managersOf(c)
	c.Formation = &api.Formation{Node: managers[c.Grants%len(managers)].Node, Nonce: s.Nonce}
	c.Grants++
	return ""
}

// pinSystem stores which ScaleIO system is ours: the one that the holder of the grant says it is in, and that came of the grant. One that
// somebody else made there is for a person.
func pinSystem(s *State, c *Cluster) {
	n := s.Nodes[c.Formation.Node]
	if s.current(n) && holdsNow(n, stepFormCluster) && n.Report.MDM != nil && n.Report.MDM.InCluster && n.Report.MDM.Unknown == "" {
		c.SystemID = n.Report.MDM.SystemID
	}
}

// ReleaseFormation lets the grant move to the next manager. Only a person who looked at the nodes may ask for it.
func ReleaseFormation(s *State) (Cluster, error) {
	c := s.Cluster
	switch {
	case c.SystemID != "":
		return c, fmt.Errorf("the cluster is formed already (system %s)", c.SystemID)
	case c.Formation == nil:
		return c, fmt.Errorf("no node has been asked to form the cluster")
	}
	c.Formation = nil
	return c, nil
}

// Foreign names a system that a node's MDM belongs to though it isn't ours.
func Foreign(c *Cluster, r *api.Report) string {
	if r == nil || r.MDM == nil || !r.MDM.InCluster || c.SystemID == "" || r.MDM.SystemID == "" || r.MDM.SystemID == c.SystemID {
		return ""
	}
	return r.MDM.SystemID
}

func managersOf(c *Cluster) []api.MDM {
	var all []api.MDM
	for _, m := range c.MDMs {
		if m.Role == api.RoleManager {
			all = append(all, m)
		}
	}
	return all
}
