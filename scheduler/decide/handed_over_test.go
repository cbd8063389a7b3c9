package decide_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// kept is a world in which the order of node i-2 was given up after its volume was bought, and its node kept that.
func kept(t *testing.T) (*poolWorld, decide.Order) {
	t.Helper()
	w := growing(t, 3, 1)
	p := w.partOf("i-2")
	p.volume = "vol-kkkkkkkk"
	w.minutes(1, 0)
	require.Contains(t, w.Nodes["i-2"].Approved, "vol-kkkkkkkk")
	p.fails = "DeviceMissing"
	w.minutes(20, 0)
	o := w.on("i-2")[0]
	require.Equal(t, api.OrderKept, o.Stage)
	require.True(t, o.Settled)
	return w, o
}

// deletions that anybody is told to make.
func (w *poolWorld) deletions() (all []api.VolumeOrder) {
	for _, id := range w.nodes {
		if told := decide.Spec(&w.State, w.Nodes[id]).Growth; told != nil {
			for _, o := range told.Orders {
				if o.Abandon {
					all = append(all, o)
				}
			}
		}
	}
	return all
}

// A volume that was given up and kept isn't offered on its expansion's approval, and no claim is taken for it, on whatever node it is.
func TestOrders_keptIsNotClaimed(t *testing.T) {
	w, o := kept(t)
	assert.NotContains(t, w.Nodes["i-2"].Approved, o.VolumeID)
	for _, id := range []string{"i-2", "i-3"} {
		n := w.Nodes[id]
		disks := n.Report.Disks
		n.Report.Disks = append(disks[:len(disks):len(disks)], api.Disk{ID: o.VolumeID, SizeBytes: 200 * gib, State: api.DiskOffered})
		claims, refused := decide.Claims(&w.State, &api.ClusterView{Claims: []api.DiskRef{{Node: id, Disk: o.VolumeID}}})
		assert.Empty(t, claims, id)
		assert.Len(t, refused, 1, id)
		n.Report.Disks = disks
	}
}

// However a volume that was given up came into the pool: once it has any use there nothing deletes it, and nobody is advised to.
func TestOwned_keptAndThenInUseIsNeverDeleted(t *testing.T) {
	disk := func(w *poolWorld, node string, state api.DiskState) {
		n := w.Nodes[node]
		n.Report.Disks = append(n.Report.Disks, api.Disk{ID: "vol-kkkkkkkk", SizeBytes: 200 * gib, State: state})
	}
	rows := []struct {
		name   string
		set    func(*poolWorld)
		inPool bool
	}{
		{"claimed", func(w *poolWorld) { w.Nodes["i-2"].Claims = []api.DiskClaim{{Disk: "vol-kkkkkkkk"}} }, false},
		{"claimed of another node", func(w *poolWorld) { w.Nodes["i-3"].Claims = []api.DiskClaim{{Disk: "vol-kkkkkkkk"}} }, false},
		{"shown as claimed", func(w *poolWorld) { disk(w, "i-2", api.DiskClaimed) }, false},
		{"prepared", func(w *poolWorld) { disk(w, "i-2", api.DiskPrepared) }, false},
		{"added", func(w *poolWorld) { disk(w, "i-2", api.DiskAdded) }, false},
		{"adopted", func(w *poolWorld) { disk(w, "i-2", api.DiskAdopted) }, true},
		{"adopted by another node", func(w *poolWorld) { disk(w, "i-3", api.DiskAdopted) }, true},
		{"a device of the product", func(w *poolWorld) {
			w.View.SDSs[2].Devices = append(w.View.SDSs[2].Devices, api.DeviceView{ID: "d", Name: "vol-kkkkkkkk"})
		}, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w, o := kept(t)
			row.set(w)
			w.pass(12 * time.Second)
			w.Settings.Growth.Node.CleanupFile = "/etc/cleanup"
			w.listed(w.owned(o, o.VolumeID, "available"))
			assert.Empty(t, w.deletions())
			now := w.on("i-2")[0]
			assert.True(t, now.Given)
			assert.Equal(t, row.inPool, now.InPool)
			for _, orphan := range decide.GrowthOf(&w.State).Orphans {
				assert.NotContains(t, orphan.Why, "delete")
			}
			// and it stays so when nobody names it any more
			for _, n := range w.all {
				n.Claims, n.Report.Disks = nil, n.Report.Disks[:1]
			}
			w.View.SDSs[2].Devices = w.View.SDSs[2].Devices[:1]
			w.listed(w.owned(o, o.VolumeID, "available"))
			assert.Empty(t, w.deletions())
		})
	}
}

// A volume that the ledger doesn't know and the pool uses: nobody is advised to delete it.
func TestOwned_strangerInThePool(t *testing.T) {
	w := growing(t, 3, 1)
	w.adopt(w.Nodes["i-3"], "vol-stranger")
	v := w.owned(w.on("i-3")[0], "vol-stranger", "in-use")
	v.Expansion = "of another time"
	w.listed(v)
	orphans := decide.GrowthOf(&w.State).Orphans
	require.Len(t, orphans, 1)
	assert.NotContains(t, orphans[0].Why, "delete")
	assert.Equal(t, 4, decide.GrowthOf(&w.State).Volumes, "it counts")
}

// What is gone with its node isn't found again in that node's last report.
func TestOwned_goneWithItsNode(t *testing.T) {
	w := growing(t, 3, 1)
	w.minutes(6, 0)
	require.True(t, w.on("i-2")[0].InPool)
	w.deaf = "i-2"
	w.minutes(20, 0)
	w.listed()
	w.minutes(11, 0)
	w.listed()
	w.minutes(1, 0)
	assert.Equal(t, api.OrderDeleted, w.on("i-2")[0].Stage)
	assert.False(t, w.on("i-2")[0].InPool)
}

// Only what is in the pool when its node begins to leave may end with the instance; and on a node that came back it mustn't.
func TestSpec_leftVolumes(t *testing.T) {
	w := growing(t, 4, 1)
	w.Settings.Growth.Node.DeleteOnTermination = true
	w.minutes(6, 0)
	n := w.Nodes["i-4"]
	id := w.on("i-4")[0].VolumeID
	left := func(phase api.Removal) []string {
		n.Removal = nil
		if phase != "" {
			n.Removal = &decide.Leaver{Phase: phase}
		}
		w.pass(time.Second)
		if g := decide.Spec(&w.State, n).Growth; g != nil {
			return g.Left
		}
		return nil
	}
	disks := n.Report.Disks
	assert.Empty(t, left(""))
	n.Report.Disks = disks[:1] // a person took it out of the pool, and put something on it
	assert.Empty(t, left(api.RemovalDraining))
	assert.Empty(t, left(api.RemovalLeaving))
	assert.Empty(t, left(""), "nothing was set")
	n.Report.Disks = disks
	assert.Empty(t, left(api.RemovalDraining))
	n.Report.Disks = nil // its SDS is gone
	w.Settings.Growth.Mode = api.GrowthOff
	assert.Equal(t, []string{id}, left(api.RemovalLeaving), "growth or not")
	assert.Equal(t, []string{id}, left(api.RemovalDone))
	assert.Equal(t, []string{id}, left(""))
	assert.Equal(t, []string{id}, left(api.RemovalDraining))
	assert.Empty(t, left(api.RemovalLeaving), "the second time it wasn't in the pool")
}

// A node that made sure that its volumes outlive the instance is asked no more: else it needed EC2 for Ready at each start of its agent.
func TestSpec_leftVolumesAreKeptOnce(t *testing.T) {
	w := growing(t, 4, 1)
	w.minutes(6, 0)
	n, id := w.Nodes["i-4"], w.on("i-4")[0].VolumeID
	left := func(phase api.Removal) []string {
		n.Removal = nil
		if phase != "" {
			n.Removal = &decide.Leaver{Phase: phase}
		}
		w.pass(time.Second)
		if g := decide.Spec(&w.State, n).Growth; g != nil {
			return g.Left
		}
		return nil
	}
	left(api.RemovalDraining)
	assert.Equal(t, []string{id}, left(api.RemovalLeaving))
	assert.Empty(t, left(""), "the operator keeps volumes: nothing was set")
	w.Settings.Growth.Node.DeleteOnTermination = true
	left(api.RemovalDraining)
	left(api.RemovalLeaving)
	require.Equal(t, []string{id}, left(""))
	said := func(status api.Status, generation int64) {
		n.Report.Conditions = []api.Condition{{Type: "keep-volumes", Status: status, Generation: generation}}
	}
	n.Generation = 2
	said(api.True, 1)
	assert.Equal(t, []string{id}, left(""), "of orders that came before")
	n.Report.Version.Generation = 2
	assert.Equal(t, []string{id}, left(""), "a look of before")
	said(api.False, 2)
	assert.Equal(t, []string{id}, left(""))
	said(api.True, 2)
	assert.Empty(t, left(""))
	w.restart()
	n.Report.Conditions = nil
	assert.Empty(t, left(""), "for good")
}

// Records of the version before say neither what was planned nor what may end with its instance.
func TestExpansion_upgrade(t *testing.T) {
	on := &decide.GrowthSettings{Node: api.NodeGrowth{DeleteOnTermination: true}}
	record := func() *decide.Expansion {
		return &decide.Expansion{Orders: []decide.Order{{InPool: true}, {GivenUp: true}, {}, {}}}
	}
	e := record()
	e.Upgrade(on)
	assert.Equal(t, 3, e.Planned, "one was ordered in the place of what was given up")
	assert.True(t, e.Orders[0].Ends)
	assert.False(t, e.Orders[2].Ends, "it never was in the pool")
	e.Orders[0].Ends = false
	e.Upgrade(on)
	assert.False(t, e.Orders[0].Ends, "once")
	e = record()
	e.Upgrade(&decide.GrowthSettings{})
	assert.False(t, e.Orders[0].Ends, "nothing was ever set")
	assert.Equal(t, 3, e.Planned)
}
