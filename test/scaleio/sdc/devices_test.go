package sdc

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"scaleio-framework/platform/machinetest"
	"scaleio-framework/test/scaleio/wire"
)

// needKernel ends a test where the kernel's parts are out of reach.
func needKernel(t *testing.T) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root"
	}
	for _, path := range []string{"/dev/fuse", "/dev/loop-control"} {
		if fd, err := unix.Open(path, unix.O_RDWR, 0); err != nil {
			missing = path
		} else {
			require.NoError(t, unix.Close(fd))
		}
	}
	if missing != "" {
		machinetest.Lacks(t, missing+", for volumes as block devices")
	}
}

func testPaths(t *testing.T) Paths {
	dir := t.TempDir()
	p := Paths{Dev: filepath.Join(dir, "dev"), LoopControl: "/dev/loop-control", Volumes: filepath.Join(dir, "scini", "volumes"), LinkDelay: time.Millisecond}
	require.NoError(t, os.MkdirAll(p.Dev, 0o755))
	return p
}

// kernelRig is a cluster whose volume is a block device below a private /dev.
type kernelRig struct {
	*cluster
	paths   Paths
	devices *devices
	node    string
	link    string
}

func newKernelRig(t *testing.T) *kernelRig {
	needKernel(t)
	k := &kernelRig{cluster: newCluster(t, nil), paths: testPaths(t)}
	var err error
	k.devices, err = newDevices(k.paths, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { k.devices.run(ctx, k.mapped, k.system.Volumes) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		assert.NoError(t, k.devices.close())
	})
	k.node = filepath.Join(k.paths.Dev, "scinia")
	k.link = filepath.Join(k.paths.Dev, "disk", "by-id", "emc-vol-"+systemID+"-"+volumeID)
	k.appears(t, k.link)
	return k
}

func (k *kernelRig) appears(t *testing.T, path string) {
	t.Helper()
	require.Eventually(t, func() bool { _, err := os.Stat(path); return err == nil }, 10*time.Second, time.Millisecond, path)
}

func (k *kernelRig) disappears(t *testing.T, path string) {
	t.Helper()
	require.Eventually(t, func() bool { _, err := os.Lstat(path); return os.IsNotExist(err) }, 10*time.Second, time.Millisecond, path)
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
}

func TestDevices_fileSystemOnAVolume(t *testing.T) {
	k := newKernelRig(t)
	k.mdm.change(func(vs map[string]*wire.Volume) { vs[volumeID].Name = "renamed" }) // a push that changes nothing here
	run(t, "mkfs.ext4", "-q", "-E", "nodiscard,lazy_journal_init=1", k.node)
	mnt := t.TempDir()
	require.NoError(t, unix.Mount(k.node, mnt, "ext4", 0, ""))
	mounted := true
	defer func() {
		if mounted {
			assert.NoError(t, unix.Unmount(mnt, unix.MNT_DETACH))
		}
	}()
	assert.Equal(t, []string{"scinia"}, k.devices.inUse())
	data := bytes.Repeat([]byte("a line of the first app\n"), 10000)
	require.NoError(t, os.WriteFile(filepath.Join(mnt, "file"), data, 0o600))

	k.sds2.stop() // one copy is lost while the file system is mounted
	require.NoError(t, os.WriteFile(filepath.Join(mnt, "second"), data, 0o600))
	require.NoError(t, unix.Unmount(mnt, 0))
	mounted = false
	assert.Empty(t, k.devices.inUse())

	k.mdm.change(func(vs map[string]*wire.Volume) { delete(vs, volumeID) })
	k.disappears(t, k.node)
	k.disappears(t, k.link)
}

func TestDevices_unmappedWhileMountedFails(t *testing.T) {
	k := newKernelRig(t)
	run(t, "mkfs.ext4", "-q", "-E", "nodiscard,lazy_journal_init=1", k.node)
	mnt := t.TempDir()
	require.NoError(t, unix.Mount(k.node, mnt, "ext4", 0, ""))
	defer func() { assert.NoError(t, unix.Unmount(mnt, unix.MNT_DETACH)) }()
	k.mdm.change(func(vs map[string]*wire.Volume) { delete(vs, volumeID) })
	k.disappears(t, k.node)
	f, err := os.Create(filepath.Join(mnt, "late"))
	if err == nil {
		_, err = f.WriteString("x")
		err = errorsOr(err, f.Sync())
		require.NoError(t, f.Close())
	}
	require.Error(t, err, "no write is acknowledged any more")
}

func errorsOr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

func TestDevices_volumeFromElsewhereIsReadAfresh(t *testing.T) {
	k := newKernelRig(t)
	writeNode := func(data string) {
		f, err := os.OpenFile(k.node, os.O_WRONLY|unix.O_DSYNC, 0)
		require.NoError(t, err)
		_, err = f.WriteString(data)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	writeNode(strings.Repeat("A", 4096))
	k.mdm.change(func(vs map[string]*wire.Volume) { delete(vs, volumeID) })
	k.disappears(t, k.node)
	other := k.run(t, testOptions(), k.addr) // another node writes meanwhile
	k.mdm.change(func(vs map[string]*wire.Volume) {
		vs[volumeID] = &wire.Volume{
			ID: volumeID, SizeBytes: 2 * wire.ChunkBytes, Generation: 1,
			Chunks: []wire.Chunk{{Index: 0, Copies: []wire.Copy{k.sds1.copyAt(0), k.sds2.copyAt(0)}}},
		}
	})
	require.Eventually(t, func() bool { return other.volume(volumeID) != nil }, 10*time.Second, time.Millisecond)
	write(t, other.volume(volumeID), 0, bytes.Repeat([]byte("B"), 4096))
	k.mdm.change(func(vs map[string]*wire.Volume) { delete(vs, volumeID) })
	k.disappears(t, k.node)
	k.mdm.change(func(vs map[string]*wire.Volume) {
		vs[volumeID] = &wire.Volume{
			ID: volumeID, SizeBytes: 2 * wire.ChunkBytes, Generation: 1,
			Chunks: []wire.Chunk{{Index: 0, Copies: []wire.Copy{k.sds1.copyAt(0), k.sds2.copyAt(0)}}},
		}
	})
	k.appears(t, k.link)
	f, err := os.Open(k.node)
	require.NoError(t, err)
	defer f.Close()
	got := make([]byte, 4096)
	_, err = f.ReadAt(got, 0)
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("B", 4096), string(got))
}

func TestDevices_grow(t *testing.T) {
	k := newKernelRig(t)
	k.mdm.change(func(vs map[string]*wire.Volume) { vs[volumeID].SizeBytes = 4 * wire.ChunkBytes })
	require.Eventually(t, func() bool {
		f, err := os.Open(k.node)
		require.NoError(t, err)
		defer f.Close()
		end, err := f.Seek(0, 2)
		return err == nil && end == 4*wire.ChunkBytes
	}, 10*time.Second, time.Millisecond)
}

// daemon is scini as a process of its own: this test binary, told by its environment to be it.
type daemon struct {
	cmd *exec.Cmd
	log *bytes.Buffer
}

func TestMain(m *testing.M) {
	if args := os.Getenv("SCINI_TEST_ARGS"); args != "" {
		os.Exit(MainScini(strings.Fields(args)))
	}
	os.Exit(m.Run())
}

func startDaemon(t *testing.T, dir, mdmPort string) *daemon {
	d := &daemon{cmd: exec.Command(os.Args[0]), log: &bytes.Buffer{}}
	d.cmd.Env = append(os.Environ(), fmt.Sprintf("SCINI_TEST_ARGS=-config %[1]s/drv_cfg.txt -run %[1]s/scini -dev %[1]s/dev -link-delay 1ms -mdm-port %[2]s", dir, mdmPort))
	d.cmd.Stderr = d.log
	require.NoError(t, d.cmd.Start())
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // most have ended by then
		_ = d.cmd.Wait()
		if t.Failed() {
			t.Log(d.log.String())
		}
	})
	return d
}

// A killed daemon leaves a dead mount, nodes and a loop device; the next one must find a clean node and serve it.
func TestScini_killedAndReplaced(t *testing.T) {
	needKernel(t)
	c := newCluster(t, nil)
	p := testPaths(t)
	dir := filepath.Dir(p.Dev)
	_, port, err := net.SplitHostPort(c.addr)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "drv_cfg.txt"), []byte("ini_guid "+guid+"\nmdm 127.0.0.1\n"), 0o600))
	k := &kernelRig{link: filepath.Join(p.Dev, "disk", "by-id", "emc-vol-"+systemID+"-"+volumeID)}
	drv := tool{t, ControlPath(p.Dev)}

	first := startDaemon(t, dir, port)
	k.appears(t, k.link)
	assert.Equal(t, "Retrieved 1 volume(s)\nVOL-ID "+volumeID+" MDM-ID "+systemID+"\n", drv.ok("--query_vols"))
	var st unix.Stat_t
	require.NoError(t, unix.Stat(k.link, &st))
	backing := "/sys/block/loop" + strconv.Itoa(int(unix.Minor(st.Rdev))) + "/loop/backing_file"
	second := startDaemon(t, dir, port) // waits: one driver per node
	require.NoError(t, first.cmd.Process.Kill())
	require.Error(t, first.cmd.Wait())
	require.Eventually(t, func() bool {
		out, _, code := drv.run("--query_mdms")
		return code == 0 && strings.Contains(out, "SDC ID 6b18479c00000003")
	}, 10*time.Second, time.Millisecond)
	k.appears(t, k.link)
	node, err := filepath.EvalSymlinks(k.link)
	require.NoError(t, err)

	run(t, "mkfs.ext4", "-q", "-E", "nodiscard,lazy_journal_init=1", node)
	mnt := t.TempDir()
	require.NoError(t, unix.Mount(node, mnt, "ext4", 0, ""))
	require.NoError(t, second.cmd.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, 1, MainScini([]string{"-in-use", "-dev", p.Dev}), "a stop is refused")
	require.NoError(t, os.WriteFile(filepath.Join(mnt, "still"), []byte("served"), 0o600))
	require.NoError(t, unix.Unmount(mnt, 0))
	require.NoError(t, second.cmd.Wait(), "it ends with its last user")
	assert.NoFileExists(t, node)
	assert.NoFileExists(t, ControlPath(p.Dev))
	require.Eventually(t, func() bool {
		file, err := os.ReadFile(backing)
		return err != nil || !strings.Contains(string(file), dir)
	}, 10*time.Second, time.Millisecond, "no loop device is left")
}
