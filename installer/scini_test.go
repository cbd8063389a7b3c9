package installer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
)

// settle walks the whole plan of one process until nothing changes any more, and gives the conditions.
func settle(t *testing.T, n *installertest.Node) map[string]api.Condition {
	t.Helper()
	i := n.Installer()
	r := &step.Reconciler{Log: quietLog}
	for range 20 {
		p, err := i.Plan(n.Input())
		require.NoError(t, err)
		res := r.Pass(t.Context(), p, n.Spec.Gates, n.Spec.Version.Generation)
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

// installed is a node whose SDC is installed, and nothing of its module done yet.
func installed(t *testing.T, n *installertest.Node) *installertest.Node {
	t.Helper()
	before(t, n, "load-scini")
	return n
}

const sciniDir = "/opt/scaleio-agent/modules/"

func TestModule_sourcesInOrder(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*testing.T, *installertest.Node)
		want step.Verdict
		from string
	}{
		"the package's own": {func(_ *testing.T, n *installertest.Node) { n.WithoutModule = false }, step.Satisfied, scaleio.PathSciniSync},
		"the mirror": {func(t *testing.T, n *installertest.Node) {
			onMirror(n, runningKernel, packed(t, n.Module(runningKernel).File()))
			inManifest(n, runningKernel, n.Module(runningKernel).File())
		}, step.Satisfied, scaleio.PathSciniSync},
		"the manifest, where the mirror has none": {func(_ *testing.T, n *installertest.Node) {
			n.Spec.ModuleMirror = mirrorURL
			inManifest(n, runningKernel, n.Module(runningKernel).File())
		}, step.Satisfied, scaleio.PathSciniSync},
		"the manifest, where the mirror's is for another kernel": {func(_ *testing.T, n *installertest.Node) {
			onMirror(n, runningKernel, n.Module(newerKernel).File())
			inManifest(n, runningKernel, n.Module(runningKernel).File())
		}, step.Satisfied, scaleio.PathSciniSync},
		"the kernel's own tree": {func(_ *testing.T, n *installertest.Node) {
			n.Files.Set("/lib/modules/"+runningKernel+"/updates/dkms/scini.ko", string(n.Module(runningKernel).File()), 0o644)
		}, step.Satisfied, "/lib/modules"},
		"none but the one that is loaded, whatever is listed": {func(_ *testing.T, n *installertest.Node) {
			n.Files.Set("/sys/module/scini/initstate", "live\n", 0o444)
			inManifest(n, runningKernel, n.Module(runningKernel).File())
			n.Download.Serve(n.Spec.Modules[0].URL, nil) // it isn't fetched
		}, step.Satisfied, "scini is loaded for kernel"},
		"none": {func(*testing.T, *installertest.Node) {}, step.Blocked, "there is no scini 3.6.700.103 for kernel 5.15.0-122-generic"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := withoutModule(t)
				c.set(t, n)
				installed(t, n)
				i := n.Installer()
				p, err := i.Plan(n.Input())
				require.NoError(t, err)
				for _, item := range p {
					if item.Step.Name() != "provide-scini-module" {
						continue
					}
					f, err := item.Step.Check(t.Context())
					require.NoError(t, err)
					if f.Verdict == step.Needed {
						require.NoError(t, item.Step.Apply(t.Context()))
						f, err = item.Step.Check(t.Context())
						require.NoError(t, err)
					}
					assert.Equal(t, c.want, f.Verdict, f.Message)
					assert.Contains(t, f.Message, c.from)
				}
			})
		})
	}
}

// What is refused names kernel, driver and what to do; it is never loaded and never put in place.
func TestModule_refused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*installertest.Node, *platformtest.KernelModule)
		reason string
		says   []string
	}{
		"another kernel's": {func(_ *installertest.Node, m *platformtest.KernelModule) { m.Vermagic = newerKernel + " SMP" }, "WrongKernel", []string{newerKernel, runningKernel}},
		"Secure Boot": {func(n *installertest.Node, _ *platformtest.KernelModule) {
			n.Facts.SecureBoot, n.Facts.Lockdown = "enabled", "integrity"
		}, "UnsignedSecureBoot", []string{"mokutil"}},
		"lockdown":       {func(n *installertest.Node, _ *platformtest.KernelModule) { n.Facts.Lockdown = "integrity" }, "UnsignedLockdown", []string{"lockdown=integrity"}},
		"sig_enforce":    {func(n *installertest.Node, _ *platformtest.KernelModule) { n.Facts.SigEnforce = true }, "UnsignedEnforced", []string{"module.sig_enforce=1"}},
		"another module": {func(_ *installertest.Node, m *platformtest.KernelModule) { m.Name = "nvme" }, "WrongModule", []string{"nvme"}},
	} {
		for _, where := range []string{"in the cache", "on the mirror"} {
			t.Run(name+", "+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := withoutModule(t)
					m := n.Module(runningKernel)
					c.change(n, &m)
					installed(t, n)
					if where == "in the cache" {
						n.Files.Set(n.CachedModule(runningKernel), string(m.File()), 0o644)
					} else {
						onMirror(n, runningKernel, packed(t, m.File()))
					}
					got := settle(t, n)["provide-scini-module"]
					assert.Equal(t, c.reason, got.Reason, got.Message)
					for _, words := range append(c.says, "3.6.700.103", runningKernel, "To go on: ") {
						assert.Contains(t, got.Message, words)
					}
					assert.Empty(t, n.Files.Tree(sciniDir))
					assert.Empty(t, n.Jobs.Ran(), "nothing may try to load it")
				})
			})
		}
	}
}

// A mirror that can't be reached is tried again; one that has nothing is left alone for a while, and asked again then.
func TestModule_mirrorIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := withoutModule(t)
		n.Spec.ModuleMirror = mirrorURL
		installed(t, n)
		i := n.Installer()
		look := func() step.Finding {
			p, err := i.Plan(n.Input())
			require.NoError(t, err)
			for _, item := range p {
				if item.Step.Name() == "provide-scini-module" {
					f, err := item.Step.Check(t.Context())
					require.NoError(t, err)
					if f.Verdict == step.Needed {
						require.NoError(t, item.Step.Apply(t.Context()))
						f, err = item.Step.Check(t.Context())
						require.NoError(t, err)
					}
					return f
				}
			}
			return step.Finding{}
		}
		f := look()
		assert.Equal(t, "NoModule", f.Reason)
		assert.Contains(t, f.Message, "Ubuntu22.04/3.6.700.103/"+runningKernel+"/scini.tar", "where to put it")
		onMirror(n, runningKernel, packed(t, n.Module(runningKernel).File()))
		assert.Equal(t, step.Blocked, look().Verdict)
		time.Sleep(11 * time.Minute)
		assert.Equal(t, step.Satisfied, look().Verdict)
	})
}

// What is in the store for a kernel that can be booted here stays: the running one's, those of others that are installed, and the next one's, which an update
// of the system brings before its kernel. What others laid beside it isn't ours to clean.
func TestModule_storeIsCleaned(t *testing.T) {
	const gone, installedToo = "5.15.0-1-generic", "5.15.0-100-generic"
	const theirs = "/opt/emc/scaleio/modules/" + gone + "/scini.ko"
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Files.Set("/lib/modules/"+installedToo+"/modules.dep", "", 0o644)
		installKernel(n, newerKernel)
		for _, kernel := range []string{gone, installedToo, newerKernel, runningKernel} {
			inManifest(n, kernel, n.Module(kernel).File())
			n.Files.Set(sciniDir+kernel+"/scini.ko", string(n.Module(kernel).File()), 0o644)
			n.Files.Set(sciniDir+kernel+"/scini.json", "{}", 0o644)
		}
		n.Files.Set(theirs, "another's", 0o644)
		got := settle(t, n)
		assert.Equal(t, api.True, got["clean-modules"].Status, got["clean-modules"].Message)
		tree := n.Files.Tree("/opt")
		for kernel, stays := range map[string]bool{gone: false, installedToo: true, newerKernel: true, runningKernel: true} {
			_, there := tree[sciniDir+kernel+"/scini.ko"]
			assert.Equal(t, stays, there, kernel)
		}
		assert.Contains(t, tree, theirs)
	})
}

// In a container the host's modules say nothing: the tool's answer is the fact.
func TestModule_inAContainer(t *testing.T) {
	n := withoutModule(t)
	n.Facts.Container = "systemd-nspawn"
	installKernel(n, newerKernel)
	before(t, n, "connect-sdc")
	f := check(t, n, "load-scini")
	assert.Equal(t, step.Satisfied, f.Verdict, f.Message)
	plan, err := n.Installer().Plan(n.Input())
	require.NoError(t, err)
	for _, name := range []string{"provide-scini-module", "prepare-next-kernel", "clean-modules"} {
		assert.NotContains(t, plan.Names(), name, "the kernel is the host's")
	}
	n.Crash(scaleio.UnitSDC)
	assert.Equal(t, step.Needed, check(t, n, "load-scini").Verdict)
}

// A module of another kernel that lies where this one's belongs is replaced, also when both files have one size.
func TestModule_replacesWhatDoesNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := installed(t, withoutModule(t))
		wrong, right := n.Module(newerKernel).File(), n.Module(runningKernel).File()
		require.Len(t, wrong, len(right))
		n.Files.Set(n.CachedModule(runningKernel), string(wrong), 0o644)
		p := start(n)
		require.Equal(t, "WrongKernel", p.rest(t)["provide-scini-module"].Reason)
		inManifest(n, runningKernel, right)
		got := p.rest(t)
		assert.Equal(t, api.True, got["provide-scini-module"].Status, got["provide-scini-module"].Message)
		assert.Equal(t, api.True, got["load-scini"].Status, got["load-scini"].Message)
	})
}

// Where the package's own modules are trusted to fit, and none does after all, the node says so and doesn't go on trying.
func TestModule_packageOfEnterpriseLinuxHasNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := enterpriseLinux()
		n.WithoutModule = true
		p := start(n)
		var got api.Condition
		for range 10 {
			got = p.rest(t)["provide-scini-module"]
			time.Sleep(30 * time.Second)
		}
		assert.Equal(t, "NoModule", got.Reason, got.Message)
		assert.Contains(t, got.Message, "the start of scini found or built none")
		assert.Contains(t, got.Message, n.Facts.Kernel)
		assert.LessOrEqual(t, n.Units.Count("restart", scaleio.UnitSDC), 2)
	})
}

func TestLoadScini_removedBehindOurBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := installed(t, one())
		require.Equal(t, step.Satisfied, check(t, n, "load-scini").Verdict)
		time.Sleep(time.Minute)
		n.LoseModule()
		f := check(t, n, "load-scini")
		require.Equal(t, step.Needed, f.Verdict, f.Message)
		require.NoError(t, stepOf(t, n, "load-scini").Apply(t.Context()))
		assert.Equal(t, step.Satisfied, check(t, n, "load-scini").Verdict)
	})
}

// Another version is loaded anew if nobody uses it, and else never unloaded.
func TestLoadScini_anotherVersion(t *testing.T) {
	for name, users := range map[string]int{"idle": 0, "in use": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := installed(t, one())
				n.Files.Set("/sys/module/scini/srcversion", "0LD\n", 0o444)
				n.SetModuleUsers(users)
				stops := n.Units.Count("restart", scaleio.UnitSDC)
				f := check(t, n, "load-scini")
				if users > 0 {
					assert.Equal(t, step.Blocked, f.Verdict)
					assert.Equal(t, "RebootNeeded", f.Reason)
					assert.Contains(t, f.Message, "never unloaded")
					assert.Equal(t, stops, n.Units.Count("restart", scaleio.UnitSDC))
					assert.Contains(t, check(t, n, "reboot-node").Message, "in use")
					return
				}
				require.Equal(t, "OtherModule", f.Reason)
				require.NoError(t, stepOf(t, n, "load-scini").Apply(t.Context()))
				assert.Equal(t, step.Satisfied, check(t, n, "load-scini").Verdict)
			})
		})
	}
}

func TestLoadScini_deafAndInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := installed(t, one())
		time.Sleep(time.Minute)
		n.SetModuleUsers(1)
		n.Files.Delete(scaleio.PathScini)
		f := check(t, n, "load-scini")
		assert.Equal(t, step.Blocked, f.Verdict, "a restart would unload it")
		assert.Equal(t, "RebootNeeded", f.Reason)
	})
}

func TestLoadScini_modulesDisabled(t *testing.T) {
	n := installed(t, one())
	n.LoseModule()
	n.Files.Set("/proc/sys/kernel/modules_disabled", "1\n", 0o444)
	f := check(t, n, "load-scini")
	assert.Equal(t, step.Blocked, f.Verdict)
	assert.Equal(t, "ModulesDisabled", f.Reason)
}

// The kernel's own answer tells why the SDC's start didn't load what looked right; another file is tried again.
func TestLoadScini_kernelRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := installed(t, one())
		n.LoseModule()
		n.Units.Starting = func(string) error { return nil } // its unit is active, and nothing was loaded
		n.Jobs.Run = func(_ context.Context, job systemd.Job) error {
			assert.Equal(t, []string{"/sbin/insmod", n.CachedModule(runningKernel)}, job.Argv)
			return &systemd.JobError{Unit: job.Name, Result: "exit-code", Code: 1, Output: "insmod: ERROR: could not insert module " + job.Argv[1] + ": Unknown symbol in module\n"}
		}
		n.Units.Stopping(scaleio.UnitSDC)
		got := settle(t, n)
		assert.Equal(t, "UnknownSymbol", got["provide-scini-module"].Reason, got["provide-scini-module"].Message)
		assert.Contains(t, got["provide-scini-module"].Message, runningKernel)
		assert.Len(t, n.Jobs.Ran(), 1, "not again and again")
	})
}
