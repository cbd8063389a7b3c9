package agent_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos/agent"
)

func TestReadFlags_filesAndCommandLine(t *testing.T) {
	root := t.TempDir()
	first, second := filepath.Join(root, "mesos-agent"), filepath.Join(root, "mesos-slave")
	for path, content := range map[string]string{
		first + "/attributes": "rack:r1\n", second + "/attributes": "rack:old", second + "/isolation": "filesystem/linux,docker/volume\n",
		first + "/?no-hostname_lookup": "", root + "/zk": "10.77.0.1:5050\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	flags, err := agent.ReadFlags([]string{first, second}, filepath.Join(root, "zk"), map[string]string{"ip": "10.77.0.11"})
	require.NoError(t, err)
	require.Equal(t, "rack:r1", flags["attributes"])
	require.Equal(t, "filesystem/linux,docker/volume", flags["isolation"])
	require.Equal(t, "10.77.0.1:5050", flags["master"])
	require.Equal(t, "10.77.0.11", flags["hostname"])
	require.Equal(t, "true", flags["no-hostname_lookup"])
	require.Equal(t, "/var/lib/mesos", flags["work_dir"])
}

func TestReadFlags_refuses(t *testing.T) {
	for name, set := range map[string]map[string]string{
		"failed to load unknown flag 'isolaton'":            {"master": "m:5050", "isolaton": "x"},
		"missing required option --master":                  {},
		"docker/volume isolator needs the filesystem/linux": {"master": "m:5050", "isolation": "docker/volume"},
		"the dev agent takes host:port only":                {"master": "zk://z:2181/mesos"},
	} {
		_, err := agent.ReadFlags(nil, "/nonexistent", set)
		require.ErrorContains(t, err, name)
	}
}
