package decide

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
)

// Spec is what a node should be, as things stand.
func Spec(s *State, n *Node) api.NodeSpec {
	c, set := &s.Cluster, s.Settings
	told := s.settings(n)
	spec := api.NodeSpec{
		Version: s.Version(n), Node: n.ID, Name: n.Name, Role: s.Role(n), MDMs: c.MDMs, SystemID: c.SystemID, Licence: told.Licence,
		Gates: c.Gates, Packages: packages(told.Packages, n), Disks: told.Disks, Claims: n.Claims,
		AllowUnsupported: told.AllowUnsupported, Reboots: told.Reboots, ModuleMirror: told.ModuleMirror, BuildModules: told.BuildModules, Modules: modules(told.Modules, n),
		Agent: told.Agent,
	}
	spec.Disks.Approved = n.Approved
	spec.Remove = n.RemovalOf() == api.RemovalLeaving || n.RemovalOf() == api.RemovalDone // the last answer must not tell it to begin anew
	if s.clientOnly(n) || n.Removal != nil {
		spec.Disks = api.DiskPolicy{Use: api.DiskUseNone}
	}
	spec.Growth, spec.Recall = growthFor(s, n), remember(s, n)
	spec.Preflight = preflight(s, n)
	if spec.Role == api.RoleUndecided {
		spec.MDMs, spec.Claims = nil, nil
	}
	if c.Open(api.GateGatewayReady) {
		spec.Volumes = &api.VolumeDriver{
			Gateways: gatewaysFor(c, n), User: set.VolumeUser, SystemID: c.SystemID,
			ProtectionDomain: set.ProtectionDomain, StoragePool: set.StoragePool,
		}
	}
	if s.forms(n) {
		spec.Formation = c.Formation
	}
	if s.forms(n) || s.Leads(n) {
		spec.Cluster = clusterSpec(s)
	}
	return spec
}

// forms: the node holds the grant, and the cluster isn't formed to its end.
func (s *State) forms(n *Node) bool {
	f := s.Cluster.Formation
	return f != nil && f.Node == n.ID && !s.Cluster.Open(api.GateClusterFormed)
}

func clusterSpec(s *State) *api.ClusterSpec {
	set, wanted := s.Settings, wantedSDSs(s)
	return &api.ClusterSpec{
		SystemName: systemName(set.ClusterName), ProtectionDomain: set.ProtectionDomain, StoragePool: set.StoragePool,
		MediaType: set.MediaType, ZeroPadding: set.ZeroPadding, SparePercent: SparePercent(units(s)),
		FaultSets: s.Cluster.faultSetNames(), VolumeUser: set.VolumeUser,
		SDSs: wanted, Disks: disksOf(s, wanted), Gateways: s.Cluster.Gateways, Leaving: leaving(s), HandOver: handOver(s), Service: service(s),
	}
}

func systemName(cluster string) string { return cut(clean(cluster), MaxName) }

// packages for the node's system; those that lie on the scheduler's side get their path there.
func packages(all []api.Package, n *Node) []api.Package {
	if n.Report == nil {
		return nil
	}
	var fit []api.Package
	for _, p := range all {
		if !api.FitsOS(p.OS, n.Report.Platform.OS) {
			continue
		}
		if p.File != "" {
			p.URL, p.File = api.PathArtifacts+"/"+p.SHA256, ""
		}
		fit = append(fit, p)
	}
	return fit
}

// modules for the node's system; those that lie on the scheduler's side get their path there.
func modules(all []api.KernelModule, n *Node) []api.KernelModule {
	if n.Report == nil {
		return nil
	}
	var fit []api.KernelModule
	for _, m := range all {
		if !api.FitsOS(m.OS, n.Report.Platform.OS) {
			continue
		}
		if m.File != "" {
			m.URL, m.File = api.PathArtifacts+"/"+m.SHA256, ""
		}
		fit = append(fit, m)
	}
	return fit
}

// gatewaysFor orders the gateways by preference: the node's own, then by a hash, so that nodes spread over them and each keeps its order.
func gatewaysFor(c *Cluster, n *Node) []api.Gateway {
	all := slices.Clone(c.Gateways)
	weight := func(g api.Gateway) uint32 {
		if g.Node == n.ID {
			return 0
		}
		h := fnv.New32a()
		_, _ = fmt.Fprintf(h, "%s\x00%s", n.ID, g.Node)
		return max(h.Sum32(), 1)
	}
	slices.SortFunc(all, func(a, b api.Gateway) int {
		return cmp.Or(cmp.Compare(weight(a), weight(b)), strings.Compare(a.Node, b.Node))
	})
	return all
}

// Hash of a spec's content: its own generation and ages aside. A node's generation rises when this changes, and only then.
func Hash(spec api.NodeSpec) string {
	spec.Version.Generation = 0
	if spec.Cluster != nil {
		c := *spec.Cluster
		c.Disks = slices.Clone(c.Disks)
		for i := range c.Disks {
			c.Disks[i].PreparedAgeMS = 0
		}
		spec.Cluster = &c
	}
	return hash(spec)
}

// ETag of an answer: everything but ages, lease times and when to poll. The hash of its spec is known: most of the work of an answer is making it, and thousands wait for theirs.
func ETag(a api.Answer, spec string) string {
	a.ETag, a.PollMS, a.Wait = "", 0, false
	a.Leases = slices.Clone(a.Leases)
	for i := range a.Leases {
		a.Leases[i].TTLMS = 0
	}
	if a.Storage != nil {
		view := *a.Storage
		view.AgeMS = 0
		a.Storage = &view
	}
	generation := a.Spec.Version.Generation
	a.Spec = api.NodeSpec{}
	return hash(struct {
		Spec       string
		Generation int64
		Answer     api.Answer
	}{spec, generation, a})
}

func hash(v any) string {
	raw, err := json.Marshal(v)
	if err != nil { // plain data: can't be
		return err.Error()
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:12])
}

// Storage is the leader's view of one node's own SDS and SDC; nil while there is none.
func Storage(s *State, n *Node) *api.StorageView {
	if s.View == nil || s.View.Pool == nil && len(s.View.SDSs) == 0 && s.Cluster.Open(api.GatePoolReady) { // without its gateway the leader sees no SDS, and that isn't "none"
		return nil
	}
	view := &api.StorageView{AgeMS: max(0, s.Now.Sub(s.View.At).Milliseconds())}
	for i := range s.View.SDSs {
		if sds := &s.View.SDSs[i]; sds.Name == n.Name || view.SDS == nil && n.hasSDS(*sds) {
			view.SDS = &s.View.SDSs[i]
		}
	}
	view.SDC = clientOf(s.View.SDCs, n)
	view.Ours = view.SDS != nil && view.SDS.InMaint && s.serviced(view.SDS.ID)
	return view
}

// clientOf a node: a driver that was installed anew has another GUID and so a second entry, and volumes stay mapped to the first. The connected one is
// shown, with the volumes of all.
func clientOf(all []api.SDCView, n *Node) *api.SDCView {
	var client *api.SDCView
	volumes := 0
	for _, c := range all {
		if n.Report == nil || !slices.Contains(n.Report.Addresses, c.IP) {
			continue
		}
		volumes += c.Volumes
		if client == nil || c.Connected && !client.Connected {
			client = &c
		}
	}
	if client != nil {
		client.Volumes = volumes
	}
	return client
}

// Needs says which secrets a node gets now; nobody else ever sees them.
type Needs struct{ Admin, GatewayAdmin, VolumeUser bool }

// SecretsFor a node: the admin password for whoever forms or leads, the gateway's for a manager while it installs it or makes it trust MDMs, the volume user's for
// every node that mounts (it lies there in a 0600 file, and is compared with it). A node without a role gets none: joining alone yields no secret.
func SecretsFor(s *State, n *Node) Needs {
	if n.Revoked || n.Conflict != "" || n.Removal != nil && n.Removal.Phase != api.RemovalDraining || s.Role(n) == api.RoleUndecided {
		return Needs{}
	}
	acts := s.forms(n) || s.Leads(n)
	return Needs{
		Admin:        acts,
		GatewayAdmin: s.Role(n) == api.RoleManager && (!holds(n, stepInstallGateway) || !holds(n, stepTrustMDMs) || wants(n, "gateway")),
		VolumeUser:   acts || s.Cluster.Open(api.GateGatewayReady),
	}
}

// Awaited says whether something waits for this node, so that it should report the moment it can.
func Awaited(s *State, n *Node) bool {
	switch {
	case s.Leads(n), MayLeadSoon(s, n), s.forms(n), s.Leases.Disruption == n.ID, len(n.Claims) > 0, len(ordersFor(s, n)) > 0, ordersSoon(s, n):
		return true
	case soonUp(s, n), s.onTrial(n):
		return true
	case n.Removal != nil, n.Report == nil, !s.current(n), !n.Report.Ready, !passed(n):
		return true
	}
	// A manager may have to take over at any moment.
	return s.Role(n) == api.RoleManager || s.Role(n).MDM() && !s.Cluster.Open(api.GatePoolReady)
}

// Ready says whether a node is what it should be, by a report that is neither old nor for an older spec.
func Ready(s *State, n *Node) bool {
	return s.current(n) && n.Report.Ready && passed(n) && n.Conflict == "" && !n.Revoked && n.Removal == nil && Foreign(&s.Cluster, n.Report) == ""
}

// Silent is for how long a node hasn't been heard; 0 if it is alive or was never heard by this process.
func (s *State) Silent(n *Node) time.Duration {
	if n.SeenAt.IsZero() || s.live(n) {
		return 0
	}
	return s.Now.Sub(n.SeenAt)
}
