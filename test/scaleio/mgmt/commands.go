package mgmt

// Names of the commands. Each takes the arguments type of the same stem and answers with an ID, a text or nothing.
const (
	CmdCreateCluster  = "create-cluster"   // CreateCluster -> System
	CmdQueryCluster   = "query-cluster"    // -> Cluster
	CmdLogin          = "login"            // Login -> LoggedIn
	CmdLogout         = "logout"           //
	CmdSetPassword    = "set-password"     // SetPassword
	CmdView           = "view"             // -> View
	CmdAddStandby     = "add-standby"      // AddStandby -> ID
	CmdRemoveStandby  = "remove-standby"   // Ref
	CmdSwitchMode     = "switch-mode"      // SwitchMode
	CmdSwitchMaster   = "switch-master"    // Ref
	CmdRenameMDM      = "rename-mdm"       // Rename
	CmdRenameSystem   = "rename-system"    // Rename
	CmdModifySystem   = "modify-system"    // ModifySystem
	CmdAddDomain      = "add-domain"       // AddDomain -> ID
	CmdRenameDomain   = "rename-domain"    // Rename
	CmdRemoveDomain   = "remove-domain"    // Ref
	CmdAddPool        = "add-pool"         // AddPool -> ID
	CmdModifyPool     = "modify-pool"      // ModifyPool
	CmdRemovePool     = "remove-pool"      // Ref
	CmdAddFaultSet    = "add-fault-set"    // AddFaultSet -> ID
	CmdRenameFaultSet = "rename-fault-set" // Rename
	CmdRemoveFaultSet = "remove-fault-set" // Ref
	CmdAddSDS         = "add-sds"          // AddSDS -> ID
	CmdModifySDS      = "modify-sds"       // ModifySDS
	CmdRemoveSDS      = "remove-sds"       // Ref
	CmdMaintenance    = "maintenance"      // Maintenance
	CmdAddDevice      = "add-device"       // AddDevice -> ID
	CmdModifyDevice   = "modify-device"    // ModifyDevice
	CmdRemoveDevice   = "remove-device"    // DeviceRef
	CmdAddVolume      = "add-volume"       // AddVolume -> ID
	CmdRenameVolume   = "rename-volume"    // Rename
	CmdGrowVolume     = "grow-volume"      // GrowVolume
	CmdRemoveVolume   = "remove-volume"    // Ref
	CmdMapVolume      = "map-volume"       // MapVolume -> Mapped
	CmdUnmapVolume    = "unmap-volume"     // MapVolume -> Mapped
	CmdApproveSDC     = "approve-sdc"      // ApproveSDC -> ID
	CmdRenameSDC      = "rename-sdc"       // Rename
	CmdRemoveSDC      = "remove-sdc"       // Ref
	CmdAddUser        = "add-user"         // AddUser -> NewPassword
	CmdResetPassword  = "reset-password"   // Ref -> NewPassword
	CmdSetUserRole    = "set-user-role"    // SetUserRole
	CmdDeleteUser     = "delete-user"      // Ref
)

// A Ref names an object the way the caller knows it: exactly one field is set. Domain narrows names that are unique only within one.
type Ref struct {
	ID     string `json:"id,omitempty"`
	Name   string `json:"name,omitempty"`
	IP     string `json:"ip,omitempty"`
	GUID   string `json:"guid,omitempty"`
	Domain *Ref   `json:"domain,omitempty"`
}

// Empty tells that nothing was named.
func (r Ref) Empty() bool { return r.ID == "" && r.Name == "" && r.IP == "" && r.GUID == "" }

// ID is the usual answer to a creation.
type ID struct {
	ID string `json:"id"`
}

type CreateCluster struct {
	Name              string   `json:"name"`
	IPs               []string `json:"ips"`
	ManagementIPs     []string `json:"managementIps"`
	VirtualIPs        []string `json:"virtualIps,omitempty"`
	VirtualInterfaces []string `json:"virtualInterfaces,omitempty"`
	AcceptLicense     bool     `json:"acceptLicense"`
}

type Login struct {
	User     string `json:"user"`
	Password string `json:"password"`
	OnArgv   bool   `json:"onArgv"` // the password was a command-line argument
}

type LoggedIn struct {
	Session  string `json:"session"`
	Role     string `json:"role"`
	SystemID string `json:"systemId"`
}

type SetPassword struct {
	Old    string `json:"old"`
	New    string `json:"new"`
	OnArgv bool   `json:"onArgv"`
}

type AddStandby struct {
	Name              string   `json:"name"`
	IPs               []string `json:"ips"`
	ManagementIPs     []string `json:"managementIps,omitempty"`
	Port              int      `json:"port,omitempty"`
	Manager           bool     `json:"manager"`
	VirtualInterfaces []string `json:"virtualInterfaces,omitempty"`
	ForceClean        bool     `json:"forceClean,omitempty"`
}

type SwitchMode struct {
	Nodes        int   `json:"nodes"`
	AddSlaves    []Ref `json:"addSlaves,omitempty"`
	AddTBs       []Ref `json:"addTbs,omitempty"`
	RemoveSlaves []Ref `json:"removeSlaves,omitempty"`
	RemoveTBs    []Ref `json:"removeTbs,omitempty"`
}

type Rename struct {
	Of  Ref    `json:"of"`
	New string `json:"new"`
}

// ModifySystem and its like change only what isn't nil.
type ModifySystem struct {
	RestrictedSDC   *string `json:"restrictedSdc,omitempty"`
	HighPercent     *int    `json:"highPercent,omitempty"`
	CriticalPercent *int    `json:"criticalPercent,omitempty"`
	PerfProfile     *string `json:"perfProfile,omitempty"`
}

type AddDomain struct {
	Name string `json:"name"`
}

type AddPool struct {
	Domain       Ref    `json:"domain"`
	Name         string `json:"name"`
	MediaType    string `json:"mediaType"`
	SparePercent *int   `json:"sparePercent,omitempty"`
	ZeroPadding  *bool  `json:"zeroPadding,omitempty"`
	Checksum     bool   `json:"checksum,omitempty"`
	RMCache      *bool  `json:"rmcache,omitempty"`
	RFCache      *bool  `json:"rfcache,omitempty"`
	RMCacheWrite string `json:"rmcacheWrite,omitempty"`
}

type ModifyPool struct {
	Of              Ref     `json:"of"`
	Name            *string `json:"name,omitempty"`
	MediaType       *string `json:"mediaType,omitempty"`
	SparePercent    *int    `json:"sparePercent,omitempty"`
	ZeroPadding     *bool   `json:"zeroPadding,omitempty"`
	Checksum        *bool   `json:"checksum,omitempty"`
	RMCache         *bool   `json:"rmcache,omitempty"`
	RFCache         *bool   `json:"rfcache,omitempty"`
	RMCacheWrite    *string `json:"rmcacheWrite,omitempty"`
	Rebuild         *bool   `json:"rebuild,omitempty"`
	Rebalance       *bool   `json:"rebalance,omitempty"`
	ParallelJobs    *int    `json:"parallelJobs,omitempty"`
	Scanner         *string `json:"scanner,omitempty"`
	HighPercent     *int    `json:"highPercent,omitempty"`
	CriticalPercent *int    `json:"criticalPercent,omitempty"`
}

type AddFaultSet struct {
	Domain Ref    `json:"domain"`
	Name   string `json:"name"`
}

type AddSDS struct {
	Domain     Ref         `json:"domain"`
	Name       string      `json:"name"`
	IPs        []SDSIP     `json:"ips"`
	Port       int         `json:"port,omitempty"`
	FaultSet   Ref         `json:"faultSet"`
	Devices    []NewDevice `json:"devices,omitempty"`
	ForceClean bool        `json:"forceClean,omitempty"`
	RMCache    *bool       `json:"rmcache,omitempty"`
}

type NewDevice struct {
	Pool Ref    `json:"pool"`
	Path string `json:"path"`
	Name string `json:"name,omitempty"`
}

type ModifySDS struct {
	Of          Ref     `json:"of"`
	Name        *string `json:"name,omitempty"`
	Port        *int    `json:"port,omitempty"`
	AddIP       *SDSIP  `json:"addIp,omitempty"`
	SetIPRole   *SDSIP  `json:"setIpRole,omitempty"`
	RemoveIP    *string `json:"removeIp,omitempty"`
	RMCache     *bool   `json:"rmcache,omitempty"`
	RMCacheKB   *int    `json:"rmcacheKb,omitempty"`
	PerfProfile *string `json:"perfProfile,omitempty"`
}

type Maintenance struct {
	Of    Ref  `json:"of"`
	Enter bool `json:"enter"`
}

type AddDevice struct {
	SDS       Ref    `json:"sds"`
	Pool      Ref    `json:"pool"`
	Path      string `json:"path"`
	Name      string `json:"name,omitempty"`
	MediaType string `json:"mediaType,omitempty"`
	Takeover  bool   `json:"takeover,omitempty"`
}

// DeviceRef names a device by id, or by its SDS and path or name.
type DeviceRef struct {
	ID    string `json:"id,omitempty"`
	SDS   Ref    `json:"sds"`
	Path  string `json:"path,omitempty"`
	Name  string `json:"name,omitempty"`
	Force bool   `json:"force,omitempty"`
}

type ModifyDevice struct {
	Of                 DeviceRef `json:"of"`
	Name               *string   `json:"name,omitempty"`
	MediaType          *string   `json:"mediaType,omitempty"`
	LimitBytes         *int64    `json:"limitBytes,omitempty"`
	UpdateOriginalPath bool      `json:"updateOriginalPath,omitempty"`
}

type AddVolume struct {
	Pool      Ref    `json:"pool"`
	Name      string `json:"name"`
	SizeBytes int64  `json:"sizeBytes"`
	Thick     bool   `json:"thick"`
	RMCache   bool   `json:"rmcache"`
}

type GrowVolume struct {
	Of        Ref   `json:"of"`
	SizeBytes int64 `json:"sizeBytes"`
}

type MapVolume struct {
	Volume     Ref    `json:"volume"`
	SDC        Ref    `json:"sdc"`
	AllSDCs    bool   `json:"allSdcs,omitempty"`
	AllowMulti bool   `json:"allowMulti,omitempty"`
	AccessMode string `json:"accessMode,omitempty"`
}

type Mapped struct {
	Volume string   `json:"volume"`
	SDCs   []string `json:"sdcs"`
}

type ApproveSDC struct {
	GUID string `json:"guid,omitempty"`
	IP   string `json:"ip,omitempty"`
	Name string `json:"name,omitempty"`
}

type AddUser struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Password string `json:"password,omitempty"` // REST may give one; else a temporary one is made
}

type SetUserRole struct {
	Of   Ref    `json:"of"`
	Role string `json:"role"`
}

// NewPassword carries a temporary password: it must be changed at the first login.
type NewPassword struct {
	ID       string `json:"id"`
	Password string `json:"password,omitempty"`
}
