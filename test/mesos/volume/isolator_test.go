package volume_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos/volume"
)

func fakeDvdcli(t *testing.T, script string) (calls string) {
	t.Helper()
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dvdcli"), []byte("#!/bin/sh\necho \"$@\" >> "+calls+"\n"+script), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return calls
}

func newIsolator(t *testing.T, dir string) *volume.Isolator {
	t.Helper()
	i, err := volume.New(dir, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return i
}

var shared = volume.Volume{Driver: "rexray", Name: "v", Options: []string{"size=16"}}

func TestIsolator_unmountsWithTheLastUser(t *testing.T) {
	calls := fakeDvdcli(t, "[ $1 = mount ] && echo /mnt/v; exit 0")
	dir := t.TempDir()
	i := newIsolator(t, dir)
	for _, container := range []string{"c1", "c2"} {
		points, err := i.Prepare(t.Context(), container, []volume.Volume{shared})
		require.NoError(t, err)
		require.Equal(t, []string{"/mnt/v"}, points)
	}
	require.NoError(t, i.Cleanup(t.Context(), "c1"))
	i = newIsolator(t, dir) // a restart in between
	i.Recover(t.Context(), map[string]bool{"c2": true})
	data, err := os.ReadFile(calls)
	require.NoError(t, err)
	require.NotContains(t, string(data), "unmount")
	i.Recover(t.Context(), nil) // c2 ended while nobody looked
	data, err = os.ReadFile(calls)
	require.NoError(t, err)
	require.Contains(t, string(data), "unmount --volumedriver=rexray --volumename=v\n")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A failed mount leaves its checkpoint: what dvdcli did before is unknown.
func TestIsolator_checkpointsBeforeItMounts(t *testing.T) {
	fakeDvdcli(t, "echo no gateway >&2; exit 1")
	dir := t.TempDir()
	i := newIsolator(t, dir)
	_, err := i.Prepare(t.Context(), "c1", []volume.Volume{shared})
	require.ErrorContains(t, err, "no gateway")
	require.FileExists(t, filepath.Join(dir, "c1", "volumes"))
	require.ErrorContains(t, i.Cleanup(t.Context(), "c1"), "unmounting volume v")
	require.FileExists(t, filepath.Join(dir, "c1", "volumes"), "nothing would try again")
}

func TestIsolator_refusesOneVolumeTwice(t *testing.T) {
	fakeDvdcli(t, "echo /mnt/v")
	_, err := newIsolator(t, t.TempDir()).Prepare(t.Context(), "c1", []volume.Volume{shared, shared})
	require.ErrorContains(t, err, "duplicate volume")
}
