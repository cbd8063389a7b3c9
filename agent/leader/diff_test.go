package leader

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
)

func member(name, ip string, place scaleio.Place, manager bool) scaleio.Member {
	return scaleio.Member{Name: name, Place: place, Manager: manager, IPs: []string{ip}}
}

func mdmSpec() api.NodeSpec {
	return api.NodeSpec{MDMs: []api.MDM{
		{Name: "a", Role: api.RoleManager, IPs: []string{"10.0.0.1"}},
		{Name: "b", Role: api.RoleManager, IPs: []string{"10.0.0.2"}},
		{Name: "c", Role: api.RoleTieBreaker, IPs: []string{"10.0.0.3"}}},
		Cluster: &api.ClusterSpec{SystemName: "alpha"}}
}

// brief shows what matters of acts.
func brief(acts []Act) []string {
	out := []string{}
	for _, a := range acts {
		line := a.key()
		if a.Obstacle != "" {
			line += " !" + a.Obstacle
		}
		if a.Wait != "" {
			line += " ?" + a.Wait
		}
		if a.Claim != nil {
			line += " claim"
		}
		out = append(out, line)
	}
	return out
}

func TestDiffMDMs(t *testing.T) {
	a := member("a", "10.0.0.1", scaleio.PlaceMaster, true)
	for _, c := range []struct {
		name     string
		mode     string
		members  []scaleio.Member
		standbys []string
		modes    []string
	}{
		{"fresh", "1_node", []scaleio.Member{a}, []string{"add-standby-mdm b", "add-standby-mdm c"}, []string{"switch-cluster-mode 3_node ?WaitingForNode"}},
		{"one standby", "1_node", []scaleio.Member{a, member("b", "10.0.0.2", scaleio.PlaceStandby, true)},
			[]string{"add-standby-mdm c"}, []string{"switch-cluster-mode 3_node ?WaitingForNode"}},
		{"both standby", "1_node", []scaleio.Member{a, member("b", "10.0.0.2", scaleio.PlaceStandby, true), member("c", "10.0.0.3", scaleio.PlaceStandby, false)},
			[]string{}, []string{"switch-cluster-mode 3_node"}},
		{"formed", "3_node", []scaleio.Member{a, member("b", "10.0.0.2", scaleio.PlaceSlave, true), member("c", "10.0.0.3", scaleio.PlaceTieBreaker, false)},
			[]string{}, []string{}},
		{"formed, another master", "3_node", []scaleio.Member{member("b", "10.0.0.2", scaleio.PlaceMaster, true), member("a", "10.0.0.1", scaleio.PlaceSlave, true),
			member("c", "10.0.0.3", scaleio.PlaceTieBreaker, false)}, []string{}, []string{}},
		{"formed, nobody named", "3_node", []scaleio.Member{member("", "10.0.0.1", scaleio.PlaceMaster, true), member("", "10.0.0.2", scaleio.PlaceSlave, true),
			member("", "10.0.0.3", scaleio.PlaceTieBreaker, false)}, []string{}, []string{}},
		{"wrong role", "1_node", []scaleio.Member{a, member("b", "10.0.0.2", scaleio.PlaceStandby, false), member("c", "10.0.0.3", scaleio.PlaceStandby, false)},
			[]string{"add-standby-mdm b !Conflict"}, []string{"switch-cluster-mode 3_node"}},
		{"the name elsewhere", "1_node", []scaleio.Member{a, member("b", "10.0.0.9", scaleio.PlaceStandby, true), member("c", "10.0.0.3", scaleio.PlaceStandby, false)},
			[]string{"add-standby-mdm b !Conflict"}, []string{"switch-cluster-mode 3_node ?WaitingForNode"}},
		{"standby without a name", "1_node", []scaleio.Member{a, member("", "10.0.0.2", scaleio.PlaceStandby, true), member("c", "10.0.0.3", scaleio.PlaceStandby, false)},
			[]string{}, []string{"switch-cluster-mode 3_node !Conflict"}},
		{"larger", "5_node", []scaleio.Member{a, member("b", "10.0.0.2", scaleio.PlaceSlave, true), member("c", "10.0.0.3", scaleio.PlaceTieBreaker, false)},
			[]string{}, []string{"switch-cluster-mode 3_node !Conflict"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := scaleio.Cluster{Mode: c.mode, Members: c.members}
			assert.Equal(t, c.standbys, brief(diffStandbys(mdmSpec(), cluster)))
			assert.Equal(t, c.modes, brief(diffMode(mdmSpec(), cluster)))
		})
	}
	acts := diffMode(mdmSpec(), scaleio.Cluster{Mode: "1_node", Members: []scaleio.Member{a, member("b", "10.0.0.2", scaleio.PlaceStandby, true), member("c", "10.0.0.3", scaleio.PlaceStandby, false)}})
	assert.Equal(t, scaleio.SwitchMode{Mode: "3_node", AddSlaves: []string{"b"}, AddTieBreakers: []string{"c"}}, acts[0].Mode)
	assert.Equal(t, []string{"name-system alpha"}, brief(diffName(mdmSpec(), scaleio.Cluster{})))
	assert.Empty(t, diffName(mdmSpec(), scaleio.Cluster{Name: "alpha"}))
}

func objectSpec() wanted {
	now := time.Now()
	return wanted{Received: now, Now: now, ClusterSpec: api.ClusterSpec{ProtectionDomain: "pd1", StoragePool: "sp1", MediaType: "SSD", ZeroPadding: true, SparePercent: 34,
		FaultSets: []string{"az-1", "az-2"},
		SDSs:      []api.WantedSDS{{Name: "a", IPs: []string{"10.0.0.1"}, FaultSet: "az-1"}, {Name: "b", IPs: []string{"10.0.0.2"}, FaultSet: "az-2"}},
		Disks:     []api.CandidateDisk{{Node: "id-a", SDSName: "a", Disk: "vol-1", Path: "/dev/xvdf", SizeBytes: 120 << 30, State: api.DiskPrepared}}}}
}

func built() scaleio.Objects {
	return scaleio.Objects{Version: "3.6", Domains: []scaleio.DomainObject{{ID: "d1", Name: "pd1"}, {ID: "d2", Name: "other"}},
		Pools: []scaleio.PoolObject{{ID: "x", Name: "sp1", DomainID: "d2", MediaType: "HDD"},
			{ID: "p1", Name: "sp1", DomainID: "d1", MediaType: "SSD", SparePercent: 34, ZeroPadding: true}},
		FaultSets: []scaleio.FaultSetObject{{ID: "f1", Name: "az-1", DomainID: "d1"}, {ID: "f2", Name: "az-2", DomainID: "d1"}, {ID: "f9", Name: "az-3", DomainID: "d2"}},
		SDSs:      []scaleio.SDSObject{{ID: "s1", Name: "a", DomainID: "d1", FaultSetID: "f1", IPs: []string{"10.0.0.1"}}, {ID: "s2", Name: "b", DomainID: "d1", FaultSetID: "f2", IPs: []string{"10.0.0.2", "10.1.0.2"}}},
		Devices:   []scaleio.DeviceObject{{ID: "v1", Name: "vol-1", SDSID: "s1", PoolID: "p1", CurrentPath: "/dev/xvdf"}}}
}

func TestDiffObjects(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*wanted, *scaleio.Objects)
		want   []string
	}{
		{"all there", func(*wanted, *scaleio.Objects) {}, []string{}},
		{"nothing there", func(w *wanted, o *scaleio.Objects) { *o = scaleio.Objects{Version: "3.6"} }, []string{"add-protection-domain pd1",
			"add-storage-pool sp1 ?WaitingForStep", "add-fault-set az-1 ?WaitingForStep", "add-fault-set az-2 ?WaitingForStep",
			"add-sds a ?WaitingForStep", "add-sds b ?WaitingForStep", "add-device vol-1 ?WaitingForStep"}},
		{"a pool of that name in another domain only", func(w *wanted, o *scaleio.Objects) { o.Pools = o.Pools[:1] },
			[]string{"add-storage-pool sp1", "add-device vol-1 !Conflict"}},
		{"other media", func(w *wanted, o *scaleio.Objects) { o.Pools[1].MediaType = "HDD" }, []string{"add-storage-pool sp1 !PermanentChoice"}},
		{"media of 2.x", func(w *wanted, o *scaleio.Objects) { o.Pools[1].MediaType = "" }, []string{}},
		{"no padding, devices", func(w *wanted, o *scaleio.Objects) { o.Pools[1].ZeroPadding = false }, []string{"set-zero-padding sp1 !PermanentChoice"}},
		{"no padding, no devices", func(w *wanted, o *scaleio.Objects) { o.Pools[1].ZeroPadding, o.Devices, w.Disks = false, nil, nil }, []string{"set-zero-padding sp1"}},
		{"other spare", func(w *wanted, o *scaleio.Objects) { o.Pools[1].SparePercent = 10 }, []string{"set-spare-percentage sp1"}},
		{"fault set of another domain", func(w *wanted, o *scaleio.Objects) { w.FaultSets = []string{"az-1", "az-2", "az-3"} }, []string{"add-fault-set az-3"}},
		{"SDS missing", func(w *wanted, o *scaleio.Objects) { o.SDSs = o.SDSs[:1] }, []string{"add-sds b"}},
		{"SDS in another fault set", func(w *wanted, o *scaleio.Objects) { o.SDSs[1].FaultSetID = "f1" }, []string{"add-sds b !PermanentChoice"}},
		{"SDS elsewhere", func(w *wanted, o *scaleio.Objects) { o.SDSs[1].IPs = []string{"10.0.0.7"} }, []string{"add-sds b !Conflict"}},
		{"SDS of another domain", func(w *wanted, o *scaleio.Objects) { o.SDSs[1].DomainID = "d2" }, []string{"add-sds b !Conflict"}},
		{"its address under another name", func(w *wanted, o *scaleio.Objects) { o.SDSs[1].Name = "old" }, []string{"add-sds b !Conflict"}},
		{"SDSs that nobody asked for", func(w *wanted, o *scaleio.Objects) { w.SDSs = w.SDSs[:1] }, []string{}},
		{"domain full", func(w *wanted, o *scaleio.Objects) {
			o.SDSs = o.SDSs[:1]
			for i := range 127 {
				o.SDSs = append(o.SDSs, scaleio.SDSObject{ID: fmt.Sprint(i), Name: fmt.Sprint(i), DomainID: "d1"})
			}
		}, []string{"add-sds b ?WaitingForSlot"}},
		{"disk missing", func(w *wanted, o *scaleio.Objects) { o.Devices = nil }, []string{"add-device vol-1 claim"}},
		{"disk offered", func(w *wanted, o *scaleio.Objects) { o.Devices, w.Disks[0].State = nil, api.DiskOffered }, []string{"add-device vol-1 ?WaitingForNode claim"}},
		{"disk claimed", func(w *wanted, o *scaleio.Objects) { o.Devices, w.Disks[0].State = nil, api.DiskClaimed }, []string{"add-device vol-1 ?WaitingForNode claim"}},
		{"verified too long ago", func(w *wanted, o *scaleio.Objects) { o.Devices, w.Disks[0].PreparedAgeMS = nil, 22000 }, []string{"add-device vol-1 ?WaitingForNode claim"}},
		{"too small", func(w *wanted, o *scaleio.Objects) { o.Devices, w.Disks[0].SizeBytes = nil, 99<<30 }, []string{"add-device vol-1 !TooSmall"}},
		{"already another SDS's", func(w *wanted, o *scaleio.Objects) { o.Devices[0].SDSID = "s2" }, []string{"add-device vol-1 !Conflict"}},
		{"its path is another device", func(w *wanted, o *scaleio.Objects) { o.Devices[0].Name = "vol-9" }, []string{"add-device vol-1 !Conflict"}},
		{"its link is another device", func(w *wanted, o *scaleio.Objects) {
			o.Devices[0].Name, o.Devices[0].CurrentPath, w.Disks[0].Link = "vol-9", "/dev/disk/by-id/nvme-vol1", "/dev/disk/by-id/nvme-vol1"
		}, []string{"add-device vol-1 !Conflict"}},
		{"its letter moved", func(w *wanted, o *scaleio.Objects) { o.Devices[0].CurrentPath = "/dev/xvdz" }, []string{}},
		{"SDS full", func(w *wanted, o *scaleio.Objects) {
			o.Devices = nil
			for i := range 64 {
				o.Devices = append(o.Devices, scaleio.DeviceObject{Name: fmt.Sprint(i), SDSID: "s1", PoolID: "p1"})
			}
		}, []string{"add-device vol-1 ?WaitingForSlot"}},
		{"unknown version", func(w *wanted, o *scaleio.Objects) { o.Version, o.SDSs, o.Devices = "4.5", o.SDSs[:1], nil },
			[]string{"add-sds b !UnknownDialect", "add-device vol-1 !UnknownDialect"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, o := objectSpec(), built()
			c.change(&w, &o)
			var acts []Act
			for _, diff := range []func(wanted, scaleio.Objects) []Act{diffDomain, diffPool, diffFaultSets, diffSDSs, diffDevices} {
				acts = append(acts, diff(w, o)...)
			}
			assert.Equal(t, c.want, brief(acts))
		})
	}
}

func TestDiffDevices_nameIsTheIdentity(t *testing.T) {
	w, o := objectSpec(), built()
	o.Devices = nil
	w.Disks[0].Disk = "/var/lib/nodes/node-1/disks/data one.img"
	acts := diffDevices(w, o)
	require.Len(t, acts, 1)
	assert.LessOrEqual(t, len(acts[0].Device.Name), scaleio.MaxName)
	assert.Equal(t, scaleio.NewDevice{SDSID: "s1", PoolID: "p1", Name: scaleio.DeviceName(w.Disks[0].Disk), Path: "/dev/xvdf"}, acts[0].Device)
}

// A kernel's name may be another disk's when the SDS opens it: where the product takes links, the disk is added by the one that its identity has.
func TestDiffDevices_byLink(t *testing.T) {
	const link = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol1"
	for name, c := range map[string]struct{ version, link, want string }{
		"3.6":              {"3.6", link, link},
		"3.0":              {"R3_0.200.104", link, link},
		"2.6":              {"2.6", link, "/dev/xvdf"},
		"a disk with none": {"3.6", "", "/dev/xvdf"},
	} {
		t.Run(name, func(t *testing.T) {
			w, o := objectSpec(), built()
			o.Version, o.Devices, w.Disks[0].Link = c.version, nil, c.link
			acts := diffDevices(w, o)
			require.Len(t, acts, 1)
			assert.Equal(t, c.want, acts[0].Device.Path)
		})
	}
}

// An SDS that a person put into maintenance is left alone: no disk is claimed for it, none added.
func TestDiffDevices_leavesMaintenanceAlone(t *testing.T) {
	o := built()
	o.Devices = nil
	want := objectSpec()
	acts := diffDevices(want, o)
	if len(acts) != 1 || !acts[0].doable() || acts[0].Claim == nil {
		t.Fatalf("without maintenance the disk is added: %+v", acts)
	}
	o.SDSs[0].Maintenance = "InMaintenance"
	acts = diffDevices(want, o)
	if len(acts) != 1 || acts[0].doable() || acts[0].Claim != nil {
		t.Fatalf("in maintenance it isn't: %+v", acts)
	}
}
