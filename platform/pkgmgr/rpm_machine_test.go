package pkgmgr

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
)

func recorded(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/rpm/" + name)
	require.NoError(t, err)
	return string(text)
}

// rpmMachine is a machine of the Red Hat family whose jobs do what the table says; a job that isn't in it succeeds, and is in the history as whole.
type rpmMachine struct {
	rpm       *RPM
	files     *platformtest.Files
	commands  *platformtest.Commands
	installed map[string][]string // by name: what rpm -q prints of it
	wanted    string              // what the package file is
	check     string              // what rpmkeys prints of it
	verified  string              // what rpm -V prints
	scripts   string              // what the last transaction's scripts printed
	list      string
	jobs      []Job
	env       []string
	answers   map[string][]error
	asked     int // questions to the history
}

const (
	rpmFile = "/var/lib/scaleio-agent/packages/abc/EMC-ScaleIO-sdc-3.6.rpm"
	sdc     = "EMC-ScaleIO-sdc"
	sdcLine = "EMC-ScaleIO-sdc|0|3.6|700.103.el9|x86_64|"
)

func newRPMMachine(tool string) *rpmMachine {
	m := &rpmMachine{files: platformtest.NewFiles(), commands: &platformtest.Commands{}, installed: map[string][]string{}, answers: map[string][]error{},
		wanted: sdcLine + "0", check: "digests OK"}
	m.files.Set(tool, "", 0o755)
	m.commands.Handle("/usr/bin/rpm", m.rpmCommand)
	m.commands.Handle("/usr/bin/rpmkeys", m.rpmkeys)
	m.commands.Handle(tool, m.history)
	m.rpm = NewRPM(m.commands, m.files, m.run)
	m.rpm.locks = locks{held: func(string) (int, error) { return 0, nil }}
	m.rpm.Ours = func(name string) bool { return strings.HasPrefix(name, "EMC-ScaleIO-") }
	return m
}

func said(text string) (platform.Output, error) { return platform.Output{Stdout: []byte(text)}, nil }

func failed(path, text string) (platform.Output, error) {
	return platform.Output{}, &platform.ExitError{Path: path, Code: 1, Stdout: text}
}

func (m *rpmMachine) rpmCommand(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
	last := cmd.Args[len(cmd.Args)-1]
	switch {
	case slices.Contains(cmd.Args, "-p"):
		return said(m.wanted + "\n")
	case cmd.Args[0] == "-qa":
		var all []string
		for _, lines := range m.installed {
			all = append(all, lines...)
		}
		return said(strings.Join(all, "\n") + "\n")
	case cmd.Args[0] == "-q" && len(m.installed[last]) == 0:
		return failed(cmd.Path, "package "+last+" is not installed")
	case cmd.Args[0] == "-q":
		return said(strings.Join(m.installed[last], "\n") + "\n")
	case cmd.Args[0] == "-V" && m.verified != "":
		return failed(cmd.Path, m.verified)
	case cmd.Args[0] == "--eval": // of the versions here, rpm's order is the alphabet's
		fields := strings.Split(last, `"`)
		return said(fmt.Sprintf("%d\t%d\n", strings.Compare(fields[1], fields[3]), strings.Compare(fields[5], fields[7])))
	}
	return said("")
}

func (m *rpmMachine) rpmkeys(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
	switch text := rpmFile + ": " + m.check + "\n"; {
	case slices.Contains(cmd.Args, "--import"):
		return said("")
	case strings.Contains(m.check, "NOT OK"):
		return failed(cmd.Path, text)
	case slices.Contains(cmd.Args, "--nosignature"):
		return said(rpmFile + ": digests OK\n")
	default:
		return said(text)
	}
}

func (m *rpmMachine) history(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
	m.asked++
	switch {
	case slices.Equal(cmd.Args, []string{"-C", "history", "list"}):
		return said(m.list)
	case len(m.installed[cmd.Args[3]]) == 0 || m.scripts == "":
		return said("No transaction which manipulates package '" + cmd.Args[3] + "' was found.\n")
	}
	return said("Transaction ID : 3\nReturn-Code    : Success\nPackages Altered:\n    Install EMC-ScaleIO-sdc-3.6-700.103.el9.x86_64 @@commandline\nScriptlet output:\n" + m.scripts)
}

func (m *rpmMachine) run(_ context.Context, job Job) error {
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
	case strings.HasSuffix(name, "install-"+sdc):
		m.installed[sdc] = []string{strings.TrimSuffix(m.wanted, "0") + "1795371166"}
	case strings.HasSuffix(name, "remove-"+sdc):
		delete(m.installed, sdc)
	case name == "require":
		for _, p := range job.Argv[slices.Index(job.Argv, "install")+1:] {
			m.installed[p] = []string{p + "|0|1|1|x86_64|1"}
		}
	case strings.HasPrefix(name, "remove-older-"):
		for key, lines := range m.installed {
			m.installed[key] = slices.DeleteFunc(slices.Clone(lines), func(l string) bool {
				return parseIdentities(l + "\n")[0].nevra() == job.Argv[len(job.Argv)-1]
			})
		}
	}
	return nil
}

func (m *rpmMachine) names() (names []string) {
	for _, j := range m.jobs {
		names = append(names, strings.TrimPrefix(j.Name, jobPrefix))
	}
	return names
}
