package installer_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
)

// What a disk is, is known at once; it isn't opened before udev has done with it.
func TestSettling_aNewDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Disks.Attach(emptyDisk())
		i := n.Installer()
		seen, ok := i.DiskSeen("sdb")
		require.True(t, ok)
		assert.Equal(t, api.Disk{ID: disk1, Path: "/dev/sdb", SizeBytes: 120 << 30}, seen)
		_, ok = i.DiskSeen("sdz")
		assert.False(t, ok)
		got := diskOf(t, i, n, disk1)
		assert.Equal(t, api.DiskRefused, got.State)
		assert.Equal(t, "Settling", got.Reason)
		assert.Equal(t, step.Satisfied, look(t, i, n, "hand-over-disks").Verdict, "nothing waits for it yet")
		assert.Zero(t, n.Disks.Inspections("/dev/sdb"))

		i.DisksSettled([]string{"sdz"})
		assert.Equal(t, "Settling", diskOf(t, i, n, disk1).Reason, "another one has")
		i.DisksSettled([]string{"sdb"})
		assert.Equal(t, api.DiskOffered, diskOf(t, i, n, disk1).State)
		assert.Equal(t, 1, n.Disks.Inspections("/dev/sdb"))

		i.DiskSeen("sdb")
		assert.Equal(t, api.DiskOffered, diskOf(t, i, n, disk1).State, "what is known of it stands meanwhile")
		assert.Equal(t, 1, n.Disks.Inspections("/dev/sdb"))
	})
}

// Who tells of events may end, and events may be lost.
func TestSettling_isBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Disks.Attach(emptyDisk())
		i := n.Installer()
		i.DiskSeen("")
		assert.Equal(t, "Settling", diskOf(t, i, n, disk1).Reason, "it may be any")
		time.Sleep(time.Minute)
		assert.Equal(t, api.DiskOffered, diskOf(t, i, n, disk1).State)
	})
}

// The verification before a handover opens the disk, too; and a record that could go stays meanwhile.
func TestSettling_whileItIsHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Disks.Attach(emptyDisk())
		n.Spec.Claims = []api.DiskClaim{{Disk: disk1, SizeBytes: 120 << 30}}
		i := n.Installer()
		i.DiskSeen("sdb")
		f := look(t, i, n, "hand-over-disks")
		assert.Equal(t, step.Waiting, f.Verdict, f.Message)
		assert.Equal(t, "Settling", f.Reason)
		assert.Equal(t, api.DiskClaimed, diskOf(t, i, n, disk1).State, "the claim goes on")
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		assert.Zero(t, n.Disks.Inspections("/dev/sdb"))

		i.DisksSettled([]string{"sdb"})
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		require.Equal(t, api.DiskPrepared, diskOf(t, i, n, disk1).State)
		i.DiskSeen("sdb")
		assert.Equal(t, api.DiskPrepared, diskOf(t, i, n, disk1).State, "verified is verified: the leader writes to it now")

		n.Spec.Claims = nil
		time.Sleep(time.Second)
		read := n.Disks.Inspections("/dev/sdb")
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		assert.Equal(t, read, n.Disks.Inspections("/dev/sdb"))
		assert.Equal(t, "Settling", look(t, i, n, "hand-over-disks").Reason)
		i.DisksSettled([]string{"sdb"})
		assert.Equal(t, "IntentDropped", look(t, i, n, "hand-over-disks").Reason)
	})
}

// Who wiped a disk waits for it: what changed is read anew, whatever was read before.
func TestSettling_whatChangedIsReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Disks.Attach(emptyDisk(), block.Refusal{Reason: "HasSignature", Message: "ext4"})
		i := n.Installer()
		require.Equal(t, "HasSignature", diskOf(t, i, n, disk1).Reason)
		n.Disks.Refuse("/dev/sdb")
		i.DisksSettled([]string{"sdz"})
		require.Equal(t, "HasSignature", diskOf(t, i, n, disk1).Reason, "another one changed")
		i.DiskSeen("sdb")
		i.DisksSettled([]string{"sdb"})
		require.Equal(t, api.DiskOffered, diskOf(t, i, n, disk1).State)
		n.Disks.Refuse("/dev/sdb", block.Refusal{Reason: "NotEmpty"})
		i.DisksSettled([]string{""})
		assert.Equal(t, "NotEmpty", diskOf(t, i, n, disk1).Reason, "events were lost: it may be any")
	})
}

// That who has a disk open lets go of it is no event. Where somebody waits for the disk it is seen soon.
func TestSettling_whoLetsGoOfADiskIsNoEvent(t *testing.T) {
	for _, approved := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			n := one()
			n.Spec.Disks = api.DiskPolicy{Use: api.DiskUseAllEmpty}
			if approved {
				n.Spec.Disks = api.DiskPolicy{Use: api.DiskUseApprove, Approved: []string{disk1}}
			}
			n.Disks.Attach(emptyDisk(), block.Refusal{Reason: "InUse"})
			i := n.Installer()
			require.Equal(t, "InUse", diskOf(t, i, n, disk1).Reason)
			n.Disks.Refuse("/dev/sdb")
			time.Sleep(10 * time.Second)
			assert.Equal(t, approved, diskOf(t, i, n, disk1).State == api.DiskOffered)
			time.Sleep(5 * time.Minute)
			assert.Equal(t, api.DiskOffered, diskOf(t, i, n, disk1).State)
		})
	}
}
