package installer_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform/aws"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
)

// bought gives a node with one ordered volume, as far as then lets it come, whose order is given up now.
func abandoned(t *testing.T, cleanup bool, then func(n *installertest.Node)) (*installertest.Node, *installer.Installer) {
	t.Helper()
	n := buying(order(0))
	if then != nil {
		then(n)
	}
	i := n.Installer()
	buy(t, i, n, 1)
	s := stateOf(t, i, n, 0) // the ledger knows by it whether anybody can have written on the volume
	n.Spec.Growth.Orders[0].Abandon, n.Spec.Growth.Orders[0].Unwritten = true, s.Stage != api.OrderAttached && s.Stage != api.OrderPresent
	if cleanup {
		n.Spec.Growth.CleanupFile = "/etc/scaleio-agent/cleanup"
	}
	return n, i
}

// resize a volume behind our back: its disk isn't the one that was ordered.
func resize(n *installertest.Node, id string) {
	n.Disks.Detach("/dev/nvme-" + id)
	n.Disks.Attach(block.Disk{ID: id, Serial: strings.Replace(id, "-", "", 1), Path: "/dev/nvme-" + id, SizeBytes: 200 << 30, Type: block.TypeDisk, Transport: "nvme"})
}

func TestGiveUp(t *testing.T) {
	for name, c := range map[string]struct {
		cleanup bool
		then    func(*installertest.Node)
		since   func(*testing.T, *installertest.Node, *installer.Installer)
		stage   api.OrderStage
		reason  string
		left    int
	}{
		"nothing was bought":              {true, func(n *installertest.Node) { n.Cloud.Refuse("create", aws.ErrCapacity) }, nil, api.OrderDeleted, "Abandoned", 0},
		"available":                       {true, func(n *installertest.Node) { n.Cloud.Refuse("attach", aws.ErrLimit) }, nil, api.OrderDeleted, "Abandoned", 0},
		"attached and empty":              {true, nil, nil, api.OrderDeleted, "Abandoned", 0},
		"attached, its device never came": {true, func(n *installertest.Node) { n.Cloud.DeviceLate = true }, nil, api.OrderDeleted, "Abandoned", 0},
		"without the right to":            {false, nil, nil, api.OrderKept, "NoCleanupCredentials", 1},
		"the right isn't enough": {true, nil, func(_ *testing.T, n *installertest.Node, _ *installer.Installer) {
			n.Cloud.Refuse("detach", aws.ErrDenied, aws.ErrDenied)
		}, api.OrderKept, "Denied", 1},
		"claimed": {true, nil, func(t *testing.T, n *installertest.Node, i *installer.Installer) {
			n.Spec.Claims = []api.DiskClaim{{Disk: stateOf(t, i, n, 0).Disk, SizeBytes: 120 << 30}}
		}, api.OrderKept, "HandedOver", 1},
		"with a record of its handover": {true, nil, func(t *testing.T, n *installertest.Node, i *installer.Installer) {
			n.Spec.Claims = []api.DiskClaim{{Disk: stateOf(t, i, n, 0).Disk, SizeBytes: 120 << 30}}
			require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
			n.Spec.Claims = nil
		}, api.OrderKept, "HandedOver", 1},
		"not empty any more": {true, nil, func(t *testing.T, n *installertest.Node, i *installer.Installer) {
			n.Disks.Refuse("/dev/nvme-"+stateOf(t, i, n, 0).Disk, notEmpty)
		}, api.OrderKept, "InUse", 1},
		"of another size than was ordered": {true, nil, func(t *testing.T, n *installertest.Node, i *installer.Installer) {
			resize(n, stateOf(t, i, n, 0).VolumeID)
		}, api.OrderKept, "NotAsOrdered", 1},
		"of another size, and in the pool": {true, nil, func(t *testing.T, n *installertest.Node, i *installer.Installer) {
			id := stateOf(t, i, n, 0).VolumeID
			resize(n, id)
			n.Storage = &api.StorageView{SDS: &api.SDSView{Name: "n1", Devices: []api.DeviceView{{ID: "d1", Name: scaleio.DeviceName(id), Path: "/dev/nvme-" + id, State: "Normal"}}}}
		}, api.OrderKept, "HandedOver", 1},
		"two disks say that they are it": {true, nil, func(t *testing.T, n *installertest.Node, i *installer.Installer) {
			id := stateOf(t, i, n, 0).VolumeID
			n.Disks.Attach(block.Disk{ID: id, Path: "/dev/nvme9n1", SizeBytes: 120 << 30, Type: block.TypeDisk, Transport: "nvme"})
		}, api.OrderKept, "NotAsOrdered", 1},
		"nameless under Xen and written": {true, func(n *installertest.Node) { n.Cloud.Xen = true }, func(t *testing.T, n *installertest.Node, i *installer.Installer) {
			require.NoError(t, n.Files.Remove("/var/lib/scaleio-agent/volumes.json"))
			n.Disks.Refuse(n.Cloud.All()[stateOf(t, i, n, 0).VolumeID].Attachments[0].Device, notEmpty)
		}, api.OrderKept, "InUse", 1},
		"nameless under Xen and empty": {true, func(n *installertest.Node) { n.Cloud.Xen = true }, func(t *testing.T, n *installertest.Node, _ *installer.Installer) {
			require.NoError(t, n.Files.Remove("/var/lib/scaleio-agent/volumes.json"))
		}, api.OrderDeleted, "Abandoned", 0},
		"taken off by somebody else": {true, nil, func(t *testing.T, n *installertest.Node, i *installer.Installer) {
			id := stateOf(t, i, n, 0).VolumeID
			n.Disks.Detach("/dev/nvme-" + id)
			n.Cloud.Change(id, func(v *aws.Volume) { v.State, v.Attachments = aws.VolumeAvailable, nil })
		}, api.OrderKept, "InUse", 1},
		"moved to another instance": {true, nil, func(t *testing.T, n *installertest.Node, i *installer.Installer) {
			id := stateOf(t, i, n, 0).VolumeID
			n.Disks.Detach("/dev/nvme-" + id)
			n.Cloud.Change(id, func(v *aws.Volume) { v.Attachments[0].Instance = "i-other" })
		}, api.OrderKept, "AttachedElsewhere", 1},
		"deleted by a person": {true, nil, func(t *testing.T, n *installertest.Node, i *installer.Installer) {
			id := stateOf(t, i, n, 0).VolumeID
			n.Disks.Detach("/dev/nvme-" + id)
			n.Cloud.Change(id, nil)
			n.Spec.Growth.Orders[0].VolumeID = id // the ledger has it
		}, api.OrderKept, "NotShownYet", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, i := abandoned(t, c.cleanup, c.then)
				if c.since != nil {
					c.since(t, n, i)
				}
				buy(t, i, n, 60)
				s := stateOf(t, i, n, 0)
				assert.Equal(t, c.stage, s.Stage, s.Message)
				assert.Equal(t, c.reason, s.Reason, s.Message)
				assert.Len(t, n.Cloud.All(), c.left)

				again := n.Installer() // a new process comes to the same end
				buy(t, again, n, 60)
				assert.Equal(t, c.stage, stateOf(t, again, n, 0).Stage)
				assert.Len(t, n.Cloud.All(), c.left)
			})
		})
	}
}

// A lost answer may have made a volume that EC2 doesn't show yet.
func TestGiveUp_waitsForReadsThatLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		n.Cloud.Blind = true
		buy(t, n.Installer(), n, 1)
		require.Len(t, n.Cloud.All(), 1)
		n.Spec.Growth.Orders[0].Abandon, n.Spec.Growth.Orders[0].Unwritten, n.Spec.Growth.CleanupFile = true, true, "/etc/scaleio-agent/cleanup"
		i := n.Installer() // doesn't know the id
		buy(t, i, n, 10)
		assert.Equal(t, api.OrderWaiting, stateOf(t, i, n, 0).Stage, "nothing shown is not yet nothing there")
		n.Cloud.Blind = false
		buy(t, i, n, 30)
		assert.Equal(t, api.OrderDeleted, stateOf(t, i, n, 0).Stage)
		assert.Empty(t, n.Cloud.All())
	})
}

// The node that bought it is gone: another deletes it.
func TestGiveUp_forAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		made, err := volumesOf(t, n).Create(t.Context(), aws.NewVolume{ClientToken: "another's", SizeGiB: 120,
			Tags: map[string]string{api.TagCluster: "c", api.TagNode: "i-gone", api.TagExpansion: "5f0c", api.TagOrder: "0.1"}})
		require.NoError(t, err)
		n.Spec.Growth.Orders[0].Abandon, n.Spec.Growth.Orders[0].VolumeID, n.Spec.Growth.CleanupFile = true, made.ID, "/etc/scaleio-agent/cleanup"
		n.Spec.Growth.Orders[0].Unwritten = true
		i := n.Installer()
		buy(t, i, n, 3)
		assert.Equal(t, api.OrderDeleted, stateOf(t, i, n, 0).Stage)
		assert.Empty(t, n.Cloud.All())
	})
}

// An agent that died between detaching and deleting knows that it was the one who looked; the note goes with the volume.
func TestGiveUp_diedAfterDetaching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, i := abandoned(t, true, nil)
		id := stateOf(t, i, n, 0).VolumeID
		for range 60 {
			if len(n.Cloud.All()[id].Attachments) == 0 {
				break
			}
			buy(t, i, n, 1)
		}
		require.Equal(t, aws.VolumeAvailable, n.Cloud.All()[id].State)
		assert.Len(t, noted(t, n), 1)
		buy(t, n.Installer(), n, 60)
		assert.Empty(t, n.Cloud.All())
		assert.Empty(t, noted(t, n))
	})
}

// noted volumes that this node took off.
func noted(t *testing.T, n *installertest.Node) []string {
	t.Helper()
	all, err := n.Files.Glob("/var/lib/scaleio-agent/intents/take-off-volume*.json")
	require.NoError(t, err)
	return all
}

func TestGiveUp_isNotOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, i := abandoned(t, false, nil)
		n.Spec.Disks.Use = api.DiskUseAllEmpty
		d := diskOf(t, i, n, stateOf(t, i, n, 0).Disk)
		assert.Equal(t, api.DiskRefused, d.State)
		assert.Equal(t, "Abandoned", d.Reason)
	})
}

// What was kept for want of a right is given up once there is one: told anew, the same process looks anew.
func TestGiveUp_theRightComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, i := abandoned(t, false, func(n *installertest.Node) { n.Cloud.Refuse("attach", aws.ErrLimit) })
		buy(t, i, n, 60)
		s := stateOf(t, i, n, 0)
		require.Equal(t, api.OrderKept, s.Stage)
		o := n.Spec.Growth.Orders[0]
		o.VolumeID = s.VolumeID
		n.Spec.Growth.Orders = nil
		_, err := i.Plan(n.Input())
		require.NoError(t, err)
		n.Spec.Growth.CleanupFile, n.Spec.Growth.Orders = "/etc/scaleio-agent/cleanup", []api.VolumeOrder{o}
		buy(t, i, n, 60)
		assert.Equal(t, api.OrderDeleted, stateOf(t, i, n, 0).Stage)
		assert.Empty(t, n.Cloud.All())
	})
}

// detaching a volume that was given up: as far as its node looked at it and asked EC2 to take it off.
func detaching(t *testing.T) (n *installertest.Node, i *installer.Installer, id string) {
	t.Helper()
	n, i = abandoned(t, true, nil)
	id = stateOf(t, i, n, 0).VolumeID
	n.Cloud.Refuse("detach", aws.ErrUnavailable) // whose answer was lost
	for len(noted(t, n)) == 0 {
		buy(t, i, n, 1)
	}
	return n, i, id
}

func off(n *installertest.Node, id string) {
	n.Disks.Detach("/dev/nvme-" + id)
	n.Cloud.Change(id, func(v *aws.Volume) { v.State, v.Attachments = aws.VolumeAvailable, nil })
}

// Somebody mounted it between the look and the detaching: it comes off when he lets go, with what he wrote.
func TestGiveUp_openedWhileItIsDetached(t *testing.T) {
	for _, r := range []block.Refusal{notEmpty, {Reason: block.ReasonMounted, Message: "on /mnt"}} {
		for _, state := range []string{aws.Busy, aws.Detaching} {
			synctest.Test(t, func(t *testing.T) {
				n, i, id := detaching(t)
				n.Cloud.Change(id, func(v *aws.Volume) { v.Attachments[0].State = state })
				n.Disks.Refuse("/dev/nvme-"+id, r)
				buy(t, i, n, 10)
				assert.Equal(t, api.OrderKept, stateOf(t, i, n, 0).Stage)
				off(n, id)
				n.Spec.Growth.Orders[0].Unwritten = false
				buy(t, n.Installer(), n, 60)
				assert.Len(t, n.Cloud.All(), 1)
				assert.Empty(t, noted(t, n))
			})
		}
	}
}

// A node that was away for long doesn't know who had the volume since it took it off; and one that hears from no scheduler doesn't know what that found out.
func TestGiveUp_awayForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, id := detaching(t)
		off(n, id)
		time.Sleep(time.Hour)
		i := n.Installer()
		buy(t, i, n, 60)
		assert.Equal(t, api.OrderKept, stateOf(t, i, n, 0).Stage)
		assert.Len(t, n.Cloud.All(), 1)
	})
	synctest.Test(t, func(t *testing.T) { // fault 14: how long, its clock doesn't say
		n, _, id := detaching(t)
		off(n, id)
		time.Sleep(time.Hour)
		i := setBack(n)
		buy(t, i, n, 60)
		assert.Equal(t, api.OrderKept, stateOf(t, i, n, 0).Stage)
		assert.Len(t, n.Cloud.All(), 1)
	})
	synctest.Test(t, func(t *testing.T) {
		n, i := abandoned(t, true, func(n *installertest.Node) { n.Cloud.Refuse("attach", aws.ErrLimit) })
		require.True(t, n.Spec.Growth.Orders[0].Unwritten)
		n.Unheard = 2 * api.OrderTTL
		buy(t, i, n, 60)
		assert.Len(t, n.Cloud.All(), 1)
		n.Unheard = 0
		buy(t, i, n, 60)
		assert.Empty(t, n.Cloud.All())
	})
}
