package installer_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
)

// process is one agent's: what it holds ends with it.
type process struct {
	*installertest.Node
	i *installer.Installer
	r *step.Reconciler
}

func start(n *installertest.Node) *process {
	return &process{n, n.Installer(), &step.Reconciler{Log: quietLog}}
}

// rest passes until nothing changes any more.
func (p *process) rest(t *testing.T) map[string]api.Condition {
	t.Helper()
	for range 20 {
		plan, err := p.i.Plan(p.Input())
		require.NoError(t, err)
		res := p.r.Pass(t.Context(), plan, p.Spec.Gates, p.Spec.Version.Generation)
		if !res.Acted {
			all := map[string]api.Condition{}
			for _, c := range res.Conditions {
				all[c.Type] = c
			}
			return all
		}
		time.Sleep(time.Second)
	}
	require.Fail(t, "it never comes to rest")
	return nil
}

func TestReboot_policyNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Leases.Grant(api.LeaseReboot, true)
		n.Files.Set("/run/reboot-required", "", 0o644)
		got := start(n).rest(t)["reboot-node"]
		assert.Equal(t, api.True, got.Status, "a node that is in order otherwise stays Ready")
		assert.Equal(t, "RebootNeeded", got.Reason)
		assert.True(t, installer.WantsReboot(got))
		assert.Zero(t, n.Reboots.Asked())
		assert.False(t, n.Leases.Wanted(api.LeaseReboot))
	})
}

func rebootable() *installertest.Node {
	n := one()
	n.Spec.Reboots = api.RebootsRolling
	n.Files.Set("/run/reboot-required", "", 0o644)
	return n
}

func TestReboot_waitsForTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := rebootable()
		p := start(n)
		got := p.rest(t)["reboot-node"]
		assert.Equal(t, "RebootWaits", got.Reason)
		assert.Equal(t, api.True, got.Status, "its window may be days away: it is Ready meanwhile")
		n.Leases.Grant(api.LeaseDisruption, true)
		assert.Equal(t, "RebootWaits", p.rest(t)["reboot-node"].Reason, "that is for a restart of the Mesos agent")
		assert.True(t, n.Leases.Wanted(api.LeaseReboot))
		assert.Zero(t, n.Reboots.Asked())
	})
}

// The scheduler takes the right back, and knows of nothing that began, while the note of it is on its way to the disk: a node that went on would go down unknown.
func TestReboot_rightTakenBackWhileItIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := rebootable()
		n.Leases.Grant(api.LeaseReboot, true)
		n.Files.Hook = func(call string, effect func() error) error {
			if strings.HasPrefix(call, "write /var/lib/scaleio-agent/intents/reboot-") {
				n.Leases.Grant(api.LeaseReboot, false)
			}
			return effect()
		}
		assert.Equal(t, "RebootWaits", start(n).rest(t)["reboot-node"].Reason)
		assert.Zero(t, n.Reboots.Asked())
		left, err := installer.Intents(n.Files)
		require.NoError(t, err)
		assert.Empty(t, left)
	})
}

func TestReboot_waitsForWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := rebootable()
		n.Leases.Grant(api.LeaseReboot, true)
		n.Files.Set("/var/lib/scaleio-agent/intents/hand-over-disk-1.json", `{"kind":"hand-over-disk","subject":"wwn-1","since":"2026-01-01T00:00:00Z","bootId":"boot-1"}`, 0o600)
		assert.Equal(t, "ActUnderWay", check(t, n, "reboot-node").Reason)
	})
}

// Somebody else's inhibitor: nothing happens, the intent is taken back, and it is tried again.
func TestReboot_refused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := rebootable()
		n.Leases.Grant(api.LeaseReboot, true)
		n.Cutter.Heal()
		s := stepOf(t, n, "reboot-node")
		n.Reboots.Hook = func(call string, effect func() error) error {
			if call == "reboot" {
				return systemd.ErrRefused
			}
			return effect()
		}
		require.ErrorIs(t, s.Apply(t.Context()), systemd.ErrRefused)
		left, err := n.Files.Glob("/var/lib/scaleio-agent/intents/*")
		require.NoError(t, err)
		assert.Empty(t, left)
		assert.Equal(t, step.Needed, check(t, n, "reboot-node").Verdict)
	})
}

// Somebody else's work isn't cut off: a package manager that writes a kernel holds reboots meanwhile.
func TestReboot_heldByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := rebootable()
		n.Leases.Grant(api.LeaseReboot, true)
		n.Reboots.By = []string{"Unattended Upgrades (process 4711: upgrade in progress)"}
		p := start(n)
		got := p.rest(t)["reboot-node"]
		assert.Equal(t, "RebootHeld", got.Reason, got.Message)
		assert.Contains(t, got.Message, "Unattended Upgrades (process 4711")
		assert.False(t, n.Leases.Wanted(api.LeaseReboot), "nobody else is kept from it meanwhile")
		assert.Zero(t, n.Reboots.Asked())
		n.Reboots.By = nil
		assert.Equal(t, "Rebooting", p.rest(t)["reboot-node"].Reason)
		assert.Equal(t, 1, n.Reboots.Asked())
	})
}

// What spoke for a reboot when it was looked at may speak against it when it is done.
func TestReboot_looksAgainBeforeItIsDone(t *testing.T) {
	for name, between := range map[string]func(*installertest.Node){
		"a kernel without a module": func(n *installertest.Node) { installKernel(n, newerKernel) },
		"an act that began": func(n *installertest.Node) {
			n.Files.Set("/var/lib/scaleio-agent/intents/hand-over-disk-1.json", `{"kind":"hand-over-disk","subject":"wwn-1","since":"2026-01-01T00:00:00Z","bootId":"boot-1"}`, 0o600)
		},
		"a package manager":  func(n *installertest.Node) { n.Reboots.By = []string{"APT"} },
		"the lease was lost": func(n *installertest.Node) { n.Leases.Grant(api.LeaseReboot, false) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := installed(t, rebootable())
				n.Leases.Grant(api.LeaseReboot, true)
				s := stepOf(t, n, "reboot-node")
				f, err := s.Check(t.Context())
				require.NoError(t, err)
				require.Equal(t, step.Needed, f.Verdict, f.Message)
				between(n)
				require.Error(t, s.Apply(t.Context()))
				assert.Zero(t, n.Reboots.Asked())
				assert.NotContains(t, n.Files.Tree("/var/lib"), installer.IntentFile("reboot", ""))
			})
		})
	}
}

// An answer that doesn't come isn't a refusal: the machine may be going down, and the note of it keeps the lease here.
func TestReboot_noClearAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := rebootable()
		n.Leases.Grant(api.LeaseReboot, true)
		s := stepOf(t, n, "reboot-node")
		n.Reboots.Hook = func(call string, effect func() error) error {
			require.NoError(t, effect())
			if call == "reboot" {
				return assert.AnError
			}
			return nil
		}
		require.ErrorIs(t, s.Apply(t.Context()), assert.AnError)
		assert.Contains(t, n.Files.Tree("/var/lib"), installer.IntentFile("reboot", ""))
		assert.Equal(t, "Rebooting", check(t, n, "reboot-node").Reason)
		assert.Equal(t, 1, n.Reboots.Asked())
		n.Files.Delete("/run/reboot-required")
		n.Reboot()
		start(n).rest(t)
		assert.NotContains(t, n.Files.Tree("/var/lib"), installer.IntentFile("reboot", ""))
	})
}

// A machine that was asked to reboot and goes on is asked again, and not before it had its time; the lease is wanted all along.
func TestReboot_nothingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := rebootable()
		n.Leases.Grant(api.LeaseReboot, true)
		p := start(n)
		assert.Equal(t, "Rebooting", p.rest(t)["reboot-node"].Reason)
		time.Sleep(4 * time.Minute)
		p.rest(t)
		assert.Equal(t, 1, n.Reboots.Asked())
		assert.True(t, n.Leases.Wanted(api.LeaseReboot))
		time.Sleep(2 * time.Minute)
		assert.Equal(t, "Rebooting", p.rest(t)["reboot-node"].Reason)
		assert.Equal(t, 2, n.Reboots.Asked())
	})
}

// setBack gives a process on a node whose clock was a year ahead until somebody set it right: what was noted before seems to come from the future.
func setBack(n *installertest.Node) *installer.Installer {
	system := n.System()
	system.Clock = func() time.Time { return time.Now().AddDate(-1, 0, 0) }
	return installer.New(system, n.Options())
}

// Fault 14: a note from the future isn't waited for until then.
func TestReboot_nothingHappensAndTheClockIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := rebootable()
		n.Leases.Grant(api.LeaseReboot, true)
		start(n).rest(t)
		require.Equal(t, 1, n.Reboots.Asked())
		time.Sleep(6 * time.Minute)
		p := &process{n, setBack(n), &step.Reconciler{Log: quietLog}}
		assert.Equal(t, "Rebooting", p.rest(t)["reboot-node"].Reason)
		assert.Equal(t, 2, n.Reboots.Asked())
	})
}

// The right went while the machine was asked and didn't go down: after its time the note goes too, so that the node can have its turn, and its SDS maintenance, anew.
func TestReboot_nothingHappensAndTheRightIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := rebootable()
		n.Leases.Grant(api.LeaseReboot, true)
		p := start(n)
		p.rest(t)
		require.Equal(t, 1, n.Reboots.Asked())
		n.Leases.Grant(api.LeaseReboot, false)
		time.Sleep(4 * time.Minute)
		assert.Equal(t, "Rebooting", p.rest(t)["reboot-node"].Reason)
		time.Sleep(2 * time.Minute)
		assert.Equal(t, "RebootWaits", p.rest(t)["reboot-node"].Reason)
		assert.NotContains(t, n.Files.Tree("/var/lib"), installer.IntentFile("reboot", ""))
		assert.True(t, n.Leases.Wanted(api.LeaseReboot))
		assert.Equal(t, 1, n.Reboots.Asked())
		n.Leases.Grant(api.LeaseReboot, true)
		assert.Equal(t, "Rebooting", p.rest(t)["reboot-node"].Reason)
		assert.Equal(t, 2, n.Reboots.Asked())
	})
}

// A reboot for a kernel that the boot loader then doesn't take isn't done again and again.
func TestReboot_inVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Spec.Reboots = api.RebootsRolling
		n.Leases.Grant(api.LeaseReboot, true)
		start(n).rest(t)
		installKernel(n, newerKernel)
		inManifest(n, newerKernel, n.Module(newerKernel).File())
		start(n).rest(t)
		require.Equal(t, 1, n.Reboots.Asked())
		n.Reboot() // with the same kernel
		got := start(n).rest(t)["reboot-node"]
		assert.Equal(t, "RebootInVain", got.Reason, got.Message)
		assert.Contains(t, got.Message, newerKernel)
		assert.Equal(t, 1, n.Reboots.Asked())

		n.Files.Delete("/boot/vmlinuz-" + newerKernel) // a person sees to it
		got = start(n).rest(t)["reboot-node"]
		assert.Equal(t, api.True, got.Status, got.Message)
	})
}

// What a reboot was for and didn't end isn't a reason for another, whatever it was: each would end like this one.
func TestReboot_inVainWithTheSameKernel(t *testing.T) {
	required := func(n *installertest.Node) { n.Files.Set("/run/reboot-required", "", 0o644) }
	for name, c := range map[string]struct{ asks, mends func(*installertest.Node) }{
		"a file that outlives the boot": {required, func(n *installertest.Node) { n.Files.Delete("/run/reboot-required") }},
		"the vendor's script loads another module": {func(n *installertest.Node) {
			n.Files.Set("/sys/module/scini/srcversion", "0LD\n", 0o444)
			n.SetModuleUsers(1)
		}, func(n *installertest.Node) { n.LoseModule() }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := one()
				n.Spec.Reboots = api.RebootsRolling
				n.Leases.Grant(api.LeaseReboot, true)
				start(n).rest(t)
				c.asks(n)
				start(n).rest(t)
				require.Equal(t, 1, n.Reboots.Asked())
				n.Reboot()
				c.asks(n)
				n.SetModuleUsers(0) // nobody uses it yet: that comes with the first volume
				assert.Equal(t, "RebootInVain", check(t, n, "reboot-node").Reason)
				n.SetModuleUsers(1)
				for range 3 {
					got := start(n).rest(t)["reboot-node"]
					assert.Equal(t, "RebootInVain", got.Reason, got.Message)
				}
				assert.Equal(t, 1, n.Reboots.Asked())

				n.SetModuleUsers(0)
				c.mends(n)
				got := start(n).rest(t)["reboot-node"]
				assert.Equal(t, api.True, got.Status, got.Message)
				assert.Equal(t, 1, n.Reboots.Asked())
			})
		})
	}
}

// After a boot nothing tells whether it helped before the module is loaded.
func TestReboot_forAModuleIsJudgedWhenOneIsLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Spec.Reboots = api.RebootsRolling
		n.Leases.Grant(api.LeaseReboot, true)
		start(n).rest(t)
		n.Files.Set("/sys/module/scini/srcversion", "0LD\n", 0o444)
		n.SetModuleUsers(1)
		start(n).rest(t)
		require.Equal(t, 1, n.Reboots.Asked())
		n.SetModuleUsers(0)
		n.Reboot()
		n.LoseModule()
		f := check(t, n, "reboot-node")
		assert.Equal(t, step.Waiting, f.Verdict, f.Message)
		got := start(n).rest(t)
		assert.Equal(t, api.True, got["load-scini"].Status, got["load-scini"].Message)
		assert.Equal(t, "Satisfied", got["reboot-node"].Reason, got["reboot-node"].Message)
	})
}

// Where the system is an image, the store is where modules are loaded from, by a unit of ours that asks for the kernel's release itself.
func TestModule_imageBased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := flatcar()
		const kernel, next = "6.6.88-flatcar", "6.6.95-flatcar"
		inManifest(n, kernel, n.Module(kernel).File())
		p := start(n)
		got := p.rest(t)
		for _, name := range []string{"provide-scini-module", "load-scini", "prepare-next-kernel"} {
			assert.Equal(t, api.True, got[name].Status, "%s: %s: %s", name, got[name].Reason, got[name].Message)
		}
		tree := n.Files.Tree("/")
		assert.Contains(t, tree, "/opt/scaleio-agent/modules/"+kernel+"/scini.ko")
		unit := tree["/etc/systemd/system/scaleio-scini-module.service"]
		assert.Contains(t, unit, "ConditionPathExists=/opt/scaleio-agent/modules/%v/scini.ko")
		assert.Contains(t, unit, "Before=scini.service")
		assert.Positive(t, n.Units.Count("enable", "scaleio-scini-module.service"))
	})
}

// There nobody asks for the vendor's signature: what has no digest isn't taken.
func TestModule_imageBasedTakesNoMirror(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := flatcar()
		const kernel = "6.6.88-flatcar"
		n.Spec.ModuleMirror = mirrorURL
		for _, system := range scaleio.ModuleOSes(n.Facts) {
			n.Download.Serve(mirrorURL+"/"+system+"/3.6.700.103/"+kernel+"/scini.tar", n.Module(kernel).File())
		}
		got := start(n).rest(t)["provide-scini-module"]
		assert.NotEqual(t, api.True, got.Status, got.Message)
		assert.NotContains(t, got.Message, mirrorURL)
		assert.Empty(t, n.Files.Tree(sciniDir))
	})
}

func enterpriseLinux() *installertest.Node {
	n := one()
	n.Become(func(f *platform.Facts) {
		f.OS, f.ID, f.IDLike, f.VersionID, f.Pretty, f.Family, f.Tool = "rocky9.4", "rocky", []string{"rhel"}, "9.4", "Rocky Linux 9.4", platform.FamilyRPM, "dnf"
		f.Kernel = "5.14.0-427.13.1.el9_4.x86_64"
	})
	return n
}

func flatcar() *installertest.Node {
	n := three()[2]
	n.Become(func(f *platform.Facts) {
		f.OS, f.ID, f.IDLike, f.VersionID, f.Pretty, f.Family, f.Tool = "flatcar4459.0.0", "flatcar", []string{"coreos"}, "4459.0.0", "Flatcar 4459.0.0", platform.FamilyFlatcar, ""
		f.Kernel, f.Immutable, f.UsrReadOnly, f.SysextLevel = "6.6.88-flatcar", true, true, "1.0"
	})
	n.Spec.Role, n.WithoutModule = api.RoleClient, true
	return n
}

// A reboot that didn't come and isn't needed any more is forgotten, not repeated.
func TestReboot_notNeededAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := rebootable()
		n.Leases.Grant(api.LeaseReboot, true)
		p := start(n)
		p.rest(t)
		require.Equal(t, 1, n.Reboots.Asked())
		n.Files.Delete("/run/reboot-required")
		time.Sleep(6 * time.Minute)
		got := p.rest(t)["reboot-node"]
		assert.Equal(t, "Satisfied", got.Reason, got.Message)
		assert.Equal(t, 1, n.Reboots.Asked())
	})
}

// Between the note of a reboot and the reboot, or its end, the policy may change: the note goes, and the disruption lease with it.
func TestReboot_policyChangesMeanwhile(t *testing.T) {
	note := installer.IntentFile("reboot", "")
	for name, then := range map[string]func(*installertest.Node){
		"nothing comes of it":                 func(*installertest.Node) { time.Sleep(6 * time.Minute) },
		"it comes":                            func(n *installertest.Node) { n.Files.Delete("/run/reboot-required"); n.Reboot() },
		"it comes in vain":                    func(n *installertest.Node) { n.Reboot() },
		"it was for a module that isn't used": func(n *installertest.Node) { n.Reboot(); n.LoseModule() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := rebootable()
				n.Leases.Grant(api.LeaseReboot, true)
				start(n).rest(t)
				require.Equal(t, 1, n.Reboots.Asked())
				require.Contains(t, n.Files.Tree("/var/lib"), note)
				n.Spec.Reboots = api.RebootsNever
				n.Spec.Version.Generation++
				assert.Equal(t, "Rebooting", start(n).rest(t)["reboot-node"].Reason, "it may still come: the lease stays")
				then(n)
				n.Leases.Forget()
				got := start(n).rest(t)["reboot-node"]
				assert.Equal(t, api.True, got.Status, got.Message)
				assert.NotContains(t, n.Files.Tree("/var/lib"), note)
				n.Leases.Forget()
				start(n).rest(t)
				assert.False(t, n.Leases.Wanted(api.LeaseReboot))
				assert.Equal(t, 1, n.Reboots.Asked())
			})
		})
	}
}
