package agent_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos/agent"
	"scaleio-framework/test/mesos/probe"
)

// fakeDvdcli puts a dvdcli into PATH that "mounts" a directory and writes down
// how it was called.
func fakeDvdcli(t *testing.T) (calls, data string) {
	t.Helper()
	dir := t.TempDir()
	calls, data = filepath.Join(dir, "calls"), filepath.Join(dir, "data")
	require.NoError(t, os.Mkdir(data, 0o755))
	script := "#!/bin/sh\necho \"$@\" >> " + calls + "\n[ \"$1\" = mount ] && echo " + data + "\nexit 0\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dvdcli"), []byte(script), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return calls, data
}

var isolation = map[string]string{"isolation": "filesystem/linux,docker/volume"}

func dockerVolume(path string) object {
	return object{"container": object{"type": "MESOS", "volumes": []any{object{
		"mode": "RW", "container_path": path, "source": object{"type": "DOCKER_VOLUME", "docker_volume": object{
			"driver": "rexray", "name": "vol1", "driver_options": object{"parameter": []any{object{"key": "size", "value": "16"}}},
		}},
	}}}}
}

func TestAgent_mountsDockerVolumes(t *testing.T) {
	calls, data := fakeDvdcli(t)
	c := newCluster(t, isolation)
	s := probe.Subscribe(t, c.url, probe.Framework())
	s.Launch(s.Offer(), "v1", "echo hello > data/file; sleep 600", dockerVolume("data"))
	running := s.Until("v1", "TASK_RUNNING")
	id := dig(running, "container_status", "container_id", "value").(string)
	require.JSONEq(t, `{"volumes":[{"driver":"rexray","name":"vol1"}]}`,
		read(t, c.flags["docker_volume_checkpoint_dir"], id, "volumes"))
	require.Equal(t, "mount --volumedriver=rexray --volumename=vol1 --volumeopts=size=16\n", read(t, calls))

	c.restart()
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(data, "file"))
		return err == nil
	}, wait, tick)
	require.NoFileExists(t, filepath.Join(c.sandbox(running), "data", "file"), "the mount is visible outside of the container")
	s.Kill("v1")
	s.Until("v1", "TASK_KILLED")
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(c.flags["docker_volume_checkpoint_dir"], id))
		return os.IsNotExist(err)
	}, wait, tick)
	require.Contains(t, read(t, calls), "\nunmount --volumedriver=rexray --volumename=vol1\n")
}

func TestAgent_needsDvdcliForDockerVolumes(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := t.TempDir()
	flags, err := agent.ReadFlags(nil, "/nonexistent", map[string]string{
		"master": "127.0.0.1:5050", "work_dir": dir, "runtime_dir": dir, "isolation": isolation["isolation"],
		"docker_volume_checkpoint_dir": dir,
	})
	require.NoError(t, err)
	_, err = agent.New(agent.Config{Flags: flags})
	require.ErrorContains(t, err, "cannot get dvdcli command")
}

func TestAgent_failsATaskWhosePathDoesNotExist(t *testing.T) {
	fakeDvdcli(t)
	c := newCluster(t, isolation)
	s := probe.Subscribe(t, c.url, probe.Framework())
	s.Launch(s.Offer(), "v2", "true", dockerVolume("/no/such/path"))
	require.Equal(t, "Failed to launch container: Absolute container path '/no/such/path' does not exist",
		s.Until("v2", "TASK_FAILED")["message"])
}
