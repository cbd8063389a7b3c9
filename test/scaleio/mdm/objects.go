package mdm

import (
	"slices"

	"scaleio-framework/test/scaleio/mgmt"
)

func addDomain(s *State, args mgmt.AddDomain) (mgmt.ID, error) {
	if err := checkName(args.Name); err != nil {
		return mgmt.ID{}, err
	}
	if _, err := s.domain(mgmt.Ref{Name: args.Name}); err == nil {
		return mgmt.ID{}, mgmt.DomainExists
	}
	d := mgmt.Domain{ID: s.newID(), Name: args.Name}
	s.Domains = append(s.Domains, d)
	return mgmt.ID{ID: d.ID}, nil
}

func renameDomain(s *State, args mgmt.Rename) (none, error) {
	if err := checkName(args.New); err != nil {
		return none{}, err
	}
	d, err := s.domain(args.Of)
	if err != nil {
		return none{}, err
	}
	if other, err := s.domain(mgmt.Ref{Name: args.New}); err == nil && other.ID != d.ID {
		return none{}, mgmt.DomainExists
	}
	d.Name = args.New
	return none{}, nil
}

func removeDomain(s *State, ref mgmt.Ref) (none, error) {
	d, err := s.domain(ref)
	if err != nil {
		return none{}, err
	}
	id := d.ID
	switch {
	case slices.ContainsFunc(s.SDSs, func(x mgmt.SDS) bool { return x.Domain == id }):
		return none{}, mgmt.DomainHasSDSs
	case slices.ContainsFunc(s.Pools, func(p mgmt.Pool) bool { return p.Domain == id }):
		return none{}, mgmt.DomainHasPools
	case slices.ContainsFunc(s.FaultSets, func(f mgmt.FaultSet) bool { return f.Domain == id }):
		return none{}, mgmt.DomainHasFaultSets
	}
	s.Domains = remove(s.Domains, func(x *mgmt.Domain) bool { return x.ID == id })
	return none{}, nil
}

var mediaTypes = []string{"HDD", "SSD", "Transitional"}

// addPool: a media type is required from 3.0 on; the default spare of 10 % is too little for small clusters, as with the product.
func addPool(s *State, args mgmt.AddPool) (mgmt.ID, error) {
	d, err := s.domain(args.Domain)
	if err != nil {
		return mgmt.ID{}, err
	}
	if err := checkName(args.Name); err != nil {
		return mgmt.ID{}, err
	}
	if args.MediaType == "" {
		return mgmt.ID{}, mgmt.NoMediaType
	}
	p := mgmt.Pool{ID: s.newID(), Name: args.Name, Domain: d.ID, MediaType: args.MediaType, SparePercent: 10, ZeroPadding: true, RMCacheWrite: "Cached",
		Checksum: args.Checksum, Rebuild: true, Rebalance: true, ParallelJobs: 2, Scanner: "Disabled", HighPercent: s.System.HighPercent, CriticalPercent: s.System.CriticalPercent}
	update(&p.SparePercent, args.SparePercent)
	update(&p.ZeroPadding, args.ZeroPadding)
	update(&p.RMCache, args.RMCache)
	update(&p.RFCache, args.RFCache)
	if args.RMCacheWrite != "" {
		p.RMCacheWrite = args.RMCacheWrite
	}
	if err := s.checkPool(p); err != nil {
		return mgmt.ID{}, err
	}
	s.Pools = append(s.Pools, p)
	return mgmt.ID{ID: p.ID}, nil
}

func (s *State) checkPool(p mgmt.Pool) error {
	taken := slices.ContainsFunc(s.Pools, func(x mgmt.Pool) bool { return x.ID != p.ID && x.Domain == p.Domain && x.Name == p.Name })
	switch {
	case taken:
		return mgmt.PoolExists
	case !slices.Contains(mediaTypes, p.MediaType):
		return mgmt.MediaTypeInvalid
	case p.SparePercent < 0 || p.SparePercent > 99:
		return mgmt.SparePercent
	case p.HighPercent >= p.CriticalPercent:
		return mgmt.Thresholds
	}
	return checkName(p.Name)
}

func modifyPool(s *State, args mgmt.ModifyPool) (none, error) {
	p, err := s.pool(args.Of)
	if err != nil {
		return none{}, err
	}
	hasDevices := slices.ContainsFunc(s.Devices, func(d Device) bool { return d.Pool == p.ID })
	if args.ZeroPadding != nil && *args.ZeroPadding != p.ZeroPadding && hasDevices {
		return none{}, mgmt.PoolNotEmpty
	}
	next := *p
	update(&next.Name, args.Name)
	update(&next.MediaType, args.MediaType)
	update(&next.SparePercent, args.SparePercent)
	update(&next.ZeroPadding, args.ZeroPadding)
	update(&next.Checksum, args.Checksum)
	update(&next.RMCache, args.RMCache)
	update(&next.RFCache, args.RFCache)
	update(&next.RMCacheWrite, args.RMCacheWrite)
	update(&next.Rebuild, args.Rebuild)
	update(&next.Rebalance, args.Rebalance)
	update(&next.ParallelJobs, args.ParallelJobs)
	update(&next.Scanner, args.Scanner)
	update(&next.HighPercent, args.HighPercent)
	update(&next.CriticalPercent, args.CriticalPercent)
	if err := s.checkPool(next); err != nil {
		return none{}, err
	}
	if args.SparePercent != nil && !s.spareFits(next) {
		return none{}, mgmt.NoSpares
	}
	*p = next
	return none{}, nil
}

func removePool(s *State, ref mgmt.Ref) (none, error) {
	p, err := s.pool(ref)
	if err != nil {
		return none{}, err
	}
	id := p.ID
	switch {
	case slices.ContainsFunc(s.Volumes, func(v Volume) bool { return v.Pool == id }):
		return none{}, mgmt.PoolHasVolumes
	case slices.ContainsFunc(s.Devices, func(d Device) bool { return d.Pool == id }):
		return none{}, mgmt.PoolHasDevices
	}
	s.Pools = remove(s.Pools, func(x *mgmt.Pool) bool { return x.ID == id })
	return none{}, nil
}

func addFaultSet(s *State, args mgmt.AddFaultSet) (mgmt.ID, error) {
	d, err := s.domain(args.Domain)
	if err != nil {
		return mgmt.ID{}, err
	}
	if err := checkName(args.Name); err != nil {
		return mgmt.ID{}, err
	}
	if slices.ContainsFunc(s.FaultSets, func(f mgmt.FaultSet) bool { return f.Domain == d.ID && f.Name == args.Name }) {
		return mgmt.ID{}, mgmt.FaultSetExists
	}
	f := mgmt.FaultSet{ID: s.newID(), Name: args.Name, Domain: d.ID}
	s.FaultSets = append(s.FaultSets, f)
	return mgmt.ID{ID: f.ID}, nil
}

func renameFaultSet(s *State, args mgmt.Rename) (none, error) {
	if err := checkName(args.New); err != nil {
		return none{}, err
	}
	f, err := s.faultSet(args.Of)
	if err != nil {
		return none{}, err
	}
	if slices.ContainsFunc(s.FaultSets, func(x mgmt.FaultSet) bool { return x.ID != f.ID && x.Domain == f.Domain && x.Name == args.New }) {
		return none{}, mgmt.FaultSetExists
	}
	f.Name = args.New
	return none{}, nil
}

func removeFaultSet(s *State, ref mgmt.Ref) (none, error) {
	f, err := s.faultSet(ref)
	if err != nil {
		return none{}, err
	}
	id := f.ID
	if slices.ContainsFunc(s.SDSs, func(x mgmt.SDS) bool { return x.FaultSet == id }) {
		return none{}, mgmt.FaultSetHasSDSs
	}
	s.FaultSets = remove(s.FaultSets, func(x *mgmt.FaultSet) bool { return x.ID == id })
	return none{}, nil
}
