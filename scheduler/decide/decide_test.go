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

func TestDecide_roles(t *testing.T) {
	rows := []struct {
		name    string
		state   *builder
		settled time.Duration // how long three nodes have been there
		want    string        // managers and tie-breaker; "" = none yet
		waiting string
	}{
		{"none", cluster(), 0, "", "3 more nodes"},
		{"two nodes", cluster().racks("a", "b"), time.Hour, "", "1 more node "},
		{"three domains, at once", cluster().racks("a", "b", "c"), 0, "n1 n2 n3", ""},
		{"two of three share a domain: settle", cluster().racks("a", "a", "b", "c").with(4, silent), 0, "", "better spread"},
		{"one domain: after settling", cluster().racks("a", "a", "a"), time.Minute, "n1 n2 n3", ""},
		{"spread before names", cluster().racks("a", "a", "b", "c"), 0, "n1 n3 n4", ""},
		{"unsupported isn't chosen", cluster().racks("a", "b", "c", "a").with(1, unsupported), 0, "n2 n3 n4", ""},
		{"unsupported is named", cluster().racks("a", "b", "c").with(2, unsupported), 0, "", "n2 isn't supported (UnknownOS)"},
		{"silent isn't chosen", cluster().racks("a", "b", "c").with(2, silent), 0, "", "n2 hasn't reported"},
		{"too small", cluster().racks("a", "b", "c").with(3, tooSmall), 0, "", "n3 is too small"},
		{"conflict", cluster().racks("a", "b", "c").with(3, conflict), 0, "", "identity conflict"},
		{"no address", cluster().racks("a", "b", "c").with(3, noAddress), 0, "", "reports no address"},
		{"pinned to data", cluster().racks("a", "b", "c", "c").with(3, pin("data")), 0, "n1 n2 n4", ""},
		{"pins beat spread", cluster().racks("a", "a", "a", "b", "c").with(2, pin("manager")).with(3, pin("tie-breaker")).with(1, pin("manager")), 0, "n1 n2 n3", ""},
		{"a pin moves the seat", cluster().racks("a", "b", "c").with(1, pin("tie-breaker")), 0, "n2 n3 n1", ""},
		{"pinned node not there yet: settle", expecting(cluster().racks("a", "b", "c"), "manager"), 0, "", "better spread"},
		{"pinned node never came", expecting(cluster().racks("a", "b", "c"), "manager"), time.Minute, "n1 n2 n3", ""},
		{"two domains are refused", cluster().racks("a", "b", "a"), time.Hour, "", "third failure domain"},
		{"no attribute: each node is a domain", unattributed(cluster().racks("", "", "")), 0, "n1 n2 n3", ""},
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
			assert.Equal(t, row.want != "", c.Open(api.GateRolesDecided))
			if len(c.MDMs) == 3 {
				assert.Equal(t, []api.Role{api.RoleManager, api.RoleManager, api.RoleTieBreaker}, []api.Role{c.MDMs[0].Role, c.MDMs[1].Role, c.MDMs[2].Role})
			}
		})
	}
}

func expecting(b *builder, pin string) *builder {
	b.Expected = map[string]decide.Expected{"agent-9": {Pin: pin}}
	return b
}

func unattributed(b *builder) *builder {
	b.Settings.DomainAttribute = ""
	return b
}

func TestDecide_settlesAndLooksAgain(t *testing.T) {
	b := cluster().racks("a", "a", "a")
	_, out := decide.Decide(&b.State)
	assert.Equal(t, now, out.Settling)
	assert.Equal(t, time.Minute, out.Again)
	b.Settling, b.Now = out.Settling, now.Add(59*time.Second)
	_, out = decide.Decide(&b.State)
	assert.Equal(t, time.Second, out.Again)
	b.with(1, unsupported)
	_, out = decide.Decide(&b.State)
	assert.True(t, out.Settling.IsZero(), "two nodes left: it begins anew")
}

func TestDecide_rolesAreSticky(t *testing.T) {
	b := cluster().racks("a", "b", "c").decided()
	before := b.Cluster.MDMs
	b.node(4, "d").with(1, unsupported).with(2, silent).decided()
	assert.Equal(t, before, b.Cluster.MDMs)
}

func TestDecide_formation(t *testing.T) {
	ready := func() *builder {
		return cluster().racks("a", "b", "c").decided().all(holds("run-mdm"), mdm(noCluster))
	}
	rows := []struct {
		name    string
		state   *builder
		granted bool
		waiting string
	}{
		{"all say no cluster", ready(), true, ""},
		{"one hasn't installed", cluster().racks("a", "b", "c").decided().all(mdm(noCluster)).with(1, holds("run-mdm")).with(2, holds("run-mdm")), false, "an MDM on n3"},
		{"one report is for an older spec", ready().with(2, stale), false, "an MDM on n2"},
		{"one look is older than the spec", ready().with(2, func(n *decide.Node) { n.Report.Conditions[0].Generation-- }), false, "an MDM on n2"},
		{"one is silent since the restart", ready().with(2, silent), false, "an MDM on n2"},
		{"one is in a foreign cluster", ready().with(3, mdm(foreign)), false, "already belongs to ScaleIO system 00000000000000bb"},
		{"one isn't understood", ready().with(3, mdm(api.MDMView{Installed: true, Unknown: "gibberish"})), false, "gibberish"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c, out := decide.Decide(&row.state.State)
			assert.Equal(t, row.granted, c.Formation != nil)
			if row.granted {
				assert.Equal(t, api.Formation{Node: "id1", Nonce: "nonce-1"}, *c.Formation)
				assert.Equal(t, map[string]string{"a": "a", "b": "b", "c": "c"}, c.FaultSets)
			} else {
				assert.Contains(t, out.Waiting, row.waiting)
			}
		})
	}
}

func TestDecide_grantNeverMovesByItself(t *testing.T) {
	b := cluster().racks("a", "b", "c").decided().all(holds("run-mdm"), mdm(noCluster)).decided()
	grant := *b.Cluster.Formation
	b.Nonce, b.Now = "nonce-2", now.Add(24*time.Hour)
	b.with(1, silent).decided()
	assert.Equal(t, grant, *b.Cluster.Formation)

	c, err := decide.ReleaseFormation(&b.State)
	require.NoError(t, err)
	b.Cluster, b.Now = c, now
	b.node(1, "a", holds("run-mdm"), mdm(noCluster)).decided()
	assert.Equal(t, api.Formation{Node: "id2", Nonce: "nonce-2"}, *b.Cluster.Formation, "the next manager's turn")
}

func TestDecide_faultSets(t *testing.T) {
	rows := []struct {
		name  string
		racks []string
		want  map[string]string
	}{
		{"three domains", []string{"a", "b", "c"}, map[string]string{"a": "a", "b": "b", "c": "c"}},
		{"one domain", []string{"a", "a", "a"}, nil},
		{"odd names", []string{"us-east.1a", "b b", "c"}, map[string]string{"us-east.1a": "us-east-1a", "b b": "b-b", "c": "c"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := formed(row.racks...)
			assert.True(t, b.Cluster.Spread)
			assert.Equal(t, row.want, b.Cluster.FaultSets)
		})
	}
	b := formed("a", "b", "c").node(4, "d").decided()
	assert.Equal(t, "d", b.Cluster.FaultSets["d"], "a new domain gets a set of its own")
	b = formed("a", "a", "a").node(4, "b").node(5, "c").decided()
	assert.Empty(t, b.Cluster.FaultSets, "decided: none, for good")
}

func TestDecide_systemIsPinned(t *testing.T) {
	b := formed("a", "b", "c")
	assert.Equal(t, "00000000000000aa", b.Cluster.SystemID)
	b.with(1, mdm(foreign)).decided()
	assert.Equal(t, "00000000000000aa", b.Cluster.SystemID)
	assert.Equal(t, "00000000000000bb", decide.Foreign(&b.Cluster, b.Nodes["id1"].Report))
	assert.Empty(t, decide.Foreign(&b.Cluster, b.Nodes["id2"].Report))
}

func TestDecide_gatesOpenInOrderAndNeverClose(t *testing.T) {
	b := formed("a", "b", "c")
	assert.Equal(t, []api.Gate{api.GateRolesDecided, api.GateMDMsInstalled}, b.Cluster.Gates)
	b.view(func(v *api.ClusterView) { v.Mode = "1_node" }).decided()
	assert.False(t, b.Cluster.Open(api.GateClusterFormed))
	b.view(func(v *api.ClusterView) { v.State = "Degraded" }).decided()
	assert.False(t, b.Cluster.Open(api.GateClusterFormed))
	b.view().with(1, stale).decided()
	assert.False(t, b.Cluster.Open(api.GateClusterFormed), "said for an older spec")
	b.with(1, func(n *decide.Node) { n.Generation-- }).decided()
	assert.True(t, b.Cluster.Open(api.GateClusterFormed))

	b.all(holds("trust-mdms")).with(1, gateway).decided()
	assert.False(t, b.Cluster.Open(api.GateGatewayReady), "one certificate is missing")
	b.with(2, gateway).decided()
	assert.True(t, b.Cluster.Open(api.GateGatewayReady))
	assert.False(t, b.Cluster.Open(api.GatePoolReady))
	b.view(func(v *api.ClusterView) { v.PoolReady = true }).decided()
	assert.Equal(t, api.Gates, b.Cluster.Gates)

	b.all(silent).decided()
	assert.Equal(t, api.Gates, b.Cluster.Gates)
}

func TestDecide_holdStopsAll(t *testing.T) {
	b := cluster().racks("a", "b", "c")
	b.Cluster.Hold = &api.Hold{Author: "me", Until: now.Add(time.Minute)}
	c, out := decide.Decide(&b.State)
	assert.Empty(t, c.MDMs)
	assert.Contains(t, out.Waiting, "hold of me")
	b.Now = now.Add(time.Minute)
	b.decided()
	assert.Len(t, b.Cluster.MDMs, 3, "it has expired")
}

func TestName(t *testing.T) {
	taken := map[string]bool{"node": true, "node-2": true, strings.Repeat("x", 31): true}
	is := func(n string) bool { return taken[n] }
	assert.Equal(t, "node-3", decide.Name("node.example.com", "id", is))
	assert.Equal(t, strings.Repeat("x", 29)+"-2", decide.Name(strings.Repeat("x", 60), "id", is))
	assert.Equal(t, "a-b", decide.Name("a b", "id", is))
	assert.Equal(t, "node-i-0ab", decide.Name("", "i-0ab", is))
}

func TestSparePercent(t *testing.T) {
	rows := map[int]map[string]int64{
		34: {"a": 1, "b": 1, "c": 1},
		25: {"a": 1, "b": 1, "c": 1, "d": 1},
		50: {"a": 2, "b": 1, "c": 1},
	}
	for want, units := range rows {
		assert.Equal(t, want, decide.SparePercent(units))
	}
	ten := map[string]int64{}
	for _, unit := range strings.Split("a b c d e f g h i j k l", " ") {
		ten[unit] = 5
	}
	assert.Equal(t, 10, decide.SparePercent(ten))
	assert.Equal(t, 34, decide.SparePercent(nil))
}

// A storage system whose MDMs were forgotten isn't given others.
func TestDecide_noNewMDMsForASystemThatExists(t *testing.T) {
	b := formed("a", "b", "c")
	require.NotEmpty(t, b.Cluster.SystemID)
	b.Cluster.MDMs = nil
	c, out := decide.Decide(&b.State)
	assert.Empty(t, c.MDMs)
	assert.Contains(t, out.Waiting, b.Cluster.SystemID)
}
