package mdm

import (
	"cmp"
	"slices"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

const volumeGrain = 8 << 30 // volumes come in multiples of 8 GB

// slots of a device: whole chunks after its header.
func (d *Device) slots() int64 { return (d.LimitBytes - wire.DeviceDataOffset) / wire.ChunkBytes }

func (d *Device) free() int64 { return d.slots() - d.Fresh + int64(len(d.Freed)) }

func (d *Device) used() int64 { return d.Fresh - int64(len(d.Freed)+len(d.Dropped)) }

func (d *Device) take() int64 {
	if n := len(d.Freed); n > 0 && d.Fresh >= d.slots() {
		slot := d.Freed[0]
		d.Freed = d.Freed[1:]
		return slot
	}
	d.Fresh++
	return d.Fresh - 1
}

func (s *State) give(p Copy) {
	if d := find(s.Devices, func(d *Device) bool { return d.ID == p.Device }); d != nil {
		d.Freed = append(d.Freed, p.Slot)
	}
}

// unitSizes of a pool: what each fault unit contributes.
func (s *State) unitSizes(pool string) map[string]int64 {
	sizes := map[string]int64{}
	for _, d := range s.Devices {
		if d.Pool == pool && !d.Removing {
			sizes[s.faultUnit(d.SDS)] += d.LimitBytes
		}
	}
	return sizes
}

func sumAndMax(sizes map[string]int64) (sum, largest int64) {
	for _, size := range sizes {
		sum, largest = sum+size, max(largest, size)
	}
	return sum, largest
}

// mayHoldVolumes is what the product asks of a pool before it makes a volume there.
func (s *State) mayHoldVolumes(p *mgmt.Pool) error {
	sizes := s.unitSizes(p.ID)
	sum, largest := sumAndMax(sizes)
	switch {
	case len(sizes) < 3 && slices.ContainsFunc(s.SDSs, func(x mgmt.SDS) bool { return x.FaultSet != "" && x.Domain == p.Domain }):
		return mgmt.TooFewFaultUnits
	case len(sizes) < 3:
		return mgmt.TooFewSDSs
	case largest > sum-largest:
		return mgmt.Unbalanced
	case sum*int64(p.SparePercent)/100 < largest:
		return mgmt.NoSpares
	}
	return nil
}

// available is the net room for volumes, in whole 8 GB: half of what isn't spare, less what thick volumes reserve and thin ones use.
func (s *State) available(p *mgmt.Pool) int64 {
	sum, _ := sumAndMax(s.unitSizes(p.ID))
	net := sum * int64(100-p.SparePercent) / 100 / 2
	for _, v := range s.Volumes {
		if v.Pool != p.ID {
			continue
		}
		if v.Thick {
			net -= v.SizeBytes
		} else {
			net -= int64(len(v.Chunks)) * wire.ChunkBytes
		}
	}
	return max(0, net/volumeGrain*volumeGrain)
}

// spareFits: after the change, what is promised to volumes must still be there.
func (s *State) spareFits(p mgmt.Pool) bool {
	sum, _ := sumAndMax(s.unitSizes(p.ID))
	room := sum * int64(100-p.SparePercent) / 100 / 2
	for _, v := range s.Volumes {
		if v.Pool == p.ID && v.Thick {
			room -= v.SizeBytes
		} else if v.Pool == p.ID {
			room -= int64(len(v.Chunks)) * wire.ChunkBytes
		}
	}
	return room >= 0
}

// dataFitsWithout tells whether the copies on leaving devices find room on others, in each of their pools.
func (s *State) dataFitsWithout(leaving func(Device) bool) bool {
	for _, p := range s.Pools {
		var room, moving int64
		units := map[string]bool{}
		for _, d := range s.Devices {
			switch {
			case d.Pool != p.ID:
			case leaving(d):
				moving += d.used()
			case !d.Removing:
				room += d.free()
				units[s.faultUnit(d.SDS)] = true
			}
		}
		if moving > 0 && (moving > room || len(units) < 2) {
			return false
		}
	}
	return true
}

// place finds a device for a new copy of a chunk: not in the fault units taken, usable, with the most room.
func (s *State) place(pool string, taken []string, usable func(*Device) bool) *Device {
	var candidates []*Device
	for i := range s.Devices {
		d := &s.Devices[i]
		if d.Pool == pool && !d.Removing && d.free() > 0 && usable(d) && !slices.Contains(taken, s.faultUnit(d.SDS)) {
			candidates = append(candidates, d)
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	return slices.MaxFunc(candidates, func(a, b *Device) int { return cmp.Compare(a.free(), b.free()) })
}

// allocate gives a chunk its two places.
func (s *State) allocate(v *Volume, index int64, usable func(*Device) bool) error {
	chunk := Chunk{Index: index}
	var taken []string
	for range 2 {
		d := s.place(v.Pool, taken, usable)
		if d == nil {
			return mgmt.AllocationLimit
		}
		taken = append(taken, s.faultUnit(d.SDS))
		chunk.Copies = append(chunk.Copies, Copy{SDS: d.SDS, Device: d.ID, Slot: d.take()})
	}
	v.Chunks = append(v.Chunks, chunk)
	slices.SortFunc(v.Chunks, func(a, b Chunk) int { return cmp.Compare(a.Index, b.Index) })
	return nil
}
