package api

import "encoding/json"

// Role of a node. Every node is a client (SDC); all but RoleClient give disks (SDS) too, where they have some to give.
type Role string

// The roles. RoleUndecided means: install nothing that depends on one yet.
const (
	RoleUndecided  Role = ""
	RoleManager    Role = "manager"
	RoleTieBreaker Role = "tie-breaker"
	RoleData       Role = "data"
	RoleClient     Role = "client" // SDC and volume driver only: no SDS, no disk handed over
)

// Known says whether this version knows the role.
func (r Role) Known() bool {
	return r == RoleUndecided || r == RoleManager || r == RoleTieBreaker || r == RoleData || r == RoleClient
}

// MDM says whether a node of this role carries an MDM.
func (r Role) MDM() bool { return r == RoleManager || r == RoleTieBreaker }

// Storage says whether a node of this role carries an SDS.
func (r Role) Storage() bool { return r.MDM() || r == RoleData }

// RebootPolicy says who may reboot a node.
type RebootPolicy = string

// The policies. Whatever isn't RebootsRolling is RebootsNever.
const (
	RebootsNever   RebootPolicy = "never"   // the node says RebootNeeded, and a person reboots it
	RebootsRolling RebootPolicy = "rolling" // one node at a time, with the disruption lease, while storage is healthy
)

// Version of a spec. An agent refuses a lower (Epoch, Generation) and any second Cluster.
type Version struct {
	Cluster    string `json:"cluster"` // UUID
	Epoch      int64  `json:"epoch"`
	Generation int64  `json:"generation"` // of this node's spec
}

// Before says whether v is older than w; both must be of one cluster.
func (v Version) Before(w Version) bool {
	return v.Epoch < w.Epoch || v.Epoch == w.Epoch && v.Generation < w.Generation
}

// A NodeSpec is what one node should be.
type NodeSpec struct {
	Version   Version       `json:"version"`
	Node      string        `json:"node"` // identity it was made for
	Name      string        `json:"name"` // for people, and the name of its SDS and MDM: at most 31 characters, no blanks
	Role      Role          `json:"role"`
	MDMs      []MDM         `json:"mdms,omitempty"`
	SystemID  string        `json:"systemId,omitempty"` // 16 hex; any other one found on a node is Blocked
	Licence   bool          `json:"acceptLicense"`
	Gates     []Gate        `json:"gates,omitempty"`
	Packages  []Package     `json:"packages,omitempty"` // for this node's OS
	Disks     DiskPolicy    `json:"disks"`
	Claims    []DiskClaim   `json:"claims,omitempty"`
	Volumes   *VolumeDriver `json:"volumeDriver,omitempty"`
	Formation *Formation    `json:"formation,omitempty"` // only for the node that is to form the cluster
	Cluster   *ClusterSpec  `json:"cluster,omitempty"`   // only for the holder of the formation grant or the leader lease

	Preflight *Preflight `json:"preflight,omitempty"` // what nodes look at together before anything is installed

	Growth *NodeGrowth `json:"growth,omitempty"` // absent: the node never calls a cloud

	AllowUnsupported bool           `json:"allowUnsupported,omitempty"` // systems whose vendor supports only clients may carry SDS and tie-breaker too
	Reboots          RebootPolicy   `json:"reboots,omitempty"`          // empty = never
	ModuleMirror     string         `json:"moduleMirror,omitempty"`     // URL under which OS, SDC version and kernel lead to scini.tar, as the vendor lays it out
	Modules          []KernelModule `json:"modules,omitempty"`          // prebuilt, for this node's OS
	BuildModules     bool           `json:"buildModules,omitempty"`     // compiler and kernel headers may be installed, so that the SDC builds a module that nobody has
	Agent            *AgentBinary   `json:"agent,omitempty"`            // absent = as it is
	Remove           bool           `json:"remove,omitempty"`           // the cluster holds nothing of this node any more: it takes away what its agent put there

	Recall json.RawMessage `json:"recall,omitempty"` // the scheduler's own: the node keeps it, to tell it to one that lost its store
}

// A KernelModule is a prebuilt scini of one SDC version for one kernel. URL is absolute, or PathArtifacts/{sha256} on the scheduler.
type KernelModule struct {
	OS         string `json:"os"`
	SDCVersion string `json:"sdcVersion"`
	Kernel     string `json:"kernel"` // as `uname -r` prints it
	URL        string `json:"url,omitempty"`
	File       string `json:"file,omitempty"` // on the scheduler's side; never sent to agents
	Size       int64  `json:"size"`
	SHA256     string `json:"sha256"`
}

// An MDM is one chosen member of the MDM cluster.
type MDM struct {
	Node           string   `json:"node"`
	Name           string   `json:"name"`
	Role           Role     `json:"role"` // manager or tie-breaker
	IPs            []string `json:"ips"`
	CertificatePEM string   `json:"certificatePem,omitempty"` // as read on its own node: what gateways are to trust
}

// Formation is the grant to form the cluster. It never times out; it moves only when its node reports no cluster.
type Formation struct {
	Node  string `json:"node"`
	Nonce string `json:"nonce"`
}

// A Package of the operator's manifest. URL is absolute, or PathArtifacts/{sha256} on the scheduler.
type Package struct {
	Component string `json:"component"` // mdm sds sdc gateway rexray dvdcli
	Version   string `json:"version"`
	OS        string `json:"os"`
	Format    string `json:"format"` // deb | siob-tar | rpm | binary
	URL       string `json:"url,omitempty"`
	File      string `json:"file,omitempty"` // on the scheduler's side; never sent to agents
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`

	SigningKey string `json:"signingKey,omitempty"` // of an rpm: the armoured public key that it must be signed with, beside having the digest; empty = need not be signed
}

// DiskUse says which empty disks a node gives.
type DiskUse string

// DiskUseApprove is the default: a person approves each disk.
const (
	DiskUseApprove  DiskUse = "approve"
	DiskUseMatch    DiskUse = "match"
	DiskUseAllEmpty DiskUse = "all-empty"
	DiskUseNone     DiskUse = "none"
)

// DiskPolicy is the same for every node.
type DiskPolicy struct {
	Use          DiskUse  `json:"use"`
	Match        string   `json:"match,omitempty"`      // glob over the disk's identity
	AllowTypes   []string `json:"allowTypes,omitempty"` // "loop", "dm": off unless named
	MinSizeBytes int64    `json:"minSizeBytes"`
	Approved     []string `json:"approved,omitempty"` // disk identities of this node that a person approved
}

// A DiskClaim asks the node to verify the disk once more and to record its intent to hand it over.
type DiskClaim struct {
	Disk      string `json:"disk"` // identity, never a letter
	SizeBytes int64  `json:"sizeBytes"`
}

// VolumeDriver is how REX-Ray on this node reaches the pool.
type VolumeDriver struct {
	Gateways         []Gateway `json:"gateways"` // in order of preference; the node fails over between them
	User             string    `json:"user"`
	SystemID         string    `json:"systemId"`
	ProtectionDomain string    `json:"protectionDomain"`
	StoragePool      string    `json:"storagePool"`
}

// A Gateway runs on every MDM manager.
type Gateway struct {
	Node           string `json:"node"`
	Address        string `json:"address"` // host:port
	CertificatePEM string `json:"certificatePem,omitempty"`
}

// ClusterSpec is what the leader makes true of the ScaleIO objects.
type ClusterSpec struct {
	SystemName       string          `json:"systemName"`
	ProtectionDomain string          `json:"protectionDomain"`
	StoragePool      string          `json:"storagePool"`
	MediaType        string          `json:"mediaType"` // HDD | SSD
	ZeroPadding      bool            `json:"zeroPadding"`
	SparePercent     int             `json:"sparePercent"`
	FaultSets        []string        `json:"faultSets,omitempty"` // decided at formation, never changed
	VolumeUser       string          `json:"volumeUser"`
	SDSs             []WantedSDS     `json:"sdss,omitempty"`
	Disks            []CandidateDisk `json:"disks,omitempty"`
	Gateways         []Gateway       `json:"gateways,omitempty"`
	Leaving          []LeavingNode   `json:"leaving,omitempty"`  // nodes that a person wants out
	HandOver         string          `json:"handOver,omitempty"` // MDM that is to become master, because the master's node is to be interrupted
	Service          *SDSService     `json:"service,omitempty"`  // an SDS that is to be in maintenance, or not any more
}

// An SDSService says that an SDS is to be in the product's maintenance mode for a reboot of its node, or (Leave) not any more. The scheduler stored it before.
type SDSService struct {
	SDS   string `json:"sds"`  // id
	Name  string `json:"name"` // for people
	Leave bool   `json:"leave,omitempty"`
}

// A LeavingNode is to be taken out of the system: first its SDS, whose data moves to the others, and at the end its SDC's entry.
type LeavingNode struct {
	Node  string   `json:"node"`
	Name  string   `json:"name"`            // of its SDS, unless somebody named that otherwise
	IPs   []string `json:"ips,omitempty"`   // of the node: an SDS at one of them is its SDS, whatever its name
	Drain bool     `json:"drain,omitempty"` // the storage may lose its SDS now: the scheduler's judgement, which the leader repeats on its own sample
	SDC   string   `json:"sdc,omitempty"`   // GUID of its SDC, once the node took its driver away: the entry can go
}

// A WantedSDS is a node whose SDS runs and that has disks to give.
type WantedSDS struct {
	Node     string   `json:"node"`
	Name     string   `json:"name"`
	IPs      []string `json:"ips"`
	FaultSet string   `json:"faultSet,omitempty"` // can be given only when the SDS is added
}

// A CandidateDisk is a disk that a node reported as offered or prepared, as far as policy lets it be used.
type CandidateDisk struct {
	Node          string    `json:"node"`
	SDSName       string    `json:"sdsName"`
	Disk          string    `json:"disk"`
	Path          string    `json:"path"`           // as resolved by the node when it verified
	Link          string    `json:"link,omitempty"` // of its identity, leading there at that time
	SizeBytes     int64     `json:"sizeBytes"`
	State         DiskState `json:"state"` // offered | claimed | prepared
	PreparedAgeMS int64     `json:"preparedAgeMs,omitempty"`
}
