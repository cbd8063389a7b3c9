//go:build nodes

package cases_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// The Flatcar-like node is a Debian root with a read-only /usr and real systemd-sysext. What is Flatcar's alone is a stand-in: the tests below bring
// update_engine's client as a system extension, and units named update-engine and locksmithd that only stay.
const (
	engineStandIn = `#!/bin/sh
cat /etc/update-engine-standin
`
	stayingUnit = "[Service]\nExecStart=/bin/sleep infinity\n"
)

// systemUpdated: the node boots into a later system, and back into the first one. Everything of the product comes back by itself.
func systemUpdated(t *testing.T, s *cases.Stand) {
	node := ofKind(t, s, nodes.Flatcar)
	first := node.Usr
	later := laterSystem(t, first)
	for _, boot := range []struct{ usr, version string }{{later, "4593.1.0"}, {first, "4459.0.0"}} {
		require.NoError(t, node.SetUsr(boot.usr))
		require.NoError(t, node.Reboot(within(t, 3*time.Minute)))
		release, err := node.ReadFile("/usr/lib/os-release")
		require.NoError(t, err)
		require.Contains(t, string(release), "VERSION_ID="+boot.version)
		_, err = node.Output(within(t, time.Minute), "test", "-x", "/bin/scli")
		require.NoError(t, err, "merged at boot, not only once the agent looked")
		require.NoError(t, cases.Eventually(within(t, 2*time.Minute), func(ctx context.Context) error {
			if _, err := node.Output(ctx, "systemctl", "is-active", "mdm", "sds", "scini", "rexray"); err != nil {
				return err
			}
			_, err := node.Output(ctx, "/opt/scaleio-agent/current/scaleio-agent", "status") // 0 = this boot's agent has looked at everything, and it is so
			return err
		}))
		journal, err := node.Journal(t.Context(), "-b", "-u", "scaleio-agent")
		require.NoError(t, err)
		require.Contains(t, journal, "scaleio-agent")
		require.NotContains(t, journal, "applying step=install-", "nothing had to be installed again")
		whole(t, s, 3*time.Minute)
		require.NoError(t, cases.Eventually(within(t, time.Minute), s.NothingTwice))
	}
}

// laterSystem is another image of /usr: the same files, by hard links, but for the one that says the version.
func laterSystem(t *testing.T, usr string) string {
	t.Helper()
	dir, err := os.MkdirTemp(nodes.CacheDir, "update-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	image := filepath.Join(dir, "usr")
	out, err := exec.CommandContext(t.Context(), "cp", "-al", usr, image).CombinedOutput()
	require.NoError(t, err, string(out))
	file := filepath.Join(image, "lib/os-release")
	release, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(release), "4459.0.0", "4593.1.0")), 0o644))
	return image
}

// unpackedDrift: files of an unpacked package go, are changed, or aren't merged any more.
func unpackedDrift(t *testing.T, s *cases.Stand) {
	node := ofKind(t, s, nodes.Flatcar)
	ctx := within(t, 4*time.Minute)
	for _, harm := range [][]string{
		{"rm", "/opt/emc/scaleio/sds/bin/sds"},
		{"sh", "-c", "echo >> /etc/systemd/system/mdm.service"},
		{"systemd-sysext", "unmerge"},
		{"rm", "-r", "/var/lib/extensions/scaleio-mdm"},
	} {
		_, err := node.Output(ctx, harm...)
		require.NoError(t, err)
	}
	lookNow(t, node)
	mended := func(ctx context.Context) error {
		for _, question := range [][]string{{"test", "-x", "/opt/emc/scaleio/sds/bin/sds"}, {"test", "-x", "/bin/scli"}, {"test", "-x", "/usr/bin/dvdcli"}} {
			if _, err := node.Output(ctx, question...); err != nil {
				return err
			}
		}
		unit, err := node.ReadFile("/etc/systemd/system/mdm.service")
		if err == nil && strings.HasSuffix(string(unit), "\n\n") {
			err = fmt.Errorf("the unit is still another one")
		}
		return err
	}
	require.NoError(t, cases.Eventually(ctx, mended))
	whole(t, s, 2*time.Minute)
}

// updateWaits: what update_engine says becomes RebootNeeded, and locksmithd doesn't reboot by what it read before.
func updateWaits(t *testing.T, s *cases.Stand) {
	node := ofKind(t, s, nodes.Flatcar)
	ctx := within(t, 4*time.Minute)
	const extension = "/var/lib/extensions/update-engine-standin/usr/"
	for file, text := range map[string]string{
		extension + "bin/update_engine_client":                                        engineStandIn,
		extension + "lib/extension-release.d/extension-release.update-engine-standin": "ID=flatcar\nSYSEXT_LEVEL=1.0\n",
		"/etc/update-engine-standin":                                                  "CURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT\nNEW_VERSION=4593.1.0\n",
		"/etc/systemd/system/update-engine.service":                                   stayingUnit,
		"/etc/systemd/system/locksmithd.service":                                      stayingUnit,
	} {
		require.NoError(t, node.WriteFile(file, []byte(text), 0o755))
	}
	for _, line := range [][]string{{"systemd-sysext", "refresh"}, {"systemctl", "daemon-reload"}, {"systemctl", "start", "update-engine", "locksmithd"}} {
		_, err := node.Output(ctx, line...)
		require.NoError(t, err)
	}
	said := func(reason, message string) func(context.Context) error {
		return func(ctx context.Context) error {
			status, err := s.Status(ctx)
			if err != nil {
				return err
			}
			for _, n := range status.Nodes {
				i := slices.IndexFunc(n.Conditions, func(c api.Condition) bool { return c.Type == "reboot-node" })
				if n.Hostname == node.Name && i >= 0 && n.Conditions[i].Reason == reason && strings.Contains(n.Conditions[i].Message, message) {
					return nil
				}
			}
			return fmt.Errorf("nobody says %s: %s", reason, message)
		}
	}
	lookNow(t, node)
	require.NoError(t, cases.Eventually(ctx, said("RebootNeeded", "4593.1.0")))
	require.NoError(t, cases.Eventually(ctx, func(ctx context.Context) error {
		if result, err := node.Run(ctx, "systemctl", "is-active", "locksmithd"); err != nil || result.Code == 0 {
			return fmt.Errorf("locksmithd still runs (%v)", err)
		}
		return nil
	}))
	require.NoError(t, node.WriteFile("/etc/update-engine-standin", []byte("CURRENT_OP=UPDATE_STATUS_IDLE\nNEW_VERSION=0.0.0\n"), 0o644))
	lookNow(t, node)
	require.NoError(t, cases.Eventually(ctx, said("Satisfied", "nothing asks")))
	whole(t, s, time.Minute)
}
