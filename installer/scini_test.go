package installer_test

import (
	"context"
	"strings"
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

func TestOwnSDCGUID(t *testing.T) {
	const cloned = "11111111-2222-3333-4444-555555555555"
	for name, c := range map[string]struct {
		witness string // machine-id in it
		text    string
		renewed bool
	}{
		"a clone":                          {"another machine", "ini_guid " + cloned + "\nmdm 10.0.0.11\n", true},
		"its own":                          {"this", "ini_guid " + cloned + "\nmdm 10.0.0.11\n", false},
		"an image's, without an agent":     {"", "ini_guid " + cloned + "\n", true},
		"a clone, of another cluster":      {"another machine", "ini_guid " + cloned + "\nmdm 192.168.7.7\n", true},
		"a member from before the agent":   {"", "ini_guid " + cloned + "\nmdm 10.0.0.11,10.0.0.12\n", false},
		"its own, and the GUID was lost":   {"this", "mdm 10.0.0.11\n", true},
		"broken witness, and not a member": {"{", "ini_guid " + cloned + "\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := installed(t, one())
				n.Files.Set(scaleio.PathDrvCfgText, c.text, 0o600)
				n.Reboot()
				const file = "/var/lib/scaleio-agent/sdc-guid.json"
				n.Files.Delete(file)
				switch c.witness {
				case "":
				case "{":
					n.Files.Set(file, "{", 0o600)
				case "this":
					n.Files.Set(file, `{"machineId":"`+n.Facts.MachineID+`"}`, 0o600)
				default:
					n.Files.Set(file, `{"machineId":"`+c.witness+`"}`, 0o600)
				}
				got := settle(t, n)
				require.Equal(t, api.True, got["own-sdc-guid"].Status, got["own-sdc-guid"].Message)
				require.Equal(t, api.True, got["load-scini"].Status, got["load-scini"].Message)
				text := n.Files.Tree("/etc")[scaleio.PathDrvCfgText]
				assert.Equal(t, !c.renewed, strings.Contains(text, cloned), text)
				out, err := n.System().Commands.Run(t.Context(), drvCfgGUID)
				require.NoError(t, err)
				assert.Contains(t, text, strings.TrimSpace(string(out.Stdout)), "the driver runs with it")
				assert.Contains(t, text, "mdm 10.0.0.11", "what else is in the file stays, and connect-sdc adds to it")
			})
		})
	}
}

// Another system's mappings hang on the GUID: a person says whose it is.
func TestOwnSDCGUID_ofAnotherSystem(t *testing.T) {
	const (
		file    = "/var/lib/scaleio-agent/sdc-guid.json"
		guid    = "ini_guid 11111111-2222-3333-4444-555555555555\n"
		foreign = guid + "mdm 192.168.7.7\n"
	)
	for name, c := range map[string]struct {
		decide func(*installertest.Node)
		kept   bool
	}{
		"kept":    {func(n *installertest.Node) { n.Files.Set(file, `{"machineId":"`+n.Facts.MachineID+`"}`, 0o600) }, true},
		"renewed": {func(n *installertest.Node) { n.Files.Set(scaleio.PathDrvCfgText, guid, 0o600) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := installed(t, one())
				n.Files.Set(scaleio.PathDrvCfgText, foreign, 0o600)
				n.Reboot()
				n.Files.Delete(file)
				for _, witness := range []string{"", "{"} {
					if witness != "" {
						n.Files.Set(file, witness, 0o600)
					}
					got := settle(t, n)["own-sdc-guid"]
					assert.Equal(t, "ForeignGUID", got.Reason, got.Message)
					for _, words := range []string{"192.168.7.7", file, scaleio.PathDrvCfgText, n.Facts.MachineID} {
						assert.Contains(t, got.Message, words)
					}
					require.NoError(t, stepOf(t, n, "own-sdc-guid").Apply(t.Context()))
					assert.Equal(t, foreign, n.Files.Tree("/etc")[scaleio.PathDrvCfgText])
				}
				c.decide(n)
				got := settle(t, n)["own-sdc-guid"]
				require.Equal(t, api.True, got.Status, got.Message)
				assert.Equal(t, c.kept, strings.Contains(n.Files.Tree("/etc")[scaleio.PathDrvCfgText], guid))
			})
		})
	}
}

// Images take the machine-id with them, an instance's id never.
func TestOwnSDCGUID_ofAnotherInstance(t *testing.T) {
	const here, another = "i-0123456789abcdef0", "i-0fedcba9876543210"
	for name, c := range map[string]struct {
		node, made string
		renewed    bool
	}{
		"its own":                       {here, here, false},
		"a clone's":                     {here, another, true},
		"made before there was a cloud": {here, "", false},
		"a node that isn't known by its instance": {"0123456789abcdef0123456789abcdef", another, false},
	} {
		n := installed(t, one())
		n.Spec.Node = c.node
		n.Files.Set("/var/lib/scaleio-agent/sdc-guid.json", `{"machineId":"`+n.Facts.MachineID+`","instance":"`+c.made+`"}`, 0o600)
		before := n.Files.Tree("/etc")[scaleio.PathDrvCfgText]
		require.NoError(t, stepOf(t, n, "own-sdc-guid").Apply(t.Context()))
		assert.Equal(t, c.renewed, before != n.Files.Tree("/etc")[scaleio.PathDrvCfgText], name)
		assert.Equal(t, step.Satisfied, check(t, n, "own-sdc-guid").Verdict, name)
		if c.renewed {
			assert.Contains(t, n.Files.Tree("/var")["/var/lib/scaleio-agent/sdc-guid.json"], here)
		}
	}
}

// A renewed GUID doesn't interrupt who uses volumes.
func TestOwnSDCGUID_inUse(t *testing.T) {
	n := installed(t, one())
	n.SetModuleUsers(2)
	n.Files.Set("/var/lib/scaleio-agent/sdc-guid.json", `{"machineId":"another"}`, 0o600)
	require.NoError(t, stepOf(t, n, "own-sdc-guid").Apply(t.Context()))
	f := check(t, n, "load-scini")
	assert.Equal(t, "RebootNeeded", f.Reason, f.Message)
}
