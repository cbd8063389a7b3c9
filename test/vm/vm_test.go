//go:build vm

package vm_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/vm"
)

// One machine for all cases: in emulation a boot takes up to a minute. Each case begins where the one before ended.
func TestVirtualMachine(t *testing.T) {
	s := newStand(t)
	s.cases(t, []struct {
		name string
		test func(*testing.T, *stand)
	}{
		{"scini is loaded at first boot", firstBoot},
		{"a module that was removed behind our back is loaded again", moduleRemoved},
		{"an NVMe disk that is plugged in is seen and identified by its serial", diskPlugged},
		{"device-mapper, an assembled array and an opened LUKS container are refused", stacksRefused},
		{"a volume that was ordered is bought, plugged in and known by its id", volumeBought},
		{"scini survives a reboot", survivesReboot},
		{"a copy of the machine starts its client with a GUID of its own", cloned},
		{"disk names swapped over a reboot don't swap identities", namesSwapped},
		{"a kernel without a module holds the reboot, and says why", kernelHeld},
		{"a module of the wrong vermagic is refused", wrongVermagic},
		{"a kernel whose module is available goes through", kernelSwitched},
		{"module.sig_enforce=1 is told apart from a wrong kernel", signaturesEnforced},
		{"lockdown=integrity is told apart from a wrong kernel", lockedDown},
	})
}

// cases run in their order; after one that failed, the next would only repeat its fault.
func (s *stand) cases(t *testing.T, all []struct {
	name string
	test func(*testing.T, *stand)
}) {
	for _, c := range all {
		began := time.Now()
		if !t.Run(c.name, func(t *testing.T) { c.test(t, s) }) {
			t.FailNow()
		}
		t.Logf("%v %s", time.Since(began).Round(time.Second), c.name)
	}
}

// scini is what the kernel itself says of the module.
func (s *stand) sciniLoaded(t *testing.T) bool {
	t.Helper()
	r, err := s.Run(t.Context(), "test", "-d", "/sys/module/scini")
	require.NoError(t, err)
	return r.Code == 0
}

func firstBoot(t *testing.T, s *stand) {
	s.boot(t, vm.Boot{})
	require.False(t, s.sciniLoaded(t), "a new machine has no module")
	s.await(t, "provide-scini-module", api.True, "")
	s.await(t, "load-scini", api.True, "")
	assert.True(t, s.sciniLoaded(t))
	guid, err := s.Output(t.Context(), "/opt/emc/scaleio/sdc/bin/drv_cfg", "--query_guid")
	require.NoError(t, err)
	assert.Len(t, strings.TrimSpace(guid), 36)
	assert.Equal(t, s.image.Kernels[0].Release, s.platform(t).Kernel)
	unit, err := s.Output(t.Context(), "systemctl", "show", "-P", "ActiveState", "scaleio-agent.service")
	require.NoError(t, err)
	assert.Equal(t, "active\n", unit, "the agent is a service of a real systemd")
}

func (s *stand) platform(t *testing.T) api.Platform {
	t.Helper()
	report, err := s.scheduler.Await(t.Context(), within, "a report", func(api.Report) bool { return true })
	require.NoError(t, err)
	return report.Platform
}

func moduleRemoved(t *testing.T, s *stand) {
	// A module in use can't go: whoever has /dev/scini open holds it.
	held, err := s.Shell(t.Context(), "exec 3</dev/scini; rmmod scini && exit 9 || echo in use")
	require.NoError(t, err)
	assert.Contains(t, held, "in use")
	_, err = s.Output(t.Context(), "rmmod", "scini")
	require.NoError(t, err)
	require.NoError(t, vm.Until(t.Context(), within, "scini to be loaded again", func(ctx context.Context) (bool, string, error) {
		r, err := s.Run(ctx, "cat", "/sys/module/scini/initstate")
		return strings.TrimSpace(r.Stdout) == "live", r.Stdout + r.Stderr, err
	}))
	s.await(t, "load-scini", api.True, "")
}

func survivesReboot(t *testing.T, s *stand) {
	before := s.BootID()
	_, err := s.Output(t.Context(), "systemctl", "reboot", "--no-block")
	require.NoError(t, err)
	s.ended(t)
	s.boot(t, vm.Boot{})
	require.NotEqual(t, before, s.BootID())
	s.await(t, "load-scini", api.True, "")
	assert.True(t, s.sciniLoaded(t))
}

// cloned gives the machine another machine-id while it is off, as a copy of its disk gets one. The client is enabled, and the copy's GUID is in its file: at no
// time may the driver have it.
func cloned(t *testing.T, s *stand) {
	const machineID = "c0ffeec0ffeec0ffeec0ffeec0ffee00"
	former, err := s.Output(t.Context(), "/opt/emc/scaleio/sdc/bin/drv_cfg", "--query_guid")
	require.NoError(t, err)
	former = strings.ToLower(strings.TrimSpace(former))
	said := func() string {
		text, err := s.Output(t.Context(), "journalctl", "-b", "-o", "cat", "-u", "scini.service")
		require.NoError(t, err)
		return strings.ToLower(text)
	}
	require.Contains(t, said(), "the driver runs with guid "+former, "on its own machine, at boot")

	require.NoError(t, s.Stop(t.Context()))
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "etc/scaleio-agent"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "etc/machine-id"), []byte(machineID+"\n"), 0o444))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "etc/scaleio-agent/join-token"), []byte(s.scheduler.Token()+"\n"), 0o600))
	require.NoError(t, s.Inject(t.Context(), dir))
	s.boot(t, vm.Boot{})
	s.await(t, "own-sdc-guid", api.True, "")
	s.await(t, "load-scini", api.True, "")
	guid, err := s.Output(t.Context(), "/opt/emc/scaleio/sdc/bin/drv_cfg", "--query_guid")
	require.NoError(t, err)
	guid = strings.ToLower(strings.TrimSpace(guid))
	assert.NotEqual(t, former, guid)
	text := said()
	assert.Contains(t, text, "conditionhost=", "skipped at boot")
	assert.Contains(t, text, "the driver runs with guid "+guid)
	assert.NotContains(t, text, former)
}

// ended waits until the machine went down by itself.
func (s *stand) ended(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), within, fmt.Errorf("not within %v", within))
	defer cancel()
	require.NoError(t, s.Ended(ctx))
}
