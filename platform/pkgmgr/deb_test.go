package pkgmgr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/machinetest"
	"scaleio-framework/platform/platformtest"
)

// The real dpkg-query, on a database of ours.
func TestState_realQuery(t *testing.T) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		machinetest.Lacks(t, "dpkg-query")
	}
	d := NewDeb(platform.Runner{}, nil, nil)
	d.admin = []string{"--admindir=" + must(t)(os.Getwd()) + "/testdata/admindir"}
	for name, want := range map[string]platform.PackageState{
		"emc-scaleio-sds": {Version: "3.6-700.103", Configured: true},
		"emc-scaleio-sdc": {Version: "3.6-700.103"},
		"emc-scaleio-lia": {Version: "3.6-700.103"},
		"held":            {Version: "1:2.0~rc1-1", Configured: true},
		"waiting":         {Version: "1"},
	} {
		got, err := d.State(t.Context(), name)
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
	}
	for _, name := range []string{"emc-scaleio-mdm", "never-heard-of"} {
		_, err := d.State(t.Context(), name)
		require.ErrorIs(t, err, platform.ErrNotFound, name)
	}
	broken, err := d.reinstallRequired(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"emc-scaleio-lia"}, broken)
}

func must(t *testing.T) func(string, error) string {
	return func(s string, err error) string {
		t.Helper()
		require.NoError(t, err)
		return s
	}
}

func TestParseState(t *testing.T) {
	for text, want := range map[string]string{
		"ii |1.0\n":           "1.0 true",
		"hi |1.0\n":           "1.0 true",
		"iF |1.0\n":           "1.0 false",
		"iU |1.0\n":           "1.0 false",
		"iHR|1.0\n":           "1.0 false",
		"it |1.0\n":           "1.0 false",
		"rc |1.0\n":           "-",
		"un |\n":              "-",
		"":                    "-",
		"nonsense":            "-",
		"rc |1.0\nii |2.0\n":  "2.0 true", // two architectures
		"iF |1.0\nii |1.0\n":  "1.0 true",
		"ii |1.0\nrc |0.9\n":  "1.0 true",
		"ii |1:2.0~rc1-1|x\n": "1:2.0~rc1-1|x true",
	} {
		state, found := parseState(text)
		got := "-"
		if found {
			got = fmt.Sprintf("%s %t", state.Version, state.Configured)
		}
		assert.Equal(t, want, got, text)
	}
}

func FuzzParseState(f *testing.F) {
	f.Add("ii |1.0\nrc |2\n")
	f.Fuzz(func(t *testing.T, text string) {
		if state, found := parseState(text); found == (state.Version == "") {
			t.Errorf("%q gives %+v, %t", text, state, found)
		}
	})
}

// ended is how a job that failed looks from here.
type ended struct {
	code   int
	output string
}

func (e *ended) Error() string       { return e.output }
func (e *ended) Said() (int, string) { return e.code, e.output }

// machine is a Debian machine whose jobs do what the table says; a job that isn't in it succeeds.
type machine struct {
	deb       *Deb
	files     *platformtest.Files
	commands  *platformtest.Commands
	installed map[string]string // name -> "ii |version"
	jobs      []Job
	env       []string // the environment file that each job saw
	answers   map[string][]error
}

func newMachine() *machine {
	m := &machine{files: platformtest.NewFiles(), commands: &platformtest.Commands{}, installed: map[string]string{}, answers: map[string][]error{}}
	m.commands.Handle("/usr/bin/dpkg-query", func(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
		if last := cmd.Args[len(cmd.Args)-1]; !strings.HasPrefix(last, "-f") {
			if line := m.installed[last]; line != "" {
				return platform.Output{Stdout: []byte(line + "\n")}, nil
			}
			return platform.Output{}, platformtest.Exit(cmd.Path, 1, "dpkg-query: no packages found matching "+last)
		}
		var all strings.Builder
		for name, line := range m.installed {
			fmt.Fprintf(&all, "%s|%s\n", line[:3], name)
		}
		return platform.Output{Stdout: []byte(all.String())}, nil
	})
	m.commands.Handle("/usr/bin/dpkg-deb", platformtest.Say("emc-scaleio-sdc|3.6-700.103\n"))
	m.deb = NewDeb(m.commands, m.files, m.run)
	m.deb.locks = locks{held: func(string) (int, error) { return 0, nil }}
	return m
}

func (m *machine) run(_ context.Context, job Job) error {
	m.jobs = append(m.jobs, job)
	text, _ := m.files.Read(job.EnvFile)
	m.env = append(m.env, string(text))
	name := strings.TrimPrefix(job.Name, jobPrefix)
	if answers := m.answers[name]; len(answers) > 0 {
		m.answers[name] = answers[1:]
		if answers[0] != nil {
			return answers[0]
		}
	}
	switch {
	case name == "install-emc-scaleio-sdc":
		m.installed["emc-scaleio-sdc"] = "ii |3.6-700.103"
	case name == "require":
		for _, p := range job.Argv[slices.Index(job.Argv, "install")+1:] {
			m.installed[p] = "ii |1"
		}
	case strings.HasPrefix(name, "remove-"):
		delete(m.installed, strings.TrimPrefix(name, "remove-"))
	}
	return nil
}

func (m *machine) names() []string {
	var names []string
	for _, j := range m.jobs {
		names = append(names, strings.TrimPrefix(j.Name, jobPrefix))
	}
	return names
}

const file = "/var/lib/scaleio-agent/packages/abc/EMC-ScaleIO-sdc.deb"

func TestInstall(t *testing.T) {
	m := newMachine()
	m.files.Set(envDir+"/left-by-a-killed-run.env", "SECRET=1", 0o600)
	require.NoError(t, m.deb.Install(t.Context(), file, map[string]string{"MDM_IP": "10.0.0.1,10.0.0.2", "TOKEN": `a"b$c`}))

	require.Len(t, m.jobs, 1)
	job := m.jobs[0]
	assert.Equal(t, "scaleio-agent-pkg-install-emc-scaleio-sdc", job.Name)
	assert.Equal(t, []string{"install", file}, job.Argv[len(job.Argv)-2:])
	assert.Contains(t, job.Argv, "DPkg::Lock::Timeout=300")
	assert.Contains(t, job.Env, "NEEDRESTART_SUSPEND=1")
	assert.NotContains(t, strings.Join(job.Env, " ")+strings.Join(job.Argv, " "), "10.0.0.1", "D-Bus shows those to everybody")
	assert.Equal(t, "MDM_IP=\"10.0.0.1,10.0.0.2\"\nTOKEN=\"a\\\"b\\$c\"\n", m.env[0])
	assert.Empty(t, m.files.Tree(envDir), "deleted afterwards, and so is what was left")
}

// A package's script that runs under "set -x", or says what it was given.
func TestInstall_errorsShowNoSecret(t *testing.T) {
	m := newMachine()
	failed := &ended{1, "+ PASSWORD=hunter2-gateway\nerror: can't set hunter2-gateway for 10.0.0.1\ndpkg: error processing package"}
	m.answers["install-emc-scaleio-sdc"] = []error{failed, failed, failed}
	err := m.deb.Install(t.Context(), "/p.deb", map[string]string{"GATEWAY_ADMIN_PASSWORD": "hunter2-gateway", "MDM_IP": "10.0.0.1", "EMPTY_TOKEN": ""})
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hunter2")
	assert.Contains(t, err.Error(), "can't set [redacted] for 10.0.0.1")
}

func TestClean_removesWhatAKilledRunLeft(t *testing.T) {
	files := platformtest.NewFiles()
	require.NoError(t, Clean(files))
	files.Set(envDir+"/emc-scaleio-gateway.env", "SECRET=1", 0o600)
	require.NoError(t, Clean(files))
	assert.Empty(t, files.Tree(envDir))
}

func TestInstall_envFileIsPrivate(t *testing.T) {
	m := newMachine()
	var mode os.FileMode
	m.deb.runJob = func(ctx context.Context, job Job) error {
		mode, _, _ = m.files.Stat(job.EnvFile)
		return m.run(ctx, job)
	}
	require.NoError(t, m.deb.Install(t.Context(), file, map[string]string{"A": "1"}))
	assert.Equal(t, os.FileMode(0o600), mode)
}

func TestInstall_mends(t *testing.T) {
	old := &ended{100, "Err:1 http://mirror/ libaio1\n  404  Not Found\nE: Failed to fetch http://mirror/libaio1.deb  404  Not Found"}
	cut := &ended{100, "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem."}
	lock := &ended{100, "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)"}
	script := &ended{100, "dpkg: error processing package emc-scaleio-sdc (--configure):\n installed emc-scaleio-sdc package post-installation script subprocess returned error exit status 1"}
	half := &ended{100, "E: The package emc-scaleio-sdc needs to be reinstalled, but I can't find an archive for it."}
	const install = "install-emc-scaleio-sdc"
	for _, row := range []struct {
		name    string
		answers map[string][]error
		before  map[string]string
		jobs    []string
		kind    Kind // "" = it works in the end
	}{
		{"old package lists", map[string][]error{install: {old}}, nil, []string{install, "update", install}, ""},
		{"the mirror stays away", map[string][]error{install: {old, old}}, nil, []string{install, "update", install}, Network},
		{"an interrupted run", map[string][]error{install: {cut}}, nil, []string{install, "configure", "complete", install}, ""},
		{"a lock that was taken just now", map[string][]error{install: {lock}}, nil, []string{install, install}, ""},
		{"a failing script", map[string][]error{install: {script}}, nil, []string{install}, ScriptFailed},
		{"half unpacked, ours", map[string][]error{install: {half}}, map[string]string{"emc-scaleio-sdc": "iHR|3.6-700.103"},
			[]string{install, "configure", "remove-emc-scaleio-sdc", "complete", "configure", install}, ""},
		{"half unpacked, somebody else's", map[string][]error{install: {half}}, map[string]string{"libc6": "iHR|2.36"},
			[]string{install, "configure"}, ReinstallRequired},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := newMachine()
			m.deb.MayRemove = func(name string) bool { return strings.HasPrefix(name, "emc-scaleio-") }
			m.answers = row.answers
			for name, line := range row.before {
				m.installed[name] = line
			}
			err := m.deb.Install(t.Context(), file, map[string]string{"MDM_IP": "10.0.0.1"})
			assert.Equal(t, row.jobs, m.names())
			if row.kind == "" {
				require.NoError(t, err)
			} else {
				var failed *Error
				require.ErrorAs(t, err, &failed)
				assert.Equal(t, row.kind, failed.Kind)
			}
			for i, job := range m.jobs {
				if strings.HasSuffix(job.Name, "configure") {
					assert.Contains(t, m.env[i], "MDM_IP", "scripts that run again need their environment too")
				}
			}
			assert.Empty(t, m.files.Tree(envDir))
		})
	}
}

func TestInstall_aptThatLies(t *testing.T) {
	m := newMachine()
	m.deb.runJob = func(context.Context, Job) error {
		m.installed["emc-scaleio-sdc"] = "iF |3.6-700.103"
		return nil
	}
	require.ErrorContains(t, m.deb.Install(t.Context(), file, nil), "configured: false")
}

func TestInstall_refusesBeforeAnythingRuns(t *testing.T) {
	m := newMachine()
	require.ErrorContains(t, m.deb.Install(t.Context(), "sdc.deb", nil), "absolute")
	require.ErrorContains(t, m.deb.Install(t.Context(), file, map[string]string{"A B": "1"}), "no name")
	require.ErrorContains(t, m.deb.Install(t.Context(), file, map[string]string{"A": "1\nB=2"}), "control character")
	m.commands.Handle("/usr/bin/dpkg-deb", func(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
		return platform.Output{}, platformtest.Exit(cmd.Path, 2, "dpkg-deb: error: not a Debian format archive")
	})
	err := m.deb.Install(t.Context(), file, nil)
	var failed *Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, NotAPackage, failed.Kind)
	assert.Empty(t, m.jobs)
}

func TestInstall_jobThatGoesOn(t *testing.T) {
	m := newMachine()
	m.deb.runJob = func(context.Context, Job) error { return context.DeadlineExceeded }
	require.ErrorIs(t, m.deb.Install(t.Context(), file, map[string]string{"A": "1"}), context.DeadlineExceeded)
}

func TestRequire(t *testing.T) {
	m := newMachine()
	m.installed["libaio1"] = "ii |0.3"
	require.NoError(t, m.deb.Require(t.Context(), "libaio1"))
	assert.Empty(t, m.jobs)

	m.answers["require"] = []error{&ended{100, "E: Unable to locate package libnuma1"}}
	require.NoError(t, m.deb.Require(t.Context(), "libaio1", "libnuma1", "numactl"))
	assert.Equal(t, []string{"require", "update", "require"}, m.names())
	assert.Equal(t, []string{"install", "libnuma1", "numactl"}, m.jobs[0].Argv[len(m.jobs[0].Argv)-3:])
	require.Error(t, m.deb.Require(t.Context(), "-o=x"))
}

func TestRemove(t *testing.T) {
	m := newMachine()
	require.NoError(t, m.deb.Remove(t.Context(), "emc-scaleio-sdc"), "it isn't there")
	require.Empty(t, m.jobs)

	m.installed["emc-scaleio-sdc"] = "ii |3.6-700.103"
	require.NoError(t, m.deb.Remove(t.Context(), "emc-scaleio-sdc"))
	require.Equal(t, []string{"remove-emc-scaleio-sdc"}, m.names())
	require.Equal(t, []string{"/usr/bin/dpkg", "--purge", "emc-scaleio-sdc"}, m.jobs[0].Argv, "nothing that needs it goes with it")

	m.installed["emc-scaleio-sdc"] = "ii |3.6-700.103"
	m.answers["remove-emc-scaleio-sdc"] = []error{&ended{1, "dpkg: dependency problems prevent removal of emc-scaleio-sdc"}}
	require.ErrorContains(t, m.deb.Remove(t.Context(), "emc-scaleio-sdc"), "dependency problems")
	require.Error(t, m.deb.Remove(t.Context(), "--force"))
}

func TestRecover(t *testing.T) {
	m := newMachine()
	require.NoError(t, m.deb.Recover(t.Context()))
	assert.Equal(t, []string{"configure", "complete"}, m.names())

	m = newMachine()
	m.installed["libc6"] = "iHR|2.36"
	require.ErrorContains(t, m.deb.Recover(t.Context()), "isn't ours to remove")
}

func TestClassify(t *testing.T) {
	for output, want := range map[string]Kind{
		"dpkg: error: dpkg frontend lock was locked by another process with pid 7\nNote: removing the lock file is always wrong":                                          Locked,
		"E: You don't have enough free space in /var/cache/apt/archives/.":                                                                                                DiskFull,
		"The following packages have unmet dependencies:\n x : Depends: libaio1 but it is not installable\nE: Unable to correct problems, you have held broken packages.": NoCandidate,
		"E: Unmet dependencies. Try 'apt --fix-broken install' with no packages (or specify a solution).":                                                                 Unmet,
		"E: Packages were downgraded and -y was used without --allow-downgrades.":                                                                                         Downgrade,
		"something new": Failed,
	} {
		assert.Equal(t, want, classify(debTexts, output), output)
	}
	err := &Error{Kind: Failed, Code: 100, Detail: lastLines("a\nb\nE: one\nc\nE: two\n")}
	assert.Equal(t, "PackageToolFailed (exit status 100): E: one; E: two", err.Error())
}

func TestLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(7 * time.Second)
		l := locks{root: "/nonexistent", files: []string{"/var/lib/apt/lists/lock"}, held: func(string) (int, error) {
			if time.Now().Before(until) {
				return 7, nil
			}
			return 0, nil
		}}
		require.NoError(t, l.wait(t.Context()))
		assert.GreaterOrEqual(t, time.Since(until), time.Duration(0))

		until = time.Now().Add(time.Hour)
		err := l.wait(t.Context())
		var failed *Error
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, Locked, failed.Kind)
		assert.Contains(t, err.Error(), "process 7")

		l.held = func(string) (int, error) { return 0, errors.New("no permission") }
		require.Error(t, l.wait(t.Context()))
	})
}

func TestHolder(t *testing.T) {
	path := t.TempDir() + "/lock"
	pid, err := holder(path)
	require.NoError(t, err)
	assert.Zero(t, pid, "no file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	pid, err = holder(path)
	require.NoError(t, err)
	assert.Zero(t, pid, "a file that nobody locks")

	held := lockInChild(t, path)
	pid, err = holder(path)
	require.NoError(t, err)
	assert.Equal(t, held, pid)
}
