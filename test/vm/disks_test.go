//go:build vm

package vm_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/vm"
)

// diskBytes is above the product's smallest device; the files are sparse.
const diskBytes = 101_000_000_000

// names tells whether an identity is that of a serial: NVMe's own identifier holds it in hexadecimal.
func names(identity, serial string) bool {
	return strings.Contains(identity, serial) || strings.Contains(identity, hex.EncodeToString([]byte(serial)))
}

// withoutAgent stops the agent for the rest of the case: it opens a disk for itself alone while it reads it, and so do cryptsetup, mdadm and detect.
func (s *stand) withoutAgent(t *testing.T) {
	t.Helper()
	_, err := s.Output(t.Context(), "systemctl", "stop", "scaleio-agent")
	require.NoError(t, err)
	t.Cleanup(func() {
		if !t.Failed() {
			_, err := s.Output(context.WithoutCancel(t.Context()), "systemctl", "start", "scaleio-agent")
			require.NoError(t, err)
		}
	})
}

// detect is what `scaleio-agent detect` says of all disks.
func (s *stand) detect(t *testing.T) []api.Disk {
	t.Helper()
	said, err := s.Output(t.Context(), "/opt/scaleio-agent/current/scaleio-agent", "detect", "--json")
	require.NoError(t, err)
	var seen struct{ Disks []api.Disk }
	require.NoError(t, json.Unmarshal([]byte(said), &seen))
	return seen.Disks
}

// bySerial finds a disk by what it is.
func bySerial(t *testing.T, disks []api.Disk, serial string) api.Disk {
	t.Helper()
	i := slices.IndexFunc(disks, func(d api.Disk) bool { return names(d.ID, serial) })
	require.GreaterOrEqual(t, i, 0, "no disk has serial %s: %v", serial, disks)
	return disks[i]
}

// byPath finds a disk by the name that the kernel gave it for now.
func byPath(disks []api.Disk, path string) api.Disk {
	for _, d := range disks {
		if d.Path == path {
			return d
		}
	}
	return api.Disk{}
}

// diskPlugged names the disk as EC2 does.
func diskPlugged(t *testing.T, s *stand) {
	disk, err := s.MakeDisk("vol0123456789abcdef0", diskBytes)
	require.NoError(t, err)
	s.data = disk
	require.NoError(t, s.Plug(t.Context(), 0, disk))
	_, err = s.scheduler.Await(t.Context(), within, "the disk in a report", func(r api.Report) bool {
		return slices.ContainsFunc(r.Disks, func(d api.Disk) bool { return names(d.ID, disk.Serial) && d.State == api.DiskOffered })
	})
	require.NoError(t, err, "the agent sees it by itself, and reads it when udev has done with it")
	s.withoutAgent(t)
	seen := bySerial(t, s.detect(t), disk.Serial)
	assert.Equal(t, "/dev/nvme1n1", seen.Path)
	assert.EqualValues(t, diskBytes, seen.SizeBytes)
	assert.Equal(t, api.DiskOffered, seen.State, "%s", seen.Message)
	s.dataID = seen.ID
}

// stacksRefused builds on disks what a container can't build.
func stacksRefused(t *testing.T, s *stand) {
	var disks [3]vm.Disk
	for i, serial := range []string{"underdm", "underraid", "underluks"} {
		var err error
		disks[i], err = s.MakeDisk(serial, diskBytes)
		require.NoError(t, err)
		require.NoError(t, s.Plug(t.Context(), 1+i, disks[i]))
	}
	s.withoutAgent(t)
	_, err := s.Shell(t.Context(), `
for serial in underdm underraid underluks; do
	udevadm settle --timeout=60 --exit-if-exists=/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_$serial
	test -e /dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_$serial
done
at() { readlink -f /dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_$1; }
dmsetup create mapped --table "0 204800 linear $(at underdm) 2048"
mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 --assume-clean $(at underraid) missing
head -c 32 /dev/urandom >/run/luks.key
cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $(at underluks) /run/luks.key
cryptsetup open --key-file /run/luks.key $(at underluks) opened
udevadm settle --timeout=60
`)
	require.NoError(t, err)
	all := s.detect(t)
	for i, want := range []string{"dm-", "md0", "dm-"} {
		seen := bySerial(t, all, disks[i].Serial)
		assert.Equal(t, api.DiskRefused, seen.State, disks[i].Serial)
		assert.Contains(t, seen.Message, "HasHolder: "+seen.Path+" is a part of "+want, disks[i].Serial)
	}
	for path, kind := range map[string]string{"/dev/dm-0": "dm", "/dev/dm-1": "dm", "/dev/md0": "md"} {
		seen := byPath(all, path)
		assert.Equal(t, api.DiskRefused, seen.State, path)
		assert.Contains(t, seen.Message, "is of type "+kind, path)
	}
	// Taken apart, what was written shows: only device-mapper leaves nothing behind.
	_, err = s.Shell(t.Context(), "dmsetup remove mapped; mdadm --stop /dev/md0; cryptsetup close opened; udevadm settle --timeout=60")
	require.NoError(t, err)
	all = s.detect(t)
	for i, want := range []api.DiskState{api.DiskOffered, api.DiskRefused, api.DiskRefused} {
		seen := bySerial(t, all, disks[i].Serial)
		assert.Equal(t, want, seen.State, "%s: %s", disks[i].Serial, seen.Message)
		if want == api.DiskRefused {
			assert.Contains(t, seen.Message, "HasSignature")
		}
		require.NoError(t, s.Unplug(t.Context(), disks[i]))
	}
}

// namesSwapped plugs another disk in first, which then has the name that the data disk had before the reboot. Two that are there when the kernel starts won't do:
// it looks at both at once, and which is first is chance.
func namesSwapped(t *testing.T, s *stand) {
	other, err := s.MakeDisk("other", diskBytes)
	require.NoError(t, err)
	for port, disk := range []vm.Disk{other, s.data} {
		require.NoError(t, s.Plug(t.Context(), port, disk))
		s.there(t, byID(disk))
	}
	s.withoutAgent(t)
	disks := s.detect(t)
	data, first := bySerial(t, disks, s.data.Serial), bySerial(t, disks, other.Serial)
	assert.Equal(t, "/dev/nvme1n1", first.Path, "the data disk's former name")
	assert.Equal(t, "/dev/nvme2n1", data.Path)
	assert.Equal(t, s.dataID, data.ID, "the same disk under another name")
	assert.NotEqual(t, s.dataID, first.ID)
	assert.Equal(t, byID(s.data), data.Link, "what the leader is told")
	assert.Equal(t, byID(other), first.Link)
	assert.Equal(t, api.DiskOffered, data.State, "%s", data.Message)
	root := bySerial(t, disks, "root0")
	assert.Equal(t, api.DiskRefused, root.State)
	assert.Contains(t, root.Message, "RootDisk")
}

// there waits for a file.
func (s *stand) there(t *testing.T, file string) {
	t.Helper()
	require.NoError(t, vm.Until(t.Context(), within, file, func(ctx context.Context) (bool, string, error) {
		r, err := s.Run(ctx, "test", "-e", file)
		return r.Code == 0, "it isn't there", err
	}))
}

// byID is the link that udev makes for a disk.
func byID(d vm.Disk) string { return "/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_" + d.Serial }
