package mdm

import (
	"context"
	"errors"
	"slices"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

// mend brings the copies to where they should be: lost ones are given up, those that can be are filled again, leaving devices are emptied.
func (o *office) mend(ctx context.Context) error {
	var errs []error
	if len(o.loseCopies(o.state.Load(), false)) > 0 {
		errs = append(errs, o.fenced(func(s *State) ([]string, error) { return o.loseCopies(s, true), nil }))
	}
	errs = append(errs, o.makeRoom(), o.refill(ctx), o.finishRemovals(ctx), o.noteDevices(ctx))
	return errors.Join(errs...)
}

// loseCopies marks copies whose device is gone, as long as another good copy can be reached: the last good one is never given up.
func (o *office) loseCopies(s *State, mark bool) []string {
	var touched []string
	for i := range s.Volumes {
		v := &s.Volumes[i]
		changed := false
		for j := range v.Chunks {
			copies := v.Chunks[j].Copies
			for k := range copies {
				p := &copies[k]
				if p.Stale || !o.sdss.lost(p.SDS, p.Device) || !slices.ContainsFunc(copies, o.good) {
					continue
				}
				changed = true
				if mark {
					p.Stale = true
				}
			}
		}
		if changed {
			touched = append(touched, v.ID)
			if mark {
				v.Generation++
			}
		}
	}
	return touched
}

// good: in sync, and reachable now.
func (o *office) good(p Copy) bool { return !p.Stale && o.sdss.up(p.SDS, p.Device) }

// failedWrite is an SDC's word that it couldn't write to a copy. The MDM believes it if another good copy can be reached.
func (o *office) failedWrite(volume string, index int64, sds, device string) error {
	return o.fenced(func(s *State) ([]string, error) {
		v := find(s.Volumes, func(v *Volume) bool { return v.ID == volume })
		if v == nil {
			return nil, errors.New("no such volume")
		}
		c := find(v.Chunks, func(c *Chunk) bool { return c.Index == index })
		if c == nil {
			return nil, errors.New("no such chunk")
		}
		p := find(c.Copies, func(p *Copy) bool { return p.SDS == sds && (device == "" || p.Device == device) && !p.Stale })
		others := func(x Copy) bool { return (x.SDS != sds || device != "" && x.Device != device) && o.good(x) }
		if p == nil || !slices.ContainsFunc(c.Copies, others) {
			return nil, errUnchanged // known already, or nothing else to write to: the SDC waits
		}
		p.Stale = true
		v.Generation++
		return []string{v.ID}, nil
	})
}

// makeRoom gives every chunk on a leaving device a new place, still to be filled.
func (o *office) makeRoom() error {
	needs := func(s *State, c *Chunk) bool {
		leaving, staying := o.split(s, c)
		return len(leaving) > 0 && len(staying) < 2
	}
	if !anyChunk(o.state.Load(), needs) {
		return nil
	}
	return o.write(func(s *State) error {
		for i := range s.Volumes {
			v := &s.Volumes[i]
			for j := range v.Chunks {
				c := &v.Chunks[j]
				if !needs(s, c) {
					continue
				}
				_, staying := o.split(s, c)
				var taken []string
				for _, p := range staying {
					taken = append(taken, s.faultUnit(p.SDS))
				}
				if d := s.place(v.Pool, taken, o.deviceUp); d != nil {
					c.Copies = append(c.Copies, Copy{SDS: d.SDS, Device: d.ID, Slot: d.take(), Stale: true})
				}
			}
		}
		return nil
	})
}

func anyChunk(s *State, match func(*State, *Chunk) bool) bool {
	for i := range s.Volumes {
		for j := range s.Volumes[i].Chunks {
			if match(s, &s.Volumes[i].Chunks[j]) {
				return true
			}
		}
	}
	return false
}

func (o *office) split(s *State, c *Chunk) (leaving, staying []Copy) {
	for _, p := range c.Copies {
		d := find(s.Devices, func(d *Device) bool { return d.ID == p.Device })
		if d == nil || d.Removing {
			leaving = append(leaving, p)
		} else {
			staying = append(staying, p)
		}
	}
	return leaving, staying
}

func (o *office) deviceUp(d *Device) bool {
	s := o.state.Load()
	sds := find(s.SDSs, func(x *mgmt.SDS) bool { return x.ID == d.SDS })
	return sds != nil && !sds.Maintenance && o.sdss.up(d.SDS, d.ID)
}

const (
	refillSlice  = 500 * time.Millisecond // I/O on the volume waits that long at most, and one chunk
	refillChunks = 8
)

// refill copies stale chunks from their good copy, some at a time. While it does, the volume's writes are refused by generation and SDCs
// wait: a copy made beside running writes would miss some.
func (o *office) refill(ctx context.Context) error {
	for _, v := range o.state.Load().Volumes {
		if !slices.ContainsFunc(v.Chunks, func(c Chunk) bool { _, _, ok := o.refillable(c); return ok }) {
			continue
		}
		filled, err := o.refillVolume(ctx, v.ID)
		if err != nil {
			return err
		}
		if filled {
			o.sdss.wake() // there may be more
		}
	}
	return nil
}

func (o *office) refillable(c Chunk) (from, to Copy, ok bool) {
	source := slices.IndexFunc(c.Copies, o.good)
	target := slices.IndexFunc(c.Copies, func(p Copy) bool { return p.Stale && o.sdss.up(p.SDS, p.Device) })
	if source < 0 || target < 0 {
		return from, to, false
	}
	return c.Copies[source], c.Copies[target], true
}

func (o *office) refillVolume(ctx context.Context, id string) (bool, error) {
	o.fencing.Lock()
	defer o.fencing.Unlock()
	defer o.sdcs.thaw([]string{id})
	err := o.write(func(s *State) error {
		o.sdcs.freeze(o.state.Load(), []string{id})
		if v := find(s.Volumes, func(v *Volume) bool { return v.ID == id }); v != nil {
			v.Generation++
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	told := o.raiseGeneration(ctx, id)
	s := o.state.Load()
	v := find(s.Volumes, func(v *Volume) bool { return v.ID == id })
	if v == nil {
		return false, nil
	}
	filled := map[int64]Copy{}
	begin := time.Now()
	for _, c := range v.Chunks {
		from, to, ok := o.refillable(c)
		if !ok || !slices.Contains(told, from.SDS) || !slices.Contains(told, to.SDS) {
			continue
		}
		if len(filled) == refillChunks || time.Since(begin) > refillSlice {
			break
		}
		o.rebuilding.Store(wire.ChunkBytes)
		copying, done := o.sdss.whileUp(ctx, from, to)
		_, err = askSDS(copying, s.address(to.SDS), copyTimeout, wire.SDSRequest{Op: "copy-chunk", System: s.System.ID, SDS: to.SDS, Volume: id, Generation: v.Generation,
			Device: to.Device, Slot: to.Slot, From: &wire.Copy{SDS: from.SDS, Addr: s.address(from.SDS), Device: from.Device, Slot: from.Slot}})
		done()
		o.rebuilding.Store(0)
		if err != nil {
			break
		}
		filled[c.Index] = to
	}
	if len(filled) == 0 {
		return false, err
	}
	return true, errors.Join(err, o.write(func(s *State) error { o.filled(s, id, filled); return nil }))
}

// filled takes the new copies into use and leaves those on leaving devices, once two others are good.
func (o *office) filled(s *State, id string, filled map[int64]Copy) {
	v := find(s.Volumes, func(v *Volume) bool { return v.ID == id })
	if v == nil {
		return
	}
	for i := range v.Chunks {
		c := &v.Chunks[i]
		if to, ok := filled[c.Index]; ok {
			if p := find(c.Copies, func(p *Copy) bool { return p.Device == to.Device && p.Slot == to.Slot }); p != nil {
				p.Stale = false
			}
		}
		leaving, staying := o.split(s, c)
		if len(leaving) > 0 && len(staying) >= 2 && !slices.ContainsFunc(staying, func(p Copy) bool { return p.Stale }) {
			for _, p := range leaving {
				s.give(p)
			}
			c.Copies = staying
		}
	}
}

// finishRemovals gives devices and SDSs back that hold no data any more.
func (o *office) finishRemovals(ctx context.Context) error {
	s := o.state.Load()
	if !slices.ContainsFunc(s.Devices, func(d Device) bool { return d.Removing }) && !slices.ContainsFunc(s.SDSs, func(x mgmt.SDS) bool { return x.Removing }) {
		return nil
	}
	o.configuring.Lock()
	defer o.configuring.Unlock()
	s = o.state.Load()
	var errs []error
	for _, d := range s.Devices {
		used := anyChunk(s, func(_ *State, c *Chunk) bool {
			return slices.ContainsFunc(c.Copies, func(p Copy) bool { return p.Device == d.ID })
		})
		if !d.Removing || used {
			continue
		}
		if o.sdss.connected(d.SDS) {
			if _, err := askSDS(ctx, s.address(d.SDS), deviceTimeout, wire.SDSRequest{Op: "remove-device", System: s.System.ID, SDS: d.SDS, Device: d.ID}); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		errs = append(errs, o.write(func(s *State) error {
			s.Devices = remove(s.Devices, func(x *Device) bool { return x.ID == d.ID })
			return nil
		}))
	}
	s = o.state.Load()
	for _, x := range s.SDSs {
		if !x.Removing || slices.ContainsFunc(s.Devices, func(d Device) bool { return d.SDS == x.ID }) {
			continue
		}
		if o.sdss.connected(x.ID) {
			if _, err := askSDS(ctx, s.address(x.ID), deviceTimeout, wire.SDSRequest{Op: "detach", System: s.System.ID, SDS: x.ID}); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		errs = append(errs, o.write(func(s *State) error {
			s.SDSs = remove(s.SDSs, func(y *mgmt.SDS) bool { return y.ID == x.ID })
			return nil
		}))
	}
	return errors.Join(errs...)
}

// noteDevices follows renamed disks, and gives back what an SDS took for a device that was never recorded because the master died between.
func (o *office) noteDevices(ctx context.Context) error {
	s := o.state.Load()
	var errs []error
	for _, d := range s.Devices {
		if seen, ok := o.sdss.device(d.SDS, d.ID); ok && seen.Error == "" && seen.Path != d.CurrentPath {
			errs = append(errs, o.write(func(s *State) error {
				if x := find(s.Devices, func(x *Device) bool { return x.ID == d.ID }); x != nil {
					x.CurrentPath = seen.Path
				}
				return nil
			}))
		}
	}
	for _, x := range s.SDSs {
		for _, id := range o.sdss.orphans(s, x.ID) {
			errs = append(errs, o.forgetOrphan(ctx, x.ID, id))
		}
	}
	return errors.Join(errs...)
}

func (w *sdsWatch) orphans(s *State, sds string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for id := range w.status(sds).devices {
		if !slices.ContainsFunc(s.Devices, func(d Device) bool { return d.ID == id }) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (o *office) forgetOrphan(ctx context.Context, sds, device string) error {
	if !o.configuring.TryLock() {
		return nil // it is being added right now
	}
	defer o.configuring.Unlock()
	s := o.state.Load()
	if slices.ContainsFunc(s.Devices, func(d Device) bool { return d.ID == device }) || !o.sdss.connected(sds) {
		return nil
	}
	_, err := askSDS(ctx, s.address(sds), deviceTimeout, wire.SDSRequest{Op: "remove-device", System: s.System.ID, SDS: sds, Device: device})
	return err
}
