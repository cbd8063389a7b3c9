package mdm

import (
	"slices"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

func (c call) addDevice(args mgmt.AddDevice) (mgmt.ID, error) {
	c.office.configuring.Lock()
	defer c.office.configuring.Unlock()
	return c.attach(args)
}

// attach lets the SDS take the device before it is recorded; what was taken and never recorded, the watch gives back (see forgetOrphans).
func (c call) attach(args mgmt.AddDevice) (mgmt.ID, error) {
	o := c.office
	s := o.state.Load()
	x, err := s.sds(args.SDS)
	if err != nil {
		return mgmt.ID{}, err
	}
	if args.Pool.Domain == nil {
		args.Pool.Domain = &mgmt.Ref{ID: x.Domain}
	}
	p, err := s.pool(args.Pool)
	if err != nil {
		return mgmt.ID{}, err
	}
	if err := checkDevice(s, x, p, args); err != nil {
		return mgmt.ID{}, err
	}
	d := Device{Device: mgmt.Device{Name: args.Name, SDS: x.ID, Pool: p.ID, OriginalPath: args.Path, CurrentPath: args.Path, MediaType: p.MediaType}}
	if err := o.write(func(s *State) error { d.ID = s.newID(); return nil }); err != nil {
		return mgmt.ID{}, err
	}
	ask := wire.SDSRequest{Op: "add-device", System: s.System.ID, SDS: x.ID, Device: d.ID, Path: args.Path, Force: args.Takeover}
	answer, err := askSDS(c.ctx, s.address(x.ID), deviceTimeout, ask)
	if err != nil {
		return mgmt.ID{}, faultOfSDS(err)
	}
	for _, taken := range answer.Devices {
		if taken.ID == d.ID {
			d.SizeBytes, d.LimitBytes, d.CurrentPath = taken.SizeBytes, taken.SizeBytes, taken.Path
		}
	}
	if d.SizeBytes < o.node.opt.MinDeviceBytes {
		_, err := askSDS(c.ctx, s.address(x.ID), deviceTimeout, wire.SDSRequest{Op: "remove-device", System: s.System.ID, SDS: x.ID, Device: d.ID})
		if err != nil {
			o.node.log.Warn("giving a device back failed", "device", d.ID, "err", err)
		}
		return mgmt.ID{}, mgmt.DeviceTooSmall
	}
	return mgmt.ID{ID: d.ID}, o.write(func(s *State) error { s.Devices = append(s.Devices, d); return nil })
}

func checkDevice(s *State, x *mgmt.SDS, p *mgmt.Pool, args mgmt.AddDevice) error {
	switch {
	case p.Domain != x.Domain:
		return mgmt.PoolNotInDomain
	case x.Removing:
		return mgmt.SDSBeingRemoved
	case p.MediaType == "Transitional" && args.MediaType == "":
		return &mgmt.Fault{Code: 980, Text: "The target Storage Pool is configured with the Transitional media type. The device media type should be provided explicitly when adding a device to the Storage Pool."}
	case args.MediaType != "" && args.MediaType != p.MediaType && p.MediaType != "Transitional":
		return &mgmt.Fault{Code: 820, Text: "The device media type is not compatible with the Storage Pool media type"}
	}
	for _, d := range s.Devices {
		if d.SDS == x.ID && (d.CurrentPath == args.Path || d.OriginalPath == args.Path) {
			return mgmt.DevicePathExists
		}
		if d.SDS == x.ID && args.Name != "" && d.Name == args.Name {
			return mgmt.DeviceNameExists
		}
	}
	return nil
}

func modifyDevice(s *State, args mgmt.ModifyDevice) (none, error) {
	d, err := s.device(args.Of)
	if err != nil {
		return none{}, err
	}
	if args.Name != nil {
		if slices.ContainsFunc(s.Devices, func(x Device) bool { return x.SDS == d.SDS && x.ID != d.ID && x.Name == *args.Name }) {
			return none{}, mgmt.DeviceNameExists
		}
		d.Name = *args.Name
	}
	if args.LimitBytes != nil {
		if *args.LimitBytes > d.SizeBytes {
			return none{}, mgmt.DeviceTooLarge
		}
		d.LimitBytes = *args.LimitBytes
	}
	update(&d.MediaType, args.MediaType)
	if args.UpdateOriginalPath {
		d.OriginalPath = d.CurrentPath
	}
	return none{}, nil
}

// removeDevice only begins it: the data moves first.
func removeDevice(s *State, ref mgmt.DeviceRef) (none, error) {
	d, err := s.device(ref)
	if err != nil {
		return none{}, err
	}
	if d.Removing {
		return none{}, mgmt.DeviceBeingRemoved
	}
	if !slices.ContainsFunc(s.Devices, func(x Device) bool { return x.SDS == d.SDS && x.ID != d.ID && !x.Removing }) {
		return none{}, mgmt.LastDevice
	}
	if !s.dataFitsWithout(func(x Device) bool { return x.ID == d.ID }) {
		return none{}, mgmt.NoSpares
	}
	d.Removing = true
	return none{}, nil
}
