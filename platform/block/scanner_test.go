package block

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/machinetest"
)

func TestScan_onlyWhatOurDevHolds(t *testing.T) {
	m := newMachine(t).nvme()
	m.sys("loop3", "7:3", 120*mib, "loop/backing_file=/images/n1/1.img").node("loop3", "7:3", 120*mib)
	m.sys("loop4", "7:4", 120*mib, "loop/backing_file=/images/n2/1.img")                                    // the host's, or another container's
	m.sys("loop5", "7:5", 120*mib, "loop/backing_file=/images/n3/1.img").node("loop5", "7:99", 120*mib)     // same name, another device
	m.sys("loop6", "7:6", 0).node("loop6", "7:6", 0)                                                        // no file behind it
	m.sys("nvme2c1n1", "259:9", mib, "hidden=1", "device/model=X").node("nvme2c1n1", "259:9", mib)          // a path of a multipath device
	m.sys("renamed", "7:8", 120*mib, "loop/backing_file=/images/n1/2.img").node("data", "7:8", 120*mib)     // a node under another name
	m.sys("cciss!c0d0", "104:0", mib, "device/model=HP", "device/wwid=naa.600508b1").node("c0d0", "1:1", 1) //
	m.table["/dev/cciss/c0d0"] = number{104, 0}

	disks, err := m.scanner().Scan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []Disk{
		{ID: "naa.600508b1", Kernel: "cciss!c0d0", Path: "/dev/cciss/c0d0", Major: 104, SizeBytes: mib, Type: TypeDisk, Model: "HP", Transport: "other"},
		{ID: "/images/n1/1.img", Kernel: "loop3", Path: "/dev/loop3", Major: 7, Minor: 3, SizeBytes: 120 * mib, Type: TypeLoop, Transport: "loop"},
		{ID: "vol-0123456789abcdef0", Kernel: "nvme1n1", Path: "/dev/nvme1n1", Major: 259, Minor: 1, SizeBytes: 40 * mib, Type: TypeDisk,
			Model: "Amazon Elastic Block Store", Serial: "vol0123456789abcdef0", Transport: "nvme"},
		{ID: "/images/n1/2.img", Kernel: "renamed", Path: "/dev/data", Major: 7, Minor: 8, SizeBytes: 120 * mib, Type: TypeLoop, Transport: "loop"},
	}, disks)
	for _, d := range disks {
		seen, ok := m.scanner().Look(d.Kernel)
		assert.True(t, ok)
		assert.Equal(t, d, seen, "one alone is seen as all are")
	}
	for _, name := range []string{"loop4", "loop5", "loop6", "nvme2c1n1", "nvme9n1", "", "..", "../class/mem"} {
		_, ok := m.scanner().Look(name)
		assert.False(t, ok, name)
	}
}

func TestScan_identity(t *testing.T) {
	for _, row := range []struct {
		name, kernel string
		attributes   []string
		id, kind     string
	}{
		{"EBS on Nitro", "nvme1n1", []string{"device/model=Amazon Elastic Block Store", "device/serial=vol0123456789abcdef0", "wwid=nvme.1d0f-766f"}, "vol-0123456789abcdef0", TypeDisk},
		{"EBS with a dash already", "nvme1n1", []string{"device/model=Amazon Elastic Block Store", "device/serial=vol-0123456789abcdef0"}, "vol-0123456789abcdef0", TypeDisk},
		{"EBS whose serial isn't a volume", "nvme1n1", []string{"device/model=Amazon Elastic Block Store", "device/serial=AWS1"}, "", TypeDisk},
		{"instance store", "nvme2n1", []string{"device/model=Amazon EC2 NVMe Instance Storage", "device/serial=AWS60000"}, "AWS60000", TypeDisk},
		{"NVMe with a wwid", "nvme1n1", []string{"device/model=QEMU", "device/serial=d1", "wwid=eui.0025385b71b0c8f4"}, "eui.0025385b71b0c8f4", TypeDisk},
		{"NVMe with a wwid that says nothing", "nvme1n1", []string{"device/model=QEMU", "device/serial=d1", "wwid=eui.0000000000000000"}, "d1", TypeDisk},
		{"SCSI with blanks in its wwid", "sda", []string{"device/model=HARDDISK", "device/wwid=t10.ATA     QEMU HARDDISK   QM00001"}, "t10.ATA_QEMU_HARDDISK_QM00001", TypeDisk},
		{"virtio", "vda", []string{"device/vendor=0x1af4", "serial=disk-7"}, "disk-7", TypeDisk},
		{"virtio without a serial", "vda", []string{"device/vendor=0x1af4", "serial="}, "", TypeDisk},
		{"EBS on Xen shows nothing", "xvdf", []string{"device/devtype=vbd"}, "", TypeDisk},
		{"LVM", "dm-0", []string{"dm/uuid=LVM-abc", "dm/name=vg-lv"}, "dm-uuid-LVM-abc", TypeDM},
		{"md", "md0", []string{"md/uuid=1:2:3"}, "md-uuid-1:2:3", TypeMD},
		{"a loop device whose file is gone", "loop0", []string{"loop/backing_file=/x.img (deleted)"}, "", TypeLoop},
		{"CD-ROM", "sr0", []string{"device/type=5"}, "", TypeROM},
		{"zram", "zram0", nil, "", TypeVirtual},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := newMachine(t).sys(row.kernel, "9:1", mib, row.attributes...).node(row.kernel, "9:1", mib)
			disks, err := m.scanner().Scan(t.Context())
			require.NoError(t, err)
			require.Len(t, disks, 1)
			assert.Equal(t, row.id, disks[0].ID)
			assert.Equal(t, row.kind, disks[0].Type)
		})
	}
}

func TestScan_productVolumes(t *testing.T) {
	t.Run("by the driver's number", func(t *testing.T) {
		m := newMachine(t).file("proc/devices", "Character devices:\n  9 scini\n\nBlock devices:\n  7 loop\n 16 scini\n")
		m.sys("oddname", "16:0", mib, "device/model=x").node("oddname", "16:0", mib)
		requireType(t, m, TypeProductVolume)
	})
	t.Run("by its node's name", func(t *testing.T) {
		m := newMachine(t).sys("loop9", "7:9", mib, "loop/backing_file=/run/x").node("loop9", "7:9", mib)
		m.table["/dev/scinia"] = number{7, 9}
		requireType(t, m, TypeProductVolume)
	})
	t.Run("by the client's link", func(t *testing.T) {
		m := newMachine(t).sys("loop9", "7:9", mib, "loop/backing_file=/run/x").node("loop9", "7:9", mib)
		m.link("../../loop9", "dev/disk/by-id/emc-vol-0123456789abcdef-0000000100000000")
		requireType(t, m, TypeProductVolume)
	})
}

func requireType(t *testing.T, m *machine, want string) {
	t.Helper()
	disks, err := m.scanner().Scan(t.Context())
	require.NoError(t, err)
	require.Len(t, disks, 1)
	require.Equal(t, want, disks[0].Type)
}

func TestScan_thisMachine(t *testing.T) {
	if _, err := os.Stat("/sys/block"); err != nil {
		machinetest.Lacks(t, err.Error())
	}
	disks, err := NewScanner("/", Options{}).Scan(t.Context())
	require.NoError(t, err)
	for _, d := range disks {
		assert.NotEmpty(t, d.Type)
		assert.Positive(t, d.SizeBytes)
	}
}

// A link is what udev says of a disk's own identity, and counts for where it leads.
func TestScan_link(t *testing.T) {
	m := newMachine(t).nvme()
	m.sys("sda", "8:0", mib, "device/wwid=naa.5000c500a1b2c3d4").node("sda", "8:0", mib).node("sda1", "8:1", mib)
	m.sys("sdb", "8:16", mib, "device/wwid=naa.5000c500a1b2c3d5").node("sdb", "8:16", mib)
	m.sys("sdc", "8:32", mib, "device/wwid=naa.5000c500a1b2c3d6").node("sdc", "8:32", mib)
	for link, to := range map[string]string{
		"nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0": "nvme1n1", "nvme-nvme.1d0f-766f": "nvme1n1",
		"ata-HARDDISK_1": "sda", "scsi-35000c500a1b2c3d4": "sda", "wwn-0x5000c500a1b2c3d4": "sda", "wwn-0x5000c500a1b2c3d4-part1": "sda1",
		"lvm-pv-uuid-abc": "sdb", "md-uuid-1:2:3": "sdb",
		"wwn-0x5000c500a1b2c3d6": "gone",
	} {
		m.link("/dev/"+to, "dev/disk/by-id/"+link)
	}
	disks, err := m.scanner().Scan(t.Context())
	require.NoError(t, err)
	links := map[string]string{}
	for _, d := range disks {
		links[d.Kernel] = d.Link
	}
	assert.Equal(t, map[string]string{"nvme1n1": "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0", "sda": "/dev/disk/by-id/wwn-0x5000c500a1b2c3d4", "sdb": "", "sdc": ""}, links)
}
