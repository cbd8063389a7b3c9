package mdm

import (
	"context"
	"errors"
	"slices"
)

// mend brings the copies to where they should be: lost ones are marked, those that can be are filled again, what is on lost or leaving devices is
// made anew elsewhere.
func (o *office) mend(ctx context.Context) error {
	var errs []error
	if len(o.loseCopies(o.state.Load(), false)) > 0 {
		errs = append(errs, o.fenced(func(s *State) ([]string, error) { return o.loseCopies(s, true), nil }))
	}
	errs = append(errs, o.makeRoom(), o.refill(ctx), o.emptySlots(ctx), o.finishRemovals(ctx), o.noteDevices(ctx))
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
