//go:build vm

package vm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/vm"
)

// kernelHeld installs the newer kernel where reboots may roll, with nothing in the way but the missing module.
func kernelHeld(t *testing.T, s *stand) {
	s.scheduler.Grant(api.LeaseReboot)
	s.scheduler.Change(func(spec *api.NodeSpec) { spec.Reboots = api.RebootsRolling })
	older, newer := s.image.Kernels[0], s.image.Kernels[1]
	before := s.BootID()
	_, err := s.Output(t.Context(), "cp", vm.HeldBack+"/vmlinuz-"+newer.Release, "/boot/vmlinuz-"+newer.Release)
	require.NoError(t, err)

	held := s.await(t, "prepare-next-kernel", api.False, "NextKernelWithoutModule")
	assert.Contains(t, held.Message, newer.Release, "names the kernel")
	assert.Contains(t, held.Message, vm.ModuleVersion, "and the driver's version")
	assert.Contains(t, held.Message, "manifest", "and what to do")
	s.await(t, "reboot-node", api.False, "RebootHeld")
	inhibitors, err := s.Output(t.Context(), "systemd-inhibit", "--list", "--no-pager")
	require.NoError(t, err)
	assert.Contains(t, inhibitors, "scaleio-agent", "others that would reboot meet an inhibitor")
	s.await(t, "load-scini", api.True, "")
	running, err := s.Output(t.Context(), "cat", "/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/osrelease")
	require.NoError(t, err)
	assert.Equal(t, before+"\n"+older.Release+"\n", running, "not rebooted")
}

// wrongVermagic puts the running kernel's module where that of the next one is looked for.
func wrongVermagic(t *testing.T, s *stand) {
	older, newer := s.image.Kernels[0], s.image.Kernels[1]
	module, err := os.ReadFile(older.Scini)
	require.NoError(t, err)
	place := "/bin/emc/scaleio/scini_sync/driver_cache/Ubuntu22.04/" + vm.ModuleVersion + "/" + newer.Release + "/scini.ko"
	require.NoError(t, s.WriteFile(t.Context(), place, module))
	refused := s.await(t, "prepare-next-kernel", api.False, "WrongKernel")
	assert.Contains(t, refused.Message, "built for kernel "+older.Release)
	// The kernel itself would say the same of the other's module.
	module, err = os.ReadFile(newer.Scini)
	require.NoError(t, err)
	require.NoError(t, s.WriteFile(t.Context(), "/run/other/scini.ko", module))
	said, err := s.Run(t.Context(), "insmod", "/run/other/scini.ko")
	require.NoError(t, err)
	assert.NotZero(t, said.Code)
}

// kernelSwitched lists the module in the manifest; the agent does the rest.
func kernelSwitched(t *testing.T, s *stand) {
	newer := s.image.Kernels[1]
	s.scheduler.Change(func(spec *api.NodeSpec) { spec.Modules = []api.KernelModule{s.module} })
	s.ended(t)
	kernel, err := s.InstalledKernel(t.Context())
	require.NoError(t, err)
	require.Equal(t, newer.Release, kernel.Release)
	s.boot(t, vm.Boot{Disks: []vm.Disk{s.data}})
	s.await(t, "load-scini", api.True, "")
	assert.True(t, s.sciniLoaded(t))
	s.await(t, "reboot-node", api.True, "")
	source, err := s.Output(t.Context(), "cat", "/sys/module/scini/srcversion")
	require.NoError(t, err)
	assert.NotEmpty(t, strings.TrimSpace(source))
}

func signaturesEnforced(t *testing.T, s *stand) {
	require.NoError(t, s.Stop(t.Context()))
	s.boot(t, vm.Boot{Args: []string{"module.sig_enforce=1"}})
	s.refusedUnsigned(t, "UnsignedEnforced", "module.sig_enforce=1")
}

func lockedDown(t *testing.T, s *stand) {
	require.NoError(t, s.Stop(t.Context()))
	s.boot(t, vm.Boot{Args: []string{"lockdown=integrity"}})
	s.refusedUnsigned(t, "UnsignedLockdown", "lockdown=integrity")
}

// refusedUnsigned: the module fits its kernel, and the kernel asks for more.
func (s *stand) refusedUnsigned(t *testing.T, reason, option string) {
	t.Helper()
	refused := s.await(t, "provide-scini-module", api.False, reason)
	assert.Contains(t, refused.Message, option)
	assert.NotContains(t, refused.Message, "was built for kernel")
	assert.False(t, s.sciniLoaded(t))
	// Not our opinion alone.
	place := filepath.Join("/bin/emc/scaleio/scini_sync/driver_cache/Ubuntu22.04", vm.ModuleVersion, s.image.Kernels[1].Release, "scini.ko")
	said, err := s.Run(t.Context(), "insmod", place)
	require.NoError(t, err)
	assert.NotZero(t, said.Code, "the kernel refuses it too: %s", said.Stderr)
}
