package installer_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
)

// check looks with a new process.
func check(t *testing.T, n *installertest.Node, name string) step.Finding {
	t.Helper()
	f, err := stepOf(t, n, name).Check(t.Context())
	require.NoError(t, err)
	return f
}

func packageOf(n *installertest.Node, component string) *api.Package {
	for i := range n.Spec.Packages {
		if n.Spec.Packages[i].Component == component {
			return &n.Spec.Packages[i]
		}
	}
	return nil
}

func TestInstall_scriptsGetTheirEnvironment(t *testing.T) {
	nodes := three()
	for _, n := range nodes {
		before(t, n, "install-volume-driver")
	}
	assert.Equal(t, map[string]string{"MDM_ROLE_IS_MANAGER": "1"}, nodes[0].InstalledWith(scaleio.MDM))
	assert.Equal(t, map[string]string{"MDM_ROLE_IS_MANAGER": "0"}, nodes[2].InstalledWith(scaleio.MDM))
	assert.Equal(t, map[string]string{"MDM_IP": "10.0.0.11,10.0.0.12"}, nodes[2].InstalledWith(scaleio.SDC))
	assert.Equal(t, map[string]string{"GATEWAY_ADMIN_PASSWORD": "gateway secret"}, nodes[0].InstalledWith(scaleio.Gateway))
	assert.Nil(t, nodes[2].InstalledWith(scaleio.Gateway), "a tie-breaker has no gateway")
}

func TestInstall_secretsGoNowhereElse(t *testing.T) {
	n := one()
	before(t, n, "install-volume-driver")
	for where, text := range n.Snapshot() {
		assert.NotContains(t, text, "gateway secret", where)
	}
	for _, c := range n.Commands.Calls() {
		assert.NotContains(t, strings.Join(c.Args, " "), "secret")
		for _, v := range c.Env {
			assert.NotContains(t, v, "secret")
		}
	}
}

func TestInstallGateway_waitsForItsPassword(t *testing.T) {
	n := one()
	before(t, n, "install-gateway")
	n.Secrets.GatewayAdmin = api.Secret{}
	assert.Equal(t, step.Waiting, check(t, n, "install-gateway").Verdict)
}

func TestInstallGateway_takenPortIsTold(t *testing.T) {
	n := one()
	before(t, n, "install-gateway")
	n.Network.Listen("127.0.0.1:443", true)
	f := check(t, n, "install-gateway")
	assert.Equal(t, step.Blocked, f.Verdict)
	assert.Contains(t, f.Message, "port 443 is taken")
}

func TestInstallPackage_versions(t *testing.T) {
	for name, c := range map[string]struct {
		installed string
		want      step.Verdict
		reason    string
	}{
		"the same":           {"3.6-700.103.Ubuntu.22.04", step.Satisfied, api.ReasonSatisfied},
		"without its OS tag": {"3.6-700.103", step.Satisfied, api.ReasonSatisfied},
		"newer, known":       {"3.6-1000.5.Ubuntu.22.04", step.Satisfied, api.ReasonSatisfied},
		"newer, unknown":     {"4.5-2.185.Ubuntu.22.04", step.Blocked, "NewerVersion"},
		"older":              {"3.6-200.105.Ubuntu.22.04", step.Satisfied, api.ReasonSatisfied}, // that is upgrade-sds'
		"much older":         {"2.0-5014.0.Ubuntu.14.04", step.Satisfied, api.ReasonSatisfied},
	} {
		t.Run(name, func(t *testing.T) {
			n := one()
			n.Packages.Set("emc-scaleio-sds", platform.PackageState{Version: c.installed, Configured: true})
			f := check(t, n, "install-sds")
			assert.Equal(t, c.want, f.Verdict, f.Message)
			assert.Equal(t, c.reason, f.Reason)
		})
	}
}

func TestInstallPackage_withoutOne(t *testing.T) {
	n := one()
	packageOf(n, scaleio.SDS).OS = "rocky9"
	f := check(t, n, "install-sds")
	assert.Equal(t, "NoPackage", f.Reason)
	assert.Contains(t, f.Message, "ubuntu22.04")

	n.Packages.Set("emc-scaleio-sds", platform.PackageState{Version: "3.6-700.103", Configured: true})
	assert.Equal(t, step.Satisfied, check(t, n, "install-sds").Verdict, "adopted")
}

func TestInstallPackage_halfConfiguredIsFinished(t *testing.T) {
	n := one()
	fail := 3
	p := *packageOf(n, scaleio.SDS)
	n.Packages.Provide(installer.PackageFile(p), platformtest.Archive{Name: "emc-scaleio-sds", Version: installertest.Version, Install: func(map[string]string) error {
		if fail--; fail > 0 {
			return errors.New("script")
		}
		n.Run(scaleio.UnitSDS)
		return nil
	}})
	before(t, n, "install-sds")
	require.Error(t, stepOf(t, n, "install-sds").Apply(t.Context()), "install and recovery fail")
	assert.Equal(t, "HalfConfigured", check(t, n, "install-sds").Reason)
	require.NoError(t, stepOf(t, n, "install-sds").Apply(t.Context()))
	assert.Equal(t, step.Satisfied, check(t, n, "install-sds").Verdict)
}

func TestInstallPackage_fileIsVerifiedRightBefore(t *testing.T) {
	n := one()
	before(t, n, "install-sds")
	file := installer.PackageFile(*packageOf(n, scaleio.SDS))
	n.Files.Set(file, "something else", 0o600)
	err := stepOf(t, n, "install-sds").Apply(t.Context())
	require.ErrorContains(t, err, "thrown away")
	assert.NotContains(t, n.Packages.Names(), "emc-scaleio-sds")
	assert.NotContains(t, n.Files.Tree("/var/lib"), file)
	assert.Equal(t, step.Needed, check(t, n, "fetch-packages").Verdict, "it is fetched again")
}

func TestInstallMDM_roleLostInRecovery(t *testing.T) {
	n := one()
	before(t, n, "run-mdm")
	n.Files.Set(scaleio.PathMDMConf, "actor_role_is_manager=0\nother=1\n", 0o640)
	f := check(t, n, "install-mdm")
	require.Equal(t, "OtherRole", f.Reason)
	require.Equal(t, step.Needed, f.Verdict)
	require.NoError(t, stepOf(t, n, "install-mdm").Apply(t.Context()))
	assert.Equal(t, "actor_role_is_manager=1\nother=1\n", n.Files.Tree("/opt")[scaleio.PathMDMConf])
	assert.Equal(t, 1, n.Units.Count("stop", scaleio.UnitMDM))
	assert.Equal(t, 1, n.Units.Count("start", scaleio.UnitMDM))
	assert.Equal(t, 1, n.Packages.Installs("emc-scaleio-mdm"))

	n.Product.FormAll()
	n.Files.Set(scaleio.PathMDMConf, "actor_role_is_manager=0\n", 0o640)
	assert.Equal(t, step.Blocked, check(t, n, "install-mdm").Verdict, "not in a cluster")
}

func TestFetchPackages_fromWhicheverSchedulerAnswers(t *testing.T) {
	n := one()
	for i := range n.Spec.Packages {
		p := &n.Spec.Packages[i]
		n.Download.Serve("https://second:9443/v1/artifacts/"+p.SHA256, []byte("stand-in for "+p.Component+" "+p.Version))
		p.URL = api.PathArtifacts + "/" + p.SHA256
	}
	i := installer.New(n.System(), installer.Options{Ask: n.Ask, Servers: func() []string { return []string{"https://first:9443", "https://second:9443/"} }})
	p, err := i.Plan(n.Input())
	require.NoError(t, err)
	fetch := p[2].Step
	require.Equal(t, "fetch-packages", fetch.Name())
	require.NoError(t, fetch.Apply(t.Context()))
	f, err := fetch.Check(t.Context())
	require.NoError(t, err)
	assert.Equal(t, step.Satisfied, f.Verdict)

	n.Files.Remove(installer.PackageFile(*packageOf(n, scaleio.SDS)))
	none := installer.New(n.System(), installer.Options{Ask: n.Ask})
	p, err = none.Plan(n.Input())
	require.NoError(t, err)
	assert.ErrorContains(t, p[2].Step.Apply(t.Context()), "no scheduler gave it")
}

func TestFetchPackages_installedOnesAreNotFetched(t *testing.T) {
	n := one()
	n.Packages.Set("emc-scaleio-sds", platform.PackageState{Version: installertest.Version, Configured: true})
	require.NoError(t, stepOf(t, n, "fetch-packages").Apply(t.Context()))
	assert.Zero(t, n.Download.Fetches("http://mirror/sds"))
	assert.Equal(t, 1, n.Download.Fetches("http://mirror/sdc"))
}

func TestInstallPackage_atRestNobodyIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		before(t, n, "run-sds")
		i := n.Installer()
		asked := func() (calls int) {
			n.Cutter.Heal()
			require.Equal(t, step.Satisfied, look(t, i, n, "install-sds").Verdict)
			for _, c := range n.Cutter.Calls() {
				if strings.HasPrefix(c, "package-state") {
					calls++
				}
			}
			return calls
		}
		n.Files.Set("/var/lib/dpkg/status", "1", 0o644)
		assert.Equal(t, 1, asked())
		assert.Zero(t, asked())
		n.Files.Set("/var/lib/dpkg/status", "22", 0o644)
		assert.Equal(t, 1, asked(), "the database changed")
		time.Sleep(11 * time.Minute)
		assert.Equal(t, 1, asked(), "it may have changed")

		n.Packages.Set("emc-scaleio-sds", platform.PackageState{})
		n.Files.Set("/var/lib/dpkg/status", "333", 0o644)
		require.Equal(t, step.Needed, look(t, i, n, "install-sds").Verdict)
		require.NoError(t, in(t, i, n, "install-sds").Apply(t.Context()))
		assert.Equal(t, 1, asked(), "we changed it, whatever its size")
	})
}

// A machine with rpm may have dpkg's database too: it says nothing of what rpm installed.
func TestInstallPackage_rpmIsAskedInEachPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		n.Facts.Family = platform.FamilyRPM
		n.Packages.Set("EMC-ScaleIO-sds", platform.PackageState{Version: installertest.Version, Configured: true})
		n.Files.Set("/var/lib/dpkg/status", "1", 0o644)
		i := n.Installer()
		require.Equal(t, step.Satisfied, look(t, i, n, "install-sds").Verdict)
		n.Packages.Set("EMC-ScaleIO-sds", platform.PackageState{})
		time.Sleep(2 * time.Second) // the next pass
		assert.NotEqual(t, step.Satisfied, look(t, i, n, "install-sds").Verdict, "somebody removed it")
	})
}

func TestRunUnit_maskedIsLeftAlone(t *testing.T) {
	n := one()
	before(t, n, "run-sds")
	n.Units.Set(scaleio.UnitSDS, systemd.UnitState{Load: "masked", Active: "inactive", Enabled: "masked"})
	f := check(t, n, "run-sds")
	assert.Equal(t, "Masked", f.Reason)
	assert.Contains(t, f.Message, "systemctl unmask sds.service")
}

func TestRunUnit_states(t *testing.T) {
	for name, c := range map[string]struct {
		state  systemd.UnitState
		want   step.Verdict
		reason string
	}{
		"not enabled":    {systemd.UnitState{Load: "loaded", Active: "active", Enabled: "disabled"}, step.Needed, "NotEnabled"},
		"until reboot":   {systemd.UnitState{Load: "loaded", Active: "active", Enabled: "enabled-runtime"}, step.Needed, "NotEnabled"},
		"sysv":           {systemd.UnitState{Load: "loaded", Active: "active", Enabled: "generated"}, step.Satisfied, api.ReasonSatisfied},
		"starting":       {systemd.UnitState{Load: "loaded", Active: "activating", Enabled: "enabled"}, step.Waiting, "Starting"},
		"failed":         {systemd.UnitState{Load: "loaded", Active: "failed", Result: "start-limit-hit", Enabled: "enabled"}, step.Needed, "NotRunning"},
		"no unit":        {systemd.UnitState{Load: "not-found", Active: "inactive"}, step.Needed, "NoUnit"},
		"enabled, alive": {systemd.UnitState{Load: "loaded", Active: "active", Enabled: "enabled"}, step.Satisfied, api.ReasonSatisfied},
	} {
		t.Run(name, func(t *testing.T) {
			n := one()
			before(t, n, "run-sds")
			n.Units.Set(scaleio.UnitSDS, c.state)
			f := check(t, n, "run-sds")
			assert.Equal(t, c.want, f.Verdict, f.Message)
			assert.Equal(t, c.reason, f.Reason)
		})
	}
}

func TestRunSDS_inMaintenanceIsLeftAlone(t *testing.T) {
	n := one()
	before(t, n, "run-sds")
	n.Storage = &api.StorageView{SDS: &api.SDSView{Name: "n1", InMaint: true}}
	n.Crash(scaleio.UnitSDS)
	assert.Equal(t, "InMaintenance", check(t, n, "run-sds").Reason)
	n.Storage.Ours = true
	assert.Equal(t, step.Needed, check(t, n, "run-sds").Verdict, "for a reboot: that ends when it runs")
	n.Storage.Ours = false
	n.Storage.SDS.InMaint = false
	assert.Equal(t, step.Needed, check(t, n, "run-sds").Verdict)
}

func TestRunScini_activeWithoutADriverIsNotEnough(t *testing.T) {
	n := one()
	before(t, n, "load-scini")
	require.Equal(t, step.Satisfied, check(t, n, "load-scini").Verdict)
	require.NoError(t, n.Files.Remove(scaleio.PathScini))
	f := check(t, n, "load-scini")
	assert.Equal(t, step.Needed, f.Verdict)
	assert.Contains(t, f.Message, "no driver for kernel 5.15.0-122-generic")
}

func TestConfigureGateway_keepsOtherLines(t *testing.T) {
	n := one()
	before(t, n, "configure-gateway")
	n.Files.Set(scaleio.PathGatewayUser, "# made by hand\nmdm.ip.addresses=1.2.3.4\nsecurity.bypass_certificate_check=true\nfeatures.enable_snmp=false\nmdm.ip.addresses=5.6.7.8\n", 0o600)
	require.NoError(t, stepOf(t, n, "configure-gateway").Apply(t.Context()))
	assert.Equal(t, "# made by hand\nmdm.ip.addresses=10.0.0.11,10.0.0.12\nsecurity.bypass_certificate_check=false\nfeatures.enable_snmp=false\n",
		n.Files.Tree("/opt")[scaleio.PathGatewayUser])
	mode, _, err := n.Files.Stat(scaleio.PathGatewayUser)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, mode.Perm())
}
