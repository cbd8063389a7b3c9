package leader

import (
	"fmt"
	"slices"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
)

// wanted is what the object diffs need to know besides what was seen.
type wanted struct {
	api.ClusterSpec
	Received time.Time // when the ages of the disks were right
	Now      time.Time
}

// diffDomain: the protection domain exists.
func diffDomain(want wanted, o scaleio.Objects) []Act {
	if _, there := o.Domain(want.ProtectionDomain); there {
		return nil
	}
	return []Act{{Kind: AddDomain, Subject: want.ProtectionDomain, Why: "there is no protection domain " + want.ProtectionDomain}}
}

// diffPool: the pool exists, with media type, zero padding and spare as wanted.
func diffPool(want wanted, o scaleio.Objects) (acts []Act) {
	domain, there := o.Domain(want.ProtectionDomain)
	if !there {
		return []Act{{Kind: AddPool, Subject: want.StoragePool, Wait: api.ReasonWaitingForStep, Why: "waits for its protection domain"}}
	}
	pool, there := o.Pool(domain.ID, want.StoragePool)
	if !there {
		return []Act{{Kind: AddPool, Subject: want.StoragePool, Permanent: true, Why: "there is no storage pool " + want.StoragePool,
			Pool: scaleio.NewPool{DomainID: domain.ID, Name: want.StoragePool, MediaType: want.MediaType, SparePercent: want.SparePercent, ZeroPadding: want.ZeroPadding}}}
	}
	if pool.MediaType != "" && pool.MediaType != want.MediaType {
		acts = append(acts, Act{Kind: AddPool, Subject: pool.Name, Obstacle: ReasonPermanent,
			Why: fmt.Sprintf("pool %s is for %s, wanted %s", pool.Name, pool.MediaType, want.MediaType)})
	}
	if pool.ZeroPadding != want.ZeroPadding {
		act := Act{Kind: SetZeroPadding, Subject: pool.Name, ID: pool.ID, On: want.ZeroPadding, Permanent: true,
			Why: fmt.Sprintf("zero padding of pool %s is %t", pool.Name, pool.ZeroPadding)}
		if slices.ContainsFunc(o.Devices, func(d scaleio.DeviceObject) bool { return d.PoolID == pool.ID }) {
			act.Obstacle, act.Why = ReasonPermanent, act.Why+" and can't be changed while it has devices"
		}
		acts = append(acts, act)
	}
	if pool.SparePercent != want.SparePercent {
		acts = append(acts, Act{Kind: SetSpare, Subject: pool.Name, ID: pool.ID, Number: want.SparePercent,
			Why: fmt.Sprintf("pool %s keeps %d %% spare, wanted %d %%", pool.Name, pool.SparePercent, want.SparePercent)})
	}
	return acts
}

// diffFaultSets: every fault set exists. Those that nobody asked for are left alone.
func diffFaultSets(want wanted, o scaleio.Objects) (acts []Act) {
	domain, there := o.Domain(want.ProtectionDomain)
	for _, name := range want.FaultSets {
		act := Act{Kind: AddFaultSet, Subject: name, ID: domain.ID, Permanent: true, Why: "there is no fault set " + name}
		if !there {
			act.Wait, act.Why = api.ReasonWaitingForStep, "waits for its protection domain"
		} else if _, have := o.FaultSet(domain.ID, name); have {
			continue
		}
		acts = append(acts, act)
	}
	return acts
}

// diffSDSs: every wanted SDS is in the domain and in its fault set, which can be chosen only now.
func diffSDSs(want wanted, o scaleio.Objects) (acts []Act) {
	domain, _ := o.Domain(want.ProtectionDomain)
	limits, err := scaleio.LimitsOf(o.Version)
	inDomain, all := 0, len(o.SDSs)
	for _, s := range o.SDSs {
		if s.DomainID == domain.ID {
			inDomain++
		}
	}
	for _, w := range want.SDSs {
		act, missing := diffSDS(w, domain, o)
		if missing && act.doable() {
			switch {
			case err != nil:
				act.Obstacle, act.Why = ReasonUnknownDialect, err.Error()
			case inDomain >= limits.SDSsPerDomain || all >= limits.SDSsPerSystem:
				act.Wait = ReasonLimit
				act.Why = fmt.Sprintf("the domain takes %d SDSs and the system %d; it has %d and %d", limits.SDSsPerDomain, limits.SDSsPerSystem, inDomain, all)
			default:
				inDomain, all = inDomain+1, all+1
			}
		}
		if missing || act.Obstacle != "" {
			acts = append(acts, act)
		}
	}
	return acts
}

func diffSDS(w api.WantedSDS, domain scaleio.DomainObject, o scaleio.Objects) (act Act, missing bool) {
	act = Act{Kind: AddSDS, Subject: w.Name, Permanent: w.FaultSet != "", SDS: scaleio.NewSDS{DomainID: domain.ID, Name: w.Name, IPs: w.IPs}}
	obstacle := func(reason, format string, a ...any) (Act, bool) {
		act.Obstacle, act.Why = reason, fmt.Sprintf(format, a...)
		return act, false
	}
	if have, there := o.SDS(w.Name); there {
		switch {
		case have.DomainID != domain.ID:
			return obstacle(ReasonConflict, "SDS %s is in another protection domain", w.Name)
		case !slices.ContainsFunc(w.IPs, func(ip string) bool { return slices.Contains(have.IPs, ip) }):
			return obstacle(ReasonConflict, "SDS %s has the addresses %v, its node %v: change them with scli --add_sds_ip", w.Name, have.IPs, w.IPs)
		case o.FaultSetName(have.FaultSetID) != w.FaultSet:
			return obstacle(ReasonPermanent, "SDS %s is in fault set %q, wanted %q: an SDS can't be moved, remove and add it", w.Name, o.FaultSetName(have.FaultSetID), w.FaultSet)
		}
		return Act{}, false
	}
	for _, s := range o.SDSs {
		if slices.ContainsFunc(w.IPs, func(ip string) bool { return slices.Contains(s.IPs, ip) }) {
			return obstacle(ReasonConflict, "the SDS at %v is named %q, wanted %q: rename it with scli --rename_sds", s.IPs, s.Name, w.Name)
		}
	}
	act.Why = "there is no SDS " + w.Name
	if w.FaultSet != "" {
		set, there := o.FaultSet(domain.ID, w.FaultSet)
		if !there {
			act.Wait, act.Why = api.ReasonWaitingForStep, "waits for fault set "+w.FaultSet
		}
		act.SDS.FaultSetID = set.ID
	}
	return act, true
}
