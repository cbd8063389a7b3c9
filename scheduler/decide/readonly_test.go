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

func garbled(n *decide.Node) {
	n.Report.MDM = &api.MDMView{Installed: true, Unknown: "Quantum state: 7"}
}

func stepGarbled(n *decide.Node) {
	n.Report.Conditions = append(n.Report.Conditions, api.Condition{Type: "connect-sdc", Status: api.False, Reason: "UnknownDialect", Message: "drv_cfg: Quantum state: 7", Generation: 3})
}

// One answer that nobody understands stops everything, everywhere, until it is understood again; what it was is kept.
func TestReadOnly_theWholeCluster(t *testing.T) {
	rows := map[string]func(b *builder){
		"the MDM of a node":     func(b *builder) { b.with(3, garbled) },
		"a step of a data node": func(b *builder) { b.with(4, stepGarbled) },
		"the leader": func(b *builder) {
			b.View.Conditions = []api.Condition{{Type: "UnknownDialect", Status: api.True, Reason: "UnknownDialect", Message: "Quantum state: 7"}}
		},
	}
	for name, spoil := range rows {
		t.Run(name, func(t *testing.T) {
			b := pooled()
			wants := len(decide.Spec(&b.State, b.Nodes["id1"]).Cluster.Disks)
			require.NotZero(t, wants)
			spoil(b)
			c, out := decide.Decide(&b.State)
			b.Cluster = c
			require.NotNil(t, c.ReadOnly)
			assert.Equal(t, "ReadOnly", out.Events[0].Kind)
			assert.Contains(t, out.Waiting, "Quantum state: 7")
			for _, n := range b.Nodes {
				require.NotNil(t, b.Held(n), n.Name)
				assert.Contains(t, b.Held(n).Reason, "Quantum state: 7")
			}
			assert.Empty(t, decide.Spec(&b.State, b.Nodes["id1"]).Cluster.Disks)
			assert.Contains(t, decide.Status(&b.State, "").ReadOnly, "Quantum state: 7")
			_, out = decide.Decide(&b.State)
			assert.Empty(t, out.Events, "said once")

			b.all(silent)
			c, _ = decide.Decide(&b.State)
			assert.NotNil(t, c.ReadOnly, "a scheduler that has just started has heard nobody, and forgets nothing")

			b.Nodes = pooled().Nodes
			b.View.Conditions = nil
			c, out = decide.Decide(&b.State)
			assert.Nil(t, c.ReadOnly)
			assert.Equal(t, "ReadOnlyEnded", out.Events[0].Kind)
		})
	}
}

func TestReadOnly_stopsTheDecisionsOfTheSameTurn(t *testing.T) {
	b := cluster().racks("a", "b", "c").decided().all(holds("run-mdm"), mdm(noCluster)).node(4, "a", stepGarbled).decided()
	assert.Nil(t, b.Cluster.Formation)
	assert.NotNil(t, b.Cluster.ReadOnly)
}

func TestReadOnly_aPersonsHoldIsNamedFirst(t *testing.T) {
	b := pooled().with(3, garbled).decided()
	b.Cluster.Hold = &api.Hold{Author: "ann", Until: now.Add(time.Minute)}
	assert.Equal(t, "ann", b.Held(nil).Author)
	b.Now = now.Add(time.Hour)
	assert.NotNil(t, b.Held(nil), "and its end doesn't end the other")
}

// A record that outgrows the store ends the scheduler: no node may bring that about.
func TestReadOnly_keepsLittle(t *testing.T) {
	b := pooled().with(3, func(n *decide.Node) { n.Report.MDM = &api.MDMView{Unknown: strings.Repeat("\xff\x00", 20_000)} }).decided()
	assert.LessOrEqual(t, len(b.Cluster.ReadOnly.Text), 8<<10)
}
