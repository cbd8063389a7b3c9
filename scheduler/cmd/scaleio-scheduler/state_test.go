package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/config"
	"scaleio-framework/scheduler/store"
)

// runnable is a configuration with which commands on the state are content.
func runnable(t *testing.T) (args []string, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "state")
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte("Admin-Password-1\n"), 0o600))
	manifest := filepath.Join(t.TempDir(), "manifest.json")
	require.NoError(t, os.WriteFile(manifest, []byte(`{"version":"3.6","packages":[{"component":"sds","os":"ubuntu22.04","format":"deb","url":"http://127.0.0.1/sds.deb","size":3,"sha256":"`+strings.Repeat("0", 64)+`"}]}`), 0o600))
	return []string{"--state-dir", dir, "--mesos-masters", "http://127.0.0.1:5050", "--public-urls", "https://127.0.0.1:9781", "--accept-license", "true",
		"--admin-password-file", password, "--manifest", manifest, "--agent-url", "http://127.0.0.1/agent", "--agent-sha256", strings.Repeat("0", 64)}, dir
}

// filled is a state directory with the store of five nodes in it.
func filled(t *testing.T) (args []string, dir string) {
	t.Helper()
	args, dir = runnable(t)
	s, err := store.OpenBolt(filepath.Join(dir, stateFile))
	require.NoError(t, err)
	file, err := os.Open("testdata/state.backup")
	require.NoError(t, err)
	defer file.Close()
	b, err := store.ReadBackup(file)
	require.NoError(t, err)
	require.NoError(t, store.Fill(t.Context(), s, b.Records, "cluster"))
	require.NoError(t, s.Close())
	return args, dir
}

func with(args []string, more ...string) []string { return append(more, args...) }

func TestState_isBackedUpAndRestored(t *testing.T) {
	args, dir := filled(t)
	file := filepath.Join(t.TempDir(), "scheduler.backup")
	out, err := execute(t, with(args, "state-backup", "--to", file)...)
	require.NoError(t, err, out)
	assert.Contains(t, out, "It holds the CA's key")
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
	_, err = execute(t, with(args, "state-backup", "--to", file)...)
	require.ErrorContains(t, err, "is there already")

	_, err = execute(t, with(args, "restore", "--from", file)...)
	require.ErrorIs(t, err, scheduler.ErrNotEmpty)
	assert.Equal(t, exitUsage, exitCode(err))
	out, err = execute(t, with(args, "restore", "--from", file, "--replace")...)
	require.NoError(t, err)
	assert.Contains(t, out, "5 nodes, epoch 2")
	aside, err := filepath.Glob(filepath.Join(dir, stateFile+".replaced-*"))
	require.NoError(t, err)
	require.Len(t, aside, 1, "what was there is kept")
	kept, err := store.OpenBolt(aside[0])
	require.NoError(t, err)
	require.NoError(t, kept.Close())

	require.NoError(t, os.Truncate(file, info.Size()-20))
	_, err = execute(t, with(args, "restore", "--from", file, "--replace")...)
	require.ErrorIs(t, err, store.ErrBackup)
	_, err = os.Stat(filepath.Join(dir, stateFile))
	require.NoError(t, err, "nothing was moved for a file that is no backup")
}

// A damaged store is refused with the way out: the copy that the scheduler keeps.
// A state key that comes later: nothing stays behind in which the CA's key is plain, neither beside the store nor in its file's free pages.
func TestState_isNowherePlainOnceThereIsAKey(t *testing.T) {
	args, dir := filled(t)
	_, err := execute(t, with(args, "state-backup", "--to", filepath.Join(dir, "previous.backup"))...)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "previous.backup.1.part"), []byte("cut off: BEGIN PRIVATE KEY"), 0o600))
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte(strings.Repeat("ab", 32)), 0o600))
	c := config.Config{StateDir: dir, StateKeyFile: key}
	plain := func() (files []string) {
		all, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, f := range all {
			raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
			require.NoError(t, err)
			if strings.Contains(string(raw), "BEGIN PRIVATE KEY") {
				files = append(files, f.Name())
			}
		}
		return files
	}
	require.Len(t, plain(), 3)
	for range 2 {
		s, err := openState(t.Context(), c, nil, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		all, err := s.List(t.Context(), "")
		require.NoError(t, err)
		assert.Greater(t, len(all), 10)
		require.NoError(t, s.Close())
		assert.Empty(t, plain())
	}
	_, err = openState(t.Context(), config.Config{StateDir: dir}, nil, slog.New(slog.DiscardHandler))
	require.ErrorIs(t, err, store.ErrWrongKey)
}

func TestState_damagedNamesTheCopy(t *testing.T) {
	args, dir := filled(t)
	copied := filepath.Join(dir, "previous.backup")
	out, err := execute(t, with(args, "state-backup", "--to", copied)...)
	require.NoError(t, err, out)
	for name, damage := range map[string]func(path string) error{
		"truncated": func(path string) error { return os.Truncate(path, 5000) },
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"garbage":   func(path string) error { return os.WriteFile(path, make([]byte, 64<<10), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, damage(filepath.Join(dir, stateFile)))
			_, err := execute(t, with(args, "run")...)
			require.ErrorIs(t, err, store.ErrCorrupt)
			assert.Equal(t, exitUsage, exitCode(err))
			assert.ErrorContains(t, err, "restore --replace --from "+copied)
			out, err := execute(t, with(args, "restore", "--replace", "--from", copied)...)
			require.NoError(t, err)
			assert.Contains(t, out, "5 nodes")
		})
	}
}

func TestRecover_takesTheKeysOfAnyBackup(t *testing.T) {
	args, dir := filled(t)
	keys := filepath.Join(t.TempDir(), "keys.backup")
	out, err := execute(t, with(args, "state-backup", "--keys-only", "--to", keys)...)
	require.NoError(t, err, out)
	assert.Contains(t, out, "keys, 2 records")
	_, err = execute(t, with(args, "recover", "--keys", keys)...)
	require.ErrorContains(t, err, "--from-nodes")
	_, err = execute(t, with(args, "recover", "--from-nodes", "--keys", keys)...)
	require.ErrorIs(t, err, scheduler.ErrNotEmpty)
	_, err = execute(t, with(args, "restore", "--replace", "--from", keys)...)
	require.ErrorIs(t, err, store.ErrBackup, "the keys are no state")
	_, err = os.Stat(filepath.Join(dir, stateFile))
	require.NoError(t, err, "what was moved aside for it is back")
	out, err = execute(t, with(args, "recover", "--from-nodes", "--keys", keys, "--replace")...)
	require.NoError(t, err, out)
	assert.Contains(t, out, "prepared: cluster ")
}

func TestAdoptFramework_isStored(t *testing.T) {
	args, _ := filled(t)
	for _, wrong := range [][]string{{}, {"F1", "--new"}, {"framework-1"}} {
		_, err := execute(t, with(args, append([]string{"adopt-framework"}, wrong...)...)...)
		require.Error(t, err)
		assert.Equal(t, exitUsage, exitCode(err))
	}
	out, err := execute(t, with(args, "adopt-framework", "--new")...)
	require.NoError(t, err)
	assert.Contains(t, out, "epoch 2, 5 tasks to be launched again")
}
