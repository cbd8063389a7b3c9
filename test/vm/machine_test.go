//go:build vm

package vm_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/machinetest"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
	"scaleio-framework/test/vm"
)

// buildDir is where `make test-vm` put what goes into the machine.
const buildDir = "../../build/vm"

// stand is one machine that joins one scheduler.
type stand struct {
	*vm.Machine
	scheduler *vm.Scheduler
	image     vm.Image
	module    api.KernelModule // for the newer kernel
	data      vm.Disk          // an empty disk
	dataID    string           // as the agent knows it
	cloud     cloud            // that the machine is an instance of
}

// logs of failed tests, where CI and people find them.
func logs(t *testing.T) string {
	return filepath.Join(os.TempDir(), "scaleio-vm-logs", t.Name())
}

func newStand(t *testing.T) *stand {
	t.Helper()
	if os.Geteuid() != 0 {
		machinetest.Lacks(t, "root: debootstrap makes the machines' root")
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	unlock, err := vm.Lock(t.Context())
	require.NoError(t, err)
	t.Cleanup(unlock) // after the machine's end
	require.NoError(t, vm.InstallTools(t.Context(), log))
	image, err := vm.BuildImage(t.Context(), log)
	require.NoError(t, err)
	dir := t.TempDir()
	s := &stand{image: image}
	s.Machine, err = vm.New(t.Context(), image, dir, log)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
		defer cancel()
		if t.Failed() {
			if err := s.Keep(ctx, logs(t)); err != nil {
				t.Logf("keeping logs: %v", err)
			}
			t.Logf("consoles and journals of the machine are in %s", logs(t))
		}
		if err := s.Kill(ctx); err != nil {
			t.Logf("ending the machine: %v", err)
		}
	})
	s.join(t, filepath.Join(dir, "files"), log)
	return s
}

// join puts the agent on the machine's disk. Its cluster has decided its roles and no more: a client that fetches its packages.
func (s *stand) join(t *testing.T, dir string, log *slog.Logger) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	scheduler, err := vm.NewScheduler(t.Context(), api.NodeSpec{
		Name: "vm", Role: api.RoleClient, Licence: true, Gates: []api.Gate{api.GateRolesDecided},
		Disks: api.DiskPolicy{Use: api.DiskUseAllEmpty, MinSizeBytes: 100_000_000_000},
	}, quiet)
	require.NoError(t, err)
	s.scheduler = scheduler
	s.cloud = s.launch(t)
	scheduler.Settings = s.cloud.settings
	deb, tar := filepath.Join(s.Dir, "sdc.deb"), filepath.Join(s.Dir, "scini.tar")
	older, newer := s.image.Kernels[0], s.image.Kernels[1]
	require.NoError(t, vm.BuildSDC(t.Context(), deb, older))
	sdc, err := scheduler.Offer(api.Package{Component: "sdc", Version: vm.SDCVersion, OS: "ubuntu22.04", Format: "deb"}, deb)
	require.NoError(t, err)
	require.NoError(t, vm.PackModule(newer, tar))
	module, err := scheduler.Offer(api.Package{}, tar)
	require.NoError(t, err)
	s.module = api.KernelModule{OS: "ubuntu22.04", SDCVersion: vm.SDCVersion, Kernel: newer.Release, URL: module.URL, Size: module.Size, SHA256: module.SHA256}
	scheduler.Change(func(spec *api.NodeSpec) { spec.Packages = []api.Package{sdc} })
	require.NoError(t, scheduler.LayAgent(dir, filepath.Join(buildDir, "scaleio-agent"), systemd.AgentUnitText))
	require.NoError(t, vm.LayGuest(dir, filepath.Join(buildDir, "guest")))
	require.NoError(t, s.Inject(t.Context(), dir))
}

// boot with the kernel that is installed in the machine.
func (s *stand) boot(t *testing.T, b vm.Boot) {
	t.Helper()
	kernel, err := s.InstalledKernel(t.Context())
	require.NoError(t, err)
	b.Kernel = kernel
	require.NoError(t, s.Start(t.Context(), b))
}

// within bounds what the agent does in the machine; minutes are for an emulation on busy cores.
const within = 5 * time.Minute

// await a condition of the node.
func (s *stand) await(t *testing.T, name string, status api.Status, reason string) api.Condition {
	t.Helper()
	report, err := s.scheduler.Await(t.Context(), within, name+" "+string(status)+" "+reason, func(r api.Report) bool {
		c := vm.Condition(r, name)
		return c.Status == status && (reason == "" || c.Reason == reason)
	})
	require.NoError(t, err)
	return vm.Condition(report, name)
}
