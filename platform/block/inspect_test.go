package block

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
)

func reasons(list []Refusal) string {
	var names []string
	for _, r := range list {
		names = append(names, r.Reason)
	}
	return strings.Join(names, " ")
}

func ebs() Disk {
	return Disk{ID: "vol-0123456789abcdef0", Kernel: "nvme1n1", Path: "/dev/nvme1n1", Major: 259, Minor: 1, SizeBytes: 40 * mib, Type: TypeDisk,
		Model: "Amazon Elastic Block Store", Serial: "vol0123456789abcdef0", Transport: "nvme"}
}

func TestInspect(t *testing.T) {
	const mounts = "22 1 254:0 / / rw shared:1 - ext4 /dev/root rw\n"
	part := func(m *machine) *machine {
		return m.file("sys/block/nvme1n1/nvme1n1p1/partition", "1\n").file("sys/block/nvme1n1/nvme1n1p1/dev", "259:2\n")
	}
	for _, row := range []struct {
		name  string
		with  func(m *machine)
		rules Rules
		want  string
	}{
		{"an empty disk", func(m *machine) {}, Rules{}, ""},
		{"too small", func(m *machine) {}, Rules{MinSizeBytes: 41 * mib}, "TooSmall"},
		{"read-only and removable: both are said", func(m *machine) { m.file("sys/block/nvme1n1/ro", "1").file("sys/block/nvme1n1/removable", "1") }, Rules{}, "ReadOnly Removable"},
		{"mounted", func(m *machine) { m.file("proc/1/mountinfo", mounts+"30 22 259:1 / /data rw - ext4 /dev/nvme1n1 rw\n") }, Rules{}, "Mounted"},
		{"mounted below its root, as bind mounts are", func(m *machine) { m.file("proc/1/mountinfo", mounts+"30 22 259:1 /sub /srv rw - ext4 /dev/x rw\n") }, Rules{}, "Mounted"},
		{"btrfs has a number of its own", func(m *machine) { m.file("proc/1/mountinfo", mounts+"30 22 0:44 / /data rw - btrfs /dev/nvme1n1 rw\n") }, Rules{}, "Mounted"},
		{"a partition is mounted", func(m *machine) {
			part(m).file("proc/1/mountinfo", mounts+"30 22 259:2 / /data rw - xfs /dev/nvme1n1p1 rw\n")
		}, Rules{}, "HasPartitionTable Mounted"},
		{"the root file system", func(m *machine) { part(m).file("proc/1/mountinfo", "22 1 259:2 / / rw - ext4 /dev/root rw\n") }, Rules{}, "HasPartitionTable RootDisk Mounted"},
		{"the root file system through LVM on a partition", func(m *machine) {
			part(m).file("sys/block/nvme1n1/nvme1n1p1/holders/dm-0", "").sys("dm-0", "253:0", 50*mib, "dm/uuid=LVM-x").file("proc/1/mountinfo", "22 1 253:0 / / rw - ext4 /dev/mapper/x rw\n")
		}, Rules{}, "HasPartitionTable HasHolder RootDisk Mounted"},
		{"a partition that only the kernel knows", func(m *machine) { part(m) }, Rules{}, "HasPartitionTable"},
		{"a part of a RAID", func(m *machine) { m.file("sys/block/nvme1n1/holders/md0", "").sys("md0", "9:0", mib) }, Rules{}, "HasHolder"},
		{"a path of a multipath device", func(m *machine) {
			m.file("sys/block/nvme1n1/holders/dm-3", "").sys("dm-3", "253:3", mib, "dm/uuid=mpath-3600")
		}, Rules{}, "MultipathMember HasHolder"},
		{"swap", func(m *machine) {
			m.file("proc/swaps", "Filename Type Size Used Priority\n/dev/nvme1n1 partition 1024 0 -2\n")
		}, Rules{}, "Swap"},
		{"open in a process", func(m *machine) {
			m.link("/dev/nvme1n1", "proc/77/fd/4").link("/dev/nvme1n1", "proc/77/fd/5").file("proc/77/comm", "dd\n").link("/dev/null", "proc/77/fd/0")
		}, Rules{}, "InUse"},
		{"open in a process by a node elsewhere", func(m *machine) {
			m.table["/srv/odd"] = number{259, 1}
			m.link("/srv/odd", "proc/77/fd/4").file("proc/77/comm", "dd\n").link("socket:[1]", "proc/77/fd/0")
		}, Rules{}, "InUse"},
		{"4 KiB sectors", func(m *machine) { m.file("sys/block/nvme1n1/queue/logical_block_size", "4096\n") }, Rules{}, "SectorSize"},
		{"512 byte sectors upon 4 KiB physical ones", func(m *machine) {
			m.file("sys/block/nvme1n1/queue/logical_block_size", "512\n").file("sys/block/nvme1n1/queue/physical_block_size", "4096\n")
		}, Rules{}, ""},
		{"DRBD, not cleanly shut down", func(m *machine) { m.write("nvme1n1", 40*mib-4096+60, "\x83\x74\x02\x6c") }, Rules{}, "HasSignature NotEmpty"},
		{"DDF RAID", func(m *machine) { m.write("nvme1n1", 40*mib-512, "\xde\x11\xde\x11") }, Rules{}, "HasSignature NotEmpty"},
		{"ZFS, only the last label, of a machine of the other byte order", func(m *machine) {
			m.write("nvme1n1", 40*mib-zfsLabelBytes+zfsRing+77*zfsSlot, "\x00\x00\x00\x00\x00\xba\xb1\x0c")
		}, Rules{}, "HasSignature NotEmpty"},
		{"claimed", func(m *machine) { m.busy["/dev/nvme1n1"] = true }, Rules{}, "InUse"},
		{"a file system", func(m *machine) { m.write("nvme1n1", 0x438, "\x53\xef") }, Rules{}, "HasSignature NotEmpty"},
		{"btrfs", func(m *machine) { m.write("nvme1n1", 0x10040, "_BHRfS_M") }, Rules{}, "HasSignature NotEmpty"},
		{"md RAID at the end", func(m *machine) { m.write("nvme1n1", 40*mib-64<<10, "\xfc\x4e\x2b\xa9") }, Rules{}, "HasSignature NotEmpty"},
		{"a partition table only", func(m *machine) { m.write("nvme1n1", 510, "\x55\xaa").write("nvme1n1", 512, "EFI PART") }, Rules{}, "HasPartitionTable HasPartitionTable NotEmpty"},
		{"only the backup of a partition table", func(m *machine) { m.write("nvme1n1", 40*mib-512, "EFI PART") }, Rules{}, "HasPartitionTable NotEmpty"},
		{"FAT is no partition table", func(m *machine) { m.write("nvme1n1", 510, "\x55\xaa").write("nvme1n1", 82, "FAT32   ") }, Rules{}, "HasSignature NotEmpty"},
		{"data in the head", func(m *machine) { m.write("nvme1n1", 15*mib, "x") }, Rules{}, "NotEmpty"},
		{"data in the tail", func(m *machine) { m.write("nvme1n1", 39*mib, "x") }, Rules{}, "NotEmpty"},
		{"the last byte", func(m *machine) { m.write("nvme1n1", 40*mib-1, "x") }, Rules{}, "NotEmpty"},
		{"zeroed head, data later", func(m *machine) { m.write("nvme1n1", 20*mib, strings.Repeat("x", 3*mib)) }, Rules{}, "NotEmpty"},
		{"two disks with one identity", func(m *machine) {
			m.sys("nvme5n1", "259:5", 40*mib, "device/model=Amazon Elastic Block Store", "device/serial=vol0123456789abcdef0").node("nvme5n1", "259:5", 40*mib)
		}, Rules{}, "DuplicateIdentity"},
		{"another disk by now", func(m *machine) { m.file("sys/block/nvme1n1/device/serial", "vol0fedcba9876543210") }, Rules{}, "IdentityChanged"},
		{"replaced between look and open", func(m *machine) { require.NoError(m.t, os.Truncate(m.path("dev/nvme1n1"), 39*mib)) }, Rules{}, "IdentityChanged"},
		{"gone", func(m *machine) { delete(m.table, "/dev/nvme1n1") }, Rules{}, "IdentityChanged"},
		{"instance store", func(m *machine) { m.file("sys/block/nvme1n1/device/model", "Amazon EC2 NVMe Instance Storage    ") }, Rules{}, "IdentityChanged InstanceStore"},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := newMachine(t).nvme()
			row.with(m)
			got, err := m.scanner().Inspect(t.Context(), ebs(), row.rules)
			require.NoError(t, err)
			assert.Equal(t, row.want, reasons(got), got)
		})
	}
}

func TestInspect_types(t *testing.T) {
	m := newMachine(t).sys("loop3", "7:3", 40*mib, "loop/backing_file=/images/1.img").node("loop3", "7:3", 40*mib)
	disks, err := m.scanner().Scan(t.Context())
	require.NoError(t, err)
	got, err := m.scanner().Inspect(t.Context(), disks[0], Rules{})
	require.NoError(t, err)
	assert.Equal(t, "TypeNotAllowed", reasons(got))
	assert.Zero(t, m.opens, "its contents are nobody's business")
	got, err = m.scanner().Inspect(t.Context(), disks[0], Rules{AllowTypes: []string{"loop"}})
	require.NoError(t, err)
	assert.Empty(t, got)
}

func TestInspect_cannotSee(t *testing.T) {
	for name, with := range map[string]func(m *machine){
		"no mounts":      func(m *machine) { require.NoError(m.t, os.Remove(m.path("proc/1/mountinfo"))) },
		"garbled mounts": func(m *machine) { m.file("proc/1/mountinfo", "22 1 x\n") },
		"no device file": func(m *machine) { require.NoError(m.t, os.Remove(m.path("dev/nvme1n1"))) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t).nvme()
			with(m)
			_, err := m.scanner().Inspect(t.Context(), ebs(), Rules{})
			require.Error(t, err)
		})
	}
	t.Run("no time left", func(t *testing.T) {
		m := newMachine(t).nvme()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := m.scanner().Inspect(ctx, ebs(), Rules{})
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestInspect_secondOpinion(t *testing.T) {
	for _, row := range []struct {
		name  string
		blkid platform.Output
		err   error
		want  string
		fails bool
	}{
		{"nothing", platform.Output{}, &platform.ExitError{Path: "blkid", Code: 2}, "", false},
		{"not installed", platform.Output{}, platform.ErrNotFound, "", false},
		{"a format that only blkid knows", platform.Output{Stdout: []byte("DEVNAME=/dev/nvme1n1\nTYPE=zonefs\nUSAGE=filesystem\n")}, nil, "HasSignature", false},
		{"a table that only blkid knows", platform.Output{Stdout: []byte("DEVNAME=/dev/nvme1n1\nPTTYPE=atari\n")}, nil, "HasPartitionTable", false},
		{"several", platform.Output{}, &platform.ExitError{Path: "blkid", Code: 8}, "HasSignature", false},
		{"broken", platform.Output{}, &platform.ExitError{Path: "blkid", Code: 4}, "", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := newMachine(t).nvme()
			s := m.scanner()
			s.commands = answer{row.blkid, row.err}
			got, err := s.Inspect(t.Context(), ebs(), Rules{})
			require.Equal(t, row.fails, err != nil, err)
			assert.Equal(t, row.want, reasons(got))
		})
	}
}

type answer struct {
	out platform.Output
	err error
}

func (a answer) Run(context.Context, platform.Cmd) (platform.Output, error) { return a.out, a.err }
