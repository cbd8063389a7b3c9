package leader

import (
	"fmt"

	"scaleio-framework/installer/scaleio"
)

// diffService: the one SDS whose node is to reboot is in maintenance, or not any more. That it is ours to end the scheduler stored before it told us; the
// maintenance of any other SDS is a person's.
func diffService(want wanted, o scaleio.Objects) []Act {
	s := want.Service
	if s == nil {
		return nil
	}
	for _, sds := range o.SDSs {
		if sds.ID != s.SDS || sds.InMaintenance() != s.Leave {
			continue
		}
		if s.Leave {
			return []Act{{Kind: LeaveService, Subject: sds.Name, ID: sds.ID, Why: fmt.Sprintf("the reboot for which SDS %s was put into maintenance is over", sds.Name)}}
		}
		act := Act{Kind: EnterService, Subject: sds.Name, ID: sds.ID, Why: fmt.Sprintf("the node of SDS %s is to reboot", sds.Name)}
		if why := unserviceable(want, o); why != "" {
			act.Wait, act.Why = ReasonWaitingForNode, fmt.Sprintf("%s: %s", act.Why, why)
		}
		return []Act{act}
	}
	return nil
}

// unserviceable repeats the scheduler's judgement on the sample that is acted on.
func unserviceable(want wanted, o scaleio.Objects) string {
	if why := notInService(o); why != "" {
		return why
	}
	domain, _ := o.Domain(want.ProtectionDomain)
	pool, there := o.Pool(domain.ID, want.StoragePool)
	return notWhole(pool.Figures, there)
}
