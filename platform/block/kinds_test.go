package block_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func put(t *testing.T, image string, at int64, b []byte) {
	t.Helper()
	file, err := os.OpenFile(image, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer file.Close()
	_, err = file.WriteAt(b, at)
	require.NoError(t, err)
}

func text(n int) []byte { return bytes.Repeat([]byte("data"), n/4) }

func data(at int64) func(*testing.T, string) {
	return func(t *testing.T, image string) { put(t, image, at, text(512)) }
}

func luks(version string) func(*testing.T, string) {
	return func(t *testing.T, image string) {
		tool(t, "a passphrase", "cryptsetup", "luksFormat", "--batch-mode", "--type", version, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "-", image)
	}
}

func pvcreate(t *testing.T, device string) {
	tool(t, "", "pvcreate", "-q", "--config", `devices { scan="/dev" use_devicesfile=0 filter=["a|^`+device+`$|","r|.*|"] } activation { udev_sync=0 udev_rules=0 } global { use_lvmpolld=0 }`, device)
}

func drbd(version string, more ...string) func(*testing.T, string) {
	return func(t *testing.T, device string) {
		tool(t, "yes\nyes\nyes\n", "drbdmeta", append([]string{"--force", "0", version, device, "internal", "create-md"}, more...)...)
	}
}

func mount(t *testing.T, source, target, kind string, flags uintptr) {
	t.Helper()
	require.NoError(t, unix.Mount(source, target, kind, flags, ""))
	t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
}

// bind leaves no mount of the file system's own root.
func bind(t *testing.T, device string) {
	whole, here := t.TempDir(), filepath.Join(t.TempDir(), "here")
	mount(t, device, whole, "ext4", unix.MS_RDONLY)
	require.NoError(t, os.Mkdir(here, 0o700))
	mount(t, filepath.Join(whole, "lost+found"), here, "", unix.MS_BIND)
	require.NoError(t, unix.Unmount(whole, 0))
}

func hold(t *testing.T, device string, flags int) {
	t.Helper()
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_CLOEXEC|flags, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
}

func holdElsewhere(t *testing.T, device string) {
	var st unix.Stat_t
	require.NoError(t, unix.Stat(device, &st))
	node := filepath.Join(t.TempDir(), "node")
	require.NoError(t, unix.Mknod(node, unix.S_IFBLK|0o600, int(st.Rdev)))
	hold(t, node, 0)
	require.NoError(t, os.Remove(node))
}

// mdMember writes what mdadm --create writes, which it does only with the kernel's help. mdadm itself judges whether it is one.
func mdMember(version string) func(*testing.T, string) {
	const size = sizeMB * mib
	return func(t *testing.T, image string) {
		switch version {
		case "0.90":
			put(t, image, size-64<<10, md090())
		case "1.0":
			put(t, image, (size/512-16)&^7*512, md1((size/512-16)&^7))
		case "1.1":
			put(t, image, 0, md1(0))
		case "1.2":
			put(t, image, 4096, md1(8))
		}
		seen := tool(t, "", "mdadm", "--examine", image)
		assert.Contains(t, seen, "Version : "+version)
		assert.Contains(t, seen, "correct", "its checksum")
	}
}

// md1 is struct mdp_superblock_1 of linux/raid/md_p.h: a mirror of two.
func md1(superOffset uint64) []byte {
	b := make([]byte, 256+2*2)
	le := binary.LittleEndian
	le.PutUint32(b[0:], 0xa92b4efc)
	le.PutUint32(b[4:], 1) // major version
	copy(b[16:], "0123456789abcdef")
	copy(b[32:], "host:0")
	le.PutUint64(b[64:], 1_600_000_000) // created
	le.PutUint32(b[72:], 1)             // level
	le.PutUint64(b[80:], 100_000)       // sectors used
	le.PutUint32(b[92:], 2)             // disks
	dataOffset := uint64(2048)
	if superOffset > 8 { // at the end: data from the start
		dataOffset = 0
	}
	le.PutUint64(b[128:], dataOffset)
	le.PutUint64(b[136:], 100_000)
	le.PutUint64(b[144:], superOffset)
	copy(b[168:], "fedcba9876543210")
	le.PutUint64(b[192:], 1_600_000_000)
	le.PutUint64(b[208:], ^uint64(0)) // resynced
	le.PutUint32(b[220:], 2)          // roles that follow
	le.PutUint16(b[258:], 1)
	le.PutUint32(b[216:], folded(b))
	return b
}

// md090 is mdp_super_t of linux/raid/md_p.h, in 32 bit words.
func md090() []byte {
	b := make([]byte, 4096)
	set := func(word int, v uint32) { binary.LittleEndian.PutUint32(b[4*word:], v) }
	set(0, 0xa92b4efc)
	set(2, 90)     // minor version
	set(5, 0x1234) // of the uuid
	set(6, 1_600_000_000)
	set(7, 1)      // level
	set(8, 50_000) // KiB used
	set(9, 2)
	set(10, 2)
	set(32, 1_600_000_000)
	set(33, 1) // clean
	set(38, folded(b))
	return b
}

// folded is md's checksum: 32 bit words added up, the carries upon them.
func folded(b []byte) uint32 {
	var sum uint64
	for ; len(b) >= 4; b = b[4:] {
		sum += uint64(binary.LittleEndian.Uint32(b))
	}
	return uint32(sum) + uint32(sum>>32) //nolint:gosec // as md does
}

// zfsMB is the least that blkid looks at for ZFS.
const zfsMB = 64

// zfs writes what blkid takes for a vdev: labels whose rings hold several uberblocks, the first slots of a young pool still unused.
func zfs(t *testing.T, image string) {
	const size, label = zfsMB * mib, 256 << 10
	for _, at := range []int64{0, label, size - 2*label, size - label} {
		for slot := int64(4); slot < 12; slot++ {
			b := make([]byte, 40)
			binary.LittleEndian.PutUint64(b, 0x00bab10c)
			binary.LittleEndian.PutUint64(b[8:], 5000) // version
			binary.LittleEndian.PutUint64(b[16:], uint64(slot))
			put(t, image, at+128<<10+slot<<10, b)
		}
	}
	assert.Contains(t, tool(t, "", "blkid", "-p", image), "zfs_member")
}

// bluestore writes a label's text as ceph-bluestore-tool shows it; blkid judges.
func bluestore(t *testing.T, image string) {
	put(t, image, 0, []byte("bluestore block device\n9b7aab46-9f6b-4a34-a8a1-3bd7a2f14de9\n\x02\x01"))
	assert.Contains(t, tool(t, "", "blkid", "-p", image), "ceph_bluestore")
}
