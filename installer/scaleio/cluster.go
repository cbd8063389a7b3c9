package scaleio

// A Cluster of MDMs as query_cluster shows it. It doesn't show the system's id: the login does, and drv_cfg.
type Cluster struct {
	Name           string   `json:"name,omitempty"` // none until renamed
	Mode           string   `json:"mode"`           // 1_node, 3_node, 5_node
	State          string   `json:"state"`          // Normal, Degraded ...
	Active         int      `json:"active"`
	Voters         int      `json:"voters"`
	Replicas       int      `json:"replicas"`
	WantedReplicas int      `json:"wantedReplicas"`
	VirtualIPs     []string `json:"virtualIps,omitempty"`
	Members        []Member `json:"members"`
}

// Place of a member in the cluster, in the words of api.MDMMember.
type Place string

// The places.
const (
	PlaceMaster     Place = "master"
	PlaceSlave      Place = "slave"
	PlaceTieBreaker Place = "tie-breaker"
	PlaceStandby    Place = "standby"
)

// A Member of the cluster or a standby.
type Member struct {
	Name          string   `json:"name,omitempty"`
	ID            string   `json:"id"` // 16 hex, without 0x
	Place         Place    `json:"place"`
	Manager       bool     `json:"manager"` // false: tie-breaker, also while standby
	IPs           []string `json:"ips"`
	ManagementIPs []string `json:"managementIps,omitempty"`
	Port          int      `json:"port"`
	Status        string   `json:"status,omitempty"` // Normal, Degraded, Not synchronized, Error, Disconnected; "" = not shown
	Version       string   `json:"version,omitempty"`
}

// Master of the cluster; false while there is none.
func (c Cluster) Master() (Member, bool) {
	for _, m := range c.Members {
		if m.Place == PlaceMaster {
			return m, true
		}
	}
	return Member{}, false
}

// At gives the member that has one of these addresses.
func (c Cluster) At(ips ...string) (Member, bool) {
	for _, m := range c.Members {
		for _, ip := range ips {
			if contains(m.IPs, ip) || contains(m.ManagementIPs, ip) {
				return m, true
			}
		}
	}
	return Member{}, false
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
