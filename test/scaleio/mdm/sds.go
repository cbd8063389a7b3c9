package mdm

import (
	"slices"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

// addSDS makes the SDS a member before it is recorded: one that took the identity and was never recorded has no device and may be added again.
func (c call) addSDS(args mgmt.AddSDS) (mgmt.ID, error) {
	o := c.office
	o.configuring.Lock()
	defer o.configuring.Unlock()
	if args.Port == 0 {
		args.Port = wire.PortSDS
	}
	sds, err := o.state.Load().newSDS(args)
	if err != nil {
		return mgmt.ID{}, err
	}
	// The id must not be taken by another creation, so it comes from a change of its own.
	if err := o.write(func(s *State) error { sds.ID = s.newID(); return nil }); err != nil {
		return mgmt.ID{}, err
	}
	address := mgmt.Address(sds.IPs[0].IP, sds.Port)
	hello := wire.SDSRequest{Op: "hello", System: o.state.Load().System.ID, SDS: sds.ID, Name: sds.Name, Force: args.ForceClean}
	if _, err := askSDS(c.ctx, address, deviceTimeout, hello); err != nil {
		return mgmt.ID{}, faultOfSDS(err)
	}
	if err := o.write(func(s *State) error { s.SDSs = append(s.SDSs, sds); return nil }); err != nil {
		return mgmt.ID{}, err
	}
	o.sdss.follow(sds.ID)
	for _, d := range args.Devices {
		if _, err := c.attach(mgmt.AddDevice{SDS: mgmt.Ref{ID: sds.ID}, Pool: d.Pool, Path: d.Path, Name: d.Name}); err != nil {
			return mgmt.ID{}, err
		}
	}
	return mgmt.ID{ID: sds.ID}, nil
}

// newSDS checks everything that needs no word with the SDS itself.
func (s *State) newSDS(args mgmt.AddSDS) (mgmt.SDS, error) {
	d, err := s.domain(args.Domain)
	if err != nil {
		return mgmt.SDS{}, err
	}
	if err := checkName(args.Name); err != nil {
		return mgmt.SDS{}, err
	}
	if len(args.IPs) == 0 {
		return mgmt.SDS{}, mgmt.WrongParameters
	}
	sds := mgmt.SDS{Name: args.Name, Domain: d.ID, IPs: args.IPs, Port: args.Port, RMCacheKB: 128 << 10, PerfProfile: "HighPerformance"}
	update(&sds.RMCache, args.RMCache)
	if !args.FaultSet.Empty() {
		f, err := s.faultSet(args.FaultSet)
		if err != nil {
			return mgmt.SDS{}, err
		}
		if f.Domain != d.ID {
			return mgmt.SDS{}, mgmt.FaultSetNotInDomain
		}
		sds.FaultSet = f.ID
	}
	for _, other := range s.SDSs {
		if other.Name == sds.Name {
			return mgmt.SDS{}, mgmt.SDSNameInUse
		}
		if other.Port == sds.Port && sharesIP(other.IPs, sds.IPs) {
			return mgmt.SDS{}, mgmt.SDSAddressInUse
		}
	}
	return sds, checkIPRoles(sds.IPs)
}

func sharesIP(a, b []mgmt.SDSIP) bool {
	return slices.ContainsFunc(a, func(x mgmt.SDSIP) bool {
		return slices.ContainsFunc(b, func(y mgmt.SDSIP) bool { return x.IP == y.IP })
	})
}

func checkIPRoles(ips []mgmt.SDSIP) error {
	if len(ips) == 0 {
		return mgmt.WrongParameters
	}
	for _, ip := range ips {
		if !slices.Contains([]string{"all", "sdsOnly", "sdcOnly"}, ip.Role) || len(ips) == 1 && ip.Role != "all" {
			return mgmt.WrongParameters
		}
	}
	return nil
}

func modifySDS(s *State, args mgmt.ModifySDS) (none, error) {
	x, err := s.sds(args.Of)
	if err != nil {
		return none{}, err
	}
	if args.Name != nil {
		if err := checkName(*args.Name); err != nil {
			return none{}, err
		}
		if other, err := s.sds(mgmt.Ref{Name: *args.Name}); err == nil && other.ID != x.ID {
			return none{}, mgmt.SDSNameInUse
		}
		x.Name = *args.Name
	}
	if args.AddIP != nil {
		x.IPs = append(x.IPs, *args.AddIP)
	}
	if args.SetIPRole != nil {
		i := slices.IndexFunc(x.IPs, func(ip mgmt.SDSIP) bool { return ip.IP == args.SetIPRole.IP })
		if i < 0 {
			return none{}, mgmt.NotFound
		}
		x.IPs[i].Role = args.SetIPRole.Role
	}
	if args.RemoveIP != nil {
		x.IPs = slices.DeleteFunc(x.IPs, func(ip mgmt.SDSIP) bool { return ip.IP == *args.RemoveIP })
	}
	update(&x.Port, args.Port)
	update(&x.RMCache, args.RMCache)
	update(&x.RMCacheKB, args.RMCacheKB)
	update(&x.PerfProfile, args.PerfProfile)
	return none{}, checkIPRoles(x.IPs)
}

// removeSDS only begins it: the data moves first.
func removeSDS(s *State, ref mgmt.Ref) (none, error) {
	x, err := s.sds(ref)
	if err != nil {
		return none{}, err
	}
	if x.Removing {
		return none{}, mgmt.SDSBeingRemoved
	}
	leaving := func(d Device) bool { return d.SDS == x.ID }
	if !s.dataFitsWithout(leaving) {
		return none{}, mgmt.NoSpares
	}
	x.Removing = true
	for i := range s.Devices {
		if leaving(s.Devices[i]) {
			s.Devices[i].Removing = true
		}
	}
	return none{}, nil
}

// maintenance of the instant kind: the SDS may go away without its data being rebuilt elsewhere.
func (c call) maintenance(args mgmt.Maintenance) (none, error) {
	o := c.office
	return none{}, o.write(func(s *State) error {
		x, err := s.sds(args.Of)
		if err != nil {
			return err
		}
		switch {
		case args.Enter && x.Maintenance:
			return mgmt.AlreadyInMaintenance
		case !args.Enter && !x.Maintenance:
			return mgmt.NotInMaintenance
		case args.Enter:
			if err := o.mayEnterMaintenance(s, x); err != nil {
				return err
			}
		}
		x.Maintenance = args.Enter
		return nil
	})
}

func (o *office) mayEnterMaintenance(s *State, x *mgmt.SDS) error {
	pools := map[string]bool{}
	for _, d := range s.Devices {
		if d.SDS == x.ID {
			pools[d.Pool] = true
		}
	}
	healthy := 0
	for _, other := range s.SDSs {
		shares := slices.ContainsFunc(s.Devices, func(d Device) bool { return d.SDS == other.ID && pools[d.Pool] })
		if other.ID == x.ID {
			continue
		}
		if shares && other.Maintenance && s.faultUnit(other.ID) != s.faultUnit(x.ID) {
			return mgmt.OtherInMaintenance
		}
		if !other.Maintenance && o.sdss.connected(other.ID) {
			healthy++
		}
	}
	if healthy < 2 {
		return mgmt.TooFewHealthySDSs
	}
	for _, p := range s.Pools {
		if pools[p.ID] && !p.Rebuild {
			return mgmt.RebuildDisabled
		}
	}
	for _, v := range s.Volumes {
		if pools[v.Pool] && slices.ContainsFunc(v.Chunks, func(c Chunk) bool {
			return slices.ContainsFunc(c.Copies, func(p Copy) bool { return p.Stale && p.Replaces == "" })
		}) {
			return mgmt.DegradedData
		}
	}
	return nil
}
