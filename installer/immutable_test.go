package installer_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
)

const updateConf = "/etc/flatcar/update.conf"

// clientOnFlatcar is a client on a system with a read-only /usr.
func clientOnFlatcar(t *testing.T) *installertest.Node {
	n := one()
	n.Facts = platformtest.MachineNamed(t, "Flatcar").Facts(t)
	n.Spec.Role = api.RoleClient
	return n
}

func TestKeepUpdatesFromRebooting(t *testing.T) {
	n := clientOnFlatcar(t)
	n.Files.Set(updateConf, "GROUP=lts\nREBOOT_STRATEGY=etcd-lock\n", 0o600)
	n.Units.Set("locksmithd.service", systemd.UnitState{Load: "loaded", Active: "active", Sub: "running", Enabled: "enabled"})
	s := stepOf(t, n, "keep-updates-from-rebooting")
	assert.Equal(t, "RebootsByItself", check(t, n, "keep-updates-from-rebooting").Reason)
	require.NoError(t, s.Apply(t.Context()))
	assert.Equal(t, step.Satisfied, check(t, n, "keep-updates-from-rebooting").Verdict)
	data, err := n.Files.Read(updateConf)
	require.NoError(t, err)
	assert.Equal(t, "GROUP=lts\n# before scaleio-agent: REBOOT_STRATEGY=etcd-lock\n# by scaleio-agent:\nREBOOT_STRATEGY=off\n", string(data))
	state, err := n.Units.State(t.Context(), "locksmithd.service")
	require.NoError(t, err)
	assert.Equal(t, "inactive", state.Active, "it had read what the file said before")

	n.Units.Set("locksmithd.service", systemd.UnitState{Load: "loaded", Active: "active", Sub: "running", Enabled: "enabled"})
	assert.Equal(t, "OldConfiguration", check(t, n, "keep-updates-from-rebooting").Reason)
	n.Units.Set("locksmithd.service", systemd.UnitState{Load: "masked", Active: "inactive", Enabled: "masked"})
	assert.Equal(t, step.Satisfied, check(t, n, "keep-updates-from-rebooting").Verdict, "a masked one is a person's")
}

// The volume driver's binaries are under /usr all the same, where Mesos looks for them: by an extension.
func TestInstallVolumeDriver_readOnlyUsr(t *testing.T) {
	n := clientOnFlatcar(t)
	n.Units.Add("systemd-sysext.service")
	merged := 0
	n.Jobs.Run = func(_ context.Context, job systemd.Job) error {
		assert.Equal(t, []string{"/usr/bin/systemd-sysext", "refresh"}, job.Argv)
		merged++
		for _, binary := range []string{"/usr/bin/rexray", "/usr/bin/dvdcli"} {
			require.NoError(t, n.Files.Remove(binary))
		}
		files, err := n.Files.Glob("/var/lib/extensions/*/usr/bin/*")
		require.NoError(t, err)
		for _, f := range files {
			data, err := n.Files.Read(f)
			require.NoError(t, err)
			n.Files.Set(strings.TrimPrefix(f, "/var/lib/extensions/scaleio-volume-driver"), string(data), 0o755)
		}
		return nil
	}
	for i := range n.Spec.Packages {
		n.Spec.Packages[i].OS = "any"
	}
	require.NoError(t, stepOf(t, n, "fetch-packages").Apply(t.Context()))
	s := stepOf(t, n, "install-volume-driver")
	assert.Equal(t, step.Needed, check(t, n, "install-volume-driver").Verdict)
	require.NoError(t, s.Apply(t.Context()))
	assert.Equal(t, step.Satisfied, check(t, n, "install-volume-driver").Verdict)
	assert.Equal(t, 1, merged)
	release, err := n.Files.Read("/var/lib/extensions/scaleio-volume-driver/usr/lib/extension-release.d/extension-release.scaleio-volume-driver")
	require.NoError(t, err)
	assert.Equal(t, "ID=flatcar\nSYSEXT_LEVEL=1.0\n", string(release))
	state, err := n.Units.State(t.Context(), "systemd-sysext.service")
	require.NoError(t, err)
	assert.Equal(t, "enabled", state.Enabled, "and merged at every boot")

	n.Spec.Remove = true
	s = stepOf(t, n, "remove-volume-driver")
	require.NoError(t, s.Apply(t.Context()))
	assert.Equal(t, step.Satisfied, check(t, n, "remove-volume-driver").Verdict)
	assert.Equal(t, 2, merged)
	left, err := n.Files.Glob("/var/lib/extensions/*")
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestRemoveUpdatesHold(t *testing.T) {
	n := clientOnFlatcar(t)
	before := "GROUP=lts\nREBOOT_STRATEGY=etcd-lock\n"
	n.Files.Set(updateConf, before, 0o644)
	require.NoError(t, stepOf(t, n, "keep-updates-from-rebooting").Apply(t.Context()))
	n.Spec.Remove = true
	assert.Equal(t, step.Needed, check(t, n, "remove-updates-hold").Verdict)
	require.NoError(t, stepOf(t, n, "remove-updates-hold").Apply(t.Context()))
	assert.Equal(t, step.Satisfied, check(t, n, "remove-updates-hold").Verdict)
	data, err := n.Files.Read(updateConf)
	require.NoError(t, err)
	assert.Equal(t, before, string(data))

	n = clientOnFlatcar(t)
	require.NoError(t, stepOf(t, n, "keep-updates-from-rebooting").Apply(t.Context()))
	n.Spec.Remove = true
	require.NoError(t, stepOf(t, n, "remove-updates-hold").Apply(t.Context()))
	assert.NotContains(t, n.Files.Tree("/"), updateConf, "there was none")
}
