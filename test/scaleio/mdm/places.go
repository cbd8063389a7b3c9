package mdm

import (
	"errors"
	"slices"

	"scaleio-framework/test/scaleio/mgmt"
)

// stays: nothing says that the copy should be elsewhere. Its device is neither leaving nor lost for good.
func (o *office) stays(s *State, v *Volume, p Copy) bool {
	d := find(s.Devices, func(d *Device) bool { return d.ID == p.Device })
	return d != nil && !d.Removing && !o.givenUp(s, v, p)
}

// givenUp: lost for so long that the data is made anew from the other copy. Not while the SDS is in maintenance: then it is known to return.
func (o *office) givenUp(s *State, v *Volume, p Copy) bool {
	if !o.sdss.lostFor(p.SDS, p.Device, o.node.opt.RebuildAfter) {
		return false
	}
	pool := find(s.Pools, func(x *mgmt.Pool) bool { return x.ID == v.Pool })
	sds := find(s.SDSs, func(x *mgmt.SDS) bool { return x.ID == p.SDS })
	return pool != nil && pool.Rebuild && sds != nil && !sds.Maintenance
}

func (o *office) staying(s *State, v *Volume, c *Chunk) []Copy {
	var staying []Copy
	for _, p := range c.Copies {
		if o.stays(s, v, p) {
			staying = append(staying, p)
		}
	}
	return staying
}

func (s *State) units(copies []Copy) []string {
	var units []string
	for _, p := range copies {
		if unit := s.faultUnit(p.SDS); !slices.Contains(units, unit) {
			units = append(units, unit)
		}
	}
	return units
}

// makeRoom gives every chunk that is to have a copy elsewhere its new place, still to be filled.
func (o *office) makeRoom() error {
	needs := func(s *State, v *Volume, c *Chunk) bool {
		return slices.ContainsFunc(c.Copies, o.good) && len(s.units(o.staying(s, v, c))) < 2
	}
	if !anyChunk(o.state.Load(), needs) {
		return nil
	}
	err := o.write(func(s *State) error {
		placed := false
		for i := range s.Volumes {
			v := &s.Volumes[i]
			for j := range v.Chunks {
				c := &v.Chunks[j]
				if !needs(s, v, c) {
					continue
				}
				if d := s.place(v.Pool, s.units(o.staying(s, v, c)), o.deviceUp); d != nil {
					c.Copies = append(c.Copies, Copy{SDS: d.SDS, Device: d.ID, Slot: d.take(), Stale: true})
					placed = true
				}
			}
		}
		if !placed {
			return errUnchanged // there is no room on another fault unit
		}
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

func anyChunk(s *State, match func(*State, *Volume, *Chunk) bool) bool {
	for i := range s.Volumes {
		for j := range s.Volumes[i].Chunks {
			if match(s, &s.Volumes[i], &s.Volumes[i].Chunks[j]) {
				return true
			}
		}
	}
	return false
}

// surplus are the copies of a chunk that two good ones on two fault units make needless, once the SDSs of all good ones were told to refuse older
// maps: a client that knows nothing of the change must not find all of its places willing.
func (o *office) surplus(s *State, v *Volume, c *Chunk, told func(sds string) bool) []Copy {
	good := func(p Copy) bool { return !p.Stale && o.stays(s, v, p) }
	if slices.ContainsFunc(c.Copies, func(p Copy) bool { return good(p) && !told(p.SDS) }) {
		return nil
	}
	replaced := func(p Copy) bool {
		return slices.ContainsFunc(c.Copies, func(q Copy) bool { return q.Replaces == p.Device && good(q) })
	}
	var pair []Copy
	for _, last := range []bool{false, true} { // one that has been replaced only if there is no other
		for _, p := range c.Copies {
			if len(pair) < 2 && good(p) && replaced(p) == last && len(s.units(append(slices.Clone(pair), p))) > len(pair) {
				pair = append(pair, p)
			}
		}
	}
	if len(pair) < 2 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.Copies), func(p Copy) bool {
		onItsWay := p.Stale && o.stays(s, v, p) && slices.ContainsFunc(pair, func(q Copy) bool { return p.Replaces == q.Device })
		return onItsWay || slices.Contains(pair, p)
	})
}

// drop takes copies out of a chunk. Their slots are used again once they are empty.
func (s *State) drop(v *Volume, c *Chunk, copies []Copy) {
	if len(copies) == 0 {
		return
	}
	c.Copies = slices.DeleteFunc(c.Copies, func(p Copy) bool { return slices.Contains(copies, p) })
	for i := range c.Copies {
		if !c.Copies[i].Stale {
			c.Copies[i].Replaces = ""
		}
	}
	for _, p := range copies {
		if d := find(s.Devices, func(d *Device) bool { return d.ID == p.Device }); d != nil {
			d.Dropped = append(d.Dropped, Dropped{Slot: p.Slot, Volume: v.ID})
		}
	}
}

func (o *office) deviceUp(d *Device) bool {
	s := o.state.Load()
	sds := find(s.SDSs, func(x *mgmt.SDS) bool { return x.ID == d.SDS })
	return sds != nil && !sds.Maintenance && o.sdss.up(d.SDS, d.ID)
}
