package decide_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// Volumes come one after the other. The spare is that of the pool as it will be: a nearly full one has no room for more of it meanwhile.
func TestGrow_spareDoesntFollowEachVolume(t *testing.T) {
	w := grows(3, 1, 200)
	w.fill(90)
	w.Nodes["i-1"].Report.MDM = &api.MDMView{Installed: true, InCluster: true, Master: true, SystemID: "aa"}
	spare := func() int { return decide.Spec(&w.State, w.Nodes["i-1"]).Cluster.SparePercent }
	w.pass(12 * time.Second)
	require.Equal(t, 34, spare())
	w.minutes(1, 0)
	require.Len(t, w.Ledger, 1, decide.GrowthOf(&w.State).Waiting)
	require.Len(t, w.Ledger[0].Orders, 3)
	for i := range w.Ledger[0].Orders {
		o := &w.Ledger[0].Orders[i]
		o.VolumeID = "vol-" + o.Node
		w.adopt(w.Nodes[o.Node], o.VolumeID)
		assert.Equal(t, 34, spare(), "with %d of 3", i+1)
		o.Given, o.InPool, o.Settled = true, true, true
		assert.Equal(t, 34, spare(), "with %d of 3 in the pool", i+1)
	}
}
