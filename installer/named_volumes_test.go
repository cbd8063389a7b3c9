package installer_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/aws"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
)

// underXen buys a volume whose disk has no serial.
func underXen(t *testing.T) (*installertest.Node, api.OrderState) {
	n := buying(order(0))
	n.Cloud.Xen = true
	i := n.Installer()
	require.Equal(t, step.Satisfied, buy(t, i, n, 12).Verdict)
	return n, stateOf(t, i, n, 0)
}

func TestNamedVolumes_haveTheirVolumesID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := underXen(t)
		assert.Equal(t, api.OrderPresent, s.Stage)
		assert.Equal(t, s.VolumeID, s.Disk)
		device := n.Cloud.All()[s.VolumeID].Attachments[0].Device
		n.Spec.Growth, n.Spec.Disks.Use = nil, api.DiskUseAllEmpty
		i := n.Installer() // of a later process, when nobody speaks of the order any more
		d := diskOf(t, i, n, s.VolumeID)
		assert.Equal(t, device, d.Path)
		assert.Equal(t, api.DiskOffered, d.State)

		n.Disks.Detach(device)
		n.Disks.Attach(block.Disk{Path: device, SizeBytes: 121 << 30, Type: block.TypeDisk, Transport: "xen"})
		seen := i.Observe(t.Context(), n.Input()).Disks
		require.Len(t, seen, 1)
		assert.Equal(t, "NoIdentity", seen[0].Reason, "another size is another disk")
	})
}

// A damaged record of names names nothing. It hides no disk, hands none over, and is set aside when EC2 says a name anew.
func TestNamedVolumes_damagedRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := underXen(t)
		n.Disks.Attach(block.Disk{ID: "wwn-1", Path: "/dev/sdq", SizeBytes: 120 << 30, Type: block.TypeDisk, Transport: "scsi", Serial: "S"})
		record := "/var/lib/scaleio-agent/volumes.json"
		n.Files.Set(record, `[{"volume":"vol-`, 0o600)
		growth := n.Spec.Growth
		n.Spec.Growth, n.Spec.Disks.Use = nil, api.DiskUseAllEmpty
		n.Spec.Claims = []api.DiskClaim{{Disk: s.Disk, SizeBytes: 120 << 30}}
		i := n.Installer()
		seen := i.Observe(t.Context(), n.Input())
		require.False(t, seen.DisksUnseen)
		states := map[string]api.Disk{}
		for _, d := range seen.Disks {
			states[d.Path] = d
		}
		assert.Equal(t, api.DiskOffered, states["/dev/sdq"].State, "the others are as they were")
		device := n.Cloud.All()[s.VolumeID].Attachments[0].Device
		assert.Equal(t, api.DiskRefused, states[device].State)
		assert.Equal(t, "NoIdentity", states[device].Reason)
		assert.Contains(t, states[device].Message, "volumes.json")
		assert.NotEqual(t, api.DiskPrepared, states[device].State, "claimed or not: by its name alone none is given")

		n.Spec.Growth, n.Spec.Claims = growth, nil
		require.Equal(t, step.Satisfied, buy(t, i, n, 12).Verdict, "EC2 says the name again")
		assert.Equal(t, s.Disk, stateOf(t, i, n, 0).Disk)
		assert.Equal(t, `[{"volume":"vol-`, n.Files.Tree("/")[record+".damaged"], "what was in it can be looked at")
	})
}

func TestNamedVolumes_areConfirmedBeforeTheyAreHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := underXen(t)
		n.Spec.Claims = []api.DiskClaim{{Disk: s.Disk, SizeBytes: 120 << 30}}
		i := n.Installer()
		hand := func() error { return in(t, i, n, "hand-over-disks").Apply(t.Context()) }
		require.Equal(t, api.DiskClaimed, diskOf(t, i, n, s.Disk).State)

		n.Cloud.Change(s.VolumeID, func(v *aws.Volume) { v.Attachments[0].Device = "/dev/xvdbz" })
		assert.ErrorContains(t, hand(), "isn't handed over", "somebody attached it under another name: what has its name now is something else")
		n.Cloud.Change(s.VolumeID, func(v *aws.Volume) { v.Attachments[0].Device = "/dev/xvdba" })
		n.Cloud.Refuse("tagged", aws.ErrThrottled)
		assert.ErrorIs(t, hand(), aws.ErrThrottled)
		growth := n.Spec.Growth
		n.Spec.Growth = nil
		assert.Error(t, hand(), "nobody can be asked")
		n.Spec.Growth = growth
		require.NoError(t, hand())
		assert.Equal(t, api.DiskPrepared, diskOf(t, i, n, s.Disk).State)
	})
}
