package decide_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	require.NoError(t, err)
	file := filepath.Join("testdata", name+".json")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, append(got, '\n'), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got)+"\n", "run with -update after a look")
}

// pooled: everything there, n1 leads, n1's disk is in the pool, n2's is claimed and prepared, n3's offered.
func pooled() *builder {
	b := formed("a", "b", "c").node(4, "a").view(func(v *api.ClusterView) {
		v.PoolReady = true
		v.SDSs = []api.SDSView{{ID: "s1", Name: "n1", Connection: "Connected"}}
		v.SDCs = []api.SDCView{{ID: "c2", IP: "10.0.0.2", Connected: true}}
	})
	b.Settings.Packages = []api.Package{
		{Component: "sds", Version: "3.6", OS: "ubuntu22.04", Format: "deb", URL: "http://mirror/sds.deb", Size: 1, SHA256: "aa"},
		{Component: "sds", Version: "3.6", OS: "rhel7", Format: "rpm", URL: "http://mirror/sds.rpm", Size: 1, SHA256: "bb"},
		{Component: "rexray", Version: "0.11", OS: "any", Format: "binary", File: "/srv/rexray", Size: 1, SHA256: "cc"},
	}
	b.all(holds("trust-mdms"), holds("run-sds")).with(1, gateway).with(2, gateway)
	b.with(1, disks(disk("d1", api.DiskAdopted), disk("x1", api.DiskRefused)))
	prepared := disk("d2", api.DiskPrepared)
	prepared.PreparedAgeMS = 1000
	b.with(2, disks(prepared), claims("d2"))
	b.with(3, disks(disk("d3", api.DiskOffered)))
	return b.decided()
}

func TestSpec_golden(t *testing.T) {
	b := pooled()
	golden(t, "leader", decide.Spec(&b.State, b.Nodes["id1"]))
	golden(t, "manager", decide.Spec(&b.State, b.Nodes["id2"]))
	golden(t, "tie-breaker", decide.Spec(&b.State, b.Nodes["id3"]))
	golden(t, "data", decide.Spec(&b.State, b.Nodes["id4"]))
	b.with(4, clientOnly)
	golden(t, "client", decide.Spec(&b.State, b.Nodes["id4"]))
	fresh := cluster().racks("a")
	golden(t, "undecided", decide.Spec(&fresh.State, fresh.Nodes["id1"]))
	granted := cluster().racks("a", "b", "c").decided().all(holds("run-mdm"), mdm(noCluster)).decided()
	golden(t, "forming", decide.Spec(&granted.State, granted.Nodes["id1"]))
}

func TestHash_changesWithContentOnly(t *testing.T) {
	b := pooled()
	n := b.Nodes["id1"]
	before := decide.Spec(&b.State, n)
	n.Generation += 5
	b.Now = now.Add(time.Second) // ages grow
	after := decide.Spec(&b.State, n)
	assert.NotEqual(t, before.Cluster.Disks[0].PreparedAgeMS, after.Cluster.Disks[0].PreparedAgeMS)
	assert.Equal(t, decide.Hash(before), decide.Hash(after))
	b.with(3, disks(disk("d3", api.DiskOffered), disk("d33", api.DiskOffered)))
	assert.NotEqual(t, decide.Hash(before), decide.Hash(decide.Spec(&b.State, n)))
}

func TestETag_ignoresAges(t *testing.T) {
	b := pooled()
	answer := func() api.Answer {
		return api.Answer{Spec: decide.Spec(&b.State, b.Nodes["id1"]), Storage: decide.Storage(&b.State, b.Nodes["id1"]),
			Leases: []api.Lease{{Name: api.LeaseLeader, TTLMS: 1}}}
	}
	etag := func(a api.Answer) string { return decide.ETag(a, decide.Hash(a.Spec)) }
	first := answer()
	b.Now = now.Add(time.Second)
	second := answer()
	second.PollMS, second.Wait, second.Leases[0].TTLMS = 5, true, 9
	assert.Equal(t, etag(first), etag(second))
	assert.EqualValues(t, 1, first.Leases[0].TTLMS, "nothing of the answer is changed")
	second.Leases = nil
	assert.NotEqual(t, etag(first), etag(second))
	third := answer()
	third.Storage.SDS = nil
	assert.NotEqual(t, etag(first), etag(third))
	assert.NotEqual(t, decide.ETag(first, "a"), decide.ETag(first, "b"), "of another spec")
}

func TestSecretsFor(t *testing.T) {
	b := cluster().racks("a", "b", "c", "a").decided()
	assert.Equal(t, decide.Needs{GatewayAdmin: true}, decide.SecretsFor(&b.State, b.Nodes["id1"]))
	assert.Equal(t, decide.Needs{}, decide.SecretsFor(&b.State, b.Nodes["id3"]))
	assert.Equal(t, decide.Needs{}, decide.SecretsFor(&b.State, b.Nodes["id4"]))
	b.all(holds("run-mdm"), mdm(noCluster), holds("install-gateway"), holds("trust-mdms")).decided()
	assert.Equal(t, decide.Needs{Admin: true, VolumeUser: true}, decide.SecretsFor(&b.State, b.Nodes["id1"]), "holds the grant")
	assert.Equal(t, decide.Needs{}, decide.SecretsFor(&b.State, b.Nodes["id2"]))
	b = pooled()
	assert.Equal(t, decide.Needs{VolumeUser: true}, decide.SecretsFor(&b.State, b.Nodes["id4"]))
	assert.True(t, decide.SecretsFor(&b.State, b.Nodes["id1"]).Admin)
	b.with(1, conflict)
	assert.Equal(t, decide.Needs{}, decide.SecretsFor(&b.State, b.Nodes["id1"]))
}

func TestClaims(t *testing.T) {
	b := pooled()
	view := &api.ClusterView{Claims: []api.DiskRef{
		{Node: "id3", Disk: "d3"}, {Node: "id2", Disk: "d2"}, {Node: "id1", Disk: "x1"}, {Node: "id1", Disk: "d1"}, {Node: "nobody", Disk: "d9"},
	}}
	got, refused := decide.Claims(&b.State, view)
	assert.Equal(t, map[string][]api.DiskClaim{"id3": {{Disk: "d3", SizeBytes: 1 << 30}}}, got)
	assert.Len(t, refused, 3, "refused, adopted and unknown disks")

	b.with(2, disks(disk("d3", api.DiskRefused)))
	got, refused = decide.Claims(&b.State, &api.ClusterView{Claims: []api.DiskRef{{Node: "id3", Disk: "d3"}}})
	assert.Empty(t, got, "a serial that two nodes show")
	assert.Len(t, refused, 1)
}

func TestSettled(t *testing.T) {
	rows := []struct {
		name  string
		state *builder
		left  int
	}{
		{"prepared: stands", pooled(), 1},
		{"adopted", pooled().with(2, disks(disk("d2", api.DiskAdopted))), 0},
		{"refused", pooled().with(2, disks(disk("d2", api.DiskRefused))), 0},
		{"gone", pooled().with(2, disks()), 0},
		{"said before it knew of the claim", pooled().with(2, disks(), stale), 1},
	}
	for _, row := range rows {
		assert.Len(t, decide.Settled(&row.state.State, row.state.Nodes["id2"]), row.left, row.name)
	}
}

func TestApprove(t *testing.T) {
	waiting := disk("d1", api.DiskRefused)
	waiting.Reason = decide.ReasonWaitingForApproval
	b := cluster().racks("a").with(1, disks(waiting, disk("d2", api.DiskRefused)))
	n := b.Nodes["id1"]
	all, err := decide.Approve(n, "*")
	require.NoError(t, err)
	assert.Equal(t, []string{"d1"}, all)
	_, err = decide.Approve(n, "d9")
	require.Error(t, err)
}

func TestAwaited(t *testing.T) {
	b := pooled().all(ready)
	assert.True(t, decide.Awaited(&b.State, b.Nodes["id1"]), "leads")
	assert.True(t, decide.Awaited(&b.State, b.Nodes["id2"]), "a claim stands")
	assert.False(t, decide.Awaited(&b.State, b.Nodes["id4"]), "at rest")
	b.Nodes["id2"].Claims = nil
	assert.True(t, decide.Awaited(&b.State, b.Nodes["id2"]), "a manager may have to take over")
	assert.False(t, decide.NoLead(&b.State, b.Nodes["id2"]))
	b.Leases.LeaderUntil = b.Now
	assert.True(t, decide.NoLead(&b.State, b.Nodes["id2"]), "the lease ran out: it looks whether its MDM is master")
	assert.False(t, decide.NoLead(&b.State, b.Nodes["id4"]))
	b.Nodes["id4"].Report.Conditions[0].Generation--
	assert.True(t, decide.Awaited(&b.State, b.Nodes["id4"]), "it took the new orders, and has yet to look what they change")
	b.with(4, stale)
	assert.True(t, decide.Awaited(&b.State, b.Nodes["id4"]), "new orders")
}

func TestStatus(t *testing.T) {
	b := pooled().all(ready)
	b.Nodes["id3"].Skew = time.Minute
	s := decide.Status(&b.State, "")
	assert.True(t, s.Ready)
	assert.Equal(t, "n1", s.Leader)
	assert.Equal(t, api.ConditionClockSkew, s.Nodes[2].Conditions[len(s.Nodes[2].Conditions)-1].Type)

	rows := []struct {
		change change
		reason string
	}{
		{conflict, api.ConditionIdentityConflict}, {silent, "NotSeen"}, {mdm(foreign), "ForeignSystem"}, {stale, "NewSpec"},
		{func(n *decide.Node) { n.SeenAt = now.Add(-time.Hour) }, "Silent"}, {func(n *decide.Node) { n.Revoked = true }, "Revoked"},
		{func(n *decide.Node) { n.Moved = "z" }, "FaultDomainChanged"}, {func(n *decide.Node) { n.Hold = &api.Hold{Author: "me"} }, api.ReasonHeld},
	}
	for _, row := range rows {
		b := pooled().all(ready).with(4, row.change)
		s := decide.Status(&b.State, "")
		assert.Equal(t, row.reason, s.Nodes[3].Reason)
		if row.reason != api.ReasonHeld && row.reason != "FaultDomainChanged" {
			assert.False(t, s.Ready, row.reason)
		}
	}
}

func TestPlan_marksWhatIsPermanent(t *testing.T) {
	b := cluster().racks("a", "b", "c")
	p := decide.Plan(&b.State, "")
	permanent := map[string]bool{}
	for _, l := range p.Steps {
		permanent[l.Act] = l.Permanent
	}
	assert.True(t, permanent["make fault sets a, b, c"])
	assert.True(t, permanent["form one ScaleIO cluster"])
	assert.False(t, permanent["make it MDM manager"])
}

func TestPlan_saysNothingOfFaultSetsBeforeEnoughNodesReported(t *testing.T) {
	acts := func(b *builder) []string {
		var acts []string
		for _, l := range decide.Plan(&b.State, "").Steps {
			acts = append(acts, l.Act)
		}
		return acts
	}
	assert.Contains(t, acts(cluster().racks("a")), "decide on fault sets")
	assert.NotContains(t, acts(cluster().racks("a")), "use no fault sets")
	assert.Contains(t, acts(cluster().racks("a", "a", "a")), "use no fault sets")
}
