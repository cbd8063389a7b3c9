package agent

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/stretchr/testify/require"
)

func tarball(t *testing.T, name string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	require.NoError(t, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: 4, Typeflag: tar.TypeReg}))
	_, err := archive.Write([]byte("data"))
	require.NoError(t, err)
	require.NoError(t, archive.Close())
	require.NoError(t, zipped.Close())
	return out.Bytes()
}

func TestExtract(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.tar.gz")
	require.NoError(t, os.WriteFile(path, tarball(t, "bin/app"), 0o600))
	require.NoError(t, extract(path, dir))
	info, err := os.Stat(filepath.Join(dir, "bin/app"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode())

	var zipped bytes.Buffer
	archive := zip.NewWriter(&zipped)
	w, err := archive.Create("file")
	require.NoError(t, err)
	_, err = w.Write([]byte("zip"))
	require.NoError(t, err)
	require.NoError(t, archive.Close())
	path = filepath.Join(dir, "a.zip")
	require.NoError(t, os.WriteFile(path, zipped.Bytes(), 0o600))
	require.NoError(t, extract(path, dir))
	require.FileExists(t, filepath.Join(dir, "file"))

	require.ErrorIs(t, extract(filepath.Join(dir, "file"), dir), errNoArchive)
}

func TestExtract_staysInTheSandbox(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "evil.tgz")
	require.NoError(t, os.WriteFile(path, tarball(t, "../evil"), 0o600))
	require.ErrorContains(t, extract(path, dir), "outside of the sandbox")
}

func TestFileName(t *testing.T) {
	for uri, want := range map[string]string{"http://h/bin/prog?x=1": "prog", "/etc/hostname": "hostname"} {
		name, err := fileName(v1.CommandInfo_URI{Value: uri})
		require.NoError(t, err)
		require.Equal(t, want, name)
	}
	outside := "../x"
	for _, uri := range []v1.CommandInfo_URI{{Value: "http://h/"}, {Value: "http://h/a", OutputFile: &outside}} {
		_, err := fileName(uri)
		require.Error(t, err)
	}
}

func TestUpdatesFile_survivesACrashInTheLastLine(t *testing.T) {
	dir := t.TempDir()
	state := v1.TASK_RUNNING
	require.NoError(t, logUpdate(dir, v1.TaskStatus{TaskID: v1.TaskID{Value: "t"}, State: &state, UUID: []byte("1")}))
	require.NoError(t, logAck(dir, []byte("1")))
	f, err := os.OpenFile(filepath.Join(dir, updatesFile), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("update CgN0")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	statuses, acked, err := readUpdates(dir)
	require.NoError(t, err)
	require.Len(t, statuses, 1)
	require.True(t, acked["1"])
}
