package mdm

import (
	"cmp"
	"errors"
	"slices"
)

// rebalanceSlack, in chunks, is the difference between two devices that isn't worth a move. It is more than a move changes, or chunks would
// go to and fro.
const rebalanceSlack = 4

// rebalance begins one move in each pool that is at rest: a new place for a copy on one of its fullest devices. Refill does the rest.
func (o *office) rebalance() error {
	atRest := func(s *State, pool string) bool {
		return !anyChunk(s, func(_ *State, v *Volume, c *Chunk) bool {
			return v.Pool == pool && (len(c.Copies) < 2 || !o.allGood(c))
		})
	}
	begin := func(s *State) (began bool) {
		for _, p := range s.Pools {
			if p.Rebalance && atRest(s, p.ID) {
				began = s.beginMove(p.ID, o.deviceUp) || began
			}
		}
		return began
	}
	probe, err := o.state.Load().clone()
	if err != nil {
		return err
	}
	if !begin(probe) {
		return nil
	}
	err = o.write(func(s *State) error {
		if !begin(s) {
			return errUnchanged
		}
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

func (o *office) allGood(c *Chunk) bool {
	return !slices.ContainsFunc(c.Copies, func(p Copy) bool { return !o.good(p) })
}

// beginMove gives one copy a second place on a device that is emptier than its own, if the pool is out of balance.
func (s *State) beginMove(pool string, usable func(*Device) bool) bool {
	var devices []*Device
	for i := range s.Devices {
		if d := &s.Devices[i]; d.Pool == pool && !d.Removing && d.slots() > 0 && usable(d) {
			devices = append(devices, d)
		}
	}
	slices.SortStableFunc(devices, func(a, b *Device) int { return cmp.Compare(a.used()*b.slots(), b.used()*a.slots()) })
	for _, giver := range slices.Backward(devices) {
		for _, taker := range devices {
			worthIt := giver.used()*taker.slots()-taker.used()*giver.slots() >= rebalanceSlack*max(giver.slots(), taker.slots())
			if worthIt && taker.free() > 0 && s.beginMoveBetween(pool, giver, taker) {
				return true
			}
		}
	}
	return false
}

func (s *State) beginMoveBetween(pool string, giver, taker *Device) bool {
	unit := s.faultUnit(taker.SDS)
	for i := range s.Volumes {
		v := &s.Volumes[i]
		if v.Pool != pool {
			continue
		}
		for j := range v.Chunks {
			c := &v.Chunks[j]
			here := slices.IndexFunc(c.Copies, func(p Copy) bool { return p.Device == giver.ID })
			if here < 0 || slices.ContainsFunc(c.Copies, func(p Copy) bool { return p.Device != giver.ID && s.faultUnit(p.SDS) == unit }) {
				continue
			}
			c.Copies = append(c.Copies, Copy{SDS: taker.SDS, Device: taker.ID, Slot: taker.take(), Stale: true, Replaces: giver.ID})
			return true
		}
	}
	return false
}
