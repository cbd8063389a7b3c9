package mgmt

import "time"

// View is everything a client may see, in one consistent picture of the master.
type View struct {
	System    System     `json:"system"`
	Cluster   Cluster    `json:"cluster"`
	Domains   []Domain   `json:"domains"`
	Pools     []Pool     `json:"pools"`
	FaultSets []FaultSet `json:"faultSets"`
	SDSs      []SDS      `json:"sdss"`
	Devices   []Device   `json:"devices"`
	Volumes   []Volume   `json:"volumes"`
	SDCs      []SDC      `json:"sdcs"`
	Users     []User     `json:"users"`
	Capacity  Capacity   `json:"capacity"` // of the whole system
}

type System struct {
	ID                 string    `json:"id"`
	Name               string    `json:"name,omitempty"` // none until renamed
	InstallationID     string    `json:"installationId"`
	Created            time.Time `json:"created"`
	RestrictedSDC      string    `json:"restrictedSdc"` // None | Guid | ApprovedIp
	CLIPasswordAllowed bool      `json:"cliPasswordAllowed"`
	HighPercent        int       `json:"highPercent"`
	CriticalPercent    int       `json:"criticalPercent"`
	PerfProfile        string    `json:"perfProfile"`
}

// Cluster is what query_cluster shows; any member can tell it.
type Cluster struct {
	SystemID       string   `json:"systemId"`
	SystemName     string   `json:"systemName,omitempty"`
	Nodes          int      `json:"nodes"` // the mode: 1, 3 or 5
	Degraded       bool     `json:"degraded"`
	Active         int      `json:"active"`
	Replicas       int      `json:"replicas"`
	WantedReplicas int      `json:"wantedReplicas"`
	VirtualIPs     []string `json:"virtualIps,omitempty"`
	Members        []Member `json:"members"`
}

// Kinds of a member within the cluster.
const (
	Master     = "master"
	Slave      = "slave"
	TieBreaker = "tie-breaker"
	Standby    = "standby"
)

// A Member of the cluster or a standby. Manager says what its package was installed as.
type Member struct {
	ID                string   `json:"id"`
	Name              string   `json:"name,omitempty"`
	Manager           bool     `json:"manager"`
	Voter             bool     `json:"voter"` // in the cluster; else standby
	IPs               []string `json:"ips"`
	ManagementIPs     []string `json:"managementIps,omitempty"`
	Port              int      `json:"port"`
	VirtualInterfaces []string `json:"virtualInterfaces,omitempty"`

	Kind        string       `json:"kind,omitempty"`        // filled in views
	Status      string       `json:"status,omitempty"`      // Normal | Not synchronized | Disconnected
	Certificate *Certificate `json:"certificate,omitempty"` // a manager's, once the master has heard of it
}

// Certificate is what is shown of a manager's management certificate.
type Certificate struct {
	Thumbprint string    `json:"thumbprint"`
	Expiry     time.Time `json:"expiry"`
}

type Domain struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type Pool struct {
	ID              string `json:"id"`
	Name            string `json:"name"`
	Domain          string `json:"domain"`
	MediaType       string `json:"mediaType"` // HDD | SSD | Transitional
	SparePercent    int    `json:"sparePercent"`
	ZeroPadding     bool   `json:"zeroPadding"`
	Checksum        bool   `json:"checksum"`
	RMCache         bool   `json:"rmcache"`
	RFCache         bool   `json:"rfcache"`
	RMCacheWrite    string `json:"rmcacheWrite"` // Cached | Passthrough
	Rebuild         bool   `json:"rebuild"`
	Rebalance       bool   `json:"rebalance"`
	ParallelJobs    int    `json:"parallelJobs"`
	Scanner         string `json:"scanner"` // Disabled | DeviceOnly | DataComparison
	HighPercent     int    `json:"highPercent"`
	CriticalPercent int    `json:"criticalPercent"`

	Capacity Capacity `json:"capacity"` // filled in views
}

type FaultSet struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Domain string `json:"domain"`
}

type SDSIP struct {
	IP   string `json:"ip"`
	Role string `json:"role"` // all | sdsOnly | sdcOnly
}

type SDS struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	Domain      string  `json:"domain"`
	FaultSet    string  `json:"faultSet,omitempty"`
	IPs         []SDSIP `json:"ips"`
	Port        int     `json:"port"`
	RMCache     bool    `json:"rmcache"`
	RMCacheKB   int     `json:"rmcacheKb"`
	Maintenance bool    `json:"maintenance,omitempty"`
	Removing    bool    `json:"removing,omitempty"`
	PerfProfile string  `json:"perfProfile"`

	Connected bool `json:"connected"` // filled in views
}

type Device struct {
	ID           string `json:"id"`
	Name         string `json:"name,omitempty"`
	SDS          string `json:"sds"`
	Pool         string `json:"pool"`
	OriginalPath string `json:"originalPath"`
	CurrentPath  string `json:"currentPath"`
	SizeBytes    int64  `json:"sizeBytes"`
	LimitBytes   int64  `json:"limitBytes"`
	MediaType    string `json:"mediaType"`
	Removing     bool   `json:"removing,omitempty"`

	Error     string `json:"error,omitempty"`     // filled in views: what the SDS says of it
	UsedBytes int64  `json:"usedBytes,omitempty"` // filled in views
}

type Mapping struct {
	SDC        string `json:"sdc"`
	AccessMode string `json:"accessMode,omitempty"`
}

type Volume struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Tree      string    `json:"tree"`
	Pool      string    `json:"pool"`
	SizeBytes int64     `json:"sizeBytes"`
	Thick     bool      `json:"thick"`
	RMCache   bool      `json:"rmcache"`
	Created   time.Time `json:"created"`
	Mappings  []Mapping `json:"mappings,omitempty"`

	Generation int64 `json:"generation"`
	UsedBytes  int64 `json:"usedBytes,omitempty"` // filled in views: one copy's worth
}

type SDC struct {
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"`
	GUID     string `json:"guid"`
	IP       string `json:"ip"`
	Approved bool   `json:"approved"`
	Build    string `json:"build"`

	Connected bool `json:"connected"` // filled in views
}

type User struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Role        string `json:"role"`
	NeedNewPass bool   `json:"needNewPass"`
}

// Capacity in KB, raw: a protected chunk counts for both of its copies.
type Capacity struct {
	MaxKB               int64 `json:"maxKb"`
	LimitKB             int64 `json:"limitKb"`
	InUseKB             int64 `json:"inUseKb"`
	ThickInUseKB        int64 `json:"thickInUseKb"`
	ThinInUseKB         int64 `json:"thinInUseKb"`
	UnusedKB            int64 `json:"unusedKb"`
	SpareKB             int64 `json:"spareKb"`
	ProtectedKB         int64 `json:"protectedKb"`
	DegradedHealthyKB   int64 `json:"degradedHealthyKb"`
	DegradedFailedKB    int64 `json:"degradedFailedKb"`
	FailedKB            int64 `json:"failedKb"`
	UnreachableUnusedKB int64 `json:"unreachableUnusedKb"`
	MaintenanceKB       int64 `json:"maintenanceKb"`
	ActiveRebuildKB     int64 `json:"activeRebuildKb"`
	PendingRebuildKB    int64 `json:"pendingRebuildKb"`
	ActiveRebalanceKB   int64 `json:"activeRebalanceKb"`
	PendingRebalanceKB  int64 `json:"pendingRebalanceKb"`
	AvailableKB         int64 `json:"availableKb"` // for volumes: net, whole 8 GB
	AllocationLimitKB   int64 `json:"allocationLimitKb"`
	NetUserKB           int64 `json:"netUserKb"`
	NetUnusedKB         int64 `json:"netUnusedKb"`
	AddressSpaceKB      int64 `json:"addressSpaceKb"` // sum of volume sizes
}
