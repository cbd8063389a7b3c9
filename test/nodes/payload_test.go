//go:build nodes

package nodes_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/nodes"
)

// TestUnpackedPackages_outliveUpdates: on a Debian root with a read-only /usr that presents Flatcar, a package is unpacked and upgraded, its system updated (another
// /usr) and rolled back (the first one again). Each time all of it comes back by itself: the extension merged, the unit running, every file as it was.
func TestUnpackedPackages_outliveUpdates(t *testing.T) {
	c := cluster(t, "payloadtest", nodes.Flatcar)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	node, err := c.AddNodeOf(ctx, nodes.Flatcar)
	require.NoError(t, err)
	first := node.Usr
	update := updateOf(ctx, t, first, "4593.1.0")
	require.NoError(t, node.Start(ctx))

	phase := func(tests string) { runInNode(ctx, t, node, "platform/payload", tests, "LC_ALL=C") }
	phase("^TestInNode_installs$")
	for _, boot := range []struct{ usr, version string }{{update, "4593.1.0"}, {first, "4459.0.0"}} {
		require.NoError(t, node.SetUsr(boot.usr))
		require.NoError(t, node.Reboot(ctx))
		release, err := node.ReadFile("/usr/lib/os-release")
		require.NoError(t, err)
		require.Contains(t, string(release), "VERSION_ID="+boot.version)
		phase("^TestInNode_outlivesTheBoot$")
	}
	phase("^TestInNode_heals$")
	phase("^TestInNode_removes$")
}

// updateOf makes another image of /usr, of a later version: the same files, by hard links, but for the one that says the version.
func updateOf(ctx context.Context, t *testing.T, usr, version string) string {
	t.Helper()
	dir, err := os.MkdirTemp(nodes.CacheDir, "update-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	image := filepath.Join(dir, "usr")
	out, err := exec.CommandContext(ctx, "cp", "-al", usr, image).CombinedOutput()
	require.NoError(t, err, string(out))
	file := filepath.Join(image, "lib/os-release")
	release, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.Remove(file)) // not written through the link
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(release), "4459.0.0", version)), 0o644))
	return image
}
