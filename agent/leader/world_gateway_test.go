package leader_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
)

func (w *world) Open(id string, as scaleio.Credentials) (leader.Gateway, error) {
	return &gateway{w, as}, nil
}

func (w *world) LetsIn(ctx context.Context, as scaleio.Credentials) (in bool, err error) {
	err = w.call(ctx, "GET login", false, func() error {
		in = w.passwords[as.User] == as.Password.Reveal() &&
			!slices.ContainsFunc(w.users, func(u scaleio.User) bool { return u.Name == as.User && u.NeedNewPass })
		return nil
	})
	return in, err
}

type gateway struct {
	*world
	as scaleio.Credentials
}

func (g *gateway) request(ctx context.Context, name string, changes bool, work func() error) error {
	return g.call(ctx, name, changes, func() error {
		if g.dead {
			return errors.New("connection refused")
		}
		if g.passwords[g.as.User] != g.as.Password.Reveal() {
			return refused("Unauthorized")
		}
		return work()
	})
}

func (g *gateway) Objects(ctx context.Context) (o scaleio.Objects, err error) {
	err = g.request(ctx, "GET objects", false, func() error {
		o = g.objects
		o.Domains, o.Pools, o.FaultSets = slices.Clone(o.Domains), slices.Clone(o.Pools), slices.Clone(o.FaultSets)
		o.SDSs, o.Devices = slices.Clone(o.SDSs), slices.Clone(o.Devices)
		return nil
	})
	return o, err
}

func (g *gateway) AddDomain(ctx context.Context, name string) error {
	return g.request(ctx, "add domain "+name, true, func() error {
		if _, there := g.objects.Domain(name); there {
			return refused("Protection Domain name already in use. Please try a different name.")
		}
		g.objects.Domains = append(g.objects.Domains, scaleio.DomainObject{ID: g.id(), Name: name, State: "Active"})
		return nil
	})
}

// AddPool ignores spare and zero padding at birth, as a version may that doesn't know them there.
func (g *gateway) AddPool(ctx context.Context, p scaleio.NewPool) error {
	return g.request(ctx, "add pool "+p.Name, true, func() error {
		if _, there := g.objects.Pool(p.DomainID, p.Name); there {
			return refused("Storage Pool name already exists")
		}
		g.objects.Pools = append(g.objects.Pools, scaleio.PoolObject{ID: g.id(), Name: p.Name, DomainID: p.DomainID, MediaType: p.MediaType, SparePercent: 10})
		return nil
	})
}

func (g *gateway) pool(id string) *scaleio.PoolObject {
	for i := range g.objects.Pools {
		if g.objects.Pools[i].ID == id {
			return &g.objects.Pools[i]
		}
	}
	return &scaleio.PoolObject{}
}

func (g *gateway) SetZeroPadding(ctx context.Context, id string, on bool) error {
	return g.request(ctx, fmt.Sprintf("zero padding %t", on), true, func() error {
		if len(g.objects.Devices) > 0 {
			return refused("This operation is only allowed when there are no devices in the Storage Pool. Please remove all devices from the Storage Pool.")
		}
		g.pool(id).ZeroPadding = on
		return nil
	})
}

func (g *gateway) SetSparePercent(ctx context.Context, id string, percent int) error {
	return g.request(ctx, fmt.Sprintf("spare %d", percent), true, func() error {
		g.pool(id).SparePercent = percent
		return nil
	})
}

func (g *gateway) AddFaultSet(ctx context.Context, domainID, name string) error {
	return g.request(ctx, "add fault set "+name, true, func() error {
		if _, there := g.objects.FaultSet(domainID, name); there {
			return refused("This Fault Set name already exists. Please use a different name.")
		}
		g.objects.FaultSets = append(g.objects.FaultSets, scaleio.FaultSetObject{ID: g.id(), Name: name, DomainID: domainID})
		return nil
	})
}

func (g *gateway) AddSDS(ctx context.Context, s scaleio.NewSDS) error {
	return g.request(ctx, "add sds "+s.Name, true, func() error {
		if _, there := g.objects.SDS(s.Name); there {
			return refused("SDS name is already in use. Please use a different name.")
		}
		g.objects.SDSs = append(g.objects.SDSs, scaleio.SDSObject{ID: g.id(), Name: s.Name, DomainID: s.DomainID, FaultSetID: s.FaultSetID, IPs: s.IPs,
			Connection: "Connected", Membership: "Joined", State: "Normal", Maintenance: "NoMaintenance"})
		return nil
	})
}

func (g *gateway) AddDevice(ctx context.Context, d scaleio.NewDevice) error {
	return g.request(ctx, "add device "+d.Name, true, func() error {
		for _, have := range g.objects.Devices {
			if have.SDSID == d.SDSID && (have.Name == d.Name || have.CurrentPath == d.Path) {
				return refused("A device with the given path already exists in the SDS")
			}
		}
		g.objects.Devices = append(g.objects.Devices, scaleio.DeviceObject{ID: g.id(), Name: d.Name, SDSID: d.SDSID, PoolID: d.PoolID, CurrentPath: d.Path,
			OriginalPath: d.Path, SizeBytes: 120 << 30, State: "Normal"})
		return nil
	})
}

// RemoveSDS begins it; drained ends it.
func (g *gateway) RemoveSDS(ctx context.Context, id string) error {
	return g.request(ctx, "remove sds "+id, true, func() error {
		for i := range g.objects.SDSs {
			if s := &g.objects.SDSs[i]; s.ID == id {
				if s.Removing() {
					return refused("The SDS is being removed")
				}
				s.State = "RemovePending"
				return nil
			}
		}
		return refused("Could not find the SDS")
	})
}

func (g *gateway) RemoveSDC(ctx context.Context, id string) error {
	return g.request(ctx, "remove sdc "+id, true, func() error {
		g.objects.SDCs = slices.DeleteFunc(g.objects.SDCs, func(c api.SDCView) bool { return c.ID == id })
		return nil
	})
}

// drained: the data of the SDSs that are being removed is elsewhere.
func (w *world) drained() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.objects.SDSs {
		if s.Removing() {
			w.objects.Devices = slices.DeleteFunc(w.objects.Devices, func(d scaleio.DeviceObject) bool { return d.SDSID == s.ID })
		}
	}
	w.objects.SDSs = slices.DeleteFunc(w.objects.SDSs, scaleio.SDSObject.Removing)
}
