package installer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/installer/step/steptest"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
)

// one makes three nodes with roles and gives the first, a manager.
func one() *installertest.Node { return three()[0] }

func three() []*installertest.Node {
	p := &installertest.Product{}
	nodes := []*installertest.Node{p.NewNode("n1", "10.0.0.11"), p.NewNode("n2", "10.0.0.12"), p.NewNode("n3", "10.0.0.13")}
	p.Assign(api.Gates...)
	return nodes
}

// stepOf finds a step of the node's plan, made by a new process.
func stepOf(t *testing.T, n *installertest.Node, name string) step.Step {
	t.Helper()
	p, err := n.Installer().Plan(n.Input())
	require.NoError(t, err)
	for _, item := range p {
		if item.Step.Name() == name {
			return item.Step
		}
	}
	require.Fail(t, "the plan has no step "+name, "%v", p.Names())
	return nil
}

// until walks the plan's steps before the named one, whatever their branch, as far as their acts go.
func before(t *testing.T, n *installertest.Node, name string) {
	t.Helper()
	i := n.Installer()
	p, err := i.Plan(n.Input())
	require.NoError(t, err)
	for _, item := range p {
		if item.Step.Name() == name {
			return
		}
		f, err := item.Step.Check(t.Context())
		if err == nil && f.Verdict == step.Needed {
			require.NoError(t, item.Step.Apply(t.Context()), item.Step.Name())
		}
	}
	require.Fail(t, "the plan has no step "+name, "%v", p.Names())
}

const disk1 = "wwn-0x5000c500a1b2c3d4"

func emptyDisk() block.Disk {
	return block.Disk{ID: disk1, Kernel: "sdb", Path: "/dev/sdb", Major: 8, Minor: 16, SizeBytes: 120 << 30, Type: block.TypeDisk, Serial: "S1", Transport: "scsi"}
}

// TestSteps_keepTheContract runs it for every step that acts; the two that never do have tests of their own.
func TestSteps_keepTheContract(t *testing.T) {
	for name, make := range contracts {
		t.Run(name, func(t *testing.T) {
			c := steptest.Contract{Done: make.done, Memory: make.memory, New: func(t *testing.T) steptest.World {
				n := one()
				if make.node != nil {
					n = make.node(t)
				}
				before(t, n, name)
				if make.then != nil {
					make.then(t, n)
				}
				n.Cutter.Heal()
				return steptest.World{Cutter: n.Cutter, Step: func() step.Step { return stepOf(t, n, name) }, Snapshot: n.Snapshot}
			}}
			steptest.Run(t, c)
		})
	}
}

var contracts = map[string]struct {
	node   func(*testing.T) *installertest.Node  // where the step is in the plan; nil = a manager
	then   func(*testing.T, *installertest.Node) // what makes it needed, after all steps before it
	done   step.Verdict
	memory bool
}{
	"install-prerequisites": {},
	"check-peers":           {node: func(*testing.T) *installertest.Node { return unchecked(api.RoleManager) }, done: step.Waiting, memory: true},
	"fetch-packages":        {},
	"keep-updates-from-rebooting": {node: func(t *testing.T) *installertest.Node {
		n := clientOnFlatcar(t)
		n.Files.Set("/etc/flatcar/update.conf", "GROUP=lts\nREBOOT_STRATEGY=etcd-lock\n", 0o600)
		n.Units.Set("locksmithd.service", systemd.UnitState{Load: "loaded", Active: "active", Sub: "running", Enabled: "enabled"})
		return n
	}},
	"install-mdm":  {},
	"run-mdm":      {then: func(_ *testing.T, n *installertest.Node) { n.Crash(scaleio.UnitMDM) }},
	"install-sds":  {},
	"run-sds":      {then: func(_ *testing.T, n *installertest.Node) { n.Crash(scaleio.UnitSDS) }},
	"own-sdc-guid": {},
	"provide-scini-module": {node: func(t *testing.T) *installertest.Node {
		n := withoutModule(t)
		onMirror(n, runningKernel, packed(t, n.Module(runningKernel).File()))
		return n
	}},
	"install-sdc":     {},
	"install-gateway": {},
	"form-cluster": {node: func(*testing.T) *installertest.Node {
		n := one()
		n.Spec.Formation = &api.Formation{Node: n.Spec.Node, Nonce: "nonce-1"}
		return n
	}},
	"join-cluster": {node: func(*testing.T) *installertest.Node {
		n := one()
		n.Spec.Formation = &api.Formation{Node: n.Spec.Node, Nonce: "nonce-1"}
		return n
	}, then: func(_ *testing.T, n *installertest.Node) {
		n.Product.FormAll()
		n.Spec.SystemID = installertest.SystemID
	}},
	"load-scini": {then: func(_ *testing.T, n *installertest.Node) { n.Crash(scaleio.UnitSDC) }},
	"connect-sdc": {then: func(_ *testing.T, n *installertest.Node) {
		n.Product.FormAll()
		n.Files.Set(scaleio.PathDrvCfgText, "ini_guid B0E3BFB8-C20B-43BF-93C8-13339E85AA50\nmdm 10.0.0.11\nmdm 192.168.9.1\n", 0o600)
		n.Reboot()
	}},
	"configure-gateway": {},
	"run-gateway":       {then: func(_ *testing.T, n *installertest.Node) { n.Crash(scaleio.UnitGateway) }},
	"trust-mdms":        {then: func(_ *testing.T, n *installertest.Node) { n.Product.FormAll() }},
	"hand-over-disks": {then: func(_ *testing.T, n *installertest.Node) {
		n.Disks.Attach(emptyDisk())
		n.Spec.Claims = []api.DiskClaim{{Disk: disk1, SizeBytes: 120 << 30}}
	}, done: step.Waiting, memory: true}, // a verification is good for 30 s of one process
	"buy-volumes":             {node: func(*testing.T) *installertest.Node { return buying(order(0)) }, memory: true}, // which volume an order became a process finds by tags
	"install-volume-driver":   {},
	"configure-volume-driver": {},
	"run-volume-driver":       {},
	"configure-isolator": {node: func(*testing.T) *installertest.Node {
		n := one()
		n.InstallMesos(map[string]string{"isolation": "cgroups/cpu,cgroups/mem"}, installertest.Framework{ID: "f1", Checkpoint: true, Tasks: []string{"t1"}})
		return n
	}},
	"remove-volume-driver": {node: leavingNode},
	"remove-isolator":      {node: leavingNode},
	"remove-sdc":           {node: leavingNode},
	"remove-sds":           {node: leavingNode},
	"release-volumes":      {node: leavingWithVolumes, memory: true}, // another process asks EC2 again
	"keep-volumes":         {node: nodeThatCameBack, memory: true},
	"remove-leftovers":     {node: leavingNode},
	"prepare-next-kernel": {then: func(_ *testing.T, n *installertest.Node) {
		installKernel(n, newerKernel)
		inManifest(n, newerKernel, n.Module(newerKernel).File())
	}},
	"clean-modules": {then: func(_ *testing.T, n *installertest.Node) {
		for _, name := range []string{"scini.ko", "scini.json"} {
			n.Files.Set("/opt/scaleio-agent/modules/5.15.0-1-generic/"+name, "{}", 0o644)
		}
	}},
	"reboot-node": {node: func(*testing.T) *installertest.Node {
		n := one()
		n.Spec.Reboots = api.RebootsRolling
		n.Leases.Grant(api.LeaseReboot, true)
		return n
	}, then: func(_ *testing.T, n *installertest.Node) {
		n.Files.Set("/run/reboot-required", "", 0o644)
	}, done: step.Waiting},
	"fetch-upgrades":  {node: upgradableNode(""), then: lists(scaleio.SDS)},
	"upgrade-gateway": {node: upgradableNode(scaleio.Gateway), then: lists(scaleio.Gateway)},
	"upgrade-mdm":     {node: upgradableNode(scaleio.MDM), then: lists(scaleio.MDM)},
	"upgrade-sds":     {node: upgradableNode(scaleio.SDS), then: lists(scaleio.SDS)},
	"upgrade-sdc":     {node: upgradableNode(scaleio.SDC), then: lists(scaleio.SDC)},
	"restart-mesos-agent": {node: func(*testing.T) *installertest.Node {
		n := one()
		n.InstallMesos(map[string]string{"isolation": "cgroups/cpu,cgroups/mem"}, installertest.Framework{ID: "f1", Checkpoint: true, Tasks: []string{"t1"}})
		n.Leases.Grant(api.LeaseDisruption, true)
		return n
	}},
}

func TestSteps_everyStepHasAContract(t *testing.T) {
	n := one()
	n.Spec.Formation = &api.Formation{Node: n.Spec.Node, Nonce: "nonce-1"}
	n.Spec.Growth = &api.NodeGrowth{Orders: []api.VolumeOrder{order(0)}, Left: []string{volumeN(1)}}
	p, err := n.Installer().Plan(n.Input())
	require.NoError(t, err)
	goes := leavingWithVolumes(t)
	leaving, err := goes.Installer().Plan(goes.Input())
	require.NoError(t, err)
	for _, item := range append(p, leaving...) {
		if len(step.Plan{item}.Points()) > 0 { // it acts
			require.Contains(t, contracts, item.Step.Name())
		}
	}
}
