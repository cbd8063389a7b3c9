package decide_test

import (
	"fmt"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// builder makes snapshots that read as what they mean.
type builder struct{ decide.State }

func cluster() *builder {
	return &builder{decide.State{
		Now: now, Nonce: "nonce-1", Nodes: map[string]*decide.Node{},
		Cluster: decide.Cluster{ID: "c1", Epoch: 1},
		Settings: &decide.Settings{
			ClusterName: "test", DomainAttribute: "rack", Settle: time.Minute, Licence: true, ProtectionDomain: "pd", StoragePool: "sp", MediaType: "HDD",
			VolumeUser: "rexray", Disks: api.DiskPolicy{Use: api.DiskUseAllEmpty},
		},
	}}
}

type change func(*decide.Node)

// node that reported just now, for its present spec.
func (b *builder) node(i int, domain string, changes ...change) *builder {
	n := &decide.Node{
		ID: fmt.Sprintf("id%d", i), Name: fmt.Sprintf("n%d", i), Key: fmt.Sprintf("key%d", i), Domain: domain, Generation: 3, SeenAt: now,
		Report: &api.Report{
			Version: api.Version{Cluster: "c1", Epoch: 1, Generation: 3}, Addresses: []string{fmt.Sprintf("10.0.0.%d", i)},
			Platform: api.Platform{OS: "ubuntu22.04", Supported: true},
		},
	}
	for _, c := range changes {
		c(n)
	}
	b.Nodes[n.ID] = n
	return b
}

// racks makes one node per name, in that rack.
func (b *builder) racks(names ...string) *builder {
	for i, rack := range names {
		b.node(i+1, rack)
	}
	return b
}

func (b *builder) with(i int, changes ...change) *builder {
	for _, c := range changes {
		c(b.Nodes[fmt.Sprintf("id%d", i)])
	}
	return b
}

func (b *builder) all(changes ...change) *builder {
	for i := range b.Nodes {
		for _, c := range changes {
			c(b.Nodes[i])
		}
	}
	return b
}

// decided takes the decisions that the snapshot allows, as the scheduler would.
func (b *builder) decided() *builder {
	b.Cluster, _ = decide.Decide(&b.State)
	return b
}

// formed: n1 and n2 managers, n3 tie-breaker, system pinned, n1 leads.
func formed(racks ...string) *builder {
	b := cluster().racks(racks...)
	b.Settling = now.Add(-time.Hour)
	b.decided().all(mdm(noCluster), holds("run-mdm")).decided()
	b.with(1, mdm(master), holds("form-cluster")).decided()
	b.Leases = decide.Leases{Leader: "id1", LeaderUntil: now.Add(api.LeaderLeaseTTL)}
	return b
}

func unsupported(n *decide.Node) { n.Report.Platform = api.Platform{Reason: "UnknownOS"} }
func silent(n *decide.Node)      { n.SeenAt = time.Time{} }
func stale(n *decide.Node)       { n.Generation++ }
func tooSmall(n *decide.Node)    { n.TooSmall = true }
func conflict(n *decide.Node)    { n.Conflict = "another machine" }
func ready(n *decide.Node)       { n.Report.Ready = true }
func noAddress(n *decide.Node)   { n.Report.Addresses = nil }
func pin(role string) change     { return func(n *decide.Node) { n.Pin = role } }
func mdm(v api.MDMView) change   { return func(n *decide.Node) { n.Report.MDM = &v } }
func wants(l api.LeaseName) change {
	return func(n *decide.Node) { n.Report.Wants = []api.LeaseName{l} }
}
func disks(d ...api.Disk) change { return func(n *decide.Node) { n.Report.Disks = d } }
func claims(ids ...string) change {
	return func(n *decide.Node) {
		n.Claims = nil
		for _, id := range ids {
			n.Claims = append(n.Claims, api.DiskClaim{Disk: id, SizeBytes: 1 << 30})
		}
	}
}

func gateway(n *decide.Node) {
	n.Report.Gateway = &api.Gateway{Address: n.Report.Addresses[0] + ":443", CertificatePEM: "certificate of " + n.ID}
}

func holds(step string) change {
	return func(n *decide.Node) {
		n.Report.Conditions = append(n.Report.Conditions, api.Condition{Type: step, Status: api.True, Generation: n.Report.Version.Generation})
	}
}

func disk(id string, state api.DiskState) api.Disk {
	return api.Disk{ID: id, Path: "/dev/" + id, SizeBytes: 1 << 30, State: state}
}

var (
	noCluster = api.MDMView{Installed: true}
	master    = api.MDMView{Installed: true, InCluster: true, Master: true, SystemID: "00000000000000aa"}
	slave     = api.MDMView{Installed: true, InCluster: true, SystemID: "00000000000000aa"}
	foreign   = api.MDMView{Installed: true, InCluster: true, Master: true, SystemID: "00000000000000bb"}
)

// view of a healthy system by its leader n1.
func (b *builder) view(changes ...func(*api.ClusterView)) *builder {
	v := &api.ClusterView{SystemID: "00000000000000aa", Mode: "3_node", State: "Normal"}
	for _, c := range changes {
		c(v)
	}
	b.View = &decide.View{ClusterView: v, From: "id1", At: now}
	return b
}
