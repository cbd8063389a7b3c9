package decide_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// clientOnly: what a Flatcar node says of itself.
func clientOnly(n *decide.Node) {
	n.Report.Platform = api.Platform{OS: "flatcar3815.2.5", Pretty: "Flatcar", Supported: true, ClientOnly: true}
}

func allowing(b *builder) *builder {
	b.Settings.AllowUnsupported = true
	return b
}

func TestDecide_clientsCarryNoMDM(t *testing.T) {
	rows := []struct {
		name    string
		state   *builder
		settled time.Duration
		want    string
		waiting string
	}{
		{"passed over", cluster().racks("a", "b", "c", "c").with(1, clientOnly).with(4, func(n *decide.Node) { n.Domain = "a" }), 0, "n2 n3 n4", ""},
		{"named while it is missed", cluster().racks("a", "b", "c").with(3, clientOnly), time.Hour, "", "n3 is a client (Flatcar; allow-unsupported is off)"},
		{"allowed: tie-breaker", allowing(cluster().racks("a", "b", "c").with(1, clientOnly)), 0, "n2 n3 n1", ""},
		{"allowed: never manager, not by its pin either", allowing(cluster().racks("a", "b", "c").with(1, clientOnly, pin("manager"))), 0, "n2 n3 n1", ""},
		{"allowed: a pin may not take the last manager away", allowing(cluster().racks("a", "b", "c").with(1, clientOnly).with(2, pin("tie-breaker"))), 0, "n3 n2 n1", ""},
		{"allowed: two managers are needed", allowing(cluster().racks("a", "b", "c", "d").with(1, clientOnly).with(2, clientOnly).with(3, clientOnly)), time.Hour, "",
			"1 more node that can carry an MDM manager (1 of 2 there"},
		{"a supported one is preferred", allowing(cluster().racks("a", "b", "c", "c").with(3, clientOnly)), 0, "n1 n2 n4", ""},
		{"spread before support", allowing(cluster().racks("a", "b", "b", "c").with(4, clientOnly)), 0, "n1 n2 n4", ""},
		{"a supported one may come yet: settle", expecting(allowing(cluster().racks("a", "b", "c").with(3, clientOnly)), ""), 0, "", "better spread"},
		{"it never came", expecting(allowing(cluster().racks("a", "b", "c").with(3, clientOnly)), ""), time.Minute, "n1 n2 n3", ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if row.settled > 0 {
				row.state.Settling = now.Add(-row.settled)
			}
			c, out := decide.Decide(&row.state.State)
			var names []string
			for _, m := range c.MDMs {
				names = append(names, m.Name)
			}
			assert.Equal(t, row.want, strings.Join(names, " "))
			if row.waiting != "" {
				assert.Contains(t, out.Waiting, row.waiting)
			}
		})
	}
}

func TestRole_client(t *testing.T) {
	b := formed("a", "b", "c").node(4, "d", clientOnly, holds("run-sds"), disks(disk("d4", api.DiskOffered))).decided()
	n := b.Nodes["id4"]
	assert.Equal(t, api.RoleClient, b.Role(n))
	spec := decide.Spec(&b.State, n)
	assert.Equal(t, api.DiskPolicy{Use: api.DiskUseNone}, spec.Disks, "nothing of it is given")
	assert.Empty(t, b.Cluster.FaultSets["d"], "a rack of clients alone is no fault unit")
	assert.Empty(t, disksOf(b, "id4"))
	assert.Equal(t, 34, decide.Spec(&b.State, b.Nodes["id1"]).Cluster.SparePercent)
	assert.Contains(t, acts(b), "n4: make it a client")
	assert.False(t, decide.SecretsFor(&b.State, n).Admin)

	allowing(b).decided()
	assert.Equal(t, api.RoleData, b.Role(n))
	assert.Equal(t, "d", b.Cluster.FaultSets["d"])
	assert.Len(t, disksOf(b, "id4"), 1)
	assert.True(t, decide.Spec(&b.State, n).AllowUnsupported)
}

// What was allowed once and gave a disk isn't taken out of the pool by a changed setting.
func TestRole_aNodeThatGaveADiskKeepsItsSDS(t *testing.T) {
	for _, state := range []api.DiskState{api.DiskAdded, api.DiskAdopted} {
		b := formed("a", "b", "c").node(4, "d", clientOnly, disks(disk("d4", state)))
		assert.Equal(t, api.RoleData, b.Role(b.Nodes["id4"]), state)
	}
	b := formed("a", "b", "c").node(4, "d", clientOnly, claims("d4"))
	assert.Equal(t, api.RoleData, b.Role(b.Nodes["id4"]), "claimed")
}

func TestPlan_namesWhatIsAllowedOnly(t *testing.T) {
	b := allowing(cluster().racks("a", "b", "c").with(3, clientOnly))
	for _, l := range decide.Plan(&b.State, "").Steps {
		if l.Act == "make it MDM tie-breaker" {
			assert.Equal(t, "n3", l.Node)
			assert.Contains(t, l.Why, "Flatcar is supported for clients only, and allow-unsupported lets it")
			return
		}
	}
	require.Fail(t, "no tie-breaker planned")
}

func TestSpec_modulesAndReboots(t *testing.T) {
	b := cluster().racks("a").with(1, clientOnly)
	b.Settings.Reboots, b.Settings.ModuleMirror = api.RebootsRolling, "https://mirror/scini"
	b.Settings.Modules = []api.KernelModule{
		{OS: "flatcar3815.2.5", SDCVersion: "3.6", Kernel: "6.1.90-flatcar", File: "/srv/scini.ko", Size: 1, SHA256: "aa"},
		{OS: "ubuntu22.04", SDCVersion: "3.6", Kernel: "5.15.0-1", URL: "https://mirror/x", Size: 1, SHA256: "bb"},
	}
	spec := decide.Spec(&b.State, b.Nodes["id1"])
	assert.Equal(t, api.RebootsRolling, spec.Reboots)
	assert.Equal(t, "https://mirror/scini", spec.ModuleMirror)
	assert.Equal(t, []api.KernelModule{{OS: "flatcar3815.2.5", SDCVersion: "3.6", Kernel: "6.1.90-flatcar", URL: api.PathArtifacts + "/aa", Size: 1, SHA256: "aa"}}, spec.Modules)
}

func acts(b *builder) (all []string) {
	for _, l := range decide.Plan(&b.State, "").Steps {
		all = append(all, l.Node+": "+l.Act)
	}
	return all
}
