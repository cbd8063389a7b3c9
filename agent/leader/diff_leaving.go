package leader

import (
	"fmt"
	"slices"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
)

// diffLeaving: a node that a person wants out has no SDS in the system, and once its driver is gone no SDC either. An SDS is removed whole: the product
// refuses to remove its last device, and moves the data of all of them by itself. That may take long; what is under way is only waited for.
func diffLeaving(want wanted, o scaleio.Objects) (acts []Act) {
	for _, l := range want.Leaving {
		for _, sds := range o.SDSs {
			if l.SDC == "" && (sds.Name == l.Name || shared(sds.IPs, l.IPs)) {
				acts = append(acts, diffLeavingSDS(l, sds, want, o))
			}
		}
		for _, c := range o.SDCs {
			if l.SDC == "" || c.GUID != l.SDC {
				continue
			}
			act := Act{Kind: RemoveSDC, Subject: c.ID, ID: c.ID, Why: fmt.Sprintf("%s was removed, its SDC %s is still listed", l.Name, c.ID)}
			switch {
			case c.Connected:
				act.Wait, act.Why = ReasonWaitingForNode, fmt.Sprintf("the SDC of %s, which was removed, is connected: something loads its driver there", l.Name)
			case c.Volumes > 0:
				act.Wait, act.Why = ReasonWaitingForNode, fmt.Sprintf("%d volumes are mapped to the SDC of %s, which was removed: unmap them", c.Volumes, l.Name)
			}
			acts = append(acts, act)
		}
	}
	return acts
}

func diffLeavingSDS(l api.LeavingNode, sds scaleio.SDSObject, want wanted, o scaleio.Objects) Act {
	act := Act{Kind: RemoveSDS, Subject: sds.Name, ID: sds.ID, Permanent: true, Why: fmt.Sprintf("%s is to be removed", l.Name)}
	domain, _ := o.Domain(want.ProtectionDomain)
	switch {
	case len(l.IPs) > 0 && !shared(sds.IPs, l.IPs):
		act.Obstacle, act.Why = ReasonConflict, fmt.Sprintf("SDS %s is to be removed, but has the addresses %v and its node %v: it may be another machine's", sds.Name, sds.IPs, l.IPs)
	case sds.DomainID != domain.ID:
		act.Obstacle, act.Why = ReasonConflict, fmt.Sprintf("SDS %s of %s is in another protection domain: take it out by hand", sds.Name, l.Name)
	case sds.Removing():
		act.Wait, act.Why = ReasonDraining, fmt.Sprintf("the data of SDS %s moves to the others", sds.Name)
	case !l.Drain:
		act.Wait, act.Why = ReasonWaitingForNode, fmt.Sprintf("SDS %s is to be removed; the scheduler doesn't see that the others can do without it now", sds.Name)
	default:
		if why := unhealthy(sds, want, o); why != "" {
			act.Wait, act.Why = ReasonWaitingForNode, fmt.Sprintf("SDS %s is to be removed: %s", sds.Name, why)
		}
	}
	return act
}

func shared(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// unhealthy repeats the scheduler's judgement on the sample that is acted on.
func unhealthy(sds scaleio.SDSObject, want wanted, o scaleio.Objects) string {
	if why := notInService(o); why != "" {
		return why
	}
	for _, c := range o.SDCs {
		if c.Volumes > 0 && slices.Contains(sds.IPs, c.IP) {
			return fmt.Sprintf("%d volumes are mapped to the SDC at %s", c.Volumes, c.IP)
		}
	}
	domain, _ := o.Domain(want.ProtectionDomain)
	pool, there := o.Pool(domain.ID, want.StoragePool)
	if why := notWhole(pool.Figures, there); why != "" {
		return why
	}
	if pool.SparePercent != want.SparePercent {
		return fmt.Sprintf("the pool keeps %d %% spare, wanted are %d %%", pool.SparePercent, want.SparePercent)
	}
	return ""
}

// notInService names an SDS that isn't there for its data.
func notInService(o scaleio.Objects) string {
	for _, s := range o.SDSs {
		switch {
		case s.Removing():
			return fmt.Sprintf("SDS %s is being removed", s.Name)
		case s.InMaintenance():
			return fmt.Sprintf("SDS %s is in maintenance", s.Name)
		case s.Connection != "Connected":
			return fmt.Sprintf("SDS %s is %s", s.Name, s.Connection)
		}
	}
	return ""
}

func notWhole(f api.PoolView, there bool) string {
	if !there || f.FailedBytes+f.DegradedBytes+f.UnreachedBytes+f.RebuildBytes != 0 {
		return "data of the pool is degraded, failed, unreachable or being rebuilt"
	}
	return ""
}
