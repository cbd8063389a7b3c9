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
		exitFailed:   {errors.New("x"), scheduler.ErrRemoved},
		exitUsage:    {&usageError{errors.New("x")}, fmt.Errorf("y: %w", store.ErrNewer), store.ErrCorrupt, store.ErrLocked, scheduler.ErrRefused},
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
	for _, args := range [][]string{{"run"}, {"run", "--no-such-flag"}, {"status"}, {"approve", "n1"}, {"hold", "a", "b"}, {"run", "--config", "/nonexistent"}} {
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
	first, err := token("", path)
	require.NoError(t, err)
	second, err := token("", path)
	require.NoError(t, err)
	assert.Equal(t, first.Reveal(), second.Reveal())
	assert.GreaterOrEqual(t, len(first.Reveal()), 26)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
	_, err = token(filepath.Join(t.TempDir(), "named-but-missing"), path)
	require.Error(t, err)
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

func TestDieAt_takesThePointFromTheListFirst(t *testing.T) {
	file := filepath.Join(t.TempDir(), "points")
	require.NoError(t, os.WriteFile(file, []byte("after:nodes\n"), 0o600))
	require.NoError(t, dieAt(file)("before:nodes"), "not listed: goes on")
	require.Error(t, dieAt(file+".missing")("before:nodes"))
}
