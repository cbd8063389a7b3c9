package installer_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
)

// dataNode is the fourth of four, with a Mesos agent of its own, after all its steps; bare is what its machine held before.
func dataNode(t *testing.T) (n *installertest.Node, bare map[string]string) {
	t.Helper()
	p := &installertest.Product{}
	managers := []*installertest.Node{p.NewNode("n1", "10.0.0.11"), p.NewNode("n2", "10.0.0.12")}
	p.NewNode("n3", "10.0.0.13")
	n = p.NewNode("n4", "10.0.0.14")
	p.Assign(api.Gates...)
	for _, m := range managers {
		before(t, m, "install-volume-driver")
	}
	n.InstallMesos(map[string]string{"isolation": "cgroups/cpu,cgroups/mem"}, installertest.Framework{ID: "f1", Checkpoint: true, Tasks: []string{"t1"}})
	n.Leases.Grant(api.LeaseDisruption, true)
	bare = n.Snapshot()
	before(t, n, "clean-modules")
	return n, bare
}

// leavingNode was told to take everything away.
func leavingNode(t *testing.T) *installertest.Node {
	n, _ := dataNode(t)
	n.Spec.Remove = true
	n.Storage = &api.StorageView{}
	return n
}

// Everything that the agent put on the machine is gone, and what was there before is as it was.
func TestRemoval_leavesTheMachineAsItWas(t *testing.T) {
	n, bare := dataNode(t)
	require.Contains(t, n.Packages.Names(), scaleio.DebName(scaleio.SDS))
	n.Spec.Remove, n.Storage = true, &api.StorageView{}
	n.Files.Set("/opt/emc/scaleio/sds/logs/trc.0", "log", 0o644)
	p, err := n.Installer().Plan(n.Input())
	require.NoError(t, err)
	assert.Equal(t, []string{"accept-platform", "remove-volume-driver", "remove-isolator", "remove-sdc", "remove-sds", "remove-leftovers"}, p.Names())
	r := &step.Reconciler{Log: quietLog}
	result := r.Pass(t.Context(), p, n.Spec.Gates, 1)
	require.True(t, result.Ready, "%+v", result.Conditions)
	last := result.Conditions[len(result.Conditions)-1]
	assert.Equal(t, "Removed", last.Reason)
	assert.Contains(t, last.Message, "never wiped")
	assert.NotContains(t, last.Message, "scini")
	n.Files.Set("/sys/module/scini/initstate", "live\n", 0o444)
	assert.Contains(t, check(t, n, "remove-leftovers").Message, "the loaded module scini, until the next boot")
	n.LoseModule()

	after := n.Snapshot()
	for path, was := range bare {
		if strings.HasPrefix(path, "unit ") || path == "drv_cfg" || strings.HasPrefix(path, "/proc") || strings.HasPrefix(path, "/sys") {
			continue
		}
		assert.Equal(t, was, after[path], path)
	}
	var left []string
	for path := range after {
		if _, was := bare[path]; !was && !strings.HasPrefix(path, "unit ") {
			left = append(left, path)
		}
	}
	slices.Sort(left)
	assert.Equal(t, []string{"/opt/emc/scaleio/sds/logs/trc.0", "package e2fsprogs", "package libaio1", "package numactl", "package openssl", "package xfsprogs"},
		slices.DeleteFunc(left, func(p string) bool { return strings.HasPrefix(p, "/run/") }), "the vendor's log and the distribution's packages stay")
}

func TestRemoval_waitsForWhoUsesIt(t *testing.T) {
	n := leavingNode(t)
	n.Storage = &api.StorageView{SDS: &api.SDSView{Name: "n4"}, SDC: &api.SDCView{Volumes: 2}}
	assert.Equal(t, "VolumesMapped", check(t, n, "remove-volume-driver").Reason)
	assert.Equal(t, "VolumesMapped", check(t, n, "remove-sdc").Reason)
	assert.Equal(t, "InSystem", check(t, n, "remove-sds").Reason)
	n.Storage = &api.StorageView{}
	n.SetModuleUsers(1)
	f := check(t, n, "remove-sdc")
	assert.Equal(t, step.Blocked, f.Verdict)
	assert.Contains(t, f.Message, "never unloaded")
}

// The daemon of the SDS is stopped for good only by what is seen right now.
func TestRemoval_theSDSStaysUntilItIsSeenToBeOut(t *testing.T) {
	n := leavingNode(t)
	n.Storage = nil
	assert.Equal(t, step.Waiting, check(t, n, "remove-sds").Verdict, "no view")
	n.Storage = &api.StorageView{AgeMS: 10_001}
	assert.Equal(t, "OldView", check(t, n, "remove-sds").Reason)
	n.Storage = &api.StorageView{AgeMS: 9_000}
	n.Disks.Attach(block.Disk{ID: "root", Path: "/dev/sda", Type: block.TypeDisk}, block.Refusal{Reason: block.ReasonRootDisk}, block.Refusal{Reason: block.ReasonInUse, Process: "1"})
	n.Disks.Attach(block.Disk{ID: "host", Path: "/dev/sdb", Type: block.TypeDisk}, block.Refusal{Reason: block.ReasonInUse})
	assert.Equal(t, step.Needed, check(t, n, "remove-sds").Verdict)
	n.Disks.Attach(block.Disk{ID: "data", Path: "/dev/sdx", Type: block.TypeDisk}, block.Refusal{Reason: block.ReasonInUse, Process: "7", Message: "/dev/sdx is open in process 7 (sds)"})
	f := check(t, n, "remove-sds")
	assert.Equal(t, step.Blocked, f.Verdict)
	assert.Contains(t, f.Message, "open in process 7")
	n.Disks.Refuse("/dev/sdx", block.Refusal{Reason: block.ReasonHasSignature})
	assert.Equal(t, step.Needed, check(t, n, "remove-sds").Verdict, "drained: its header stays")
}

func TestRemoval_leavesWhatAPersonChanged(t *testing.T) {
	n := leavingNode(t)
	n.Files.Set("/etc/rexray/config.yml", "rexray:\n", 0o600)
	n.Files.Set("/usr/bin/dvdcli", "another", 0o755)
	n.Files.Set("/etc/mesos-slave/isolation", "docker/volume,filesystem/linux,gpu/nvidia\n", 0o644)
	n.Files.Set("/etc/mesos-agent/isolation", "docker/volume,filesystem/linux,gpu/nvidia\n", 0o644)
	p, err := n.Installer().Plan(n.Input())
	require.NoError(t, err)
	r := &step.Reconciler{Log: quietLog}
	require.True(t, r.Pass(t.Context(), p, n.Spec.Gates, 1).Ready)
	all := n.Files.Tree("/")
	assert.Equal(t, "rexray:\n", all["/etc/rexray/config.yml"])
	assert.Equal(t, "another", all["/usr/bin/dvdcli"])
	assert.Equal(t, "docker/volume,filesystem/linux,gpu/nvidia\n", all["/etc/mesos-agent/isolation"])
	assert.NotContains(t, all, "/usr/bin/rexray")
}

func TestRemoval_neverOfAnMDM(t *testing.T) {
	n := one()
	n.Spec.Remove = true
	_, err := n.Installer().Plan(n.Input())
	assert.ErrorContains(t, err, "removes none")
}
