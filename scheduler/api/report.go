package api

import "time"

// A Report is everything a node says. It may report only as itself: the certificate names the node.
type Report struct {
	Node       Identity       `json:"node"`
	Version    Version        `json:"version"` // of the spec that the conditions were made for
	Agent      string         `json:"agent"`   // version of the agent
	Time       time.Time      `json:"time"`    // to see clock skew, for nothing else
	BootID     string         `json:"bootId"`
	UptimeMS   int64          `json:"uptimeMs,omitempty"` // of the machine, when this was said: of two reports of one boot it tells the later one, whichever comes first
	Platform   Platform       `json:"platform"`
	Addresses  []string       `json:"addresses"`
	Ready      bool           `json:"ready"`
	Step       string         `json:"step,omitempty"` // the first step not satisfied
	Conditions []Condition    `json:"conditions"`
	Disks      []Disk         `json:"disks,omitempty"`
	MDM        *MDMView       `json:"mdm,omitempty"`
	Gateway    *Gateway       `json:"gateway,omitempty"` // with the certificate read locally
	Intents    []Intent       `json:"intents,omitempty"`
	Unread     bool           `json:"unread,omitempty"` // notes of intents lie there that can't be read: what isn't told may be under way
	Wants      []LeaseName    `json:"wants,omitempty"`
	Cloud      *CloudView     `json:"cloud,omitempty"`
	Orders     []OrderState   `json:"orders,omitempty"`  // of the spec's growth
	Cluster    *ClusterView   `json:"cluster,omitempty"` // from the leader only
	Binary     *RunningBinary `json:"binary,omitempty"`
	Trusts     []string       `json:"trusts,omitempty"`   // fingerprints of the CAs that the node takes a scheduler's certificate from
	Recalled   *Recalled      `json:"recalled,omitempty"` // where the scheduler said CodeRecovering
	Seen       string         `json:"seen,omitempty"`     // ETag of the last answer: the scheduler may hold the report until it would differ
	WaitMS     int64          `json:"waitMs,omitempty"`   // how long the node will wait
}

// Recalled is what a node tells a scheduler that lost its store: the last orders that it accepted, without packages.
type Recalled struct {
	Spec *NodeSpec `json:"spec,omitempty"` // nil = it never had any
	Hold *Hold     `json:"hold,omitempty"`
}

// Identity of a node. ID is the EC2 instance id, else the machine-id; the others are witnesses.
type Identity struct {
	ID        string `json:"id"`
	AgentUUID string `json:"agentUuid"` // minted by the agent on this machine
	SDSID     string `json:"sdsId,omitempty"`
	Hostname  string `json:"hostname"` // for people
}

// Platform of a node, and whether it is supported.
type Platform struct {
	OS        string `json:"os"` // "ubuntu22.04": what a manifest's os is matched with
	Pretty    string `json:"pretty"`
	Kernel    string `json:"kernel"`
	Arch      string `json:"arch"`
	Supported bool   `json:"supported"`
	Reason    string `json:"reason,omitempty"`

	ClientOnly bool `json:"clientOnly,omitempty"` // may carry an SDC, but no SDS and no MDM unless allowUnsupported says so
}

// DiskState of a disk on its way into the pool: Offered (node), Claimed (leader, stored), Prepared (node wrote its intent and verified
// again), Added (leader), Adopted (node cleared its intent). Refused disks are never touched.
type DiskState string

// The states.
const (
	DiskRefused  DiskState = "refused"
	DiskOffered  DiskState = "offered"
	DiskClaimed  DiskState = "claimed"
	DiskPrepared DiskState = "prepared"
	DiskAdded    DiskState = "added"
	DiskAdopted  DiskState = "adopted"
)

// A Disk that the node's /dev holds.
type Disk struct {
	ID            string    `json:"id"` // WWN or serial, EBS volume id: never a letter
	Path          string    `json:"path"`
	Link          string    `json:"link,omitempty"` // /dev/disk/by-id/...: leads to it now, and to it alone after the kernel's names changed
	SizeBytes     int64     `json:"sizeBytes"`
	Model         string    `json:"model,omitempty"`
	State         DiskState `json:"state"`
	Reason        string    `json:"reason,omitempty"` // CamelCase
	Message       string    `json:"message,omitempty"`
	DeviceID      string    `json:"deviceId,omitempty"` // ScaleIO's, once adopted
	PreparedAgeMS int64     `json:"preparedAgeMs,omitempty"`
}

// MDMView is what the node's own MDM says.
type MDMView struct {
	Installed      bool   `json:"installed"`
	InCluster      bool   `json:"inCluster"`
	Master         bool   `json:"master"`
	SystemID       string `json:"systemId,omitempty"`
	CertificatePEM string `json:"certificatePem,omitempty"` // of its management port, read from its file
	Unknown        string `json:"unknown,omitempty"`        // raw text that the parser doesn't recognise: the cluster becomes read-only
}

// An Intent is a record that a node wrote before an act that can't be made safe to repeat by looking alone.
type Intent struct {
	Kind    string    `json:"kind"`    // form-cluster | hand-over-disk | reboot
	Subject string    `json:"subject"` // disk identity, nonce ...
	Since   time.Time `json:"since"`
}

// LeaseName of an exclusive right that can be lost.
type LeaseName string

// LeaseLeader lets its holder converge the ScaleIO objects; LeaseDisruption lets its holder interrupt a node.
const (
	LeaseLeader     LeaseName = "leader"
	LeaseDisruption LeaseName = "disruption"
)

// LeaseReboot lets its holder reboot its own machine now. It is wanted by its name, and given under the disruption lease alone.
const LeaseReboot LeaseName = "reboot"

// UpgradeLease lets its holder upgrade one component of its own now; it is wanted by its name, and given under the disruption lease alone.
func UpgradeLease(component string) LeaseName { return LeaseName("upgrade-" + component) }

// A Lease granted. TTLMS counts from when the holder sent its report; 0 = no timeout.
type Lease struct {
	Name  LeaseName `json:"name"`
	TTLMS int64     `json:"ttlMs"`
}

// ClusterView is what the leader sees of the ScaleIO system.
type ClusterView struct {
	SystemID   string        `json:"systemId"`
	SystemName string        `json:"systemName"`
	Mode       string        `json:"mode"`  // 3_node ...
	State      string        `json:"state"` // Normal, Degraded ...
	Master     string        `json:"master"`
	Members    []MDMMember   `json:"members,omitempty"`
	SDSs       []SDSView     `json:"sdss,omitempty"`
	SDCs       []SDCView     `json:"sdcs,omitempty"`
	Pool       *PoolView     `json:"pool,omitempty"`
	FaultSets  []string      `json:"faultSets,omitempty"`
	PoolReady  bool          `json:"poolReady"` // domain, pool, fault sets, volume user exist as wanted
	Conditions []Condition   `json:"conditions,omitempty"`
	Claims     []DiskRef     `json:"claims,omitempty"` // disks that the leader is about to add: the scheduler stores them
	Owned      *OwnedVolumes `json:"owned,omitempty"`  // cloud volumes of the cluster
	AgeMS      int64         `json:"ageMs"`            // since the sample was taken
}

// DiskRef names a disk of a node.
type DiskRef struct {
	Node string `json:"node"`
	Disk string `json:"disk"`
}

// MDMMember as query_cluster shows it.
type MDMMember struct {
	Name   string   `json:"name"`
	ID     string   `json:"id"`
	Role   string   `json:"role"` // master | slave | tie-breaker | standby
	IPs    []string `json:"ips"`
	Status string   `json:"status"`
}

// SDSView of one SDS and its devices.
type SDSView struct {
	ID         string       `json:"id"`
	Name       string       `json:"name"`
	IPs        []string     `json:"ips"`
	FaultSet   string       `json:"faultSet,omitempty"`
	Connection string       `json:"connection"` // Connected | Disconnected
	Membership string       `json:"membership"`
	InMaint    bool         `json:"inMaintenance,omitempty"`
	Removing   bool         `json:"removing,omitempty"` // its data is on the way to others
	Devices    []DeviceView `json:"devices,omitempty"`
}

// DeviceView of one device of an SDS.
type DeviceView struct {
	ID        string `json:"id"`
	Name      string `json:"name,omitempty"` // disk identity, shortened to the product's 31 characters
	Path      string `json:"path"`
	SizeBytes int64  `json:"sizeBytes"`
	State     string `json:"state"`
	OtherPool bool   `json:"otherPool,omitempty"` // a person gave it to another pool than ours
}

// SDCView of one client.
type SDCView struct {
	ID        string `json:"id"`
	GUID      string `json:"guid"`
	IP        string `json:"ip"`
	Connected bool   `json:"connected"`
	Volumes   int    `json:"volumes,omitempty"` // mapped to it
}

// PoolView in bytes; raw figures count both copies.
type PoolView struct {
	ID             string `json:"id"`
	RawBytes       int64  `json:"rawBytes"`
	SpareBytes     int64  `json:"spareBytes"`
	InUseBytes     int64  `json:"inUseBytes"`
	FreeBytes      int64  `json:"freeBytes"`
	DegradedBytes  int64  `json:"degradedBytes"`
	FailedBytes    int64  `json:"failedBytes"`
	RebuildBytes   int64  `json:"rebuildBytes"`
	SparePercent   int    `json:"sparePercent"`
	Volumes        int    `json:"volumes"`
	UnreachedBytes int64  `json:"unreachableBytes"`

	ProtectedBytes   int64 `json:"protectedBytes,omitempty"`   // that have both copies; 0 = not known
	ProvisionedBytes int64 `json:"provisionedBytes,omitempty"` // what volumes promise to their users: they are thin, so it may be more than there is; one copy. 0 = not known
}

// StorageView is the leader's view of one node's own SDS and SDC, handed back to it.
type StorageView struct {
	SDS   *SDSView `json:"sds,omitempty"`
	SDC   *SDCView `json:"sdc,omitempty"`
	Ours  bool     `json:"ours,omitempty"` // the SDS is in maintenance for a reboot of its node, and not because a person put it there
	AgeMS int64    `json:"ageMs"`          // over 10 min: Unknown
}

// An Answer to a Report. It may carry secrets: never log it whole (LogValue redacts).
type Answer struct {
	Spec    NodeSpec     `json:"spec"`
	Storage *StorageView `json:"storage,omitempty"`
	Leases  []Lease      `json:"leases,omitempty"`
	Hold    *Hold        `json:"hold,omitempty"`
	Secrets Secrets      `json:"secrets"`
	PollMS  int64        `json:"pollMs"`            // when to report next if nothing changes
	Wait    bool         `json:"wait,omitempty"`    // something waits for this node: report with WaitMS
	ETag    string       `json:"etag"`              // of all but ages and lease times
	NoLead  bool         `json:"noLead,omitempty"`  // to managers: nobody leads, so look whether your MDM is master by now
	Renew   bool         `json:"renew,omitempty"`   // renew the certificate now
	CA      string       `json:"ca,omitempty"`      // PEM of the CAs to trust from now on, where the report names others
	Servers []string     `json:"servers,omitempty"` // where schedulers are found next time
	Mesos   *MesosHint   `json:"mesos,omitempty"`   // who knows where, when none is found there
}

// A MesosHint says which Mesos masters know the scheduler's address: the leading one shows it as the webui_url of the framework.
type MesosHint struct {
	Masters   []string `json:"masters"` // http://host:port
	Framework string   `json:"framework"`
}

// AuthorScheduler is who puts holds that no person put: an answer of the product on some node isn't understood.
const AuthorScheduler = "scaleio-scheduler"

// A Hold is the brake: no mutation, observation goes on.
type Hold struct {
	Node   string    `json:"node,omitempty"` // empty = cluster
	Author string    `json:"author"`
	Reason string    `json:"reason,omitempty"`
	Until  time.Time `json:"until,omitzero"`
}
