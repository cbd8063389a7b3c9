package decide

import (
	"fmt"
	"strings"

	"scaleio-framework/scheduler/api"
)

// Plan lists what would be done next, the cluster's acts first, and says which choices can't be changed later.
func Plan(s *State, waiting string) api.PlanStatus {
	var p api.PlanStatus
	add := func(node, act, why string, permanent bool) {
		p.Steps = append(p.Steps, api.PlanLine{Node: node, Act: act, Why: why, Permanent: permanent})
	}
	c := &s.Cluster
	if len(c.MDMs) == 0 {
		if usable, _ := candidates(s); enough(usable) && twoDomains(s) == "" {
			nodes, _ := fill(s, usable)
			for i, n := range nodes {
				why := "best spread of the nodes that are there now"
				if !mayManage(n) {
					why += fmt.Sprintf("; %s is supported for clients only, and allow-unsupported lets it", n.Report.Platform.Pretty)
				}
				add(n.Name, "make it MDM "+string(seats[i]), why, false)
			}
		} else {
			add("", "choose the MDMs", "waits for "+waiting, false)
		}
	}
	if c.SystemID == "" {
		add("", "form one ScaleIO cluster", "no system id is stored yet", true)
	}
	if !c.Spread {
		planFaultSets(s, add)
	}
	if !c.Open(api.GatePoolReady) {
		add("", fmt.Sprintf("make protection domain %s and pool %s (%s)", s.Settings.ProtectionDomain, s.Settings.StoragePool, s.Settings.MediaType),
			"volumes need them; zero padding can be chosen only while the pool is empty", true)
	}
	planDisks(s, add)
	for _, n := range byName(s.Nodes) {
		if s.clientOnly(n) && !holds(n, stepConnectSDC) {
			add(n.Name, "make it a client", fmt.Sprintf("%s is supported for clients only; its disks are left alone", n.Report.Platform.Pretty), false)
		}
	}
	planUpgrades(s, add)
	planReboots(s, add)
	seen := allOwners(s)
	for _, n := range byName(s.Nodes) {
		if n.Report != nil && n.Report.Step != "" && !n.Report.Ready {
			add(n.Name, n.Report.Step, nodeStatus(s, n, seen).Message, false)
		}
	}
	p.Growth = GrowthOf(s)
	return p
}

// planFaultSets promises nothing before as many nodes have reported as an MDM cluster needs: the first one alone has one failure domain in any cluster.
func planFaultSets(s *State, add func(node, act, why string, permanent bool)) {
	all := domains(s)
	usable, _ := candidates(s)
	switch {
	case len(all) >= minFaultSets:
		add("", "make fault sets "+strings.Join(all, ", "), "one per failure domain; an SDS can't change its set", true)
	case len(s.Cluster.MDMs) == 0 && len(usable) < len(seats):
		add("", "decide on fault sets", "waits for more nodes to report; an SDS can get a set only when it is added", true)
	default:
		add("", "use no fault sets", "fewer than three failure domains; an SDS can get a set only when it is added", true)
	}
}

func planDisks(s *State, add func(node, act, why string, permanent bool)) {
	for _, d := range candidateDisks(s) {
		add(nameOf(s, d.Node), fmt.Sprintf("hand over disk %s (%s, %d GB)", d.Disk, d.Path, d.SizeBytes>>30), "empty and allowed by disks-use", false)
	}
	for _, n := range byName(s.Nodes) {
		for _, d := range reported(n) {
			if d.Reason == ReasonWaitingForApproval {
				add(n.Name, fmt.Sprintf("hand over disk %s (%s, %d GB)", d.ID, d.Path, d.SizeBytes>>30),
					fmt.Sprintf("empty; waits for `scaleio-scheduler approve %s %s`", n.Name, d.ID), false)
			}
		}
	}
}
