package growth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/scaleio/scaleiotest"
)

// storage is a ScaleIO system, formed and whole, that keeps what is added.
type storage struct {
	mu      sync.Mutex
	gaps    *gaps
	cluster scaleio.Cluster
	objects scaleio.Objects
	used    int64 // raw, both copies
	next    int
	twice   []string // devices that were added a second time
}

func newStorage(g *gaps) *storage {
	return &storage{gaps: g, objects: scaleio.Objects{SystemID: scaleiotest.SystemID, SystemName: "grow", Version: "3.6"}}
}

// form makes all chosen MDMs members.
func (s *storage) form(spec api.NodeSpec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cluster = scaleio.Cluster{Name: "grow", Mode: "3_node", State: "Normal", Active: 3, Voters: 3, Replicas: 2, WantedReplicas: 2}
	for _, m := range spec.MDMs {
		place := scaleio.PlaceSlave
		if m.Role == api.RoleTieBreaker {
			place = scaleio.PlaceTieBreaker
		}
		if m.Node == spec.Node {
			place = scaleio.PlaceMaster
		}
		s.cluster.Members = append(s.cluster.Members, scaleio.Member{Name: m.Name, ID: s.id(), Place: place, Manager: m.Role == api.RoleManager, IPs: m.IPs, Port: 9011, Status: "Normal"})
	}
}

func (s *storage) id() string {
	s.next++
	return fmt.Sprintf("%016x", 0xabc000+s.next)
}

func (s *storage) mdm(ip string) *api.MDMView {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &api.MDMView{Installed: true, CertificatePEM: "certificate of the MDM at " + ip}
	if m, there := s.cluster.At(ip); there {
		v.InCluster, v.SystemID, v.Master = true, scaleiotest.SystemID, m.Place == scaleio.PlaceMaster
	}
	return v
}

// devices by name, each with how often it is there.
func (s *storage) devices() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]int{}
	for _, d := range s.objects.Devices {
		all[d.Name]++
	}
	return all
}

func refused(text string) error {
	return &scaleio.CommandError{Command: "test", Code: 7, Text: text, Known: scaleio.KindOfText(text)}
}

// asNode is the system as one node's scli and gateway reach it.
type asNode struct {
	*storage
	actor string
}

func (n asNode) QueryCluster(context.Context, string) (c scaleio.Cluster, err error) {
	err = n.gaps.alive(n.actor, func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		c = n.cluster
		return nil
	})
	return c, err
}

func (n asNode) Session(ctx context.Context, _ scaleio.Credentials, do func(context.Context, leader.Session) error) error {
	if err := n.gaps.alive(n.actor, func() error { return nil }); err != nil {
		return err
	}
	return do(ctx, scaleiotest.Settled{})
}

func (n asNode) Open(string, scaleio.Credentials) (leader.Gateway, error) { return n, nil }

func (n asNode) LetsIn(context.Context, scaleio.Credentials) (bool, error) { return true, nil }

// change what is there: a gap.
func (n asNode) change(name string, do func() error) error {
	return n.gaps.pass(n.actor, name, func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		return do()
	})
}

func (n asNode) Objects(context.Context) (o scaleio.Objects, err error) {
	err = n.gaps.alive(n.actor, func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		o = n.objects
		o.Domains, o.FaultSets, o.SDSs, o.Devices = slices.Clone(o.Domains), slices.Clone(o.FaultSets), slices.Clone(o.SDSs), slices.Clone(o.Devices)
		o.Pools = slices.Clone(o.Pools)
		for i := range o.Pools {
			o.Pools[i].Figures = n.figures(o.Pools[i])
		}
		return nil
	})
	return o, err
}

func (n asNode) figures(p scaleio.PoolObject) api.PoolView {
	v := api.PoolView{ID: p.ID, SparePercent: p.SparePercent, InUseBytes: n.used, Volumes: 1}
	for _, d := range n.objects.Devices {
		v.RawBytes += d.SizeBytes
	}
	v.SpareBytes = v.RawBytes / 100 * int64(p.SparePercent)
	v.FreeBytes = max(0, v.RawBytes-v.SpareBytes-v.InUseBytes)
	return v
}

func (n asNode) AddDomain(_ context.Context, name string) error {
	return n.change("add domain", func() error {
		n.objects.Domains = append(n.objects.Domains, scaleio.DomainObject{ID: n.id(), Name: name, State: "Active"})
		return nil
	})
}

func (n asNode) AddPool(_ context.Context, p scaleio.NewPool) error {
	return n.change("add pool", func() error {
		n.objects.Pools = append(n.objects.Pools, scaleio.PoolObject{ID: n.id(), Name: p.Name, DomainID: p.DomainID, MediaType: p.MediaType, SparePercent: 10})
		return nil
	})
}

func (n asNode) SetZeroPadding(_ context.Context, _ string, on bool) error {
	return n.change("set zero padding", func() error { n.objects.Pools[0].ZeroPadding = on; return nil })
}

func (n asNode) SetSparePercent(_ context.Context, _ string, percent int) error {
	return n.change("set spare", func() error { n.objects.Pools[0].SparePercent = percent; return nil })
}

func (n asNode) AddFaultSet(_ context.Context, domainID, name string) error {
	return n.change("add fault set", func() error {
		n.objects.FaultSets = append(n.objects.FaultSets, scaleio.FaultSetObject{ID: n.id(), Name: name, DomainID: domainID})
		return nil
	})
}

func (n asNode) AddSDS(_ context.Context, s scaleio.NewSDS) error {
	return n.change("add SDS", func() error {
		n.objects.SDSs = append(n.objects.SDSs, scaleio.SDSObject{ID: n.id(), Name: s.Name, DomainID: s.DomainID, FaultSetID: s.FaultSetID, IPs: s.IPs,
			Connection: "Connected", Membership: "Joined", State: "Normal", Maintenance: "NoMaintenance"})
		return nil
	})
}

func (n asNode) AddDevice(_ context.Context, d scaleio.NewDevice) error {
	return n.change("add device", func() error {
		for _, have := range n.objects.Devices {
			if have.SDSID == d.SDSID && (have.Name == d.Name || have.CurrentPath == d.Path) {
				n.twice = append(n.twice, d.Name)
				return refused("A device with the given path already exists in the SDS")
			}
		}
		n.objects.Devices = append(n.objects.Devices, scaleio.DeviceObject{ID: n.id(), Name: d.Name, SDSID: d.SDSID, PoolID: d.PoolID, CurrentPath: d.Path,
			OriginalPath: d.Path, SizeBytes: diskBytes, State: "Normal"})
		return nil
	})
}

var errNotHere = errors.New("no expansion does that")

func (n asNode) RemoveSDS(context.Context, string) error { return errNotHere }
func (n asNode) RemoveSDC(context.Context, string) error { return errNotHere }
