package installer_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/installer/installertest"
	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
)

// As update_engine_client -status prints it on Flatcar.
const (
	updateIdle  = "LAST_CHECKED_TIME=1759740000\nPROGRESS=0.000000\nCURRENT_OP=UPDATE_STATUS_IDLE\nNEW_VERSION=0.0.0\nNEW_SIZE=0\n"
	updateWaits = "LAST_CHECKED_TIME=1759740000\nPROGRESS=0.000000\nCURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT\nNEW_VERSION=4459.2.1\nNEW_SIZE=398000000\n"
)

func TestParseUpdateStatus(t *testing.T) {
	version, waits, err := installer.ParseUpdateStatus(updateWaits)
	require.NoError(t, err)
	assert.True(t, waits)
	assert.Equal(t, "4459.2.1", version)
	_, waits, err = installer.ParseUpdateStatus(updateIdle)
	require.NoError(t, err)
	assert.False(t, waits)
	for _, unknown := range []string{"", "CURRENT_OP=\n", "CURRENT_OP=UPDATE_STATUS_CLEANUP_PREVIOUS_UPDATE\n"} {
		_, _, err := installer.ParseUpdateStatus(unknown)
		assert.ErrorContains(t, err, "isn't known")
	}
}

func FuzzParseUpdateStatus(f *testing.F) {
	f.Add(updateIdle)
	f.Add(updateWaits)
	f.Fuzz(func(t *testing.T, text string) {
		if _, waits, _ := installer.ParseUpdateStatus(text); waits && !strings.Contains(text, "NEED_REBOOT") {
			t.Fatal("waits without a word of it")
		}
	})
}

// slotB is a kernel image in Flatcar's other slot, as far as its setup header.
func slotB(n *installertest.Node, release string) {
	image := make([]byte, 0x600)
	copy(image[0x202:], "HdrS")
	image[0x20e], image[0x20f] = 0x00, 0x03 // little endian: 0x300
	copy(image[0x500:], release+" (root@build) #1 SMP\x00")
	n.Files.Set("/boot/flatcar/vmlinuz-b", string(image), 0o644)
	n.Files.Set("/proc/cmdline", "BOOT_IMAGE=/flatcar/vmlinuz-a mount.usr=/dev/mapper/usr\n", 0o444)
}

// An update of the system that waits is a reboot into another kernel: held until the module is there.
func TestNextKernel_ofAnUpdateThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const next = "6.6.95-flatcar"
		n := flatcar()
		inManifest(n, n.Facts.Kernel, n.Module(n.Facts.Kernel).File())
		says := updateIdle
		n.Commands.Handle("/usr/bin/update_engine_client", func(context.Context, platform.Cmd) (platform.Output, error) {
			return platform.Output{Stdout: []byte(says)}, nil
		})
		slotB(n, next)
		p := start(n)
		got := p.rest(t)
		assert.Equal(t, "Satisfied", got["reboot-node"].Reason, got["reboot-node"].Message)

		says = updateWaits
		got = p.rest(t) // right after the other: a person said "look now"
		assert.Equal(t, "NextKernelWithoutModule", got["prepare-next-kernel"].Reason, got["prepare-next-kernel"].Message)
		assert.Contains(t, got["prepare-next-kernel"].Message, next)
		assert.Equal(t, "RebootNeeded", got["reboot-node"].Reason)
		assert.Contains(t, got["reboot-node"].Message, "4459.2.1")
		assert.Len(t, n.Reboots.Held(), 1)

		inManifest(n, next, n.Module(next).File())
		time.Sleep(time.Minute)
		got = p.rest(t)
		assert.Equal(t, api.True, got["prepare-next-kernel"].Status, got["prepare-next-kernel"].Message)
		assert.Empty(t, n.Reboots.Held())
		tree := n.Files.Tree("/opt/scaleio-agent/modules")
		assert.Contains(t, tree, "/opt/scaleio-agent/modules/"+next+"/scini.ko")
		assert.Contains(t, tree, "/opt/scaleio-agent/modules/"+n.Facts.Kernel+"/scini.ko", "a rollback needs it")
	})
}

// The boot loader falls back from an update: the engine is idle then, fetches it again, and would have the node rebooted without end.
func TestReboot_updateFallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := flatcar()
		n.Spec.Reboots = api.RebootsRolling
		n.Leases.Grant(api.LeaseReboot, true)
		inManifest(n, n.Facts.Kernel, n.Module(n.Facts.Kernel).File())
		says := updateWaits
		n.Commands.Handle("/usr/bin/update_engine_client", func(context.Context, platform.Cmd) (platform.Output, error) {
			return platform.Output{Stdout: []byte(says)}, nil
		})
		slotB(n, n.Facts.Kernel)
		start(n).rest(t)
		require.Equal(t, 1, n.Reboots.Asked())

		n.Reboot()
		for _, says = range []string{updateIdle, updateWaits} {
			got := start(n).rest(t)["reboot-node"]
			assert.Equal(t, "RebootInVain", got.Reason, got.Message)
			assert.Contains(t, got.Message, "4459.2.1")
		}
		assert.Equal(t, 1, n.Reboots.Asked())

		says = updateIdle
		n.Become(func(f *platform.Facts) { f.VersionID = "4459.2.1" }) // a person had it boot after all
		got := start(n).rest(t)["reboot-node"]
		assert.Equal(t, "Satisfied", got.Reason, got.Message)
	})
}

// An engine that a person stopped brings no update; one that runs and doesn't answer leaves the next kernel unknown, and nothing is cleaned away on that.
func TestUpdateWaiting_engineSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := flatcar()
		inManifest(n, n.Facts.Kernel, n.Module(n.Facts.Kernel).File())
		n.Commands.Handle("/usr/bin/update_engine_client", func(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
			return platform.Output{}, platformtest.Exit(cmd.Path, 1, "Error getting dbus proxy")
		})
		assert.Equal(t, api.True, start(n).rest(t)["prepare-next-kernel"].Status)

		n.Units.Set("update-engine.service", systemd.UnitState{Load: "loaded", Active: "active", Sub: "running"})
		got := start(n).rest(t)
		assert.Equal(t, "NextKernelUnknown", got["prepare-next-kernel"].Reason, got["prepare-next-kernel"].Message)
		assert.Equal(t, api.True, got["load-scini"].Status)
	})
}
