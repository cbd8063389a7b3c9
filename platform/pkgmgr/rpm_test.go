package pkgmgr

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
)

func TestRPM_Install(t *testing.T) {
	m := newRPMMachine(pathDNF)
	m.files.Set(envDir+"/left-by-a-killed-run.env", "SECRET=1", 0o600)
	_, err := m.rpm.State(t.Context(), sdc)
	require.ErrorIs(t, err, platform.ErrNotFound)
	require.NoError(t, m.rpm.Install(t.Context(), rpmFile, map[string]string{"MDM_IP": "10.0.0.1,10.0.0.2"}))
	require.Len(t, m.jobs, 1)
	job := m.jobs[0]
	assert.Equal(t, "scaleio-agent-pkg-install-EMC-ScaleIO-sdc", job.Name)
	assert.Equal(t, []string{pathDNF, "-y", "--setopt=exit_on_lock=1", "--setopt=install_weak_deps=0", "--disablerepo=*", "install", rpmFile}, job.Argv)
	assert.NotContains(t, strings.Join(append(job.Env, job.Argv...), " "), "10.0.0.1", "D-Bus shows those to everybody")
	assert.Equal(t, "MDM_IP=\"10.0.0.1,10.0.0.2\"\n", m.env[0])
	assert.Empty(t, m.files.Tree(envDir), "deleted afterwards, and so is what was left")
	state, err := m.rpm.State(t.Context(), sdc)
	require.NoError(t, err)
	assert.Equal(t, platform.PackageState{Version: "3.6-700.103.el9", Configured: true}, state)

	asked := m.asked
	_, err = m.rpm.State(t.Context(), sdc)
	require.NoError(t, err)
	assert.Equal(t, asked, m.asked, "the history is asked once about one installation")
	require.NoError(t, m.rpm.Install(t.Context(), rpmFile, nil))
	assert.Equal(t, []string{"install-" + sdc}, m.names(), "it is there and whole: another agent saw to it")
}

func TestRPM_Install_yum(t *testing.T) {
	m := newRPMMachine(pathYum)
	require.NoError(t, m.rpm.Install(t.Context(), rpmFile, nil))
	assert.Equal(t, []string{pathYum, "-y", "--setopt=exit_on_lock=1", "--disablerepo=*", "install", rpmFile}, m.jobs[0].Argv)

	m = newRPMMachine("/usr/bin/zypper")
	require.ErrorIs(t, m.rpm.Install(t.Context(), rpmFile, nil), platform.ErrNotFound)
}

func TestRPM_Install_mends(t *testing.T) {
	answer := func(code int, file string) *ended { return &ended{code, recorded(t, file)} }
	const install = "install-" + sdc
	for _, row := range []struct {
		name    string
		answers []error
		jobs    []string
		argv    string // of the last job
		kind    Kind   // "" = it works in the end
	}{
		{"something else is needed", []error{answer(1, "dnf-unmet.txt")}, []string{install, install}, "install_weak_deps=0 install", ""},
		{"nobody has what is needed", []error{answer(1, "dnf-unmet.txt"), answer(1, "dnf-unmet.txt")}, []string{install, install}, "", Unmet},
		{"the repository is away for a moment", []error{answer(1, "dnf-unmet.txt"), answer(1, "dnf-unreachable.txt")}, []string{install, install, install}, "--refresh", ""},
		{"it stays away", []error{answer(1, "dnf-unmet.txt"), answer(1, "dnf-unreachable.txt"), answer(1, "dnf-unreachable.txt")}, []string{install, install, install}, "", Network},
		{"a lock that was taken just now", []error{answer(200, "dnf-locked.txt")}, []string{install, install}, "", ""},
		{"a failing %pre", []error{answer(1, "dnf-badpre.txt")}, []string{install}, "", ScriptFailed},
		{"a file of another package", []error{answer(1, "dnf-conflict.txt")}, []string{install}, "", Conflict},
		{"the administrator wants signatures", []error{answer(1, "dnf-unsigned.txt")}, []string{install}, "", NotSigned},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := newRPMMachine(pathDNF)
			m.answers[install] = row.answers
			err := m.rpm.Install(t.Context(), rpmFile, map[string]string{"MDM_IP": "10.0.0.1"})
			assert.Equal(t, row.jobs, m.names())
			assert.Contains(t, strings.Join(m.jobs[len(m.jobs)-1].Argv, " "), row.argv)
			for _, env := range m.env {
				assert.Contains(t, env, "MDM_IP", "scripts that run again need their environment too")
			}
			if row.kind == "" {
				require.NoError(t, err)
				return
			}
			var failed *Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, row.kind, failed.Kind)
		})
	}
}

// dnf exits with 0 when %post fails, and rpm's database has no word of it.
func TestRPM_Install_scriptFailed(t *testing.T) {
	m := newRPMMachine(pathDNF)
	m.scripts = "   1 can't use hunter2\n   2 warning: %post(EMC-ScaleIO-sdc-3.6-700.103.el9.x86_64) scriptlet failed, exit status 1\n"
	err := m.rpm.Install(t.Context(), rpmFile, map[string]string{"GATEWAY_ADMIN_PASSWORD": "hunter2"})
	var failed *Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, ScriptFailed, failed.Kind)
	assert.Contains(t, err.Error(), "can't use [redacted]; warning: %post")
	state, err := m.rpm.State(t.Context(), sdc)
	require.NoError(t, err)
	assert.Equal(t, platform.PackageState{Version: "3.6-700.103.el9"}, state, "a restarted agent finds it too")

	m.rpm.runJob = func(ctx context.Context, job Job) error {
		m.scripts = "   1 all is well now\n"
		return m.run(ctx, job)
	}
	require.NoError(t, m.rpm.Install(t.Context(), rpmFile, nil))
	assert.Equal(t, "reinstall-"+sdc, m.names()[1], "dnf would call it nothing to do")
}

func TestRPM_Install_looksAfterwards(t *testing.T) {
	m := newRPMMachine(pathDNF)
	m.verified = "S.5....T.  c /opt/conf\nmissing     /opt/emc/scaleio/sdc/bin/drv_cfg\nmissing   d /usr/share/doc/x\n"
	err := m.rpm.Install(t.Context(), rpmFile, nil)
	require.ErrorContains(t, err, "missing: /opt/emc/scaleio/sdc/bin/drv_cfg")
	require.NotContains(t, err.Error(), "/usr/share/doc")

	m = newRPMMachine(pathDNF)
	m.rpm.runJob = func(context.Context, Job) error {
		m.installed[sdc] = []string{"EMC-ScaleIO-sdc|0|3.0|1|x86_64|1"}
		return nil
	}
	require.ErrorContains(t, m.rpm.Install(t.Context(), rpmFile, nil), "3.0-1 is there")

	m.rpm.runJob = func(context.Context, Job) error { return context.DeadlineExceeded }
	require.ErrorIs(t, m.rpm.Install(t.Context(), rpmFile, nil), context.DeadlineExceeded)
}

func TestRPM_Install_refusesBeforeAnythingRuns(t *testing.T) {
	for name, row := range map[string]struct {
		change func(m *rpmMachine)
		kind   Kind
	}{
		"a newer version is there":  {func(m *rpmMachine) { m.installed[sdc] = []string{"EMC-ScaleIO-sdc|0|4.5|0.287.el9|x86_64|1"} }, Downgrade},
		"a newer epoch is there":    {func(m *rpmMachine) { m.installed[sdc] = []string{"EMC-ScaleIO-sdc|1|2.0|1|x86_64|1"} }, Downgrade},
		"damaged":                   {func(m *rpmMachine) { m.check = "DIGESTS NOT OK" }, Damaged},
		"no package":                {func(m *rpmMachine) { m.wanted = "error: not an rpm package" }, NotAPackage},
		"a version for rpm's Lua":   {func(m *rpmMachine) { m.wanted = `p|0|1"..os.exit()|1|noarch|0` }, NotAPackage},
		"not signed, and has to be": {func(m *rpmMachine) { m.files.Set(rpmFile+KeySuffix, "key", 0o600) }, NotSigned},
		"signed by somebody else": {func(m *rpmMachine) {
			m.files.Set(rpmFile+KeySuffix, "key", 0o600)
			m.check = "digests SIGNATURES NOT OK"
		}, NotSigned},
	} {
		t.Run(name, func(t *testing.T) {
			m := newRPMMachine(pathDNF)
			row.change(m)
			err := m.rpm.Install(t.Context(), rpmFile, nil)
			var failed *Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, row.kind, failed.Kind, err)
			assert.Empty(t, m.jobs)
		})
	}
	m := newRPMMachine(pathDNF)
	require.ErrorContains(t, m.rpm.Install(t.Context(), "sdc.rpm", nil), "absolute")
	require.ErrorContains(t, m.rpm.Install(t.Context(), rpmFile, map[string]string{"A B": "1"}), "no name")
	m.commands.Handle("/usr/bin/rpm", func(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
		return platform.Output{}, platformtest.Exit(cmd.Path, 1, "error: not an rpm package (or package manifest)")
	})
	require.ErrorContains(t, m.rpm.Install(t.Context(), rpmFile, nil), "NotAPackage")
	assert.Empty(t, m.jobs)
}

func TestRPM_Install_signed(t *testing.T) {
	m := newRPMMachine(pathDNF)
	m.files.Set(rpmFile+KeySuffix, "key", 0o600)
	m.check = "digests signatures OK"
	require.NoError(t, m.rpm.Install(t.Context(), rpmFile, nil))
	ring := func() string {
		sum, _, err := m.files.Digest(rpmFile + KeySuffix)
		require.NoError(t, err)
		return keyDir + "/" + sum
	}
	first := ring()
	mode, _, err := m.files.Stat(first)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), mode.Perm())

	m.files.Set(rpmFile+KeySuffix, "the next key", 0o600)
	require.NoError(t, m.rpm.Install(t.Context(), rpmFile, nil))
	_, _, err = m.files.Stat(ring())
	require.NoError(t, err, "the former key isn't in this one's ring")
	assert.NotEqual(t, first, ring())
}

func TestRPM_Require(t *testing.T) {
	m := newRPMMachine(pathYum)
	m.installed["libaio"] = []string{"libaio|0|0.3|1|x86_64|1"}
	require.NoError(t, m.rpm.Require(t.Context(), "libaio"))
	assert.Empty(t, m.jobs)
	m.answers["require"] = []error{&ended{1, "No package numactl available.\nError: Nothing to do"}}
	require.NoError(t, m.rpm.Require(t.Context(), "libaio", "numactl", "java-1.8.0-openjdk-headless"))
	assert.Equal(t, []string{"require", "clean", "require"}, m.names(), "yum's lists may be old")
	assert.Equal(t, []string{pathYum, "-y", "--setopt=exit_on_lock=1", "install", "numactl", "java-1.8.0-openjdk-headless"}, m.jobs[0].Argv)

	m.rpm.runJob = func(context.Context, Job) error { return nil } // yum, of several names: a success if it found one
	require.ErrorContains(t, m.rpm.Require(t.Context(), "binutils"), "aren't there")
	require.Error(t, m.rpm.Require(t.Context(), "-o=x"))
}

func TestRPM_Remove(t *testing.T) {
	m := newRPMMachine(pathDNF)
	require.NoError(t, m.rpm.Remove(t.Context(), sdc), "it isn't there")
	assert.Empty(t, m.jobs)
	m.installed[sdc] = []string{sdcLine + "1"}
	m.answers["remove-"+sdc] = []error{&ended{1, recorded(t, "rpm-locked.txt")}}
	require.NoError(t, m.rpm.Remove(t.Context(), sdc))
	assert.Equal(t, []string{"remove-" + sdc, "remove-" + sdc}, m.names())
	assert.Equal(t, []string{"/usr/bin/rpm", "-e", "--allmatches", sdc}, m.jobs[0].Argv)

	m.installed[sdc] = []string{sdcLine + "1"}
	m.answers["remove-"+sdc] = []error{&ended{1, "error: Failed dependencies:\n\tEMC-ScaleIO-sdc is needed by (installed) x-1.0-1.noarch"}}
	var failed *Error
	require.ErrorAs(t, m.rpm.Remove(t.Context(), sdc), &failed)
	assert.Equal(t, Unmet, failed.Kind)
	m.rpm.runJob = func(context.Context, Job) error { return nil }
	require.ErrorContains(t, m.rpm.Remove(t.Context(), sdc), "still there")
}

func TestRPM_State_halfDone(t *testing.T) {
	m := newRPMMachine(pathDNF)
	m.installed[sdc] = []string{sdcLine + "1"}
	m.list = recorded(t, "history-list-cut.txt")
	m.commands.Handle(pathDNF, func(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
		switch cmd.Args[2] {
		case "list":
			return said(m.list)
		case "info":
			if cmd.Args[3] == "7" {
				return said(strings.ReplaceAll(recorded(t, "history-info-cut.txt"), "slow-1.0-1.el9.noarch", "EMC-ScaleIO-sdc-3.6-700.103.el9.x86_64"))
			}
		}
		return failed(cmd.Path, "No transaction which manipulates package 'EMC-ScaleIO-sdc' was found.")
	})
	state, err := m.rpm.State(t.Context(), sdc)
	require.NoError(t, err)
	assert.Equal(t, platform.PackageState{Version: "3.6-700.103.el9"}, state, "transaction 7 never ended")

	m.list = ""
	state, err = m.rpm.State(t.Context(), sdc)
	require.NoError(t, err)
	assert.True(t, state.Configured, "an installation by rpm alone isn't in any history")

	m.installed[sdc] = []string{"EMC-ScaleIO-sdc|0|3.0|1|x86_64|1", sdcLine + "2"}
	state, err = m.rpm.State(t.Context(), sdc)
	require.NoError(t, err)
	assert.Equal(t, platform.PackageState{Version: "3.6-700.103.el9"}, state, "an upgrade that was cut leaves both")

	m.installed["libaio"] = []string{"libaio|0|0.3|1|i686|1", "libaio|0|0.3|1|x86_64|1"}
	state, err = m.rpm.State(t.Context(), "libaio")
	require.NoError(t, err)
	assert.True(t, state.Configured, "two architectures of others' packages are usual")

	m.commands.Handle(pathDNF, func(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
		return failed(cmd.Path, "Traceback")
	})
	m.installed[sdc] = []string{sdcLine + "3"}
	_, err = m.rpm.State(t.Context(), sdc)
	require.ErrorContains(t, err, "history")
}

func TestRPM_Recover(t *testing.T) {
	m := newRPMMachine(pathDNF)
	require.NoError(t, m.rpm.Recover(t.Context()))
	assert.Empty(t, m.jobs)

	m.installed[sdc] = []string{"EMC-ScaleIO-sdc|0|3.0|1|x86_64|1", sdcLine + "2"}
	m.installed["kernel"] = []string{"kernel|0|5.14|1|x86_64|1", "kernel|0|5.15|1|x86_64|1"}
	require.NoError(t, m.rpm.Recover(t.Context()))
	require.Len(t, m.jobs, 1)
	assert.Equal(t, []string{"/usr/bin/rpm", "-e", "--noscripts", "--nodeps", "EMC-ScaleIO-sdc-3.0-1.x86_64"}, m.jobs[0].Argv)
	assert.Equal(t, []string{sdcLine + "2"}, m.installed[sdc])

	m = newRPMMachine(pathYum)
	m.files.Set("/usr/sbin/yum-complete-transaction", "", 0o755)
	require.NoError(t, m.rpm.Recover(t.Context()))
	assert.Empty(t, m.jobs, "yum has nothing unfinished")
	m.files.Set("/var/lib/yum/transaction-all.2026-11-22.18:12.44", "", 0o644)
	require.NoError(t, m.rpm.Recover(t.Context()))
	assert.Equal(t, []string{"/usr/sbin/yum-complete-transaction", "-y", "--cleanup-only"}, m.jobs[0].Argv)
}

func TestRPMTexts(t *testing.T) {
	for file, want := range map[string]Kind{
		"dnf-badpre.txt": ScriptFailed, "dnf-unmet.txt": Unmet, "dnf-no-candidate.txt": NoCandidate, "dnf-not-a-package.txt": NotAPackage,
		"dnf-locked.txt": Locked, "rpm-locked.txt": Locked, "dnf-conflict.txt": Conflict, "dnf-unsigned.txt": NotSigned, "dnf-unknown-key.txt": NotSigned,
		"dnf-unreachable.txt": Network,
	} {
		assert.Equal(t, want, classify(rpmTexts, recorded(t, file)), file)
	}
	for text, want := range map[string]Kind{
		"Error: Transaction test error:\n  installing package x needs 10MB more space on the / filesystem": DiskFull,
		"Another app is currently holding the yum lock; exiting as configured by exit_on_lock":             Locked,
		"error: rpmdb: DB_RUNRECOVERY: Fatal error, run database recovery":                                 DatabaseBroken,
		"Error: Package: x (/x)\n           Requires: libaio":                                              Unmet,
		"something new": Failed,
	} {
		assert.Equal(t, want, classify(rpmTexts, text), text)
	}
	assert.Equal(t, "Error:; Problem: conflicting requests; - nothing provides libaio needed by needs-1.0-1.el9.noarch", lastLines(recorded(t, "dnf-unmet.txt")))
	assert.Equal(t, "no Java 8 runtime was found; error: %prein(badpre-1.0-1.el9.noarch) scriptlet failed, exit status 1; Error in PREIN scriptlet in rpm package badpre; Error: Transaction failed",
		lastLines(recorded(t, "dnf-badpre.txt")))
}

func TestPIDHolder(t *testing.T) {
	path := t.TempDir() + "/rpmdb_lock.pid"
	for text, want := range map[string]int{"": 0, "nonsense": 0, "-1": 0, fmt.Sprint(os.Getpid()): os.Getpid(), "4194304999": 0} {
		require.NoError(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
		pid, err := pidHolder(path)
		require.NoError(t, err)
		assert.Equal(t, want, pid, text)
	}
	pid, err := pidHolder(path + ".absent")
	require.NoError(t, err)
	assert.Zero(t, pid)
}
