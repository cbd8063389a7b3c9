package leader

import (
	"fmt"
	"slices"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
)

// diffStandbys: every chosen MDM is a member or standby, in its role.
func diffStandbys(spec api.NodeSpec, c scaleio.Cluster) (acts []Act) {
	for _, want := range spec.MDMs {
		manager := want.Role == api.RoleManager
		m, there := c.At(want.IPs...)
		switch {
		case there && m.Manager != manager:
			acts = append(acts, Act{Kind: AddStandby, Subject: want.Name, Obstacle: ReasonConflict,
				Why: fmt.Sprintf("MDM %s is %s in the cluster, wanted as %s: remove it there first", want.Name, m.Place, want.Role)})
		case there:
		case slices.ContainsFunc(c.Members, func(m scaleio.Member) bool { return m.Name == want.Name }):
			acts = append(acts, Act{Kind: AddStandby, Subject: want.Name, Obstacle: ReasonConflict,
				Why: fmt.Sprintf("an MDM named %s has other addresses than %v", want.Name, want.IPs)})
		default:
			acts = append(acts, Act{Kind: AddStandby, Subject: want.Name, Why: fmt.Sprintf("MDM %s isn't in the cluster", want.Name), MDM: newMDM(want)})
		}
	}
	return acts
}

func newMDM(m api.MDM) scaleio.NewMDM {
	n := scaleio.NewMDM{Name: m.Name, Manager: m.Role == api.RoleManager, IPs: m.IPs}
	if n.Manager {
		n.ManagementIPs = m.IPs
	}
	return n
}

var modes = map[int]string{1: "1_node", 3: "3_node", 5: "5_node"}

// diffMode: the cluster has the mode that fits the number of chosen MDMs. It only ever grows.
func diffMode(spec api.NodeSpec, c scaleio.Cluster) []Act {
	want := modes[len(spec.MDMs)]
	if want == "" || c.Mode == want {
		return nil
	}
	act := Act{Kind: SwitchMode, Subject: want, Why: fmt.Sprintf("the cluster is in mode %s, wanted %s", c.Mode, want), Mode: scaleio.SwitchMode{Mode: want}}
	if c.Mode > want {
		act.Obstacle, act.Why = ReasonConflict, act.Why+": shrinking is for a person"
		return []Act{act}
	}
	for _, w := range spec.MDMs {
		m, there := c.At(w.IPs...)
		switch {
		case !there:
			act.Wait, act.Why = ReasonWaitingForNode, act.Why+": "+w.Name+" isn't a standby yet"
		case m.Place != scaleio.PlaceStandby:
		case m.Name == "":
			act.Obstacle, act.Why = ReasonConflict, fmt.Sprintf("the standby at %v has no name: rename it to %s", m.IPs, w.Name)
		case m.Manager:
			act.Mode.AddSlaves = append(act.Mode.AddSlaves, m.Name)
		default:
			act.Mode.AddTieBreakers = append(act.Mode.AddTieBreakers, m.Name)
		}
	}
	return []Act{act}
}

// diffName: the system has its name.
func diffName(spec api.NodeSpec, c scaleio.Cluster) []Act {
	if want := spec.Cluster.SystemName; want != "" && c.Name != want {
		return []Act{{Kind: NameSystem, Subject: want, Why: fmt.Sprintf("the system's name is %q", c.Name)}}
	}
	return nil
}

// diffMaster: the MDM that the spec names is master. Asked for only while this node may be interrupted: its own MDM's package is to be replaced, or it is to reboot.
func diffMaster(spec api.NodeSpec, c scaleio.Cluster) []Act {
	i := slices.IndexFunc(spec.MDMs, func(m api.MDM) bool { return m.Name == spec.Cluster.HandOver })
	if i < 0 {
		return nil
	}
	want := spec.MDMs[i]
	m, there := c.At(want.IPs...)
	if there && m.Place == scaleio.PlaceMaster {
		return nil
	}
	act := Act{Kind: HandOver, Subject: want.Name, ID: m.Name, Why: fmt.Sprintf("%s is to be master while this node is interrupted", want.Name)}
	if !there || m.Place != scaleio.PlaceSlave || m.Status != "Normal" || m.Name == "" || c.State != "Normal" {
		act.Wait, act.Why = ReasonWaitingForNode, act.Why+fmt.Sprintf(": it is %s and %q, the cluster is %s", m.Place, m.Status, c.State)
	}
	return []Act{act}
}
