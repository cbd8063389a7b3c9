package rexray

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"scaleio-framework/platform/machinetest"
)

// The real node on a loop device: found by its link, formatted once, mounted, unmounted.
func TestNode_realDevice(t *testing.T) {
	control, err := unix.Open("/dev/loop-control", unix.O_RDWR, 0)
	if err != nil || os.Geteuid() != 0 {
		machinetest.Lacks(t, "root and loop devices, for mounting")
	}
	require.NoError(t, unix.Close(control))
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 64<<20))
	out, err := exec.Command("losetup", "--find", "--show", image).Output()
	require.NoError(t, err)
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() { assert.NoError(t, exec.Command("losetup", "--detach", device).Run()) })
	require.NoError(t, os.Symlink(device, filepath.Join(dir, "emc-vol-sys-vol")))

	n, mnt := node{drvCfg: "true", byID: dir}, filepath.Join(dir, "mnt")
	require.NoError(t, os.Mkdir(mnt, 0o755))
	found, err := n.Device(t.Context(), "sys", "vol")
	require.NoError(t, err)
	assert.Equal(t, device, found)
	some, _, err := n.Mounted(mnt, device)
	require.NoError(t, err)
	assert.False(t, some)
	fs, err := n.Prepare(t.Context(), device, "ext4")
	require.NoError(t, err)
	require.NoError(t, n.Mount(device, mnt, fs))
	t.Cleanup(func() { _ = unix.Unmount(mnt, unix.MNT_DETACH) }) // unmounted below, unless something failed
	require.NoError(t, os.WriteFile(filepath.Join(mnt, "kept"), []byte("x"), 0o600))
	some, same, err := n.Mounted(mnt, device)
	require.NoError(t, err)
	assert.True(t, some && same)
	_, same, err = n.Mounted(mnt, os.DevNull)
	require.NoError(t, err)
	assert.False(t, same, "another device")
	require.NoError(t, n.Unmount(mnt, false))

	fs, err = n.Prepare(t.Context(), device, "xfs")
	require.NoError(t, err)
	assert.Equal(t, "ext4", fs, "what is there is kept")
	require.NoError(t, n.Mount(device, mnt, fs))
	assert.FileExists(t, filepath.Join(mnt, "kept"))
	require.NoError(t, n.Unmount(mnt, true))
}
