package installer_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// A kernel that has no module holds reboots: ours wait, those of others meet an inhibitor; once a module is there they go through.
func TestNextKernel_holdsRebootsUntilItHasItsModule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Spec.Reboots = api.RebootsRolling
		n.Leases.Grant(api.LeaseReboot, true)
		p := start(n)
		p.rest(t)
		assert.Empty(t, n.Reboots.Held())

		installKernel(n, newerKernel)
		n.Files.Set("/run/reboot-required", "", 0o644)
		n.Files.Set("/run/reboot-required.pkgs", "linux-image-"+newerKernel+"\nlinux-base\n", 0o644)
		got := p.rest(t)
		c := got["prepare-next-kernel"]
		assert.Equal(t, "NextKernelWithoutModule", c.Reason, c.Message)
		for _, words := range []string{newerKernel, "3.6.700.103", "reboots are held", "before 257", "modules in the manifest"} {
			assert.Contains(t, c.Message, words)
		}
		require.Len(t, n.Reboots.Held(), 1)
		assert.Contains(t, n.Reboots.Held()[0], newerKernel)
		assert.Equal(t, "RebootHeld", got["reboot-node"].Reason, got["reboot-node"].Message)
		assert.True(t, installer.WantsReboot(got["reboot-node"]))
		assert.Zero(t, n.Reboots.Asked())
		assert.False(t, n.Leases.Wanted(api.LeaseReboot), "nobody else is kept from it meanwhile")
		assert.Equal(t, api.True, got["load-scini"].Status, "the running kernel's goes on")

		inManifest(n, newerKernel, n.Module(newerKernel).File())
		n.Spec.Version.Generation++ // other orders are asked about at once
		n.Reboots.Down = func() { assert.Empty(t, n.Reboots.Held(), "not under our own inhibitor") }
		got = p.rest(t)
		assert.Equal(t, api.True, got["prepare-next-kernel"].Status, got["prepare-next-kernel"].Message)
		assert.Equal(t, "Rebooting", got["reboot-node"].Reason, got["reboot-node"].Message)
		assert.Equal(t, 1, n.Reboots.Asked())

		n.Files.Delete("/run/reboot-required")
		n.Facts.Kernel = newerKernel
		n.Reboot()
		got = start(n).rest(t)
		for _, name := range []string{"provide-scini-module", "load-scini", "prepare-next-kernel", "reboot-node"} {
			assert.Equal(t, api.True, got[name].Status, "%s: %s", name, got[name].Message)
		}
		assert.Equal(t, "Satisfied", got["reboot-node"].Reason)
		assert.Equal(t, 1, n.Reboots.Asked())
		left, err := n.Files.Glob("/var/lib/scaleio-agent/intents/*")
		require.NoError(t, err)
		assert.Empty(t, left)
	})
}

// That the next kernel's module would be built after its boot is a hope, not a module: reboots are held, also ours.
func TestNextKernel_toBeBuilt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Spec.Reboots, n.Spec.BuildModules = api.RebootsRolling, true
		n.Leases.Grant(api.LeaseReboot, true)
		p := start(n)
		p.rest(t)
		n.Packages.Set(scaleio.DebName(scaleio.SDC), platform.PackageState{Version: "3.6-3000.118.Ubuntu.22.04", Configured: true})
		buildPrepared(n, newerKernel)
		installKernel(n, newerKernel)
		n.Files.Set("/run/reboot-required", "", 0o644)
		n.Files.Set("/run/reboot-required.pkgs", "linux-image-"+newerKernel+"\n", 0o644)
		c := p.rest(t)["prepare-next-kernel"]
		assert.Equal(t, "NextKernelWithoutModule", c.Reason, c.Message)
		assert.Contains(t, c.Message, "would build one only when kernel "+newerKernel+" has started")
		assert.Len(t, n.Reboots.Held(), 1)
		assert.Zero(t, n.Reboots.Asked())
	})
}

// A logind that said no once may only have been restarting.
func TestNextKernel_holdsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		p := start(n)
		p.rest(t)
		asked := 0
		n.Reboots.Hook = func(call string, effect func() error) error {
			if call == "hold reboots" {
				if asked++; asked <= 2 {
					return errors.New("logind isn't there")
				}
			}
			return effect()
		}
		installKernel(n, newerKernel)
		assert.Contains(t, p.rest(t)["prepare-next-kernel"].Message, "DON'T REBOOT")
		assert.Contains(t, p.rest(t)["prepare-next-kernel"].Message, "DON'T REBOOT")
		assert.Equal(t, 1, asked, "not at each look")
		for range 2 {
			assert.Empty(t, n.Reboots.Held())
			time.Sleep(5 * time.Minute)
			p.rest(t)
		}
		assert.Equal(t, 3, asked)
		assert.Len(t, n.Reboots.Held(), 1)
		assert.Contains(t, p.rest(t)["prepare-next-kernel"].Message, "reboots are held")
	})
}

// An entry that was chosen by its number may be any kernel: nothing is rebooted into it.
func TestNextKernel_unknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := rebootable()
		n.Leases.Grant(api.LeaseReboot, true)
		n.Files.Set("/etc/default/grub.d/pin.cfg", "GRUB_DEFAULT='1>2'\n", 0o644)
		got := start(n).rest(t)
		assert.Equal(t, "NextKernelUnknown", got["prepare-next-kernel"].Reason, got["prepare-next-kernel"].Message)
		assert.Contains(t, got["prepare-next-kernel"].Message, "1>2")
		assert.NotEqual(t, api.True, got["reboot-node"].Status, got["reboot-node"].Message)
		assert.Zero(t, n.Reboots.Asked())
		assert.Len(t, n.Reboots.Held(), 1)
	})
}

// The kernel that nobody had a module for is taken away again: nothing has to be held any more.
func TestNextKernel_goneAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		p := start(n)
		p.rest(t)
		installKernel(n, newerKernel)
		p.rest(t)
		require.Len(t, n.Reboots.Held(), 1)
		n.Files.Delete("/boot/vmlinuz-" + newerKernel)
		got := p.rest(t)
		assert.Equal(t, api.True, got["prepare-next-kernel"].Status)
		assert.Empty(t, n.Reboots.Held())
	})
}

// The packages of Enterprise Linux bring modules for all kernels of a minor release; the next minor one needs a new package.
func TestNextKernel_ofEnterpriseLinux(t *testing.T) {
	for next, want := range map[string]api.Status{"5.14.0-427.42.1.el9_4.x86_64": api.True, "5.14.0-503.11.1.el9_5.x86_64": api.False} {
		t.Run(next, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := enterpriseLinux()
				p := start(n)
				p.rest(t)
				installKernel(n, next)
				got := p.rest(t)["prepare-next-kernel"]
				assert.Equal(t, want, got.Status, got.Message)
			})
		})
	}
}
