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
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
)

func TestMergeIsolation(t *testing.T) {
	for name, c := range map[string]struct{ have, want, says string }{
		"default":         {"posix/cpu,posix/mem", "posix/cpu,posix/mem,filesystem/linux,docker/volume", ""},
		"empty":           {"", "filesystem/linux,docker/volume", ""},
		"all there":       {"docker/volume,filesystem/linux,cgroups/cpu", "docker/volume,filesystem/linux,cgroups/cpu", ""},
		"one there":       {"filesystem/linux,docker/runtime", "filesystem/linux,docker/runtime,docker/volume", ""},
		"posix excludes":  {"filesystem/posix,network/cni", "filesystem/linux,network/cni,docker/volume", ""},
		"blanks, doubles": {" cgroups/cpu, cgroups/cpu ,,", "cgroups/cpu,filesystem/linux,docker/volume", ""},
		"dvdi":            {"filesystem/linux,com_emccode_mesos_DockerVolumeDriverIsolator", "", "mounts the same volumes"},
		"shared":          {"filesystem/shared", "", "excludes filesystem/linux"},
		"somebody's own":  {"com_example_Isolator!x,volume/secret", "com_example_Isolator!x,volume/secret,filesystem/linux,docker/volume", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, says := installer.MergeIsolation(c.have)
			assert.Equal(t, c.want, got)
			assert.Contains(t, says, c.says)
			assert.Equal(t, c.says == "", says == "")
		})
	}
}

func FuzzMergeIsolation(f *testing.F) {
	f.Add("posix/cpu,posix/mem")
	f.Add("filesystem/posix,,docker/volume")
	f.Fuzz(func(t *testing.T, have string) {
		merged, conflict := installer.MergeIsolation(have)
		if conflict != "" {
			return
		}
		again, _ := installer.MergeIsolation(merged)
		assert.Equal(t, merged, again)
		entries := strings.Split(merged, ",")
		for _, e := range strings.Split(have, ",") {
			if e = strings.TrimSpace(e); e != "" && e != "filesystem/posix" {
				assert.Contains(t, entries, e)
			}
		}
	})
}

// isolated makes a node with a Mesos agent, up to the isolator's configuration.
func isolated(t *testing.T, flags map[string]string, frameworks ...installertest.Framework) *installertest.Node {
	n := one()
	n.InstallMesos(flags, frameworks...)
	before(t, n, "restart-mesos-agent")
	return n
}

func TestIsolator_noMesosAgentHere(t *testing.T) {
	n := one()
	f := check(t, n, "configure-isolator")
	assert.Equal(t, step.Satisfied, f.Verdict)
	assert.Equal(t, "no Mesos agent unit here", f.Message)
	assert.Equal(t, step.Satisfied, check(t, n, "restart-mesos-agent").Verdict)
}

func TestIsolator_filesAreMerged(t *testing.T) {
	n := isolated(t, map[string]string{"isolation": "cgroups/cpu,network/cni"})
	assert.Equal(t, "cgroups/cpu,network/cni,filesystem/linux,docker/volume\n", n.Files.Tree("/etc/mesos-agent")["/etc/mesos-agent/isolation"])
	mode, _, err := n.Files.Stat("/etc/mesos-agent/isolation")
	require.NoError(t, err)
	assert.EqualValues(t, 0o640, mode.Perm(), "kept")
	assert.Equal(t, "/var/lib/mesos/isolators/docker/volume\n", n.Files.Tree("/etc/mesos-agent")["/etc/mesos-agent/docker_volume_checkpoint_dir"])
}

func TestIsolator_whatNoFileSaysIsNotLost(t *testing.T) {
	n := one()
	n.InstallMesos(map[string]string{"isolation": "network/cni"})
	require.NoError(t, n.Files.Remove("/etc/mesos-agent/isolation")) // it came by the environment
	require.NoError(t, stepOf(t, n, "configure-isolator").Apply(t.Context()))
	assert.Equal(t, "network/cni,filesystem/linux,docker/volume\n", n.Files.Tree("/etc/mesos-agent")["/etc/mesos-agent/isolation"])
}

func TestIsolator_checkpointFolderOfAnOperatorStays(t *testing.T) {
	n := isolated(t, map[string]string{"docker_volume_checkpoint_dir": "/data/volumes"})
	assert.Equal(t, "/data/volumes\n", n.Files.Tree("/etc/mesos-agent")["/etc/mesos-agent/docker_volume_checkpoint_dir"])
}

func TestIsolator_whichUnitAndFolder(t *testing.T) {
	for name, c := range map[string]struct{ unit, folder, want string }{
		"agent":                   {"mesos-agent.service", "/etc/mesos-agent", "/etc/mesos-agent"},
		"slave":                   {"mesos-slave.service", "/etc/mesos-slave", "/etc/mesos-slave"},
		"new unit, old folder":    {"mesos-agent.service", "/etc/mesos-slave", "/etc/mesos-slave"},
		"a unit without a folder": {"mesos-agent.service", "/etc/other", ""},
	} {
		t.Run(name, func(t *testing.T) {
			n := one()
			n.Units.Set(c.unit, systemd.UnitState{Load: "loaded", Active: "active", Enabled: "enabled"})
			n.Files.Set(c.folder+"/isolation", "cgroups/cpu\n", 0o644)
			f := check(t, n, "configure-isolator")
			if c.want == "" {
				assert.Equal(t, "NoConfigFolder", f.Reason)
				return
			}
			require.NoError(t, stepOf(t, n, "configure-isolator").Apply(t.Context()))
			assert.Equal(t, "cgroups/cpu,filesystem/linux,docker/volume\n", n.Files.Tree(c.want)[c.want+"/isolation"])
		})
	}
}

func TestIsolator_dcosIsOnlyLookedAt(t *testing.T) {
	n := one()
	m := n.InstallMesos(map[string]string{"isolation": "cgroups/cpu"})
	n.Units.Set("mesos-agent.service", systemd.UnitState{})
	n.Units.Set("mesos-agent.service", systemd.UnitState{Load: "not-found"})
	n.Units.Set("dcos-mesos-slave.service", systemd.UnitState{Load: "loaded", Active: "active", Enabled: "enabled"})
	f := check(t, n, "configure-isolator")
	assert.Equal(t, "UnsafeRestart", f.Reason)
	assert.Contains(t, f.Message, "MESOS_ISOLATION")
	n.Files.Set(m.Folder+"/isolation", "filesystem/linux,docker/volume", 0o644)
	n.Run("mesos-agent.service")
	n.Units.Set("mesos-agent.service", systemd.UnitState{Load: "not-found"})
	assert.Equal(t, step.Satisfied, check(t, n, "configure-isolator").Verdict)
}

func TestRestart_onlyIfSafe(t *testing.T) {
	safe := installertest.Framework{ID: "f1", Checkpoint: true, Tasks: []string{"t1"}}
	for name, c := range map[string]struct {
		flags map[string]string
		spoil func(*installertest.Node)
		says  string
	}{
		"kill mode":           {nil, func(n *installertest.Node) { n.Mesos.KillMode = "control-group" }, "set KillMode=process in a drop-in of mesos-agent.service"},
		"no checkpointing":    {nil, func(n *installertest.Node) { n.Mesos.Set(safe, installertest.Framework{ID: "f2"}) }, "framework f2 (f2)"},
		"changed attributes":  {map[string]string{"attributes": "rack:r1"}, func(n *installertest.Node) { n.Files.Set("/etc/mesos-agent/attributes", "rack:r2\n", 0o644) }, "/etc/mesos-agent/attributes has changed"},
		"another host name":   {map[string]string{"hostname": "a"}, func(n *installertest.Node) { n.Files.Set("/etc/mesos-agent/hostname", "b\n", 0o644) }, "/etc/mesos-agent/hostname has changed"},
		"another work folder": {nil, func(n *installertest.Node) { n.Files.Set("/etc/mesos-agent/work_dir", "/srv/mesos\n", 0o644) }, "other work_dir"},
		"mixed kill mode":     {nil, func(n *installertest.Node) { n.Mesos.KillMode = "mixed" }, "KillMode=mixed"},
		"changed resources":   {map[string]string{"resources": "cpus:4"}, func(n *installertest.Node) { n.Files.Set("/etc/mesos-agent/resources", "cpus:8\n", 0o644) }, "other resources"},
	} {
		t.Run(name, func(t *testing.T) {
			n := isolated(t, c.flags, safe)
			n.Leases.Grant(api.LeaseDisruption, true)
			c.spoil(n)
			f := check(t, n, "restart-mesos-agent")
			assert.Equal(t, "UnsafeRestart", f.Reason)
			assert.Equal(t, step.Blocked, f.Verdict)
			assert.Contains(t, f.Message, c.says)
			assert.Contains(t, f.Message, "docker/volume", "the exact change")
			assert.False(t, n.Leases.Wanted(api.LeaseDisruption))
		})
	}
}

// What is unsafe may come up between the look and the act.
func TestRestart_looksAgainBeforeItActs(t *testing.T) {
	n := isolated(t, nil, installertest.Framework{ID: "f1", Checkpoint: true})
	n.Leases.Grant(api.LeaseDisruption, true)
	require.Equal(t, step.Needed, check(t, n, "restart-mesos-agent").Verdict)
	n.Mesos.Set(installertest.Framework{ID: "f2"})
	require.ErrorContains(t, stepOf(t, n, "restart-mesos-agent").Apply(t.Context()), "frameworks without checkpointing")
	assert.Equal(t, 1, n.Mesos.Starts())
}

// Another tool (Puppet, Chef) writes its own isolation back. Running as that file says isn't taken for running with the isolator; the fight ends after some rounds.
func TestRestart_anotherToolTakesTheFileBack(t *testing.T) {
	const file = "/etc/mesos-agent/isolation"
	own := func(n *installertest.Node) { n.Files.Set(file, "cgroups/cpu\n", 0o644) }
	t.Run("before the restart", func(t *testing.T) {
		n := isolated(t, map[string]string{"isolation": "cgroups/cpu"}, installertest.Framework{ID: "f1", Checkpoint: true, Tasks: []string{"t1"}})
		n.Leases.Grant(api.LeaseDisruption, true)
		own(n)
		f := check(t, n, "restart-mesos-agent")
		assert.Equal(t, "NotConfigured", f.Reason, f.Message)
		require.ErrorContains(t, stepOf(t, n, "restart-mesos-agent").Apply(t.Context()), "somebody else changed "+file)
		assert.Equal(t, 1, n.Mesos.Starts())
		assert.Equal(t, step.Needed, check(t, n, "configure-isolator").Verdict)
	})
	t.Run("while it comes back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, _ := restarting(t, func(n *installertest.Node) {
				n.Mesos.Restarted = func(m *installertest.MesosAgent) { own(n) }
			})
			assert.Equal(t, "NotConfigured", check(t, n, "restart-mesos-agent").Reason, "it runs with the isolator now; the next start wouldn't")
			assert.Equal(t, step.Needed, check(t, n, "configure-isolator").Verdict)
			require.NoError(t, stepOf(t, n, "configure-isolator").Apply(t.Context()))
			require.NoError(t, stepOf(t, n, "restart-mesos-agent").Apply(t.Context()))
			assert.Equal(t, step.Satisfied, check(t, n, "restart-mesos-agent").Verdict)
			assert.Equal(t, 2, n.Mesos.Starts(), "no restart for what it runs with")
		})
	})
	t.Run("a restart that was begun", func(t *testing.T) {
		n := isolated(t, map[string]string{"isolation": "cgroups/cpu"}, installertest.Framework{ID: "f1", Checkpoint: true})
		n.Leases.Grant(api.LeaseDisruption, true)
		n.Files.Set(installer.IntentFile("restart-mesos-agent", ""), `{"kind":"restart-mesos-agent","since":"2026-01-01T00:00:00Z","bootId":"b","detail":{"unit":"mesos-agent.service","agentId":"agent-1"}}`, 0o600)
		own(n)
		require.ErrorContains(t, stepOf(t, n, "restart-mesos-agent").Apply(t.Context()), "nothing was restarted")
		assert.Equal(t, 1, n.Mesos.Starts())
		assert.NotContains(t, n.Files.Tree("/var/lib"), installer.IntentFile("restart-mesos-agent", ""))
	})
	t.Run("again and again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := isolated(t, map[string]string{"isolation": "cgroups/cpu"})
			n.Leases.Grant(api.LeaseDisruption, true)
			plan := step.Plan{{Step: stepOf(t, n, "configure-isolator")}, {Step: stepOf(t, n, "restart-mesos-agent")}}
			r := &step.Reconciler{Log: quietLog}
			rest := func() (res step.Result) {
				for range 5 {
					if res = r.Pass(t.Context(), plan, nil, 1); !res.Acted {
						break
					}
				}
				return res
			}
			require.True(t, rest().Ready)
			for range 4 {
				own(n)
				time.Sleep(time.Minute)
				rest()
			}
			got := rest().Conditions[0]
			assert.Equal(t, api.ReasonRepairLimit, got.Reason)
			assert.Contains(t, got.Message, "find out what undoes it")
			assert.Equal(t, 2, n.Mesos.Starts(), "one restart in all")
		})
	})
}

func TestRestart_waitsForTheLease(t *testing.T) {
	n := isolated(t, nil)
	assert.Equal(t, "WaitingForLease", check(t, n, "restart-mesos-agent").Reason)
	assert.True(t, n.Leases.Wanted(api.LeaseDisruption))
	require.Error(t, stepOf(t, n, "restart-mesos-agent").Apply(t.Context()), "the act looks itself")
	assert.Equal(t, 1, n.Mesos.Starts())
	n.Leases.Grant(api.LeaseDisruption, true)
	assert.Equal(t, step.Needed, check(t, n, "restart-mesos-agent").Verdict)
}

// restarting runs the step's act with a Mesos agent that misbehaves.
func restarting(t *testing.T, spoil func(*installertest.Node)) (n *installertest.Node, took time.Duration) {
	n = isolated(t, map[string]string{"isolation": "cgroups/cpu"}, installertest.Framework{ID: "f1", Checkpoint: true, Tasks: []string{"t1", "t2"}})
	n.Leases.Grant(api.LeaseDisruption, true)
	spoil(n)
	begun := time.Now()
	_ = stepOf(t, n, "restart-mesos-agent").Apply(t.Context())
	return n, time.Since(begun)
}

func TestRestart_rollsBackWhatIsNotItselfAgain(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*installertest.Node)
		says  string
	}{
		"refuses its flags": {func(n *installertest.Node) {
			n.Mesos.Refuses = func(flags map[string]string) bool { return strings.Contains(flags["isolation"], "docker/volume") }
		}, "connection refused"},
		"another id": {func(n *installertest.Node) {
			n.Mesos.Restarted = func(m *installertest.MesosAgent) { m.ID = "agent-2" }
		}, "it came back as agent agent-2, it was agent-1"},
		"lost a task": {func(n *installertest.Node) {
			n.Mesos.Restarted = func(m *installertest.MesosAgent) {
				m.Set(installertest.Framework{ID: "f1", Checkpoint: true, Tasks: []string{"t2"}})
			}
		}, "tasks are missing: f1/t1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, took := restarting(t, c.spoil)
				assert.InDelta(t, 60, took.Seconds(), 1)
				assert.Equal(t, "cgroups/cpu\n", n.Files.Tree("/etc/mesos-agent")["/etc/mesos-agent/isolation"], "restored")
				assert.NotContains(t, n.Files.Tree("/etc/mesos-agent"), "/etc/mesos-agent/docker_volume_checkpoint_dir")
				assert.Equal(t, "cgroups/cpu", n.Mesos.Flags()["isolation"], "and running")
				for _, name := range []string{"configure-isolator", "restart-mesos-agent"} {
					f := check(t, n, name)
					assert.Equal(t, "RolledBack", f.Reason, name)
					assert.Contains(t, f.Message, c.says)
					assert.Contains(t, f.Message, installer.IntentFile("restart-mesos-agent", ""))
				}
				starts := n.Mesos.Starts()
				require.NoError(t, n.Files.Remove(installer.IntentFile("restart-mesos-agent", "")))
				assert.Equal(t, step.Needed, check(t, n, "configure-isolator").Verdict, "tried again after a person looked")
				assert.Equal(t, starts, n.Mesos.Starts())
			})
		})
	}
}

func TestRestart_aTaskThatFinishedIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, took := restarting(t, func(n *installertest.Node) {
			n.Mesos.Restarted = func(m *installertest.MesosAgent) {
				m.Set(installertest.Framework{ID: "f1", Checkpoint: true, Tasks: []string{"t2"}, Finished: []string{"t1"}})
			}
		})
		assert.Less(t, took, time.Second)
		assert.Equal(t, step.Satisfied, check(t, n, "restart-mesos-agent").Verdict)
		assert.Contains(t, n.Mesos.Flags()["isolation"], "cgroups/cpu,filesystem/linux,docker/volume")
		assert.Equal(t, 2, n.Mesos.Starts())
	})
}

func TestRestart_rollBackCutOffIsGoneOnWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := 0
		for n := 1; ; n++ {
			node := isolated(t, map[string]string{"isolation": "cgroups/cpu"}, installertest.Framework{ID: "f1", Checkpoint: true, Tasks: []string{"t1"}})
			node.Leases.Grant(api.LeaseDisruption, true)
			node.Mesos.Refuses = func(flags map[string]string) bool { return strings.Contains(flags["isolation"], "docker/volume") }
			node.Mesos.Restarted = func(*installertest.MesosAgent) {}
			s := stepOf(t, node, "restart-mesos-agent")
			cutAtWrite(node, n)
			_ = s.Apply(t.Context())
			done := !node.Cutter.HasCut()
			node.Cutter.Heal()
			if done {
				break
			}
			cut++
			for range 4 {
				f := check(t, node, "restart-mesos-agent")
				if f.Verdict != step.Needed {
					break
				}
				require.NoError(t, stepOf(t, node, "restart-mesos-agent").Apply(t.Context()))
			}
			assert.Equal(t, "RolledBack", check(t, node, "restart-mesos-agent").Reason, "cut at call %d", n)
			assert.Equal(t, "cgroups/cpu", node.Mesos.Flags()["isolation"], "cut at call %d", n)
		}
		assert.Positive(t, cut)
	})
}

// cutAtWrite cuts the nth call that isn't one of the many looks while it waits.
func cutAtWrite(n *installertest.Node, nth int) {
	seen := 0
	gone := false
	hook := func(call string, effect func() error) error {
		if !strings.HasPrefix(call, "ask ") {
			seen++
		}
		if seen == nth && !gone {
			gone = true
			n.Cutter.CutBefore(1)
		}
		return n.Cutter.Do(call, effect)
	}
	n.Files.Hook, n.Units.Hook = hook, hook
}
