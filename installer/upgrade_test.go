package installer_test

import (
	"testing"
	"testing/synctest"

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

const newer = "3.6-1000.5"

var upgradable = []string{scaleio.Gateway, scaleio.MDM, scaleio.SDS, scaleio.SDC}

// inContainer is a whole node, its kernel its host's.
func inContainer() *installertest.Node {
	n := one()
	n.Facts.Container = "systemd-nspawn"
	return n
}

// whole brings a node's daemons up.
func whole(t *testing.T, n *installertest.Node) *process {
	t.Helper()
	p := start(n)
	got := p.rest(t)
	for _, name := range []string{"run-gateway", "run-mdm", "run-sds", "load-scini"} {
		require.Equal(t, api.True, got[name].Status, "%s: %s", name, got[name].Message)
	}
	return p
}

// onePass walks the plan once.
func (p *process) onePass(t *testing.T) map[string]api.Condition {
	t.Helper()
	plan, err := p.i.Plan(p.Input())
	require.NoError(t, err)
	all := map[string]api.Condition{}
	for _, c := range p.r.Pass(t.Context(), plan, p.Spec.Gates, p.Spec.Version.Generation).Conditions {
		all[c.Type] = c
	}
	return all
}

func version(t *testing.T, n *installertest.Node, component string) platform.PackageState {
	t.Helper()
	state, err := n.Packages.State(t.Context(), scaleio.PackageName(n.Facts.Family, component))
	require.NoError(t, err)
	return state
}

// A node that waits for its turn is at rest and goes on as it was; each lease lets it upgrade its one component, and nothing is asked for any more at the end.
func TestUpgrade_eachComponentInItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := inContainer()
		p := whole(t, n)
		for _, c := range upgradable {
			n.List(c, newer, nil)
		}
		n.Leases.Forget()
		got := p.rest(t)
		assert.Equal(t, api.True, got["fetch-upgrades"].Status, "fetched before anybody's turn: %s", got["fetch-upgrades"].Message)
		for _, c := range upgradable {
			assert.Equal(t, api.True, got["upgrade-"+c].Status)
			assert.Equal(t, "UpgradeWaits", got["upgrade-"+c].Reason)
			assert.Contains(t, got["upgrade-"+c].Message, c+" "+installertest.Version+".Ubuntu.22.04 is to be upgraded to "+newer)
			assert.True(t, n.Leases.Wanted(api.UpgradeLease(c)))
			assert.Contains(t, version(t, n, c).Version, installertest.Version)
		}
		assert.False(t, n.Leases.Wanted(api.LeaseDisruption))

		n.Crash(scaleio.UnitSDS)
		assert.Equal(t, api.True, p.rest(t)["run-sds"].Status, "who waits is mended as ever")

		for i, c := range upgradable {
			n.Leases.Grant(api.UpgradeLease(c), true)
			n.Leases.Forget()
			got := p.rest(t)
			assert.Equal(t, api.True, got["upgrade-"+c].Status, got["upgrade-"+c].Message)
			assert.Equal(t, platform.PackageState{Version: newer + ".Ubuntu.22.04", Configured: true}, version(t, n, c))
			for _, later := range upgradable[i+1:] {
				assert.Contains(t, version(t, n, later).Version, installertest.Version, "the lease was for %s", c)
			}
			n.Leases.Forget()
			p.rest(t)
			assert.False(t, n.Leases.Wanted(api.UpgradeLease(c)))
		}
		left, err := n.Files.Glob("/var/lib/scaleio-agent/intents/upgrade*")
		require.NoError(t, err)
		assert.Empty(t, left)
		assert.Equal(t, map[string]string{"MDM_ROLE_IS_MANAGER": "1"}, n.InstalledWith(scaleio.MDM), "an upgrade's scripts get what the first installation's got")
	})
}

func TestUpgrade_refused(t *testing.T) {
	for name, c := range map[string]struct {
		installed, listed string
		verdict           step.Verdict
		reason            string
		words             []string
	}{
		"the same":          {"3.6-700.103.Ubuntu.22.04", "3.6-700.103", step.Satisfied, api.ReasonSatisfied, nil},
		"a newer one":       {"3.6-700.103.Ubuntu.22.04", newer, step.Satisfied, "UpgradeWaits", []string{"3.6-700.103", newer}},
		"from long ago":     {"2.0-14000.231", newer, step.Satisfied, "UpgradeWaits", nil},
		"an older one":      {"3.6-1000.5.Ubuntu.22.04", "3.6-700.103", step.Blocked, "Downgrade", []string{"never downgraded", "List the installed version"}},
		"a version unknown": {"3.6-700.103.Ubuntu.22.04", "4.5-2.185", step.Blocked, "UnknownVersion", []string{"4.5-2.185", "List one that it knows"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := inContainer()
			p := n.List(scaleio.SDS, c.listed, nil)
			n.Files.Set(installer.PackageFile(p), "stand-in for sds "+c.listed+" as a deb", 0o600)
			n.Packages.Set("emc-scaleio-sds", platform.PackageState{Version: c.installed, Configured: true})
			f := check(t, n, "upgrade-sds")
			assert.Equal(t, c.verdict, f.Verdict, f.Message)
			assert.Equal(t, c.reason, f.Reason)
			for _, words := range c.words {
				assert.Contains(t, f.Message, words)
			}
			assert.Equal(t, c.reason == "UpgradeWaits", n.Leases.Wanted(api.UpgradeLease(scaleio.SDS)))
			assert.Equal(t, step.Satisfied, check(t, n, "install-sds").Verdict, "what is installed is kept whole all the same")
		})
	}
}

// A daemon that a person masked isn't begun with: nobody could see it come back, and all others would wait for that.
func TestUpgrade_maskedDaemon(t *testing.T) {
	n := inContainer()
	p := n.List(scaleio.SDS, newer, nil)
	n.Files.Set(installer.PackageFile(p), "stand-in for sds "+newer+" as a deb", 0o600)
	n.Packages.Set("emc-scaleio-sds", platform.PackageState{Version: installertest.Version, Configured: true})
	n.Units.Set(scaleio.UnitSDS, systemd.UnitState{Load: "masked", Active: "inactive", Enabled: "masked"})
	n.Leases.Grant(api.UpgradeLease(scaleio.SDS), true)
	f := check(t, n, "upgrade-sds")
	assert.Equal(t, "UpgradeWaits", f.Reason)
	assert.Contains(t, f.Message, "systemctl unmask")
	assert.False(t, n.Leases.Wanted(api.UpgradeLease(scaleio.SDS)))
}

// What was begun keeps its turn until it is whole, and says what to do; another agent goes on with it, without the lease: its daemon is down already.
func TestUpgrade_scriptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := inContainer()
		whole(t, n)
		broken := true
		n.List(scaleio.SDS, newer, scriptFailsWhile(&broken))
		n.Leases.Grant(api.UpgradeLease(scaleio.SDS), true)
		got := start(n).onePass(t)
		c := got["upgrade-sds"]
		assert.Equal(t, api.False, c.Status)
		for _, words := range []string{"upgrading sds on this node from " + installertest.Version, "to " + newer, installertest.ErrScript.Error(), "no other node is upgraded", "mend"} {
			assert.Contains(t, c.Message, words)
		}
		assert.False(t, version(t, n, scaleio.SDS).Configured)
		seen := n.Installer().Observe(t.Context(), n.Input())
		require.Len(t, seen.Intents, 1)
		assert.Equal(t, "upgrade", seen.Intents[0].Kind)
		assert.Equal(t, scaleio.SDS, seen.Intents[0].Subject)
		assert.Equal(t, "UpgradeBegun", check(t, n, "install-sds").Reason, "it is the upgrade's to mend")

		n.Leases.Grant(api.UpgradeLease(scaleio.SDS), false)
		n.Leases.Forget()
		assert.Equal(t, step.Needed, check(t, n, "upgrade-sds").Verdict)
		assert.True(t, n.Leases.Wanted(api.UpgradeLease(scaleio.SDS)), "it keeps its turn")
		listed := packageOf(n, scaleio.SDS).Version
		packageOf(n, scaleio.SDS).Version = installertest.Version
		f := check(t, n, "upgrade-sds")
		assert.Equal(t, "Downgrade", f.Reason, "the old version is listed again")
		assert.Contains(t, f.Message, "was begun")
		packageOf(n, scaleio.SDS).Version = listed

		broken = false
		got = start(n).rest(t)
		assert.Equal(t, api.True, got["upgrade-sds"].Status, got["upgrade-sds"].Message)
		assert.True(t, version(t, n, scaleio.SDS).Configured)
		assert.Equal(t, api.True, got["run-sds"].Status)
		assert.Empty(t, n.Installer().Observe(t.Context(), n.Input()).Intents)
	})
}

// A package that is left half-configured while its daemon runs is gone on with when the storage can miss that daemon, and a gateway's scripts never run without its password.
func TestUpgrade_unfinished(t *testing.T) {
	left := func(t *testing.T, component string) *installertest.Node {
		n := inContainer()
		whole(t, n)
		p := n.List(component, newer, nil)
		n.Files.Set(installer.PackageFile(p), "stand-in for "+component+" "+newer+" as a deb", 0o600)
		n.Files.Set(installer.IntentFile("upgrade", component), `{"kind":"upgrade","subject":"`+component+`","detail":{"from":"3.6-700.103","to":"`+newer+`"}}`, 0o600)
		n.Packages.Set(scaleio.PackageName(n.Facts.Family, component), platform.PackageState{Version: newer + ".Ubuntu.22.04"})
		return n
	}
	synctest.Test(t, func(t *testing.T) {
		n := left(t, scaleio.SDS)
		f := check(t, n, "upgrade-sds")
		assert.Equal(t, step.Waiting, f.Verdict, f.Message)
		assert.Contains(t, f.Message, "its daemon runs")
		assert.True(t, n.Leases.Wanted(api.UpgradeLease(scaleio.SDS)))
		require.Error(t, stepOf(t, n, "upgrade-sds").Apply(t.Context()))
		assert.False(t, version(t, n, scaleio.SDS).Configured)

		n.Leases.Grant(api.UpgradeLease(scaleio.SDS), true)
		assert.Equal(t, step.Needed, check(t, n, "upgrade-sds").Verdict)
		n.Leases.Grant(api.UpgradeLease(scaleio.SDS), false)
		n.Crash(scaleio.UnitSDS)
		assert.Equal(t, step.Needed, check(t, n, "upgrade-sds").Verdict, "nothing is lost by it")
		require.NoError(t, stepOf(t, n, "upgrade-sds").Apply(t.Context()))
		assert.True(t, version(t, n, scaleio.SDS).Configured)

		n = left(t, scaleio.Gateway)
		n.Crash(scaleio.UnitGateway)
		n.Secrets.GatewayAdmin = api.Secret{}
		f = check(t, n, "upgrade-gateway")
		assert.Equal(t, step.Waiting, f.Verdict, f.Message)
		assert.Contains(t, f.Message, "password")
		require.Error(t, stepOf(t, n, "upgrade-gateway").Apply(t.Context()))
	})
}

// Scripts that fail once never run again without their settings: a manager would be a tie-breaker from then on.
func TestUpgradeMDM_scriptFailsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := inContainer()
		whole(t, n)
		file := installer.PackageFile(n.List(scaleio.MDM, newer, nil))
		archive, runs := n.Packages.Provided(file), 0
		scripts := archive.Install
		archive.Install = func(env map[string]string) error {
			assert.Equal(t, map[string]string{"MDM_ROLE_IS_MANAGER": "1"}, env)
			if runs++; runs == 1 {
				return installertest.ErrScript
			}
			return scripts(env)
		}
		n.Packages.Provide(file, archive)
		n.Leases.Grant(api.UpgradeLease(scaleio.MDM), true)
		start(n).rest(t)
		assert.True(t, version(t, n, scaleio.MDM).Configured)
	})
}

// What is down is mended, whatever else of the new manifest can't be had at that time.
func TestUpgrade_unfinishedBeforeOthersAreFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := inContainer()
		whole(t, n)
		broken := true
		n.List(scaleio.SDS, newer, scriptFailsWhile(&broken))
		n.Leases.Grant(api.UpgradeLease(scaleio.SDS), true)
		start(n).onePass(t)
		require.False(t, version(t, n, scaleio.SDS).Configured)

		n.List(scaleio.SDC, newer, nil)
		packageOf(n, scaleio.SDC).URL = "http://mirror/away"
		broken = false
		got := start(n).rest(t)
		assert.True(t, version(t, n, scaleio.SDS).Configured)
		assert.Equal(t, api.True, got["run-sds"].Status)
		assert.Equal(t, api.False, got["fetch-upgrades"].Status, "then it is the others' turn")
	})
}

// A note of an upgrade that changed nothing yet gives no right to begin.
func TestUpgrade_cutBeforeItBegan(t *testing.T) {
	n := inContainer()
	before(t, n, "upgrade-sds")
	p := n.List(scaleio.SDS, newer, nil)
	n.Files.Set(installer.PackageFile(p), "stand-in for sds "+newer+" as a deb", 0o600)
	n.Files.Set(installer.IntentFile("upgrade", scaleio.SDS), `{"kind":"upgrade","subject":"sds","detail":{"from":"3.6-700.103","to":"`+newer+`"}}`, 0o600)
	f := check(t, n, "upgrade-sds")
	assert.Equal(t, step.Waiting, f.Verdict, "not whole until it is done: %s", f.Message)
	require.Error(t, stepOf(t, n, "upgrade-sds").Apply(t.Context()))
	assert.Contains(t, version(t, n, scaleio.SDS).Version, installertest.Version)
	n.Leases.Grant(api.UpgradeLease(scaleio.SDS), true)
	assert.Equal(t, step.Needed, check(t, n, "upgrade-sds").Verdict)
}

// A daemon that doesn't come up as the new version keeps the turn, too.
func TestUpgrade_daemonStaysDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := inContainer()
		whole(t, n)
		n.List(scaleio.SDS, newer, nil)
		n.Leases.Grant(api.UpgradeLease(scaleio.SDS), true)
		n.Units.Starting = func(string) error { return assert.AnError }
		n.Units.Set(scaleio.UnitSDS, systemd.UnitState{Load: "loaded", Active: "failed", Result: "exit-code", Enabled: "enabled"})
		p := start(n)
		plan, err := p.i.Plan(n.Input())
		require.NoError(t, err)
		for _, item := range plan {
			if item.Step.Name() == "fetch-upgrades" {
				require.NoError(t, item.Step.Apply(t.Context()))
			}
			if item.Step.Name() == "upgrade-sds" {
				n.Packages.Provide(installer.PackageFile(*packageOf(n, scaleio.SDS)), archiveThatStartsNothing(n))
				require.Error(t, item.Step.Apply(t.Context()))
				f, err := item.Step.Check(t.Context())
				require.NoError(t, err)
				assert.Equal(t, step.Needed, f.Verdict)
				assert.Len(t, n.Installer().Observe(t.Context(), n.Input()).Intents, 1)
			}
		}
	})
}

// The new driver is needed at the next boot: its module has to be there to be had before the package is replaced, and is fetched for nobody else before.
func TestUpgradeSDC_moduleFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := one()
		p := whole(t, n)
		n.Spec.ModuleMirror = mirrorURL
		n.List(scaleio.SDC, newer, nil)
		n.Leases.Grant(api.UpgradeLease(scaleio.SDC), true)
		n.Leases.Forget()
		c := p.rest(t)["upgrade-sdc"]
		assert.Equal(t, "NoModule", c.Reason, c.Message)
		assert.Contains(t, c.Message, "3.6.1000.5")
		assert.Contains(t, c.Message, runningKernel)
		assert.False(t, n.Leases.Wanted(api.UpgradeLease(scaleio.SDC)), "nobody else waits for it")
		assert.Contains(t, version(t, n, scaleio.SDC).Version, installertest.Version)

		m := n.Module(runningKernel)
		m.Version = "3.6.1000.5"
		n.Download.Serve(mirrorURL+"/Ubuntu22.04/3.6.1000.5/"+runningKernel+"/scini.tar", packed(t, m.File()))
		n.Spec.Version.Generation++
		n.SetModuleUsers(1)
		p.rest(t)
		assert.Contains(t, version(t, n, scaleio.SDC).Version, newer)
	})
}

// archiveThatStartsNothing is a package whose script leaves the start to others.
func archiveThatStartsNothing(n *installertest.Node) platformtest.Archive {
	a := n.Packages.Provided(installer.PackageFile(*packageOf(n, scaleio.SDS)))
	a.Install = func(map[string]string) error { return nil }
	return a
}

// upgradableNode may upgrade a component.
func upgradableNode(component string) func(*testing.T) *installertest.Node {
	return func(*testing.T) *installertest.Node {
		n := inContainer()
		n.Leases.Grant(api.UpgradeLease(component), true)
		return n
	}
}

// lists a newer version, whose package was fetched unless fetching is the step.
func lists(component string) func(*testing.T, *installertest.Node) {
	return func(t *testing.T, n *installertest.Node) {
		p := n.List(component, newer, nil)
		if _, held := n.Leases.Left(api.UpgradeLease(component)); held {
			n.Files.Set(installer.PackageFile(p), "stand-in for "+component+" "+newer+" as a deb", 0o600)
		}
	}
}

// scriptFailsWhile is a package's script.
func scriptFailsWhile(broken *bool) func() error {
	return func() error {
		if *broken {
			return installertest.ErrScript
		}
		return nil
	}
}
