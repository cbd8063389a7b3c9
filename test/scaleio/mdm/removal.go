package mdm

import (
	"context"
	"errors"
	"slices"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

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
		used := anyChunk(s, func(_ *State, _ *Volume, c *Chunk) bool {
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
