package decide_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// known gives a node another identity; its instance stays.
func (w *poolWorld) known(node, as string) *decide.Node {
	n := w.Nodes[node]
	delete(w.Nodes, node)
	n.ID = as
	w.Nodes[as] = n
	for i := range w.nodes {
		if w.nodes[i] == node {
			w.nodes[i] = as
		}
	}
	return n
}

const machineID = "4d0ae65b1e4f4cf0a8a1c3d7e8b9f012"

// A node that began with its machine-id, before anything said which instance it is, keeps that identity and grows as the instance that it verified since.
func TestGrow_machineIDOnAnInstance(t *testing.T) {
	w := grows(3, 1, 200)
	w.known("i-3", machineID)
	w.fill(75)
	w.minutes(8, 0)
	require.Len(t, w.Ledger, 1, decide.GrowthOf(&w.State).Waiting)
	assert.Equal(t, api.ExpansionEnded, w.Ledger[0].State)
	require.Len(t, w.on(machineID), 1)
	assert.True(t, w.on(machineID)[0].InPool)
}

// An instance is one node's. What two claim, by identity or by what they say, is neither's.
func TestGrow_anInstanceOfTwoNodes(t *testing.T) {
	rows := []struct {
		name string
		set  func(*poolWorld)
		why  string
	}{
		{"both say so", func(w *poolWorld) {
			w.known("i-3", machineID)
			w.known("i-4", "f"+machineID[1:]).Report.Cloud.InstanceID = "i-3"
		},
			"n03 says that it is instance i-3, and so does n04"},
		{"one has it as identity", func(w *poolWorld) { w.known("i-4", machineID).Report.Cloud.InstanceID = "i-3" }, "n04 says that it is instance i-3, and so does n03"},
		{"an instance says that it is another", func(w *poolWorld) { w.Nodes["i-4"].Report.Cloud.InstanceID = "i-9" }, "n04 has another identity than its instance"},
		{"says none", func(w *poolWorld) { w.known("i-4", machineID).Report.Cloud.InstanceID = "" }, "n04 doesn't say which instance it is"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := grows(4, 1, 200)
			row.set(w)
			for _, id := range []string{"i-1", "i-2"} { // too few others: what stands against these is told
				w.Nodes[id].Report.Cloud.Verified = false
			}
			w.fill(75)
			w.minutes(2, 0)
			assert.Empty(t, w.Ledger)
			assert.Contains(t, decide.GrowthOf(&w.State).Waiting, row.why)
		})
	}
}

// What is on its way out claims nothing any more.
func TestGrow_aRemovedNodeClaimsNoInstance(t *testing.T) {
	w := grows(3, 2, 200)
	gone := w.known("i-6", machineID)
	gone.Report.Cloud.InstanceID = "i-3"
	gone.Removal = &decide.Leaver{Phase: api.RemovalDone}
	w.fill(75)
	w.minutes(8, 0)
	require.Len(t, w.Ledger, 1, decide.GrowthOf(&w.State).Waiting)
	assert.Len(t, w.on("i-3"), 1, "the only other one of its fault unit")
}
