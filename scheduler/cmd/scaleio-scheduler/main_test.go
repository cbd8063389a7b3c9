package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/config"
	"scaleio-framework/scheduler/store"
)

func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	cmd := command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestExitCodes(t *testing.T) {
	rows := map[int][]error{
		0:            {nil},
		exitFailed:   {errors.New("x")},
		exitUsage:    {&usageError{errors.New("x")}, fmt.Errorf("y: %w", store.ErrNewer), store.ErrCorrupt, store.ErrLocked, scheduler.ErrRefused, fmt.Errorf("y: %w", scheduler.ErrRemoved)},
		exitNotReady: {errNotReady},
		exitRefused:  {scheduler.ErrFailedOver},
	}
	for want, all := range rows {
		for _, err := range all {
			assert.Equal(t, want, exitCode(err), "%v", err)
		}
	}
}

func TestCommands_usage(t *testing.T) {
	for _, args := range [][]string{{"run"}, {"run", "--no-such-flag"}, {"status"}, {"approve", "n1"}, {"hold", "a", "b"}, {"tokens"}, {"tokens", "make"}, {"tokens", "revoke"}, {"tokens", "create", "--ttl", "long"},
		{"run", "--config", "/nonexistent"}} {
		_, err := execute(t, args...)
		require.Error(t, err)
		assert.Equal(t, exitUsage, exitCode(err), "%v: %v", args, err)
	}
	help, err := execute(t, "--help")
	require.NoError(t, err)
	assert.Contains(t, help, "Exit status")
	assert.NotContains(t, help, "points")
	reference, err := execute(t, "config-reference")
	require.NoError(t, err)
	assert.Equal(t, config.Reference(), reference)
}

func TestToken_isMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "read.token")
	first, err := token("", api.Secret{}, path)
	require.NoError(t, err)
	second, err := token("", api.Secret{}, path)
	require.NoError(t, err)
	assert.Equal(t, first.Reveal(), second.Reveal())
	assert.GreaterOrEqual(t, len(first.Reveal()), 26)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
	_, err = token(filepath.Join(t.TempDir(), "named-but-missing"), api.Secret{}, path)
	require.Error(t, err)
}

func TestPeople_refusesTokensThatCouldBeGuessedOrAreTheSame(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	short, long := write("short", "secret\n"), write("long", "0123456789abcdef\n")
	var usage *usageError
	_, err := people(config.Config{StateDir: dir, ReadTokenFile: short})
	require.ErrorAs(t, err, &usage)
	assert.NotContains(t, err.Error(), "secret\n")
	_, err = people(config.Config{StateDir: dir, ReadTokenFile: long, OperatorTokenFile: long})
	require.ErrorAs(t, err, &usage)
	assert.NotContains(t, err.Error(), "0123")
	_, err = people(config.Config{StateDir: dir, ReadTokenFile: long})
	require.NoError(t, err)
}

func TestShow_nodesDontSteerTheTerminal(t *testing.T) {
	const evil = "\x1b]0;owned\a\x1b[2J\u009b31m\r"
	s := api.ClusterStatus{Name: "c", Waiting: evil + "\nready yes", Nodes: []api.NodeStatus{{Name: "n1", Step: evil, Reason: evil, Message: evil + "ünïcode"}}}
	for _, asJSON := range []bool{false, true} {
		var out bytes.Buffer
		show(&out, s, asJSON)
		assert.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f]|\x{9b}`, out.String())
		assert.Contains(t, out.String(), "ünïcode")
	}
	var out bytes.Buffer
	show(&out, s, false)
	assert.NotContains(t, out.String(), "\nready yes")
}

func TestShow(t *testing.T) {
	s := api.ClusterStatus{Name: "c", Waiting: "a node", Nodes: []api.NodeStatus{
		{Name: "n1", Role: api.RoleManager, FaultDomain: "r1", Step: "run-mdm", Reason: "Needed", Message: strings.Repeat("long\n", 60),
			LastSeen: time.Now(), Disks: []api.Disk{
				{State: api.DiskAdopted, ID: "wwn-in", Path: "/dev/sdb"}, {State: api.DiskOffered, ID: "wwn-coming", Path: "/dev/sdc"},
				{State: api.DiskRefused, ID: "wwn-refused", Path: "/dev/sdd", Reason: "Mounted"},
				{State: api.DiskRefused, ID: "wwn-approve", Path: "/dev/sde", Reason: "WaitingForApproval", SizeBytes: 200 << 30}}},
		{Name: "n2", Ready: true},
	}}
	var out bytes.Buffer
	show(&out, s, false)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.Contains(t, lines[1], "a node")
	assert.Regexp(t, `^n1 +manager +r1 +no +run-mdm +Needed +1 in, 1 coming, 1 refused, 1 to approve +long`, lines[4])
	assert.Regexp(t, `^n2 +- +- +yes`, lines[5])
	assert.Regexp(t, `^n1 +/dev/sde +wwn-approve +200 GB +WaitingForApproval`, lines[8], "what a person has to do comes first, with the identity that approve takes")
	assert.NotContains(t, out.String(), "wwn-in")
	out.Reset()
	show(&out, s, true)
	assert.Contains(t, out.String(), `"ready": true`)
}

func TestDieAt_takesThePointFromTheListFirst(t *testing.T) {
	file := filepath.Join(t.TempDir(), "points")
	require.NoError(t, os.WriteFile(file, []byte("after:nodes\n"), 0o600))
	require.NoError(t, dieAt(file)("before:nodes"), "not listed: goes on")
	require.Error(t, dieAt(file+".missing")("before:nodes"))
}
