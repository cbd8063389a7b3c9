package scaleio

// A User of the product.
type User struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Role        string `json:"role"`
	NeedNewPass bool   `json:"needNewPass"`
}

// A System as the head of query_all shows it, with what of the rest says whether anything is in motion.
type System struct {
	Version        string   `json:"version"` // R3_6.700.103
	ID             string   `json:"id"`
	Name           string   `json:"name,omitempty"`
	InstallationID string   `json:"installationId"`
	RestrictedSDC  bool     `json:"restrictedSdc"`
	Domains        []Domain `json:"domains,omitempty"`
	SDSs           int      `json:"sdss"`
	Joined         int      `json:"joined"`
	Connected      int      `json:"connected"`
	Moving         []string `json:"moving,omitempty"` // labels of capacity lines that aren't at rest: degraded, rebuild ...
}

// A Domain is a protection domain.
type Domain struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Pools     []Pool `json:"pools,omitempty"`
	FaultSets int    `json:"faultSets"`
	SDSs      int    `json:"sdss"`
	Volumes   int    `json:"volumes"`
	State     string `json:"state,omitempty"`
}

// A Pool is a storage pool.
type Pool struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	SparePercent int    `json:"sparePercent"`
	ZeroPadding  bool   `json:"zeroPadding"`
	MediaType    string `json:"mediaType,omitempty"`
	Volumes      int    `json:"volumes"`
}

// ShownSDS is an SDS as query_all_sds and query_sds show it.
type ShownSDS struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	DomainID   string        `json:"domainId"`
	DomainName string        `json:"domainName"`
	FaultSet   string        `json:"faultSet,omitempty"`
	Connection string        `json:"connection"` // Connected, Disconnected
	Membership string        `json:"membership"` // Joined ...
	State      string        `json:"state,omitempty"`
	IPs        []string      `json:"ips"`
	Roles      []string      `json:"roles,omitempty"` // of each address: all, sdsOnly, sdcOnly
	Port       int           `json:"port"`
	Version    string        `json:"version"`
	Devices    []ShownDevice `json:"devices,omitempty"`
}

// ShownDevice of an SDS as query_sds shows it.
type ShownDevice struct {
	ID           string `json:"id"`
	Name         string `json:"name,omitempty"`
	Path         string `json:"path"`
	OriginalPath string `json:"originalPath"`
	Pool         string `json:"pool"`
	Capacity     string `json:"capacity"` // "298 GB": for people
	State        string `json:"state"`
}

// ShownSDC is a client as query_all_sdc shows it.
type ShownSDC struct {
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"`
	IP       string `json:"ip"`
	State    string `json:"state"`
	GUID     string `json:"guid"`
	Approved bool   `json:"approved"`
	Version  string `json:"version,omitempty"`
}

// Properties of one object of query_properties.
type Properties struct {
	Type   string            `json:"type"`
	ID     string            `json:"id"`
	Values map[string]string `json:"values"`
}

// KnownMDM is a system that the SDC of this node was pointed at, as drv_cfg shows it.
type KnownMDM struct {
	SystemID       string   `json:"systemId"`
	SDCID          string   `json:"sdcId"` // all zeros: not connected or not approved
	InstallationID string   `json:"installationId"`
	IPs            []string `json:"ips"`
}

// Connected says whether the system knows this SDC.
func (k KnownMDM) Connected() bool { return k.SDCID != "" && k.SDCID != "0000000000000000" }
