//go:build nodes

package nodes_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/nodes"
)

// inNode are the packages that have tests for a machine that may be thrown away: real systemd, apt, dpkg and disks.
var inNode = []string{"systemd", "platform/pkgmgr", "platform/block"}

// TestInNode runs them on a bare node of their own.
func TestInNode(t *testing.T) {
	c := cluster(t, "innode")
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	node, err := c.AddNode(ctx)
	require.NoError(t, err)
	var disks []string
	for _, content := range []nodes.Content{nodes.Empty, nodes.FileSystem, nodes.Table, nodes.LateData} {
		disk, err := node.AddDisk(ctx, content)
		require.NoError(t, err)
		disks = append(disks, string(content)+"="+disk.Device)
	}
	require.NoError(t, node.Start(ctx))
	require.NoError(t, node.WaitBooted(ctx))
	for _, pkg := range inNode {
		t.Run(pkg, func(t *testing.T) { runInNode(ctx, t, node, pkg, "^TestInNode", "DISKS="+strings.Join(disks, " ")) })
	}
	t.Run("systemd reboots the machine", func(t *testing.T) {
		boot := func() string {
			result, err := node.Run(ctx, "cat", "/proc/sys/kernel/random/boot_id")
			if err != nil || result.Code != 0 {
				return ""
			}
			return result.Stdout
		}
		before := boot()
		require.NotEmpty(t, before)
		result, err := node.Run(ctx, "/usr/bin/env", "REBOOT=1", "HOME=/root", "/root/systemd.test", "-test.run", "^TestHelper_reboot$")
		t.Log(result, err) // it may not live to tell
		require.Eventually(t, func() bool { now := boot(); return now != "" && now != before }, time.Minute, 100*time.Millisecond)
		require.NoError(t, node.WaitBooted(ctx))
	})
}

// TestInRockyNode runs those for rpm and dnf on a Debian root that presents Rocky Linux, and once more with yum alone, as Enterprise Linux 8 and 9 have it: dnf by
// another name. That shows nothing of Enterprise Linux 7's yum 3, which is another program: for that one there are outputs written by hand only.
func TestInRockyNode(t *testing.T) {
	c := cluster(t, "inrocky", nodes.Rocky)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	root, err := nodes.BuildRoot(ctx, nodes.Rocky, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, c.ServeFiles(ctx, filepath.Dir(root.Repository)))
	node, err := c.AddNodeOf(ctx, nodes.Rocky)
	require.NoError(t, err)
	require.NoError(t, node.Start(ctx))
	t.Run("dnf", func(t *testing.T) { runInNode(ctx, t, node, "platform/pkgmgr", "^TestInRPMNode", "RPM=1") })
	for _, change := range [][]string{{"rm", "/usr/bin/dnf"}, {"ln", "-s", "dnf-3", "/usr/bin/yum"}} {
		_, err := node.Output(ctx, change...)
		require.NoError(t, err)
	}
	t.Run("yum alone", func(t *testing.T) { runInNode(ctx, t, node, "platform/pkgmgr", "^TestInRPMNode", "RPM=1") })
}

// runInNode builds a package's tests and runs some of them on a node.
func runInNode(ctx context.Context, t *testing.T, node *nodes.Node, pkg, tests, env string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-tags", "innode", "-o", binary, "scaleio-framework/"+pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	data, err := os.ReadFile(binary)
	require.NoError(t, err)
	place := "/root/" + strings.ReplaceAll(pkg, "/", "-") + ".test"
	require.NoError(t, node.WriteFile(place, data, 0o755))
	result, err := node.Run(ctx, "/usr/bin/env", env, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", place, "-test.v", "-test.run", tests)
	require.NoError(t, err)
	t.Log(result.Stdout)
	require.Zero(t, result.Code, result.Stderr)
	require.NotContains(t, result.Stdout, "no tests to run")
}
