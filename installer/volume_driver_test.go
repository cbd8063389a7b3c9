package installer_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

const rexrayConfig = "/etc/rexray/config.yml"

// driven makes three nodes whose gateways run, and gives the last one, where REX-Ray runs.
func driven(t *testing.T) []*installertest.Node {
	nodes := three()
	for _, n := range nodes[:2] {
		before(t, n, "install-volume-driver")
	}
	before(t, nodes[2], "configure-isolator")
	return nodes
}

func TestVolumeDriver_configuration(t *testing.T) {
	nodes := driven(t)
	n := nodes[2]
	text := n.Files.Tree("/etc/rexray")[rexrayConfig]
	golden(t, filepath.Join("testdata", "rexray-config.yml"), text)

	var config struct {
		ScaleIO map[string]any `yaml:"scaleio"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(text), &config))
	assert.Equal(t, `volume: "secret" #1`, config.ScaleIO["password"])
	assert.Equal(t, false, config.ScaleIO["insecure"])
	for file, want := range map[string]uint32{rexrayConfig: 0o600, "/etc/rexray/rexray.env": 0o600, "/etc/rexray/gateways.pem": 0o644} {
		mode, _, err := n.Files.Stat(file)
		require.NoError(t, err)
		assert.EqualValues(t, want, mode.Perm(), file)
	}
	assert.Equal(t, nodes[0].Certificate()+nodes[1].Certificate(), n.Files.Tree("/etc/rexray")["/etc/rexray/gateways.pem"])
	assert.Contains(t, n.Files.Tree("/etc/rexray")["/etc/rexray/rexray.env"], "SSL_CERT_FILE=/etc/rexray/gateways.pem\n")
	assert.Equal(t, step.Satisfied, check(t, n, "run-volume-driver").Verdict)
}

func endpoint(n *installertest.Node) string {
	for _, line := range strings.Split(n.Files.Tree("/etc/rexray")[rexrayConfig], "\n") {
		if e, ok := strings.CutPrefix(strings.TrimSpace(line), "endpoint: "); ok {
			return e
		}
	}
	return ""
}

func TestVolumeDriver_followsAGatewayThatAnswers(t *testing.T) {
	nodes := driven(t)
	n := nodes[2]
	require.Equal(t, "https://10.0.0.11:443/api", endpoint(n))

	nodes[0].GatewayOut(true)
	require.Equal(t, step.Needed, check(t, n, "configure-volume-driver").Verdict)
	require.NoError(t, stepOf(t, n, "configure-volume-driver").Apply(t.Context()))
	assert.Equal(t, "https://10.0.0.12:443/api", endpoint(n))
	assert.Equal(t, 1, n.Units.Count("stop", "rexray.service"))
	assert.Equal(t, step.Satisfied, check(t, n, "run-volume-driver").Verdict)

	nodes[0].GatewayOut(false)
	assert.Equal(t, step.Satisfied, check(t, n, "configure-volume-driver").Verdict, "it stays while the present one answers")

	nodes[0].GatewayOut(true)
	nodes[1].GatewayOut(true)
	f := check(t, n, "configure-volume-driver")
	assert.Equal(t, step.Waiting, f.Verdict)
	assert.Equal(t, "NoGatewayAnswers", f.Reason)
	assert.Equal(t, "https://10.0.0.12:443/api", endpoint(n))
}

func TestVolumeDriver_aMountInProgressIsNotCutOff(t *testing.T) {
	nodes := driven(t)
	n := nodes[2]
	n.Secrets.VolumeUser = api.NewSecret("a new one")
	n.Files.Set("/proc/4711/comm", "dvdcli\n", 0o444)
	assert.Equal(t, "MountInProgress", check(t, n, "configure-volume-driver").Reason)
	require.NoError(t, n.Files.Remove("/proc/4711/comm"))
	assert.Equal(t, step.Needed, check(t, n, "configure-volume-driver").Verdict)
}

// A mount through a dead gateway hangs until its end, and whoever wants the volume tries again: waiting for that would be for ever.
func TestVolumeDriver_leavesALostGatewayAlsoWhileAMountIsTried(t *testing.T) {
	nodes := driven(t)
	n := nodes[2]
	n.Files.Set("/proc/4711/comm", "dvdcli\n", 0o444)
	nodes[0].GatewayOut(true)
	assert.Equal(t, step.Needed, check(t, n, "configure-volume-driver").Verdict)
}

func TestVolumeDriver_knowsItsPasswordWithoutTheScheduler(t *testing.T) {
	nodes := driven(t)
	n := nodes[2]
	n.Secrets = api.Secrets{}
	assert.Equal(t, step.Satisfied, check(t, n, "configure-volume-driver").Verdict)
	nodes[0].GatewayOut(true)
	require.NoError(t, stepOf(t, n, "configure-volume-driver").Apply(t.Context()))
	assert.Equal(t, step.Satisfied, check(t, n, "configure-volume-driver").Verdict, "a switch needs no scheduler")

	n.Secrets.VolumeUser = api.NewSecret("a new one")
	assert.Equal(t, step.Needed, check(t, n, "configure-volume-driver").Verdict)

	n.Secrets = api.Secrets{}
	require.NoError(t, n.Files.Remove(rexrayConfig))
	assert.Equal(t, "WaitingForSecret", check(t, n, "configure-volume-driver").Reason)
}

func TestVolumeDriver_somebodyElsesConfigurationStays(t *testing.T) {
	nodes := driven(t)
	n := nodes[2]
	n.Files.Set(rexrayConfig, "libstorage: {service: ebs}\n", 0o644)
	assert.Equal(t, "ForeignConfiguration", check(t, n, "configure-volume-driver").Reason)

	n.Files.Set(rexrayConfig, "# Written by scaleio-agent; changes are undone.\n{broken", 0o600)
	f := check(t, n, "configure-volume-driver")
	assert.Equal(t, step.Needed, f.Verdict)
	assert.NotContains(t, f.Message, "secret")
}

func TestVolumeDriver_beforeThePool(t *testing.T) {
	n := one()
	n.Spec.Volumes = nil
	assert.Equal(t, "WaitingForCluster", check(t, n, "configure-volume-driver").Reason)
}

func TestVolumeDriver_drift(t *testing.T) {
	nodes := driven(t)
	n := nodes[2]
	i := n.Installer()
	n.Files.Set("/usr/bin/dvdcli", "something of another size", 0o755)
	require.Equal(t, "NotInstalled", look(t, i, n, "install-volume-driver").Reason)
	require.Equal(t, step.Satisfied, look(t, i, n, "fetch-packages").Verdict, "its file is still here")
	require.NoError(t, in(t, i, n, "install-volume-driver").Apply(t.Context()))
	assert.Equal(t, "stand-in for dvdcli "+installertest.Version, n.Files.Tree("/usr/bin")["/usr/bin/dvdcli"])
	assert.Zero(t, n.Units.Count("stop", "rexray.service"), "dvdcli alone is no reason to stop the driver")

	n.Files.Set("/usr/bin/rexray", "an old one", 0o755)
	require.NoError(t, in(t, i, n, "install-volume-driver").Apply(t.Context()))
	assert.Equal(t, 1, n.Units.Count("stop", "rexray.service"))
	assert.Equal(t, step.Needed, look(t, i, n, "run-volume-driver").Verdict)

	packageOf(n, "rexray").OS = "rocky9"
	require.NoError(t, n.Files.Remove("/usr/bin/rexray"))
	assert.Equal(t, "NoPackage", look(t, i, n, "install-volume-driver").Reason)
}

func TestVolumeDriver_unitNeedsNoDocker(t *testing.T) {
	nodes := driven(t)
	unit := nodes[2].Files.Tree("/etc/systemd")["/etc/systemd/system/rexray.service"]
	assert.Contains(t, unit, "WantedBy=multi-user.target")
	assert.Contains(t, unit, "After="+scaleio.UnitSDC)
	assert.Contains(t, unit, "KillMode=process")
}

// Another digest in the manifest is another version: the binary is replaced and the driver restarted, but not while the isolator waits for a mount.
func TestVolumeDriver_isReplacedBetweenMounts(t *testing.T) {
	n := driven(t)[2]
	n.Files.Set("/usr/bin/rexray", "an older version", 0o755)
	n.Files.Set("/proc/77/comm", "dvdcli\n", 0o444)
	assert.Equal(t, "MountInProgress", check(t, n, "install-volume-driver").Reason)
	n.Files.Delete("/proc/77/comm")
	assert.Equal(t, step.Needed, check(t, n, "install-volume-driver").Verdict)
	require.NoError(t, stepOf(t, n, "install-volume-driver").Apply(t.Context()))
	assert.Equal(t, step.Satisfied, check(t, n, "install-volume-driver").Verdict)
	assert.NotEqual(t, "an older version", n.Files.Tree("/usr/bin")["/usr/bin/rexray"])
	require.NoError(t, stepOf(t, n, "run-volume-driver").Apply(t.Context()))
	assert.Equal(t, step.Satisfied, check(t, n, "run-volume-driver").Verdict)
}
