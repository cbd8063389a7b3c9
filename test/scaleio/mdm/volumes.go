package mdm

import (
	"slices"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
)

const overcommit = 5 // thin volumes may promise this many times the room, as long as the pool isn't critical

func addVolume(s *State, args mgmt.AddVolume) (mgmt.ID, error) {
	p, err := s.pool(args.Pool)
	if err != nil {
		return mgmt.ID{}, err
	}
	if args.Name != "" {
		if err := checkName(args.Name); err != nil {
			return mgmt.ID{}, err
		}
		if _, err := s.volume(mgmt.Ref{Name: args.Name}); err == nil {
			return mgmt.ID{}, mgmt.VolumeNameInUse
		}
	}
	if args.SizeBytes <= 0 || args.SizeBytes%volumeGrain != 0 {
		return mgmt.ID{}, mgmt.VolumeSize
	}
	if err := s.mayHoldVolumes(p); err != nil {
		return mgmt.ID{}, err
	}
	if args.SizeBytes > s.limit(p, args.Thick) {
		return mgmt.ID{}, mgmt.AllocationLimit
	}
	v := Volume{Volume: mgmt.Volume{ID: s.newID(), Tree: s.newID(), Name: args.Name, Pool: p.ID, SizeBytes: args.SizeBytes, Thick: args.Thick,
		RMCache: args.RMCache, Created: time.Now().UTC().Truncate(time.Second), Generation: 1}}
	s.Volumes = append(s.Volumes, v)
	return mgmt.ID{ID: v.ID}, nil
}

// limit of a new volume's size.
func (s *State) limit(p *mgmt.Pool, thick bool) int64 {
	room := s.available(p)
	if thick {
		return room
	}
	promised := int64(0)
	sum, _ := sumAndMax(s.unitSizes(p.ID))
	for _, v := range s.Volumes {
		if v.Pool == p.ID {
			promised += v.SizeBytes
		}
	}
	if room == 0 {
		return 0
	}
	return max(0, sum*int64(100-p.SparePercent)/100/2*overcommit-promised)
}

func renameVolume(s *State, args mgmt.Rename) (none, error) {
	if err := checkName(args.New); err != nil {
		return none{}, err
	}
	v, err := s.volume(args.Of)
	if err != nil {
		return none{}, err
	}
	if other, err := s.volume(mgmt.Ref{Name: args.New}); err == nil && other.ID != v.ID {
		return none{}, mgmt.VolumeNameInUse
	}
	v.Name = args.New
	return none{}, nil
}

func growVolume(s *State, args mgmt.GrowVolume) (none, error) {
	v, err := s.volume(args.Of)
	if err != nil {
		return none{}, err
	}
	p, err := s.pool(mgmt.Ref{ID: v.Pool})
	if err != nil {
		return none{}, err
	}
	switch {
	case args.SizeBytes%volumeGrain != 0:
		return none{}, mgmt.VolumeSize
	case args.SizeBytes <= v.SizeBytes:
		return none{}, mgmt.VolumeOnlyGrows
	case args.SizeBytes-v.SizeBytes > s.limit(p, v.Thick):
		return none{}, mgmt.AllocationLimit
	}
	v.SizeBytes = args.SizeBytes
	return none{}, nil
}

func removeVolume(s *State, ref mgmt.Ref) (mgmt.ID, error) {
	v, err := s.volume(ref)
	if err != nil {
		return mgmt.ID{}, err
	}
	if len(v.Mappings) > 0 {
		return mgmt.ID{}, mgmt.VolumeMapped
	}
	id := v.ID
	for _, c := range v.Chunks {
		for _, p := range c.Copies {
			s.give(p)
		}
	}
	s.Volumes = remove(s.Volumes, func(x *Volume) bool { return x.ID == id })
	return mgmt.ID{ID: id}, nil
}

func mapVolume(s *State, args mgmt.MapVolume) (mgmt.Mapped, error) {
	v, err := s.volume(args.Volume)
	if err != nil {
		return mgmt.Mapped{}, err
	}
	clients, err := s.clients(args)
	if err != nil {
		return mgmt.Mapped{}, err
	}
	for _, id := range clients {
		if slices.ContainsFunc(v.Mappings, func(m mgmt.Mapping) bool { return m.SDC == id }) {
			return mgmt.Mapped{}, mgmt.AlreadyMapped
		}
		if len(v.Mappings) > 0 && !args.AllowMulti {
			return mgmt.Mapped{}, mgmt.MappedElsewhere
		}
		v.Mappings = append(v.Mappings, mgmt.Mapping{SDC: id, AccessMode: args.AccessMode})
	}
	return mgmt.Mapped{Volume: v.ID, SDCs: clients}, nil
}

// unmapVolume raises the generation: what the SDC still has on its way is refused by the SDSs.
func (c call) unmapVolume(args mgmt.MapVolume) (result mgmt.Mapped, err error) {
	err = c.office.fenced(func(s *State) ([]string, error) {
		v, err := s.volume(args.Volume)
		if err != nil {
			return nil, err
		}
		clients := make([]string, 0, len(v.Mappings))
		if args.AllSDCs {
			for _, m := range v.Mappings {
				clients = append(clients, m.SDC)
			}
		} else if clients, err = s.clients(args); err != nil {
			return nil, err
		}
		for _, id := range clients {
			if !slices.ContainsFunc(v.Mappings, func(m mgmt.Mapping) bool { return m.SDC == id }) {
				return nil, mgmt.NotMapped
			}
		}
		if len(clients) == 0 {
			return nil, mgmt.NotMapped
		}
		v.Mappings = slices.DeleteFunc(v.Mappings, func(m mgmt.Mapping) bool { return slices.Contains(clients, m.SDC) })
		v.Generation++
		result = mgmt.Mapped{Volume: v.ID, SDCs: clients}
		return []string{v.ID}, nil
	})
	return result, err
}

func (s *State) clients(args mgmt.MapVolume) ([]string, error) {
	if args.AllSDCs {
		var all []string
		for _, c := range s.SDCs {
			all = append(all, c.ID)
		}
		return all, nil
	}
	client, err := s.sdc(args.SDC)
	if err != nil {
		return nil, err
	}
	return []string{client.ID}, nil
}

func approveSDC(s *State, args mgmt.ApproveSDC) (mgmt.ID, error) {
	c, err := s.sdc(mgmt.Ref{GUID: args.GUID, IP: args.IP})
	if err != nil {
		// Approved before it was ever seen: it will be known by its GUID.
		if args.GUID == "" {
			return mgmt.ID{}, mgmt.NoSDC
		}
		s.SDCs = append(s.SDCs, mgmt.SDC{ID: s.newID(), GUID: args.GUID, IP: args.IP, Name: args.Name, Approved: true})
		return mgmt.ID{ID: s.SDCs[len(s.SDCs)-1].ID}, nil
	}
	if c.Approved {
		return mgmt.ID{}, mgmt.SDCApproved
	}
	c.Approved = true
	if args.Name != "" {
		c.Name = args.Name
	}
	return mgmt.ID{ID: c.ID}, nil
}

func renameSDC(s *State, args mgmt.Rename) (none, error) {
	if err := checkName(args.New); err != nil {
		return none{}, err
	}
	c, err := s.sdc(args.Of)
	if err != nil {
		return none{}, err
	}
	if other, err := s.sdc(mgmt.Ref{Name: args.New}); err == nil && other.ID != c.ID {
		return none{}, mgmt.SDCNameInUse
	}
	c.Name = args.New
	return none{}, nil
}

func (c call) removeSDC(ref mgmt.Ref) (none, error) {
	return none{}, c.office.write(func(s *State) error {
		client, err := s.sdc(ref)
		if err != nil {
			return err
		}
		id := client.ID
		switch {
		case c.office.sdcs.connected(id):
			return mgmt.SDCConnected
		case slices.ContainsFunc(s.Volumes, func(v Volume) bool {
			return slices.ContainsFunc(v.Mappings, func(m mgmt.Mapping) bool { return m.SDC == id })
		}):
			return mgmt.SDCHasVolumes
		}
		s.SDCs = remove(s.SDCs, func(x *mgmt.SDC) bool { return x.ID == id })
		return nil
	})
}
