package decide_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// A leader whose gateway is away sees the MDMs alone. Not seeing the storage is no sign that it is healthy.
func TestDisruption_notOnAViewWithoutStorage(t *testing.T) {
	b := pooled().view().with(2, wants(api.LeaseDisruption))
	require.True(t, b.Cluster.Open(api.GatePoolReady))
	l, why := decide.Disruption(&b.State, b.Nodes["id2"])
	assert.Empty(t, l.Disruption)
	assert.Contains(t, why, "no pool")
}

// A lease never times out, so it may be used long after it was given: whoever hasn't begun is asked to wait while the storage isn't healthy.
func TestMayInterrupt_isJudgedAnewUntilItBegins(t *testing.T) {
	healthy := func(v *api.ClusterView) { v.Pool = &api.PoolView{SparePercent: 34} }
	b := pooled().view(healthy).with(2, wants(api.LeaseDisruption))
	l, _ := decide.Disruption(&b.State, b.Nodes["id2"])
	b.Leases = l
	assert.True(t, decide.MayInterrupt(&b.State, b.Nodes["id2"]))
	assert.False(t, decide.MayInterrupt(&b.State, b.Nodes["id3"]), "not its lease")

	b.view(healthy, func(v *api.ClusterView) { v.Pool.DegradedBytes = 1 })
	assert.False(t, decide.MayInterrupt(&b.State, b.Nodes["id2"]))
	b.view(healthy)
	b.Now = now.Add(11 * time.Second)
	assert.False(t, decide.MayInterrupt(&b.State, b.Nodes["id2"]), "an old sample")
	b.Cluster.Hold = &api.Hold{Author: "ann"}
	b.Now = now
	assert.False(t, decide.MayInterrupt(&b.State, b.Nodes["id2"]), "held")
	b.Cluster.Hold = nil

	b.with(2, func(n *decide.Node) { n.Report.Intents = []api.Intent{{Kind: decide.IntentRestartMesos}} })
	b.view(func(v *api.ClusterView) { v.State = "Degraded" })
	assert.True(t, decide.MayInterrupt(&b.State, b.Nodes["id2"]), "it has begun: it is to finish")
}

// A cluster that somebody else made on the node that holds the grant isn't what came of the grant.
func TestPinSystem_onlyWhatTheGrantMade(t *testing.T) {
	b := cluster().racks("a", "b", "c").decided().all(holds("run-mdm"), mdm(noCluster)).decided()
	require.NotNil(t, b.Cluster.Formation)
	b.with(1, mdm(master)).decided()
	assert.Empty(t, b.Cluster.SystemID, "its form-cluster says that it formed none")
	b.with(1, holds("form-cluster")).decided()
	assert.Equal(t, "00000000000000aa", b.Cluster.SystemID)
}

// While the last holder of the grant may still be about to form a cluster, nobody else gets it.
func TestGrantFormation_notWhileTheLastHolderIsAtIt(t *testing.T) {
	b := cluster().racks("a", "b", "c").decided().all(holds("run-mdm"), mdm(noCluster))
	b.with(1, func(n *decide.Node) {
		n.Report.Conditions = append(n.Report.Conditions, api.Condition{Type: "form-cluster", Status: api.False, Generation: 2})
	})
	b.decided()
	assert.Nil(t, b.Cluster.Formation, "n1 is still at work on its grant")
}

// Whatever a person or the product thinks of a disk on the way: a node under the brake gives nothing, to nobody.
func TestCandidates_notOfAHeldNode(t *testing.T) {
	b := pooled()
	require.Len(t, disksOf(b, "id2"), 1)
	b.with(2, func(n *decide.Node) { n.Hold = &api.Hold{Author: "ann", Until: now.Add(time.Minute)} })
	assert.Empty(t, disksOf(b, "id2"))
	b.Now = now.Add(2 * time.Minute)
	b.Leases.LeaderUntil = b.Now.Add(time.Second)
	require.Len(t, disksOf(b, "id2"), 1)
	b.with(2, func(n *decide.Node) {
		n.Report.Conditions = append(n.Report.Conditions, api.Condition{Type: api.ConditionHeld, Status: api.True, Generation: 3})
	})
	assert.Empty(t, disksOf(b, "id2"), "the file on the node holds as well")
	for _, n := range decide.Status(&b.State, "").Nodes {
		if n.Name == "n2" {
			assert.Equal(t, api.ReasonHeld, n.Reason, "and people see it")
		}
	}
}

func disksOf(b *builder, node string) (all []api.CandidateDisk) {
	for _, d := range decide.Spec(&b.State, b.Nodes["id1"]).Cluster.Disks {
		if d.Node == node {
			all = append(all, d)
		}
	}
	return all
}

// "Refused always, with the reason": a person has to be able to find out why a disk that its node offers isn't taken.
func TestStatus_saysWhichSerialTwoNodesShow(t *testing.T) {
	b := pooled().with(2, disks(disk("d3", api.DiskOffered)))
	for _, n := range decide.Status(&b.State, "").Nodes {
		for _, d := range n.Disks {
			if d.ID == "d3" {
				assert.Equal(t, api.DiskRefused, d.State, n.Name)
				assert.Equal(t, "DuplicateIdentity", d.Reason)
				assert.Contains(t, d.Message, "n2")
				assert.Contains(t, d.Message, "n3")
			}
		}
	}
	assert.Equal(t, api.DiskOffered, b.Nodes["id2"].Report.Disks[0].State, "the report itself stays as it was")
}

// A disk that grew after it was claimed is another one to its node: the claim has to go, or it stands for ever.
func TestSettled_claimOfAnotherSize(t *testing.T) {
	grown := disk("d2", api.DiskOffered)
	grown.SizeBytes *= 2
	b := pooled().with(2, disks(grown))
	assert.Empty(t, decide.Settled(&b.State, b.Nodes["id2"]))
	b.with(2, claims("d2"), disks(disk("d2", api.DiskOffered)))
	assert.Len(t, decide.Settled(&b.State, b.Nodes["id2"]), 1, "it hasn't looked yet")
}

// The spare of a pool that serves doesn't follow a node whose agent has just started and hasn't seen its disks yet.
func TestSparePercent_countsWhatIsInThePool(t *testing.T) {
	b := formed("a", "b", "c").node(4, "d").view(func(v *api.ClusterView) {
		for _, name := range []string{"n1", "n2", "n3", "n4"} {
			v.SDSs = append(v.SDSs, api.SDSView{Name: name, Devices: []api.DeviceView{{SizeBytes: 1 << 30}}})
		}
	}).decided()
	for i, id := range []string{"d1", "d2", "d3", "d4"} {
		b.with(i+1, disks(disk(id, api.DiskAdopted)))
	}
	require.Equal(t, 25, decide.Spec(&b.State, b.Nodes["id1"]).Cluster.SparePercent)
	b.with(4, disks())
	assert.Equal(t, 25, decide.Spec(&b.State, b.Nodes["id1"]).Cluster.SparePercent)
}

// Fault sets are for good: a rack whose only node can't be used doesn't make the third.
func TestFaultSets_countOnlyNodesThatCanBeUsed(t *testing.T) {
	b := cluster().racks("a", "b", "b").node(4, "c", unsupported)
	b.Settling = now.Add(-time.Hour)
	_, out := decide.Decide(&b.State)
	assert.Contains(t, out.Waiting, "third failure domain")
}

// A node says that it is in an MDM cluster, and the scheduler knows of no system yet: whoever formed it wasn't heard since, or the state is from before. That is no bare machine.
func TestDisruption_notInAClusterThatIsntKnown(t *testing.T) {
	b := cluster().racks("a", "b", "c")
	b.Settling = now.Add(-time.Hour)
	b.decided().all(mdm(noCluster), holds("run-mdm")).decided().with(3, wants(api.LeaseDisruption))
	l, why := decide.Disruption(&b.State, b.Nodes["id3"])
	require.Equal(t, "id3", l.Disruption, why)
	b.with(2, mdm(master))
	require.Empty(t, b.Cluster.SystemID)
	l, why = decide.Disruption(&b.State, b.Nodes["id3"])
	assert.Empty(t, l.Disruption)
	assert.Contains(t, why, "n2 is in an MDM cluster already")
	b.Leases.Disruption = "id3"
	assert.False(t, decide.MayInterrupt(&b.State, b.Nodes["id3"]))
}
