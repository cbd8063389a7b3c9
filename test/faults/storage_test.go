package faults_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/scaleio/scaleiotest"
)

const diskBytes = 120 << 30

// storage is what the nodes' MDMs and SDSs make of themselves: no system, or one.
type storage struct {
	w       *world
	formed  int
	cluster scaleio.Cluster
	objects scaleio.Objects
	old     scaleio.Objects // as a gateway that fell behind shows it
	oldAt   time.Time
	used    int64 // raw, both copies
	next    int
	since   map[string]time.Time // MDM: since when it is away
	rebuild time.Time            // until when data is copied
	service service
}

func newStorage(w *world) *storage {
	return &storage{w: w, objects: scaleio.Objects{SystemID: scaleiotest.SystemID, SystemName: "faults", Version: "3.6"}, since: map[string]time.Time{}, service: service{by: map[string]string{}, missed: map[string]bool{}, begun: map[string]time.Time{}, wanted: map[string]time.Time{}}}
}

func (s *storage) id() string {
	s.next++
	return fmt.Sprintf("%016x", 0xabc000+s.next)
}

// turn of the system itself: members come and go, the part of the master moves while there is a majority.
func (s *storage) turn() {
	up, master := 0, -1
	for i := range s.cluster.Members {
		m := &s.cluster.Members[i]
		m.Status = "Normal"
		if n := s.w.at(m.IPs[0]); n == nil || !n.powered() || n.mdmDown {
			m.Status = "Disconnected"
			if s.since[m.Name].IsZero() {
				s.since[m.Name] = time.Now()
			}
		} else {
			up++
			s.since[m.Name] = time.Time{}
		}
		if m.Place == scaleio.PlaceMaster {
			master = i
		}
	}
	s.cluster.Active, s.cluster.State = up, "Normal"
	if up < len(s.cluster.Members) {
		s.cluster.State = "Degraded"
	}
	if master >= 0 && up >= 2 {
		if away := s.since[s.cluster.Members[master].Name]; !away.IsZero() && time.Since(away) > 5*time.Second {
			s.moveMaster()
		}
	}
	for i := range s.objects.SDSs {
		d := &s.objects.SDSs[i]
		before := d.Connection
		d.Connection = "Connected"
		if n := s.w.at(d.IPs[0]); n == nil || !n.powered() {
			d.Connection = "Disconnected"
		}
		if d.Connection != before {
			s.reconnected(d)
		}
	}
	s.witness()
	if time.Since(s.oldAt) > time.Minute {
		s.old, s.oldAt = s.show(), time.Now()
	}
}

// moveMaster to the other manager.
func (s *storage) moveMaster() {
	for i := range s.cluster.Members {
		m := &s.cluster.Members[i]
		if m.Place == scaleio.PlaceSlave && m.Status == "Normal" {
			for j := range s.cluster.Members {
				if s.cluster.Members[j].Place == scaleio.PlaceMaster {
					s.cluster.Members[j].Place = scaleio.PlaceSlave
				}
			}
			m.Place = scaleio.PlaceMaster
			s.w.note("the master MDM is %s", m.Name)
			return
		}
	}
}

func (s *storage) master(ip string) bool {
	m, there := s.cluster.At(ip)
	return there && m.Place == scaleio.PlaceMaster && m.Status == "Normal" && (s.cluster.Active >= 2 || len(s.cluster.Members) == 1)
}

// mdm as its own node sees it.
func (s *storage) mdm(n *node) *api.MDMView {
	v := &api.MDMView{Installed: n.has("mdm"), CertificatePEM: "certificate of the MDM at " + n.ip}
	if _, there := s.cluster.At(n.ip); there && !n.mdmDown {
		v.InCluster, v.SystemID, v.Master = true, scaleiotest.SystemID, s.master(n.ip)
	}
	return v
}

func (s *storage) figures(p scaleio.PoolObject) api.PoolView {
	v := api.PoolView{ID: p.ID, SparePercent: p.SparePercent, InUseBytes: s.used, Volumes: 1}
	for _, d := range s.objects.Devices {
		v.RawBytes += d.SizeBytes
	}
	v.SpareBytes = v.RawBytes / 100 * int64(p.SparePercent)
	v.FreeBytes = max(0, v.RawBytes-v.SpareBytes-v.InUseBytes)
	for _, d := range s.objects.SDSs {
		if d.Connection != "Connected" && !d.InMaintenance() {
			v.DegradedBytes = 1 << 30
		}
	}
	if time.Now().Before(s.rebuild) {
		v.RebuildBytes = 1 << 30
	}
	return v
}

func (s *storage) show() scaleio.Objects {
	o := s.objects
	o.Domains, o.FaultSets, o.SDSs, o.Devices = slices.Clone(o.Domains), slices.Clone(o.FaultSets), slices.Clone(o.SDSs), slices.Clone(o.Devices)
	o.Pools = slices.Clone(o.Pools)
	for i := range o.Pools {
		o.Pools[i].Figures = s.figures(o.Pools[i])
	}
	return o
}

// devices by name, each with how often it is there.
func (s *storage) devices() map[string]int {
	all := map[string]int{}
	for _, d := range s.objects.Devices {
		all[d.Name]++
	}
	return all
}

func refused(text string) error {
	return &scaleio.CommandError{Command: "test", Code: 7, Text: text, Known: scaleio.KindOfText(text)}
}

var errNoCluster = refused("The MDM cluster state is incorrect")

// tools are scli and the gateway of one node.
type tools struct {
	*storage
	n *node
}

// ask either of them: they may hang, or say nothing.
func (t tools) ask(ctx context.Context, what string) error {
	if t.n.dead {
		return errDied
	}
	switch t.w.fate(t.n.name, what) {
	case fails, lostRequest, lostAnswer:
		return refused("Failed to connect to MDM")
	case hangs:
		t.w.hang(ctx, t.n)
	}
	if t.n.dead {
		return errDied
	}
	return ctx.Err()
}

// known: the answer is there, and what it says may be old when the process looks at it.
func (t tools) known(what string) error {
	if t.w.fate(t.n.name, what) == freezes {
		t.w.pause(t.n)
	}
	if t.n.dead {
		return errDied
	}
	return nil
}

func (t tools) QueryCluster(ctx context.Context, _ string) (scaleio.Cluster, error) {
	if err := t.ask(ctx, "query_cluster"); err != nil {
		return scaleio.Cluster{}, err
	}
	if t.n.mdmDown || !t.n.has("mdm") {
		return scaleio.Cluster{}, refused("Failed to connect to MDM 127.0.0.1:6611")
	}
	c := t.cluster
	c.Members = slices.Clone(c.Members)
	if _, there := c.At(t.n.ip); !there {
		return scaleio.Cluster{}, errNoCluster
	}
	return c, t.known("query_cluster is answered")
}

// CreateCluster on this node: the product makes one on each node that is asked to.
func (t tools) CreateCluster(ctx context.Context, want scaleio.CreateCluster) error {
	return t.act(ctx, "create_mdm_cluster", func() error {
		if _, there := t.cluster.At(t.n.ip); there {
			return refused("The Master MDM is already configured")
		}
		if t.formed++; t.formed > 1 {
			t.w.broken("a second system is formed, on %s", t.n.name)
		}
		t.cluster = scaleio.Cluster{Name: "faults", Mode: "3_node", State: "Normal", Active: 3, Voters: 3, Replicas: 2, WantedReplicas: 2}
		for _, m := range t.n.spec.MDMs {
			place := scaleio.PlaceSlave
			if m.Role == api.RoleTieBreaker {
				place = scaleio.PlaceTieBreaker
			}
			if m.Node == t.n.id {
				place = scaleio.PlaceMaster
			}
			t.cluster.Members = append(t.cluster.Members, scaleio.Member{Name: m.Name, ID: t.id(), Place: place, Manager: m.Role == api.RoleManager, IPs: m.IPs, Port: 9011, Status: "Normal"})
		}
		t.w.note("%s forms the system", t.n.name)
		return nil
	})
}

// act is one changing call. The process may die, freeze or hear nothing at it; the MDM takes it from the master's node alone.
func (t tools) act(ctx context.Context, name string, do func() error) error {
	if t.n.dead {
		return errDied
	}
	effect := func() error {
		if len(t.cluster.Members) > 0 && name != "create_mdm_cluster" && !t.master(t.n.ip) {
			return refused("This MDM is not the master")
		}
		if name != "create_mdm_cluster" && t.n.left() <= 0 {
			t.w.broken("%s acts (%s) after the end of its lease", t.n.name, name)
		}
		err := do()
		t.w.note("%s: %s: %v", t.n.name, name, err)
		return err
	}
	switch f := t.w.fate(t.n.name, name); f {
	case diesBefore:
		t.n.die(name)
		return errDied
	case diesAfter:
		_ = effect()
		t.n.die(name)
		return errDied
	case lostAnswer:
		return errors.Join(refused("Failed to connect to MDM"), ignore(effect()))
	case fails, lostRequest:
		return refused("Failed to connect to MDM")
	case hangs: // done, and timed out
		_ = effect()
		t.w.hang(ctx, t.n)
		return ctx.Err()
	case freezes: // between the last look and the request; a request isn't sent after its time
		took := t.w.pause(t.n)
		if t.n.dead {
			return errDied
		}
		if took >= scaleio.CallTimeout {
			return context.DeadlineExceeded
		}
	}
	return effect()
}

func ignore(error) error { return nil }

func (t tools) Session(ctx context.Context, _ scaleio.Credentials, do func(context.Context, leader.Session) error) error {
	if err := t.ask(ctx, "login"); err != nil {
		return err
	}
	if !t.master(t.n.ip) {
		return refused("This MDM is not the master")
	}
	return do(ctx, session{tools: t})
}

func (t tools) Open(string, scaleio.Credentials) (leader.Gateway, error) { return t, nil }

func (t tools) LetsIn(ctx context.Context, _ scaleio.Credentials) (bool, error) {
	return true, t.ask(ctx, "gateway login")
}

func (t tools) Objects(ctx context.Context) (scaleio.Objects, error) {
	if err := t.ask(ctx, "gateway objects"); err != nil {
		return scaleio.Objects{}, err
	}
	if t.n.gatewayDown || !t.n.has("gateway") {
		return scaleio.Objects{}, errAway
	}
	seen := t.show()
	return seen, t.known("gateway objects are answered")
}

func (t tools) AddDomain(ctx context.Context, name string) error {
	return t.act(ctx, "add domain", func() error {
		if len(t.objects.Domains) > 0 {
			return refused("A Protection Domain with the given name already exists")
		}
		t.objects.Domains = append(t.objects.Domains, scaleio.DomainObject{ID: t.id(), Name: name, State: "Active"})
		return nil
	})
}

func (t tools) AddPool(ctx context.Context, p scaleio.NewPool) error {
	return t.act(ctx, "add pool", func() error {
		if len(t.objects.Pools) > 0 {
			return refused("A Storage Pool with the given name already exists")
		}
		t.objects.Pools = append(t.objects.Pools, scaleio.PoolObject{ID: t.id(), Name: p.Name, DomainID: p.DomainID, MediaType: p.MediaType, SparePercent: 10})
		return nil
	})
}

func (t tools) SetZeroPadding(ctx context.Context, _ string, on bool) error {
	return t.act(ctx, "set zero padding", func() error { t.objects.Pools[0].ZeroPadding = on; return nil })
}

func (t tools) SetSparePercent(ctx context.Context, _ string, percent int) error {
	return t.act(ctx, "set spare", func() error { t.objects.Pools[0].SparePercent = percent; return nil })
}

func (t tools) AddFaultSet(ctx context.Context, domainID, name string) error {
	return t.act(ctx, "add fault set "+name, func() error {
		for _, f := range t.objects.FaultSets {
			if f.Name == name {
				return refused("A Fault Set with the given name already exists")
			}
		}
		t.objects.FaultSets = append(t.objects.FaultSets, scaleio.FaultSetObject{ID: t.id(), Name: name, DomainID: domainID})
		return nil
	})
}

func (t tools) AddSDS(ctx context.Context, n scaleio.NewSDS) error {
	return t.act(ctx, "add SDS "+n.Name, func() error {
		for _, have := range t.objects.SDSs {
			if have.Name == n.Name {
				return refused("An SDS with the given name already exists")
			}
		}
		t.objects.SDSs = append(t.objects.SDSs, scaleio.SDSObject{ID: t.id(), Name: n.Name, DomainID: n.DomainID, FaultSetID: n.FaultSetID, IPs: n.IPs,
			Connection: "Connected", Membership: "Joined", State: "Normal", Maintenance: "NoMaintenance"})
		return nil
	})
}

// AddDevice writes to the disk: it must have been seen empty and ours by its node, and no longer ago than a handover may take.
func (t tools) AddDevice(ctx context.Context, d scaleio.NewDevice) error {
	return t.act(ctx, "add device "+d.Name, func() error {
		for _, have := range t.objects.Devices {
			if have.SDSID == d.SDSID && (have.Name == d.Name || have.CurrentPath == d.Path) {
				return refused("A device with the given path already exists in the SDS")
			}
			if have.Name == d.Name {
				t.w.broken("disk %s becomes a device of two SDSs", d.Name)
			}
		}
		i := slices.IndexFunc(t.objects.SDSs, func(s scaleio.SDSObject) bool { return s.ID == d.SDSID })
		if i < 0 {
			return refused("The SDS could not be found")
		}
		n := t.w.at(t.objects.SDSs[i].IPs[0])
		if n == nil || !n.powered() {
			return refused("Failed to connect to SDS")
		}
		size, err := n.taken(d)
		if err != nil {
			return err
		}
		t.objects.Devices = append(t.objects.Devices, scaleio.DeviceObject{ID: t.id(), Name: d.Name, SDSID: d.SDSID, PoolID: d.PoolID, CurrentPath: d.Path,
			OriginalPath: d.Path, SizeBytes: size, State: "Normal"})
		return nil
	})
}

var errNotHere = errors.New("nothing here does that")

func (tools) RemoveSDS(context.Context, string) error { return errNotHere }
func (tools) RemoveSDC(context.Context, string) error { return errNotHere }
