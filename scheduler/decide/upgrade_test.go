package decide_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// upgrades makes a node ask for the upgrade of components.
func upgrades(components ...string) change {
	return func(n *decide.Node) {
		n.Report.Wants = nil
		for _, c := range components {
			n.Report.Wants = append(n.Report.Wants, api.UpgradeLease(c))
		}
	}
}

func upgrading(component string) change {
	return func(n *decide.Node) {
		n.Report.Intents = []api.Intent{{Kind: decide.IntentUpgrade, Subject: component}}
	}
}

func settled(n *decide.Node) { n.Report.Ready, n.Report.Intents = true, nil }

// healthy is what the leader sees of n1 (master), n2 (slave), n3 (tie-breaker) and a pool.
func healthy(v *api.ClusterView) {
	v.Pool = &api.PoolView{SparePercent: 34}
	v.Members = []api.MDMMember{{Name: "n1", Role: "master", Status: "Normal"}, {Name: "n2", Role: "slave", Status: "Normal"}, {Name: "n3", Role: "tie-breaker", Status: "Normal"}}
}

// older cluster of two managers, a tie-breaker and a data node, all of which have everything to upgrade.
func older() *builder {
	b := pooled().view(healthy).with(2, mdm(slave)).with(3, mdm(slave)).all(ready)
	return b.with(1, upgrades("gateway", "mdm", "sds", "sdc")).with(2, upgrades("gateway", "mdm", "sds", "sdc")).with(3, upgrades("mdm", "sds", "sdc")).with(4, upgrades("sds", "sdc"))
}

// asks for the lease on behalf of every node, in an order that isn't that of upgrades.
func (b *builder) asks() (why string) {
	for _, id := range []string{"id4", "id1", "id2", "id3"} {
		if n := b.Nodes[id]; n != nil {
			var w string
			if b.Leases, w = decide.Disruption(&b.State, n); w != "" {
				why = w
			}
		}
	}
	return why
}

// later moves time on, and with it the reports and the sample.
func (b *builder) later(d time.Duration) *builder {
	b.Now = b.Now.Add(d)
	b.all(func(n *decide.Node) { n.SeenAt = b.Now })
	if b.View != nil {
		b.View.At = b.Now
	}
	b.Leases.LeaderUntil = b.Now.Add(api.LeaderLeaseTTL)
	return b
}

// Component by component, and of each the node of the master MDM last; never two nodes at a time, and each only after the storage was seen whole since the one before.
func TestUpgrade_order(t *testing.T) {
	b := older()
	var order []string
	for range 20 {
		b.later(10 * time.Second).asks()
		if b.Leases.Disruption == "" {
			break
		}
		holder := b.Nodes[b.Leases.Disruption]
		for _, n := range b.Nodes {
			if n != holder {
				assert.Empty(t, decide.MayUpgrade(&b.State, n), "one at a time")
			}
		}
		component := decide.MayUpgrade(&b.State, holder)
		if component == "" { // the master hands its part over first
			to := decide.Spec(&b.State, holder).Cluster.HandOver
			require.Equal(t, "n2", to)
			order = append(order, holder.Name+" hands over")
			b.with(1, mdm(slave)).with(2, mdm(master))
			b.Leases.Leader, b.View.From = "id2", "id2"
			component = decide.MayUpgrade(&b.State, holder)
		}
		order = append(order, holder.Name+" "+component)
		before := b.Leases
		b.asks()
		require.Equal(t, before.Disruption, b.Leases.Disruption, "while it asks it keeps the lease")

		var left []api.LeaseName
		for _, l := range holder.Report.Wants {
			if l != api.UpgradeLease(component) {
				left = append(left, l)
			}
		}
		holder.Report.Ready = false
		upgrading(component)(holder)
		b.asks()
		require.Equal(t, holder.ID, b.Leases.Disruption, "begun")
		holder.Report.Wants = left
		settled(holder)
		b.asks()
		if b.Leases.Disruption != "" { // it is its turn again: not by the same sample
			assert.Empty(t, decide.MayUpgrade(&b.State, b.Nodes[b.Leases.Disruption]), "no sample shows the storage after %s", order[len(order)-1])
		}
	}
	assert.Equal(t, []string{"n2 gateway", "n1 gateway", "n3 mdm", "n2 mdm", "n1 hands over", "n1 mdm",
		"n4 sds", "n3 sds", "n1 sds", "n2 sds", "n4 sdc", "n3 sdc", "n1 sdc", "n2 sdc"}, order)
}

func TestUpgrade_waits(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*builder)
		want   string
	}{
		"nothing against it": {func(*builder) {}, ""},
		"an SDS is away": {func(b *builder) {
			b.view(healthy, func(v *api.ClusterView) { v.SDSs = []api.SDSView{{Name: "n4", Connection: "Disconnected"}} })
		}, "n4 is Disconnected"},
		"a person's maintenance": {func(b *builder) {
			b.view(healthy, func(v *api.ClusterView) { v.SDSs = []api.SDSView{{Name: "n4", Connection: "Connected", InMaint: true}} })
		}, "maintenance"},
		"rebuilding":                  {func(b *builder) { b.view(healthy, func(v *api.ClusterView) { v.Pool.RebuildBytes = 1 }) }, "rebuilt"},
		"an MDM is away":              {func(b *builder) { b.view(healthy, func(v *api.ClusterView) { v.State = "Degraded" }) }, "Degraded"},
		"no view":                     {func(b *builder) { b.View = nil }, "isn't there"},
		"a node isn't heard":          {func(b *builder) { b.with(4, silent) }, "n4 isn't heard"},
		"a node follows older orders": {func(b *builder) { b.with(4, stale) }, "n4 hasn't looked"},
		"an agent began anew":         {func(b *builder) { b.with(4, upgrades(), func(n *decide.Node) { n.Report.Ready = false }) }, "n4 hasn't looked"},
		"the cluster is held":         {func(b *builder) { b.Cluster.Hold = &api.Hold{Author: "me"} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := older()
			c.change(b)
			why := b.asks()
			if c.want == "" && name != "the cluster is held" {
				assert.Equal(t, "id2", b.Leases.Disruption)
				return
			}
			assert.Empty(t, b.Leases.Disruption)
			assert.Contains(t, why, c.want)
		})
	}
}

// A node that can't be upgraded yet keeps the components that come later waiting, on every node; not those before, nor what was begun.
func TestUpgrade_behind(t *testing.T) {
	waiting := func(step, reason string) change {
		return func(n *decide.Node) {
			n.Report.Conditions = append(n.Report.Conditions, api.Condition{Type: step, Status: api.True, Reason: reason, Message: "its package isn't fetched yet", Generation: n.Report.Version.Generation})
		}
	}
	for _, c := range [][2]string{{"upgrade-mdm", "UpgradeWaits"}, {"install-mdm", "OlderVersion"}} {
		b := older().with(1, upgrades()).with(2, upgrades("sds")).with(3, upgrades(), waiting(c[0], c[1])).with(4, upgrades("sds"))
		why := b.asks()
		assert.Empty(t, b.Leases.Disruption)
		assert.Contains(t, why, "n3 comes before and can't yet: its package isn't fetched")
		i := slices.IndexFunc(decide.Plan(&b.State, "").Steps, func(l api.PlanLine) bool { return l.Act == "upgrade sds" })
		assert.Contains(t, decide.Plan(&b.State, "").Steps[i].Why, "n3 comes before")

		b.with(1, upgrades("gateway")).asks()
		assert.Equal(t, "id1", b.Leases.Disruption, "a component that comes before goes on")
	}
	b := older().with(1, upgrades()).with(2, upgrades()).with(3, upgrades(), waiting("upgrade-mdm", "UpgradeWaits")).with(4, upgrades("sds"))
	b.Leases.Disruption, b.Leases.For = "id4", "sds"
	assert.Empty(t, decide.MayUpgrade(&b.State, b.Nodes["id4"]))
	b.with(4, upgrading("sds"))
	assert.Equal(t, "sds", decide.MayUpgrade(&b.State, b.Nodes["id4"]), "begun")
}

// The storage is judged anew until the node begins; a client that is away keeps nobody waiting, and a held node is left out.
func TestUpgrade_turns(t *testing.T) {
	b := older()
	b.asks()
	require.Equal(t, "gateway", decide.MayUpgrade(&b.State, b.Nodes["id2"]))
	b.view(healthy, func(v *api.ClusterView) { v.Pool.DegradedBytes = 1 })
	assert.Empty(t, decide.MayUpgrade(&b.State, b.Nodes["id2"]))
	b.view(healthy).with(2, func(n *decide.Node) { n.Hold = &api.Hold{Author: "me"} })
	assert.Empty(t, decide.MayUpgrade(&b.State, b.Nodes["id2"]), "held")
	b.asks()
	assert.Equal(t, "", b.Leases.Disruption, "it is whole, and another's turn")
	b.later(10 * time.Second).asks()
	assert.Equal(t, "id1", b.Leases.Disruption)

	b = older().with(4, silent, func(n *decide.Node) { n.Report.Platform.ClientOnly = true })
	assert.Empty(t, func() string { b.Leases, _ = decide.Disruption(&b.State, b.Nodes["id2"]); return "" }())
	assert.Equal(t, "id2", b.Leases.Disruption)
}

// The first node that doesn't come back whole stops all others, until it does or a person decides.
func TestUpgrade_firstFailureStopsTheRest(t *testing.T) {
	b := older().with(1, upgrades("sds")).with(2, upgrades("sds")).with(3, upgrades("sds")).with(4, upgrades("sds"))
	b.asks()
	require.Equal(t, "id4", b.Leases.Disruption)
	b.with(4, upgrading("sds"), func(n *decide.Node) { n.Report.Ready = false })
	for range 3 {
		b.later(time.Hour).asks()
		assert.Equal(t, "id4", b.Leases.Disruption)
		for _, n := range b.Nodes {
			assert.True(t, n.ID == "id4" || decide.MayUpgrade(&b.State, n) == "")
		}
	}
	lines := decide.Plan(&b.State, "").Steps
	var said []string
	for _, l := range lines {
		if l.Act == "upgrade sds" {
			said = append(said, l.Node)
			assert.Equal(t, l.Node == "n4", l.Why == "begun", l.Why)
		}
	}
	assert.Equal(t, []string{"n4", "n3", "n2", "n1"}, said)

	b.with(4, func(n *decide.Node) {
		n.Report.Step = "install-sds"
		n.Report.Conditions = append(n.Report.Conditions, api.Condition{Type: "fetch-upgrades", Status: api.True, Generation: 3}, api.Condition{Type: "install-sds", Status: api.False, Reason: "UpgradeBegun", Message: "see upgrade-sds", Generation: 3},
			api.Condition{Type: "upgrade-sds", Status: api.False, Reason: api.ReasonFailed, Message: "apply upgrade-sds: upgrading sds on this node: script failed", Generation: 3})
	})
	line := decide.Status(&b.State, "").Nodes[3]
	assert.Equal(t, "upgrade-sds", line.Step)
	assert.Contains(t, line.Message, "script failed", "what went wrong stands in the first line that people see")

	b.Leases = decide.Released(&b.State) // an operator's release alone: it is the first again
	b.later(10 * time.Second).asks()
	assert.Empty(t, b.Leases.Disruption, "it may not have heard yet")
	b.later(30 * time.Second).asks()
	assert.Equal(t, "id4", b.Leases.Disruption)
	b.Leases = decide.Released(&b.State)
	b.with(4, func(n *decide.Node) { n.Hold = &api.Hold{Author: "me"} })
	b.later(40 * time.Second).asks()
	assert.Equal(t, "id3", b.Leases.Disruption, "held: it is left out")
}

// A new driver waits for a reboot that is people's while the old one is in use: the other clients don't wait for that. Anything else that is wrong stops them.
func TestUpgrade_rebootIsPeoples(t *testing.T) {
	for reason, want := range map[string]string{"RebootNeeded": "", "RebootHeld": "", "Failed": "id4"} {
		b := older().with(1, upgrades()).with(2, upgrades()).with(3, upgrades("sdc")).with(4, upgrades("sdc"))
		b.asks()
		require.Equal(t, "id4", b.Leases.Disruption)
		condition := func(step, reason string, status api.Status) api.Condition {
			return api.Condition{Type: step, Status: status, Reason: reason, Generation: b.Nodes["id4"].Report.Version.Generation}
		}
		b.with(4, upgrades(), func(n *decide.Node) {
			n.Report.Ready = false
			n.Report.Conditions = append(n.Report.Conditions, condition("fetch-upgrades", "", api.True), condition("load-scini", reason, api.False),
				condition("install-volume-driver", api.ReasonWaitingForStep, api.False))
		})
		b.Leases, _ = decide.Disruption(&b.State, b.Nodes["id4"])
		assert.Equal(t, want, b.Leases.Disruption, reason)
		b.later(10 * time.Second).asks()
		assert.Equal(t, want == "", b.Leases.Disruption == "id3", reason)
	}
}

// A master whose MDM gives no answer just then doesn't say that it is none, unless its upgrade is why.
func TestUpgrade_ofAMuteMDM(t *testing.T) {
	b := older().with(1, upgrades("mdm")).with(2, upgrades()).with(3, upgrades()).with(4, upgrades())
	b.asks()
	require.Equal(t, "id1", b.Leases.Disruption)
	n := b.Nodes["id1"]
	for _, says := range []*api.MDMView{nil, {Installed: true}} {
		n.Report.MDM = says
		assert.Empty(t, decide.MayUpgrade(&b.State, n))
		begun := *n.Report
		begun.Intents = []api.Intent{{Kind: decide.IntentUpgrade, Subject: "mdm"}}
		asked := n.Report
		n.Report = &begun
		assert.Equal(t, "mdm", decide.MayUpgrade(&b.State, n))
		n.Report = asked
	}
}

// A hand-over is asked of the master while its node holds the lease, of nobody else, and only to one that is in step.
func TestUpgrade_handOver(t *testing.T) {
	master := func() *builder {
		b := older().with(1, upgrades("mdm")).with(2, upgrades()).with(3, upgrades()).with(4, upgrades())
		b.asks()
		require.Equal(t, "id1", b.Leases.Disruption)
		return b
	}
	of := func(b *builder) string { return decide.Spec(&b.State, b.Nodes["id1"]).Cluster.HandOver }
	assert.Equal(t, "n2", of(master()))
	assert.Empty(t, decide.MayUpgrade(&master().State, master().Nodes["id1"]))
	assert.Equal(t, "n2", of(master().with(1, upgrading("mdm"))), "its first try changed nothing, and the part came back to it: it doesn't go on as master")
	for name, change := range map[string]func(*builder){
		"not in step":  func(b *builder) { b.View.Members[1].Status = "Not synchronized" },
		"degraded":     func(b *builder) { b.View.State = "Degraded" },
		"without want": func(b *builder) { b.with(1, upgrades("sds")) },
		"held":         func(b *builder) { b.with(1, func(n *decide.Node) { n.Hold = &api.Hold{Author: "me"} }) },
		"released":     func(b *builder) { b.Leases = decide.Released(&b.State) },
	} {
		b := master()
		change(b)
		assert.Empty(t, of(b), name)
	}
}

func TestUpgrade_gatewayGetsItsPassword(t *testing.T) {
	b := older().all(holds("install-gateway"), holds("trust-mdms"))
	assert.True(t, decide.SecretsFor(&b.State, b.Nodes["id2"]).GatewayAdmin)
	b.with(2, upgrades("mdm"))
	assert.False(t, decide.SecretsFor(&b.State, b.Nodes["id2"]).GatewayAdmin)
}
