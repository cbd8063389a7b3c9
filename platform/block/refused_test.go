package block_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"scaleio-framework/platform"
	"scaleio-framework/platform/block"
	"scaleio-framework/platform/machinetest"
)

const (
	mib    = 1 << 20
	sizeMB = 40 // more than both ends that are read whole
)

// A kind of disk that must never be given away, made by the tools that make it in the field where they work without a kernel's help.
type kind struct {
	name   string
	sizeMB int64
	make   func(t *testing.T, image string)
	device func(t *testing.T, device string) // what needs the block device, or uses it
	loop   machinetest.LoopOptions
	reason string
	says   string // a part of the reason's message
}

func kinds() []kind {
	sfdisk := func(table string) func(*testing.T, string) {
		return func(t *testing.T, image string) { tool(t, table, "sfdisk", "--quiet", image) }
	}
	ext4 := func(t *testing.T, image string) { tool(t, "", "mkfs.ext4", "-q", "-F", image) }
	return []kind{
		{name: "ext4", make: ext4, reason: block.ReasonHasSignature, says: "ext2/3/4"},
		{name: "xfs", sizeMB: 320, make: func(t *testing.T, image string) { tool(t, "", "mkfs.xfs", "-q", image) }, reason: block.ReasonHasSignature, says: "xfs"},
		{name: "btrfs", sizeMB: 128, make: func(t *testing.T, image string) { tool(t, "", "mkfs.btrfs", "-q", image) }, reason: block.ReasonHasSignature, says: "btrfs"},
		{name: "LVM member", device: pvcreate, reason: block.ReasonHasSignature, says: "LVM2"},
		{name: "LUKS1", make: luks("luks1"), reason: block.ReasonHasSignature, says: "LUKS"},
		{name: "LUKS2", make: luks("luks2"), reason: block.ReasonHasSignature, says: "LUKS"},
		{name: "swap", make: func(t *testing.T, image string) { tool(t, "", "mkswap", "-q", image) }, reason: block.ReasonHasSignature, says: "swap"},
		{name: "GPT only", make: sfdisk("label: gpt\n"), reason: block.ReasonHasPartitionTable, says: "GPT"},
		{name: "DOS table only", make: sfdisk("label: dos\n"), reason: block.ReasonHasPartitionTable, says: "DOS"},
		{name: "GPT whose head was zeroed", make: func(t *testing.T, image string) {
			sfdisk("label: gpt\n")(t, image)
			put(t, image, 0, make([]byte, mib))
		},
			reason: block.ReasonHasPartitionTable, says: "backup GPT"},
		{name: "bcache", device: func(t *testing.T, device string) { tool(t, "", "make-bcache", "-B", device) }, reason: block.ReasonHasSignature, says: "bcache"},
		{name: "DRBD 8.4", device: drbd("v08"), reason: block.ReasonHasSignature, says: "DRBD 8.4"},
		{name: "DRBD 9", device: drbd("v09", "1"), reason: block.ReasonHasSignature, says: "DRBD 9"},
		{name: "md 0.90 member", make: mdMember("0.90"), reason: block.ReasonHasSignature, says: "md RAID 0.90"},
		{name: "md 1.0 member", make: mdMember("1.0"), reason: block.ReasonHasSignature, says: "md RAID 1.0"},
		{name: "md 1.1 member", make: mdMember("1.1"), reason: block.ReasonHasSignature, says: "md RAID 1.1"},
		{name: "md 1.2 member", make: mdMember("1.2"), reason: block.ReasonHasSignature, says: "md RAID 1.2"},
		{name: "ZFS", sizeMB: zfsMB, make: zfs, reason: block.ReasonHasSignature, says: "ZFS"},
		{name: "BlueStore", make: bluestore, reason: block.ReasonHasSignature, says: "BlueStore"},
		{name: "data after a zeroed first MiB", make: data(mib + 4096), reason: block.ReasonNotEmpty, says: "byte 1052672"},
		{name: "data in the middle", make: func(t *testing.T, image string) { put(t, image, 20*mib, text(mib)) }, reason: block.ReasonNotEmpty},
		{name: "data in the last MiB", make: data(sizeMB*mib - 4096), reason: block.ReasonNotEmpty, says: "byte 41938944"},
		{name: "read-only", loop: machinetest.LoopOptions{ReadOnly: true}, reason: block.ReasonReadOnly},
		{name: "4 KiB sectors", loop: machinetest.LoopOptions{Sector: 4096}, reason: block.ReasonSectorSize, says: "4096"},
		{name: "too small", sizeMB: 39, reason: block.ReasonTooSmall},
		{name: "mounted", make: ext4, device: func(t *testing.T, device string) { mount(t, device, t.TempDir(), "ext4", unix.MS_RDONLY) }, reason: block.ReasonMounted},
		{name: "bind-mounted, a folder of it only", make: ext4, device: bind, reason: block.ReasonMounted, says: "/here"},
		{name: "open in a process", device: func(t *testing.T, device string) { hold(t, device, 0) }, reason: block.ReasonInUse, says: "process"},
		{name: "open by a node elsewhere", device: holdElsewhere, reason: block.ReasonInUse, says: "process"},
		{name: "claimed", device: func(t *testing.T, device string) { hold(t, device, unix.O_EXCL) }, reason: block.ReasonInUse},
	}
}

// Every kind is refused with its reason, which this package found itself, whatever blkid says besides; and nothing is written to it.
func TestRefused_realDisks(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			size := k.sizeMB
			if size == 0 {
				size = sizeMB
			}
			image := machinetest.Image(t, size*mib)
			if k.make != nil {
				k.make(t, image)
			}
			device := machinetest.Loop(t, image, k.loop)
			if k.device != nil {
				k.device(t, device)
			}
			before := written(t, device)
			got := inspect(t, device)
			at := slices.IndexFunc(got, func(r block.Refusal) bool {
				return r.Reason == k.reason && strings.Contains(r.Message, k.says) && !strings.Contains(r.Message, "(blkid)")
			})
			assert.GreaterOrEqual(t, at, 0, "no %s that says %q in %v", k.reason, k.says, got)
			if at >= 0 {
				assert.Equal(t, k.reason == block.ReasonInUse, got[at].Process != "", "which process has it open: %+v", got[at])
			}
			assert.Equal(t, before, written(t, device), "a look must not write")
		})
	}
}

// An empty one on the same kind of device is none of them.
func TestRefused_notAnEmptyOne(t *testing.T) {
	assert.Empty(t, inspect(t, machinetest.Loop(t, machinetest.Image(t, sizeMB*mib), machinetest.LoopOptions{})))
}

// The disk that this machine would run from, whose node in /dev has a name of no kernel.
func TestRefused_rootUnderAnotherName(t *testing.T) {
	image := machinetest.Image(t, sizeMB*mib)
	tool(t, "", "mkfs.ext4", "-q", "-F", image)
	device := machinetest.Loop(t, image, machinetest.LoopOptions{})
	var st unix.Stat_t
	require.NoError(t, unix.Stat(device, &st))
	root := t.TempDir()
	for _, dir := range []string{"dev", "proc/1"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	require.NoError(t, os.Symlink("/sys", filepath.Join(root, "sys")))
	require.NoError(t, unix.Mknod(filepath.Join(root, "dev/data"), unix.S_IFBLK|0o600, int(st.Rdev)))
	mounts := fmt.Sprintf("22 1 %d:%d / / rw,relatime shared:1 - ext4 /dev/root rw\n", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	require.NoError(t, os.WriteFile(filepath.Join(root, "proc/1/mountinfo"), []byte(mounts), 0o600))
	got := inspectWith(t, block.NewScanner(platform.Root(root), block.Options{}), "/dev/data")
	require.NotEmpty(t, got)
	assert.Equal(t, block.ReasonRootDisk, got[0].Reason)
}

// inspect as the agent does.
func inspect(t *testing.T, device string) []block.Refusal {
	t.Helper()
	return inspectWith(t, block.NewScanner("/", block.Options{Commands: platform.Runner{}}), device)
}

func inspectWith(t *testing.T, s *block.Scanner, device string) []block.Refusal {
	t.Helper()
	disks, err := s.Scan(t.Context())
	require.NoError(t, err)
	at := slices.IndexFunc(disks, func(d block.Disk) bool { return d.Path == device })
	require.GreaterOrEqual(t, at, 0, "%s isn't seen", device)
	got, err := s.Inspect(t.Context(), disks[at], block.Rules{AllowTypes: []string{block.TypeLoop}, MinSizeBytes: sizeMB * mib})
	require.NoError(t, err)
	return got
}

// written counts the sectors that were ever written to a device, after what still waits for it.
func written(t *testing.T, device string) string {
	t.Helper()
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.Fsync(fd))
	stat, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(device), "stat"))
	require.NoError(t, err)
	return strings.Fields(string(stat))[6]
}

// tool runs what must be there.
func tool(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		machinetest.Lacks(t, name)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
	return string(out)
}
