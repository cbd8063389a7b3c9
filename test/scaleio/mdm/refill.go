package mdm

import (
	"context"
	"errors"
	"slices"
	"time"

	"scaleio-framework/test/scaleio/wire"
)

const (
	refillSlice  = 500 * time.Millisecond // I/O on the volume waits that long at most, and one chunk
	refillChunks = 8
)

// refill copies stale chunks from their good copy, some at a time, and takes needless copies away. While it does, the volume's reads and writes
// are refused by generation and SDCs wait: a copy made beside running writes would miss some. Then the volume is its users' for as long, or on a
// slow machine they would never get a write through.
func (o *office) refill(ctx context.Context) error {
	s := o.state.Load()
	for i := range s.Volumes {
		v := &s.Volumes[i]
		if time.Now().Before(o.resting[v.ID]) || !slices.ContainsFunc(v.Chunks, func(c Chunk) bool {
			_, _, ok := o.refillable(c)
			return ok || len(o.surplus(s, v, &c, o.sdss.connected)) > 0
		}) {
			continue
		}
		begin := time.Now()
		done, err := o.refillVolume(ctx, v.ID)
		rest := max(time.Since(begin), o.node.opt.Watch)
		o.resting[v.ID] = time.Now().Add(rest)
		if err != nil {
			return err
		}
		if done {
			time.AfterFunc(rest, o.sdss.wake) // there may be more
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
	ids := o.raiseGeneration(ctx, id)
	told := func(sds string) bool { return slices.Contains(ids, sds) }
	filled, err := o.fill(ctx, id, told)
	writeErr := o.write(func(s *State) error {
		v := find(s.Volumes, func(v *Volume) bool { return v.ID == id })
		if v == nil || !o.filled(s, v, filled, told) {
			return errUnchanged
		}
		return nil
	})
	if errors.Is(writeErr, errUnchanged) {
		return false, err
	}
	return writeErr == nil, errors.Join(err, writeErr)
}

// fill copies what fits into a slice of time; it returns the new copies by chunk.
func (o *office) fill(ctx context.Context, id string, told func(sds string) bool) (map[int64]Copy, error) {
	s := o.state.Load()
	v := find(s.Volumes, func(v *Volume) bool { return v.ID == id })
	if v == nil {
		return nil, nil
	}
	filled := map[int64]Copy{}
	begin := time.Now()
	for _, c := range v.Chunks {
		from, to, ok := o.refillable(c)
		if !ok || !told(from.SDS) || !told(to.SDS) {
			continue
		}
		if len(filled) == refillChunks || time.Since(begin) > refillSlice {
			break
		}
		busy := &o.rebuilding
		if to.Replaces != "" {
			busy = &o.rebalancing
		}
		busy.Store(wire.ChunkBytes)
		copying, done := o.sdss.whileUp(ctx, from, to)
		_, err := askSDS(copying, s.address(to.SDS), copyTimeout, wire.SDSRequest{Op: "copy-chunk", System: s.System.ID, SDS: to.SDS, Volume: id, Generation: v.Generation,
			Device: to.Device, Slot: to.Slot, From: &wire.Copy{SDS: from.SDS, Addr: s.address(from.SDS), Device: from.Device, Slot: from.Slot}})
		done()
		busy.Store(0)
		if err != nil {
			return filled, err
		}
		filled[c.Index] = to
	}
	return filled, nil
}

// filled takes new copies into use and leaves those that are needless now; it tells whether that changed anything.
func (o *office) filled(s *State, v *Volume, filled map[int64]Copy, told func(sds string) bool) bool {
	changed := false
	for i := range v.Chunks {
		c := &v.Chunks[i]
		if to, ok := filled[c.Index]; ok {
			if p := find(c.Copies, func(p *Copy) bool { return p.Device == to.Device && p.Slot == to.Slot }); p != nil {
				p.Stale, changed = false, true
			}
		}
		if surplus := o.surplus(s, v, c, told); len(surplus) > 0 {
			s.drop(v, c, surplus)
			changed = true
		}
	}
	return changed
}

const slotsAtOnce = 32 // emptied in one pass

// emptySlots makes dropped slots free. The SDS learns the volume's generation first, so that nobody with an older map reads zeros there; that
// rises when they are free, so that a request to empty one which comes late is refused.
func (o *office) emptySlots(ctx context.Context) error {
	s := o.state.Load()
	for _, d := range s.Devices {
		if len(d.Dropped) == 0 || !o.sdss.connected(d.SDS) || !o.sdss.up(d.SDS, d.ID) {
			continue
		}
		var errs []error
		var empty []Dropped
		for _, x := range d.Dropped[:min(len(d.Dropped), slotsAtOnce)] {
			if err := o.emptySlot(ctx, s, d, x); err != nil {
				errs = append(errs, err)
				break
			}
			empty = append(empty, x)
		}
		if len(empty) > 0 {
			errs = append(errs, o.write(func(s *State) error { s.free(d.ID, empty); return nil }))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

func (o *office) emptySlot(ctx context.Context, s *State, d Device, x Dropped) error {
	v := find(s.Volumes, func(v *Volume) bool { return v.ID == x.Volume })
	if v == nil {
		return nil // nobody reads it any more, and the SDS shows it to no other volume
	}
	ask := wire.SDSRequest{System: s.System.ID, SDS: d.SDS, Volume: v.ID, Generation: v.Generation, Device: d.ID, Slot: x.Slot}
	for _, ask.Op = range []string{"set-generation", "zero-chunk"} {
		if _, err := askSDS(ctx, s.address(d.SDS), fenceTimeout, ask); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) free(device string, slots []Dropped) {
	d := find(s.Devices, func(d *Device) bool { return d.ID == device })
	if d == nil {
		return
	}
	d.Dropped = slices.DeleteFunc(d.Dropped, func(x Dropped) bool { return slices.Contains(slots, x) })
	for _, x := range slots {
		d.Freed = append(d.Freed, x.Slot)
		if v := find(s.Volumes, func(v *Volume) bool { return v.ID == x.Volume }); v != nil {
			v.Generation++
		}
	}
}
