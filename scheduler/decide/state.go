package decide

import (
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
)

// Settings come from the configuration and stay for the life of the process.
type Settings struct {
	ClusterName      string
	DomainAttribute  string        // "" = every node is a failure domain of its own, and there are no fault sets
	Settle           time.Duration // how long better spread is waited for
	Licence          bool
	ProtectionDomain string
	StoragePool      string
	MediaType        string
	ZeroPadding      bool
	VolumeUser       string
	Disks            api.DiskPolicy
	Packages         []api.Package
	AllowUnsupported bool // client-only nodes may carry an SDS and the tie-breaker
	Reboots          api.RebootPolicy
	RebootWindow     Window        // zero = at any time
	RebootWithin     time.Duration // of a node that may: then it is told that it isn't back
	ModuleMirror     string
	Modules          []api.KernelModule
	BuildModules     bool             // nodes may get a compiler and headers
	Agent            *api.AgentBinary // the daemon itself; nil = as it is
	RolloutCalm      time.Duration    // between the last node of a wave being Ready and the next wave
	Growth           GrowthSettings
}

// Cluster is the stored record of what was decided once for all nodes.
type Cluster struct {
	ID           string            `json:"id"`
	Epoch        int64             `json:"epoch"`
	MDMs         []api.MDM         `json:"mdms,omitempty"`
	Gates        []api.Gate        `json:"gates,omitempty"`
	PeersChecked bool              `json:"peersChecked,omitempty"` // the nodes of the MDMs have reached each other
	Formation    *api.Formation    `json:"formation,omitempty"`
	Grants       int               `json:"grants,omitempty"`    // how often formation was granted
	Spread       bool              `json:"spread,omitempty"`    // fault sets are decided
	FaultSets    map[string]string `json:"faultSets,omitempty"` // failure domain -> name; empty with Spread = none
	SystemID     string            `json:"systemId,omitempty"`
	Gateways     []api.Gateway     `json:"gateways,omitempty"`   // certificates as read on the nodes
	Shown        int64             `json:"shownEpoch,omitempty"` // the highest that a node showed though the store didn't know of it
	Recovering   time.Time         `json:"recovering,omitzero"`  // the state is being rebuilt from the nodes, since then
	Recovered    time.Time         `json:"recovered,omitzero"`   // it was: since when
	Hold         *api.Hold         `json:"hold,omitempty"`
	ReadOnly     *ReadOnly         `json:"readOnly,omitempty"`

	Unchecked      bool      `json:"ledgerUnchecked,omitempty"` // the state was taken over: what was bought since it was written isn't known
	UncheckedSince time.Time `json:"ledgerUncheckedSince,omitzero"`
}

// Node is the stored record of one node.
type Node struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"` // unique, at most 31 characters: also the name of its SDS and MDM
	Hostname   string          `json:"hostname"`
	AgentUUID  string          `json:"agentUuid,omitempty"`
	Key        string          `json:"key"`          // fingerprint of the only key that may speak for it
	CA         string          `json:"ca,omitempty"` // fingerprint of the CA that a rotation brought, once the node showed a certificate of it
	Revoked    bool            `json:"revoked,omitempty"`
	Conflict   string          `json:"conflict,omitempty"` // somebody else claimed to be this node
	AgentID    string          `json:"agentId,omitempty"`  // Mesos': not identity, only where its task is
	Domain     string          `json:"domain,omitempty"`
	Moved      string          `json:"moved,omitempty"` // another failure domain that it was seen in: nothing follows it there
	Pin        string          `json:"pin,omitempty"`   // attribute scaleio-role
	TooSmall   bool            `json:"tooSmall,omitempty"`
	Generation int64           `json:"generation"`
	SpecHash   string          `json:"specHash,omitempty"`
	Untold     bool            `json:"untold,omitempty"` // since the epoch was raised it got no order of ours: what it shows of that epoch was another's
	Claims     []api.DiskClaim `json:"claims,omitempty"`
	Approved   []string        `json:"approved,omitempty"`
	Hold       *api.Hold       `json:"hold,omitempty"`
	Removal    *Leaver         `json:"removal,omitempty"`
	Turn       Turn            `json:"turn,omitzero"`

	Report *api.Report   `json:"-"` // the last one; stored as a record of its own
	SeenAt time.Time     `json:"-"` // zero = not since this process started
	Skew   time.Duration `json:"-"` // of its clock against ours

	lines  []line // conditions of Report
	stays  bool   // it has no right to reboot, and showed that it knows
	barred string // ETag of our last answer to it, if that gave none
}

// Leases that are out. The leader's holder is stored so that a new process waits for the old lease to run out.
type Leases struct {
	Leader      string    `json:"leader,omitempty"`
	Disruption  string    `json:"disruption,omitempty"`
	Boot        string    `json:"boot,omitempty"` // of the disruption's holder when it got the lease
	For         string    `json:"for,omitempty"`  // component that the disruption's holder got it to upgrade, or ForReboot
	Since       time.Time `json:"since,omitzero"` // when it got it for a reboot
	Late        bool      `json:"late,omitempty"` // people were told that it isn't back in time
	Service     *Service  `json:"service,omitempty"`
	After       time.Time `json:"-"` // the last interruption's end, as far as this process saw it
	LeaderUntil time.Time `json:"-"`
}

// Expected is a Mesos agent with our task on it that hasn't reported yet.
type Expected struct {
	Hostname string
	Domain   string
	Pin      string
}

// View of the ScaleIO system as its leader saw it last.
type View struct {
	*api.ClusterView
	From string    // node
	At   time.Time // when the sample was taken, by our clock
}

// State is the snapshot that everything is decided from.
type State struct {
	Now      time.Time
	Settings *Settings
	Cluster  Cluster
	Nodes    map[string]*Node
	Leases   Leases
	Expected map[string]Expected // by Mesos agent
	View     *View
	Settling time.Time // since when three nodes would do
	Nonce    string    // fresh UUID, for a grant or an expansion that may be made now
	Rollout  *Rollout  // nil = every node is told what the configuration says now

	Ledger  []*Expansion // in the order in which they were decided
	Growing *Growing     // nil = growth isn't looked at
}

// Alive says for how long after its last report a node's word is taken for what it is now.
const Alive = 3 * api.RestPoll

// live: reported to this process, not long ago.
func (s *State) live(n *Node) bool {
	return n.Report != nil && !n.SeenAt.IsZero() && s.Now.Sub(n.SeenAt) < Alive
}

// Version of a node's spec.
func (s *State) Version(n *Node) api.Version {
	return api.Version{Cluster: s.Cluster.ID, Epoch: s.Cluster.Epoch, Generation: n.Generation}
}

// current: live, and its conditions were made for the spec that stands now. Gates open by such reports alone.
func (s *State) current(n *Node) bool {
	return n != nil && s.live(n) && n.Report.Version == s.Version(n)
}

// Held gives the hold that binds a node now, the cluster's before its own. A cluster that is read-only is held whole.
func (s *State) Held(n *Node) *api.Hold {
	if h := s.Cluster.Hold; active(h, s.Now) {
		return h
	}
	if r := s.Cluster.ReadOnly; r != nil {
		return r.hold(s)
	}
	if n != nil && active(n.Hold, s.Now) {
		return n.Hold
	}
	return nil
}

func active(h *api.Hold, now time.Time) bool {
	return h != nil && (h.Until.IsZero() || now.Before(h.Until))
}

// Open says whether a gate is.
func (c *Cluster) Open(g api.Gate) bool {
	for _, o := range c.Gates {
		if o == g {
			return true
		}
	}
	return false
}

// Role of a node.
func (s *State) Role(n *Node) api.Role {
	for _, m := range s.Cluster.MDMs {
		if m.Node == n.ID {
			return m.Role
		}
	}
	if n.Conflict != "" || len(s.Cluster.MDMs) == 0 || n.Report == nil || !n.Report.Platform.Supported {
		return api.RoleUndecided
	}
	if s.clientOnly(n) {
		return api.RoleClient
	}
	return api.RoleData
}

// clientOnly: its vendor supports no SDS on such a system, and the operator doesn't allow one. A node that gave a disk while it was allowed keeps
// its SDS: taking that away is a removal, which only a person may ask for.
func (s *State) clientOnly(n *Node) bool {
	if n.Report == nil || !n.Report.Platform.ClientOnly || s.settings(n).AllowUnsupported {
		return false
	}
	return len(n.Claims) == 0 && !slices.ContainsFunc(n.Report.Disks, func(d api.Disk) bool {
		return d.State == api.DiskAdded || d.State == api.DiskAdopted
	})
}

// mayManage says whether a node may carry an MDM manager: never where only clients are supported, whatever is allowed.
func mayManage(n *Node) bool { return !n.Report.Platform.ClientOnly }

// The steps of a node's plan that decisions rest on.
const (
	stepRunMDM         = "run-mdm"
	stepFormCluster    = "form-cluster"
	stepRunSDS         = "run-sds"
	stepConnectSDC     = "connect-sdc"
	stepTrustMDMs      = "trust-mdms"
	stepInstallGateway = "install-gateway"

	stepRemoveLeftovers = "remove-leftovers" // the last one of a removal
)
