package installer_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
)

var notEmpty = block.Refusal{Reason: block.ReasonNotEmpty, Message: "data at 8 MiB"}

// diskOf gives what a process sees of a disk.
func diskOf(t *testing.T, i *installer.Installer, n *installertest.Node, id string) api.Disk {
	t.Helper()
	for _, d := range i.Observe(t.Context(), n.Input()).Disks {
		if d.ID == id {
			return d
		}
	}
	require.Fail(t, "no disk "+id)
	return api.Disk{}
}

func in(t *testing.T, i *installer.Installer, n *installertest.Node, name string) step.Step {
	t.Helper()
	p, err := i.Plan(n.Input())
	require.NoError(t, err)
	for _, item := range p {
		if item.Step.Name() == name {
			return item.Step
		}
	}
	require.Fail(t, "no step "+name)
	return nil
}

func look(t *testing.T, i *installer.Installer, n *installertest.Node, name string) step.Finding {
	t.Helper()
	f, err := in(t, i, n, name).Check(t.Context())
	require.NoError(t, err)
	return f
}

func TestDisks_policy(t *testing.T) {
	for name, c := range map[string]struct {
		policy api.DiskPolicy
		state  api.DiskState
		reason string
	}{
		"all empty":            {api.DiskPolicy{Use: api.DiskUseAllEmpty}, api.DiskOffered, ""},
		"none":                 {api.DiskPolicy{Use: api.DiskUseNone}, api.DiskRefused, "DisksUseNone"},
		"none beats approval":  {api.DiskPolicy{Use: api.DiskUseNone, Approved: []string{disk1}}, api.DiskRefused, "DisksUseNone"},
		"approve":              {api.DiskPolicy{Use: api.DiskUseApprove}, api.DiskRefused, "WaitingForApproval"},
		"approved":             {api.DiskPolicy{Use: api.DiskUseApprove, Approved: []string{disk1}}, api.DiskOffered, ""},
		"match":                {api.DiskPolicy{Use: api.DiskUseMatch, Match: "wwn-0x5000c500*"}, api.DiskOffered, ""},
		"no match":             {api.DiskPolicy{Use: api.DiskUseMatch, Match: "vol*"}, api.DiskRefused, "NotMatched"},
		"a broken match":       {api.DiskPolicy{Use: api.DiskUseMatch, Match: "[" + disk1}, api.DiskRefused, "NotMatched"},
		"nothing said":         {api.DiskPolicy{}, api.DiskRefused, "WaitingForApproval"},
		"a word of the future": {api.DiskPolicy{Use: "some"}, api.DiskRefused, "WaitingForApproval"},
	} {
		t.Run(name, func(t *testing.T) {
			n := one()
			n.Spec.Disks = c.policy
			n.Disks.Attach(emptyDisk())
			d := diskOf(t, n.Installer(), n, disk1)
			assert.Equal(t, c.state, d.State)
			assert.Equal(t, c.reason, d.Reason)
		})
	}
}

func TestDisks_refusedOnesSayWhy(t *testing.T) {
	n := one()
	n.Spec.Disks.Approved = []string{disk1}
	n.Disks.Attach(emptyDisk(), block.Refusal{Reason: block.ReasonHasSignature, Message: "ext4 at 1080"}, notEmpty)
	small := emptyDisk()
	small.ID, small.Path, small.SizeBytes = "wwn-small", "/dev/sdc", 90<<30
	n.Disks.Attach(small)
	loop := emptyDisk()
	loop.ID, loop.Path, loop.Type = "loop-image", "/dev/loop0", block.TypeLoop
	n.Disks.Attach(loop)
	volume := emptyDisk()
	volume.ID, volume.Path, volume.Type = "vol", "/dev/scinia", block.TypeProductVolume
	n.Disks.Attach(volume)

	i := n.Installer()
	seen := i.Observe(t.Context(), n.Input()).Disks
	require.Len(t, seen, 3, "volumes of the cluster aren't disks of the node")
	assert.Equal(t, "HasSignature", seen[0].Reason)
	assert.Equal(t, "HasSignature: ext4 at 1080; NotEmpty: data at 8 MiB", seen[0].Message)
	assert.Equal(t, "TooSmall", seen[1].Reason, "the product's own limit holds whatever the policy says")
	assert.Equal(t, "TypeNotAllowed", seen[2].Reason)

	f := look(t, i, n, "hand-over-disks")
	assert.Equal(t, step.Satisfied, f.Verdict)
	assert.Contains(t, f.Message, "/dev/sdb (HasSignature) HasSignature: ext4 at 1080")
	assert.Contains(t, look(t, i, n, "serve-storage").Message, "no disk to give")

	n.Spec.Disks.AllowTypes = []string{"loop"}
	assert.Equal(t, api.DiskOffered, diskOf(t, i, n, "loop-image").State)
}

func TestDisks_emptyOneIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Disks.Attach(emptyDisk())
		i := n.Installer()
		for range 5 {
			diskOf(t, i, n, disk1)
			time.Sleep(time.Hour)
		}
		assert.Equal(t, 1, n.Disks.Inspections("/dev/sdb"))

		n.Disks.Detach("/dev/sdb")
		other := emptyDisk()
		other.Minor = 32
		n.Disks.Attach(other)
		diskOf(t, i, n, disk1)
		assert.Equal(t, 2, n.Disks.Inspections("/dev/sdb"), "another device is another disk until it was read")
	})
}

func TestHandOver_life(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Disks.Attach(emptyDisk())
		i := n.Installer()
		assert.Equal(t, step.Waiting, look(t, i, n, "hand-over-disks").Verdict, "offered")
		assert.Equal(t, api.DiskOffered, diskOf(t, i, n, disk1).State)

		n.Spec.Claims = []api.DiskClaim{{Disk: disk1, SizeBytes: 120 << 30}}
		assert.Equal(t, step.Needed, look(t, i, n, "hand-over-disks").Verdict)
		assert.Equal(t, api.DiskClaimed, diskOf(t, i, n, disk1).State)
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		d := diskOf(t, i, n, disk1)
		assert.Equal(t, api.DiskPrepared, d.State)
		assert.Equal(t, 2, n.Disks.Inspections("/dev/sdb"), "read again, whatever was kept")
		assert.Len(t, i.Observe(t.Context(), n.Input()).Intents, 1)

		time.Sleep(20 * time.Second)
		assert.EqualValues(t, 20_000, diskOf(t, i, n, disk1).PreparedAgeMS)
		time.Sleep(10 * time.Second)
		assert.Equal(t, api.DiskClaimed, diskOf(t, i, n, disk1).State, "30 s have passed")
		assert.Equal(t, step.Needed, look(t, i, n, "hand-over-disks").Verdict)
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))

		assert.Equal(t, api.DiskClaimed, diskOf(t, n.Installer(), n, disk1).State, "another process hasn't verified it")

		n.Disks.Refuse("/dev/sdb", notEmpty) // the leader added it: the product's header is on it
		time.Sleep(time.Minute)
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		d = diskOf(t, i, n, disk1)
		assert.Equal(t, api.DiskClaimed, d.State)
		assert.Equal(t, "BeingAdded", d.Reason)
		assert.Equal(t, step.Waiting, look(t, i, n, "hand-over-disks").Verdict)

		n.Storage = &api.StorageView{SDS: &api.SDSView{Name: "n1", Connection: "Connected", Membership: "Joined",
			Devices: []api.DeviceView{{ID: "b54edcff00000000", Name: scaleio.DeviceName(disk1), Path: "/dev/sdz", SizeBytes: 119 << 30, State: "Normal"}}}}
		d = diskOf(t, i, n, disk1)
		assert.Equal(t, api.DiskAdopted, d.State)
		assert.Equal(t, "b54edcff00000000", d.DeviceID)
		require.Equal(t, "IntentDone", look(t, i, n, "hand-over-disks").Reason)
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		assert.Equal(t, step.Satisfied, look(t, i, n, "hand-over-disks").Verdict)
		assert.Empty(t, i.Observe(t.Context(), n.Input()).Intents)
		assert.Equal(t, step.Satisfied, look(t, i, n, "serve-storage").Verdict)
	})
}

func TestHandOver_neverShownBecomesAPersons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Disks.Attach(emptyDisk())
		n.Spec.Claims = []api.DiskClaim{{Disk: disk1, SizeBytes: 120 << 30}}
		i := n.Installer()
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		n.Disks.Refuse("/dev/sdb", notEmpty)
		time.Sleep(11 * time.Minute)
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		f := look(t, i, n, "hand-over-disks")
		assert.Equal(t, "HandOverUnclear", f.Reason)
		assert.Contains(t, f.Message, "data at 8 MiB")
	})
}

// Fault 14: the clock was a year ahead when the handover began. A person is told all the same, and not in a year.
func TestHandOver_neverShownAndTheClockIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Disks.Attach(emptyDisk())
		n.Spec.Claims = []api.DiskClaim{{Disk: disk1, SizeBytes: 120 << 30}}
		require.NoError(t, in(t, n.Installer(), n, "hand-over-disks").Apply(t.Context()))
		n.Disks.Refuse("/dev/sdb", notEmpty)
		time.Sleep(11 * time.Minute)
		i := setBack(n)
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		assert.Equal(t, "HandOverUnclear", look(t, i, n, "hand-over-disks").Reason)
	})
}

func TestHandOver_claimedAndFilledIsRefused(t *testing.T) {
	n := one()
	n.Disks.Attach(emptyDisk())
	i := n.Installer()
	diskOf(t, i, n, disk1) // read as empty
	n.Disks.Refuse("/dev/sdb", notEmpty)
	n.Spec.Claims = []api.DiskClaim{{Disk: disk1, SizeBytes: 120 << 30}}
	require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
	f := look(t, i, n, "hand-over-disks")
	assert.Equal(t, "ClaimRefused", f.Reason)
	assert.Contains(t, f.Message, "data at 8 MiB")
	d := diskOf(t, i, n, disk1)
	assert.Equal(t, api.DiskRefused, d.State)
	assert.Empty(t, i.Observe(t.Context(), n.Input()).Intents, "nobody was told that it could be had")
}

func TestHandOver_claimOfAnotherSizeIsNotOurs(t *testing.T) {
	n := one()
	n.Disks.Attach(emptyDisk())
	n.Spec.Claims = []api.DiskClaim{{Disk: disk1, SizeBytes: 200 << 30}}
	assert.Equal(t, api.DiskOffered, diskOf(t, n.Installer(), n, disk1).State)
}

func TestHandOver_droppedClaim(t *testing.T) {
	claimed := func(t *testing.T) (*installertest.Node, *installer.Installer) {
		n := one()
		n.Disks.Attach(emptyDisk())
		n.Spec.Claims = []api.DiskClaim{{Disk: disk1, SizeBytes: 120 << 30}}
		i := n.Installer()
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		n.Spec.Claims = nil
		return n, i
	}
	t.Run("still empty", func(t *testing.T) {
		n, i := claimed(t)
		require.Equal(t, "IntentDropped", look(t, i, n, "hand-over-disks").Reason)
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		assert.Equal(t, api.DiskOffered, diskOf(t, i, n, disk1).State)
		assert.Empty(t, i.Observe(t.Context(), n.Input()).Intents)
	})
	t.Run("filled, though it was kept as empty", func(t *testing.T) {
		n, i := claimed(t)
		require.Equal(t, "IntentDropped", look(t, i, n, "hand-over-disks").Reason)
		n.Disks.Refuse("/dev/sdb", notEmpty)
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		f := look(t, i, n, "hand-over-disks")
		assert.Equal(t, "LeftOverIntent", f.Reason)
		assert.Contains(t, f.Message, installer.IntentFile("hand-over-disk", disk1))
		assert.Equal(t, api.DiskRefused, diskOf(t, i, n, disk1).State)
	})
	t.Run("gone", func(t *testing.T) {
		n, i := claimed(t)
		n.Disks.Detach("/dev/sdb")
		assert.Equal(t, "LeftOverIntent", look(t, i, n, "hand-over-disks").Reason)
	})
}

func TestHandOver_intentSaysWhat(t *testing.T) {
	n := one()
	n.Disks.Attach(emptyDisk())
	n.Spec.Claims = []api.DiskClaim{{Disk: disk1, SizeBytes: 120 << 30}}
	require.NoError(t, stepOf(t, n, "hand-over-disks").Apply(t.Context()))
	file := installer.IntentFile("hand-over-disk", disk1)
	var record map[string]any
	require.NoError(t, json.Unmarshal([]byte(n.Files.Tree("/var/lib/scaleio-agent")[file]), &record))
	assert.Equal(t, "hand-over-disk", record["kind"])
	assert.Equal(t, disk1, record["subject"])
	assert.Equal(t, "boot-1", record["bootId"])
	mode, _, err := n.Files.Stat(file)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, mode.Perm())
}

func TestDisks_adoptedByPathOnlyWithoutAName(t *testing.T) {
	for name, c := range map[string]struct {
		device api.DeviceView
		want   api.DiskState
	}{
		"path and size":  {api.DeviceView{Path: "/dev/sdb", SizeBytes: 119 << 30}, api.DiskAdopted},
		"a link":         {api.DeviceView{Path: "/dev/disk/by-id/" + disk1, SizeBytes: 119 << 30}, api.DiskAdopted},
		"another size":   {api.DeviceView{Path: "/dev/sdb", SizeBytes: 300 << 30}, api.DiskOffered},
		"another's name": {api.DeviceView{Name: "wwn-0xother", Path: "/dev/sdb", SizeBytes: 119 << 30}, api.DiskOffered},
		"another letter": {api.DeviceView{Path: "/dev/sdc", SizeBytes: 119 << 30}, api.DiskOffered},
	} {
		t.Run(name, func(t *testing.T) {
			n := one()
			n.Disks.Attach(emptyDisk())
			n.Files.Set("/dev/disk/by-id/x", "", 0o600)
			require.NoError(t, n.Files.Symlink("../../sdb", "/dev/disk/by-id/"+disk1))
			n.Storage = &api.StorageView{SDS: &api.SDSView{Devices: []api.DeviceView{c.device}}}
			assert.Equal(t, c.want, diskOf(t, n.Installer(), n, disk1).State)
		})
	}
}

func TestServeStorage(t *testing.T) {
	good := api.SDSView{Name: "n1", Connection: "Connected", Membership: "Joined", Devices: []api.DeviceView{{ID: "d1", Name: disk1, Path: "/dev/sdb", State: "Normal"}}}
	with := func(change func(*api.SDSView)) *api.StorageView {
		v := good
		v.Devices = append([]api.DeviceView(nil), good.Devices...)
		change(&v)
		return &api.StorageView{SDS: &v, AgeMS: 1000}
	}
	for name, c := range map[string]struct {
		view    *api.StorageView
		verdict step.Verdict
		reason  string
	}{
		"all is well":    {with(func(*api.SDSView) {}), step.Satisfied, api.ReasonSatisfied},
		"no view":        {nil, step.Waiting, "WaitingForLeader"},
		"no SDS":         {&api.StorageView{}, step.Waiting, "WaitingForLeader"},
		"an old view":    {&api.StorageView{SDS: &good, AgeMS: 601_000}, step.Unknown, "OldView"},
		"disconnected":   {with(func(v *api.SDSView) { v.Connection = "Disconnected" }), step.Waiting, "NotConnected"},
		"not joined":     {with(func(v *api.SDSView) { v.Membership = "Join-Pending" }), step.Waiting, "NotJoined"},
		"a bad device":   {with(func(v *api.SDSView) { v.Devices[0].State = "Error" }), step.Waiting, "DeviceNotNormal"},
		"in maintenance": {with(func(v *api.SDSView) { v.InMaint = true }), step.Blocked, "InMaintenance"},
		"for a reboot":   {func() *api.StorageView { v := with(func(v *api.SDSView) { v.InMaint = true }); v.Ours = true; return v }(), step.Waiting, "InService"},
	} {
		t.Run(name, func(t *testing.T) {
			n := one()
			n.Disks.Attach(emptyDisk())
			n.Storage = c.view
			f := check(t, n, "serve-storage")
			assert.Equal(t, c.verdict, f.Verdict, f.Message)
			assert.Equal(t, c.reason, f.Reason)
		})
	}
}

// A disk that was filled after it was offered: the claim ends with its refusal, and the disk isn't offered again on the look from before.
func TestHandOver_refusedClaimIsNotOfferedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Disks.Attach(emptyDisk())
		i := n.Installer()
		require.Equal(t, api.DiskOffered, diskOf(t, i, n, disk1).State)
		n.Disks.Refuse("/dev/sdb", notEmpty)
		n.Spec.Claims = []api.DiskClaim{{Disk: disk1, SizeBytes: 120 << 30}}
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		require.Equal(t, api.DiskRefused, diskOf(t, i, n, disk1).State)
		n.Spec.Claims = nil // the scheduler settled it
		assert.Equal(t, api.DiskRefused, diskOf(t, i, n, disk1).State)

		n.Disks.Refuse("/dev/sdb") // wiped by a person
		time.Sleep(10 * time.Minute)
		require.Equal(t, api.DiskOffered, diskOf(t, i, n, disk1).State)
		n.Spec.Claims = []api.DiskClaim{{Disk: disk1, SizeBytes: 120 << 30}}
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		assert.Equal(t, api.DiskPrepared, diskOf(t, i, n, disk1).State, "the refusal of the last claim isn't this one's")
	})
}

// Something held a prepared disk open for a moment: that isn't the leader's doing, and no person has to come for it.
func TestHandOver_aPassingRefusalHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Disks.Attach(emptyDisk())
		n.Spec.Claims = []api.DiskClaim{{Disk: disk1, SizeBytes: 120 << 30}}
		i := n.Installer()
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		n.Disks.Refuse("/dev/sdb", block.Refusal{Reason: block.ReasonInUse, Message: "open in process 7 (systemd-udevd)"})
		time.Sleep(api.PreparedTTL)
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		require.Equal(t, "BeingAdded", diskOf(t, i, n, disk1).Reason)
		n.Disks.Refuse("/dev/sdb")
		time.Sleep(api.PreparedTTL)
		require.Equal(t, step.Needed, look(t, i, n, "hand-over-disks").Verdict)
		require.NoError(t, in(t, i, n, "hand-over-disks").Apply(t.Context()))
		assert.Equal(t, api.DiskPrepared, diskOf(t, i, n, disk1).State)
	})
}

// A power cut may leave a record that can't be read: a person is told which, and the node doesn't claim to have no disks.
func TestHandOver_damagedIntent(t *testing.T) {
	n := one()
	n.Disks.Attach(emptyDisk())
	file := installer.IntentFile("hand-over-disk", disk1)
	n.Files.Set(file, "", 0o600)
	_, err := stepOf(t, n, "hand-over-disks").Check(t.Context())
	require.ErrorContains(t, err, file)
	assert.True(t, n.Installer().Observe(t.Context(), n.Input()).DisksUnseen)
}
