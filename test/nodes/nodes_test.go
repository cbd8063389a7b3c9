//go:build nodes

package nodes_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/machinetest"
	"scaleio-framework/test/nodes"
)

func TestMain(m *testing.M) {
	nodes.RunHelper()
	os.Exit(m.Run())
}

// cluster makes an empty cluster, and fails the test if taking it down leaves
// anything on the host that wasn't there before.
func cluster(t *testing.T, name string, kinds ...nodes.Kind) *nodes.Cluster {
	t.Helper()
	if os.Getuid() != 0 {
		machinetest.Lacks(t, "root")
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	ctx := context.Background()
	if left, err := nodes.Load(name, log); err == nil {
		require.NoError(t, left.Close(ctx))
	}
	if len(kinds) == 0 {
		kinds = []nodes.Kind{nodes.Ubuntu}
	}
	var roots []nodes.Root
	for _, kind := range kinds {
		root, err := nodes.BuildRoot(ctx, kind, log)
		require.NoError(t, err)
		roots = append(roots, root)
	}
	before := residue(t, name)
	c, err := nodes.Create(ctx, name, roots, log)
	require.NoError(t, err)
	t.Cleanup(func() {
		again, err := nodes.Load(name, log) // as another process would
		require.NoError(t, err)
		require.NoError(t, again.Close(ctx))
		require.Equal(t, before, residue(t, name))
	})
	return c
}

// residue is what a cluster of this name has on the host.
func residue(t *testing.T, name string) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup/*/scaleio-" + name, "/sys/fs/cgroup/scaleio-" + name, "/run/netns/scaleio-" + name,
		nodes.StateDir + "/" + name, "/run/systemd/nspawn/*/" + name + "-*", "/sys/class/net/vb-" + name + "*"} {
		matches, err := filepath.Glob(pattern)
		require.NoError(t, err)
		found = append(found, matches...)
	}
	backings, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	require.NoError(t, err)
	for _, file := range append(backings, "/proc/self/mountinfo") {
		if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), nodes.StateDir+"/"+name+"/") {
			found = append(found, file)
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range processes {
		data, err := os.ReadFile(file)
		if err == nil && (strings.Contains(string(data), nodes.StateDir+"/"+name+"/") || strings.Contains(string(data), "--machine="+name+"-")) {
			found = append(found, string(data))
		}
	}
	return found
}

func TestNodes(t *testing.T) {
	c := cluster(t, "nodestest")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	n1, err := c.AddNode(ctx, nodes.Empty, nodes.FileSystem, nodes.Table, nodes.LateData)
	require.NoError(t, err)
	n2, err := c.AddNode(ctx)
	require.NoError(t, err)
	require.NoError(t, n1.Start(ctx))
	require.NoError(t, n2.Start(ctx))

	t.Run("has its own identity and the disks that it was given", func(t *testing.T) {
		name, err := n1.Output(ctx, "hostname")
		require.NoError(t, err)
		require.Equal(t, "n1\n", name)
		id1, err := n1.ReadFile("/etc/machine-id")
		require.NoError(t, err)
		id2, err := n2.ReadFile("/etc/machine-id")
		require.NoError(t, err)
		require.NotEqual(t, id1, id2)
		osRelease, err := n1.Output(ctx, "cat", "/etc/os-release")
		require.NoError(t, err)
		require.Contains(t, osRelease, `VERSION_ID="22.04"`)
		found, err := n1.Output(ctx, "blkid", "-o", "export", n1.Disks[1].Device, n1.Disks[2].Device)
		require.NoError(t, err)
		require.Contains(t, found, "TYPE=ext4")
		require.Contains(t, found, "PTTYPE=gpt")
		head, err := n1.Output(ctx, "cmp", "-n", "16777216", n1.Disks[3].Device, "/dev/zero")
		require.NoError(t, err, head)
		devices, err := n2.Output(ctx, "sh", "-c", "ls /dev/loop[0-9]* 2>/dev/null || true")
		require.NoError(t, err)
		require.Empty(t, devices)
	})

	t.Run("a disk's digest changes with its content and not otherwise", func(t *testing.T) {
		disk := n1.Disks[0]
		before, err := disk.Sum()
		require.NoError(t, err)
		_, err = n1.Output(ctx, "sh", "-c", "printf precious-words | dd of="+disk.Device+" seek=1 conv=fsync")
		require.NoError(t, err)
		after, err := disk.Sum()
		require.NoError(t, err)
		require.NotEqual(t, before, after)
		found, err := disk.Contains("precious-words")
		require.NoError(t, err)
		require.True(t, found)
		found, err = n1.Disks[3].Contains("precious-words")
		require.NoError(t, err)
		require.False(t, found)
	})

	t.Run("a disk can come while the node runs, and stays over a reboot", func(t *testing.T) {
		disk, err := n1.AddDisk(ctx, nodes.Empty)
		require.NoError(t, err)
		_, err = n1.Output(ctx, "mkfs.ext4", "-q", disk.Device)
		require.NoError(t, err)
		boot, err := n1.Output(ctx, "cat", "/proc/sys/kernel/random/boot_id")
		require.NoError(t, err)
		require.NoError(t, n1.Reboot(ctx))
		again, err := n1.Output(ctx, "cat", "/proc/sys/kernel/random/boot_id")
		require.NoError(t, err)
		require.NotEqual(t, boot, again)
		found, err := n1.Output(ctx, "blkid", disk.Device)
		require.NoError(t, err)
		require.Contains(t, found, "ext4")
	})

	t.Run("a reboot ends the commands that run on the node", func(t *testing.T) {
		ended := make(chan struct{})
		go func() {
			_, _ = n1.Run(ctx, "sleep", "infinity")
			close(ended)
		}()
		require.Eventually(t, func() bool {
			found, err := n1.Run(ctx, "pgrep", "-x", "sleep")
			return err == nil && found.Code == 0
		}, time.Minute, 50*time.Millisecond)
		require.NoError(t, n1.Reboot(ctx))
		select {
		case <-ended:
		case <-ctx.Done():
			require.Fail(t, "the command outlived the node that it ran on")
		}
	})

	t.Run("the network can be cut and restored", func(t *testing.T) {
		reach := func() int {
			// Refused means that the packet arrived: nothing listens there.
			result, err := n1.Run(ctx, "curl", "-sS", "--max-time", "2", "http://"+n2.Address+":1")
			require.NoError(t, err)
			return result.Code
		}
		const refused, timedOut = 7, 28
		require.Equal(t, refused, reach())
		require.NoError(t, n2.CutNetwork(ctx))
		require.Equal(t, timedOut, reach())
		require.NoError(t, n2.RestoreNetwork(ctx))
		require.Equal(t, refused, reach())
	})

	t.Run("files stay over a stop and a power cut", func(t *testing.T) {
		require.NoError(t, n2.WriteFile("/root/kept", []byte("yes"), 0o600))
		require.NoError(t, n2.Stop(ctx))
		require.False(t, n2.Running())
		_, err := n2.Run(ctx, "true")
		require.Error(t, err)
		require.NoError(t, n2.Start(ctx))
		require.NoError(t, n2.Kill(ctx))
		require.False(t, n2.Running())
		require.NoError(t, n2.Start(ctx))
		kept, err := n2.ReadFile("/root/kept")
		require.NoError(t, err)
		require.Equal(t, "yes", string(kept))
		journal, err := n2.Journal(ctx)
		require.NoError(t, err)
		require.Contains(t, journal, "systemd")
	})

	t.Run("a port of the host leads into the cluster", func(t *testing.T) {
		files := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(files, "hello"), []byte("hello from inside"), 0o644))
		require.NoError(t, c.ServeFiles(ctx, files))
		for range 2 { // side by side: the cluster knows, and ends, each of them
			address, err := c.Forward("127.0.0.1:0", nodes.Gateway+":8099")
			require.NoError(t, err)
			answer, err := http.Get("http://" + address + "/hello")
			require.NoError(t, err)
			body, err := io.ReadAll(answer.Body)
			require.NoError(t, errors.Join(err, answer.Body.Close()))
			require.Equal(t, "hello from inside", string(body))
			require.True(t, c.Process("forward-"+address).Alive())
			defer func() {
				require.NoError(t, c.StopProcess(ctx, "forward-"+address))
				_, err := net.Dial("tcp", address)
				require.ErrorIs(t, err, syscall.ECONNREFUSED)
			}()
		}
		require.NoError(t, c.StopProcess(ctx, "mirror"))
	})

	t.Run("packages install from the signed repository", func(t *testing.T) {
		root, err := nodes.BuildRoot(ctx, nodes.Ubuntu, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		require.NoError(t, c.ServeFiles(ctx, filepath.Dir(root.Repository)))
		_, err = n1.Output(ctx, "apt-get", "update", "-q")
		require.NoError(t, err)
		_, err = n1.Output(ctx, "apt-get", "install", "-y", "-q", "libaio1", "numactl", "openjdk-8-jre-headless")
		require.NoError(t, err)
	})
}

// TestRockyNode: a Debian root with real rpm and dnf that presents Rocky Linux 9.
func TestRockyNode(t *testing.T) {
	c := cluster(t, "rockytest", nodes.Rocky)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	root, err := nodes.BuildRoot(ctx, nodes.Rocky, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, c.ServeFiles(ctx, filepath.Dir(root.Repository)))
	node, err := c.AddNodeOf(ctx, nodes.Rocky)
	require.NoError(t, err)
	_, err = c.AddNode(ctx)
	require.ErrorContains(t, err, "without a root", "a cluster has the kinds that it was made with")
	require.NoError(t, node.Start(ctx))

	said, err := node.Output(ctx, "cat", "/etc/os-release", "/etc/issue")
	require.NoError(t, err)
	require.Contains(t, said, `ID="rocky"`)
	require.Contains(t, said, "Debian 12 that presents")
	for _, tool := range []string{"apt-get", "dpkg", "dpkg-query"} {
		result, err := node.Run(ctx, "sh", "-c", "command -v "+tool)
		require.NoError(t, err)
		require.NotZero(t, result.Code, "%s: %s", tool, result.Stdout)
	}
	_, err = node.Output(ctx, "dnf", "-y", "install", "libaio", "numactl", "java-1.8.0-openjdk-headless")
	require.NoError(t, err)
	said, err = node.Output(ctx, "rpm", "-q", "libaio", "numactl", "rocky-release")
	require.NoError(t, err)
	require.Equal(t, "libaio-0.3.111-13.el9.noarch\nnumactl-2.0.16-1.el9.noarch\nrocky-release-9.3-1.3.el9.noarch\n", said)
}

// TestFlatcarNode: a Debian root with a read-only /usr, real systemd-sysext and no package tools that presents Flatcar.
func TestFlatcarNode(t *testing.T) {
	c := cluster(t, "flatcartest", nodes.Flatcar)
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Minute)
	defer cancel()
	node, err := c.AddNodeOf(ctx, nodes.Flatcar)
	require.NoError(t, err)
	require.NoError(t, node.Start(ctx))

	result, err := node.Run(ctx, "sh", "-c", "command -v apt-get dpkg rpm dnf yum")
	require.NoError(t, err)
	require.NotZero(t, result.Code, result.Stdout)
	result, err = node.Run(ctx, "touch", "/usr/bin/anything")
	require.NoError(t, err)
	require.Contains(t, result.Stderr, "Read-only file system")
	for path, text := range map[string]string{
		"/usr/lib/extension-release.d/extension-release.hello": "ID=flatcar\nSYSEXT_LEVEL=1.0\n",
		"/usr/bin/hello": "#!/bin/sh\necho hello from an extension\n",
	} {
		require.NoError(t, node.WriteFile("/var/lib/extensions/hello"+path, []byte(text), 0o755))
	}
	_, err = node.Output(ctx, "systemd-sysext", "refresh")
	require.NoError(t, err)
	said, err := node.Output(ctx, "hello")
	require.NoError(t, err)
	require.Equal(t, "hello from an extension\n", said)

	// An update is another image, and the way back is the first one.
	before, err := nodes.BuildRoot(ctx, nodes.Flatcar, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	other := filepath.Join(t.TempDir(), "usr")
	require.NoError(t, exec.CommandContext(ctx, "cp", "-a", filepath.Join(before.Dir, "usr"), other).Run())
	release, err := os.ReadFile(other + "/lib/os-release")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(other+"/lib/os-release", []byte(strings.ReplaceAll(string(release), "4459.0.0", "4500.0.0")), 0o644))
	for _, step := range []struct{ usr, version string }{{other, "4500.0.0"}, {filepath.Join(before.Dir, "usr"), "4459.0.0"}} {
		require.NoError(t, node.SetUsr(step.usr))
		require.NoError(t, node.Reboot(ctx))
		said, err = node.Output(ctx, "cat", "/etc/os-release")
		require.NoError(t, err)
		require.Contains(t, said, "VERSION_ID="+step.version)
		said, err = node.Output(ctx, "hello")
		require.NoError(t, err, "extensions outlive updates")
		require.Equal(t, "hello from an extension\n", said)
	}
}
