package scaleio

import "strings"

// The lines of query_cluster in the dialects 2.0, 2.5 and 3.6. The mode isn't anchored at the line's start: a renamed system begins with its
// name. Sections come in any order.
var (
	clusterLine  = lazily(`^(?:Name: (\S+), )?Mode: ([135]_node), State: ([A-Z][A-Za-z -]*), Active: (\d+)/(\d+), Replicas: (\d+)/(\d+)$`)
	refreshLine  = lazily(`^SDC refresh with MDM IP addresses: (enabled|disabled)$`)
	virtualLine  = lazily(`^Virtual IP(?:s| Addresses): (.+)$`)
	memberLine   = lazily(`^(?:Name: (\S+), )?ID: 0x([0-9a-f]{16})(?:, (Manager|Tie[ -]Breaker))?$`)
	addressLine  = lazily(`^IP(?:s| Addresses): ([^A-Z]+?)(?:, Management IP(?:s| Addresses): ([^A-Z]+?|N/A))?, Port: (\d+)(?:, Virtual IP interfaces: (\S.*))?$`)
	statusLine   = lazily(`^(?:Status: ([A-Z][A-Za-z ]*))?(?:(?:^|, )Version: ([0-9][0-9.]*|N/A))?$`)
	sectionPlace = map[string]Place{"Master MDM:": PlaceMaster, "Slave MDMs:": PlaceSlave, "Tie-Breakers:": PlaceTieBreaker, "Standby MDMs:": PlaceStandby}
)

// ParseQueryCluster reads query_cluster.
func ParseQueryCluster(raw string) (Cluster, error) {
	r := read("query_cluster", raw)
	var c Cluster
	if !r.takeText("Cluster:") {
		return c, r.stuck()
	}
	m := clusterLine().FindStringSubmatch(r.line())
	if m == nil || !r.number(m[4], &c.Active) || !r.number(m[5], &c.Voters) || !r.number(m[6], &c.Replicas) || !r.number(m[7], &c.WantedReplicas) {
		return c, r.stuck()
	}
	c.Name, c.Mode, c.State = m[1], m[2], m[3]
	r.at++
	for {
		if r.take(refreshLine) != nil {
			continue
		}
		m := virtualLine().FindStringSubmatch(r.line())
		if m == nil {
			break
		}
		ips, ok := addresses(m[1])
		if !ok {
			return c, r.stuck()
		}
		c.VirtualIPs = ips
		r.at++
	}
	return c, r.members(&c)
}

func (r *reader) members(c *Cluster) error {
	seen := map[Place]bool{}
	for r.more() {
		place, ok := sectionPlace[r.line()]
		if !ok || seen[place] {
			return r.stuck()
		}
		seen[place] = true
		r.at++
		for r.more() && !strings.HasSuffix(r.line(), ":") {
			m, ok := r.member(place)
			if !ok || place == PlaceMaster && m.Place != PlaceMaster {
				return r.stuck()
			}
			c.Members = append(c.Members, m)
		}
	}
	places := map[Place]int{}
	for _, m := range c.Members {
		places[m.Place]++
	}
	// An answer that was cut off at a section's end shows by its number of voters.
	if places[PlaceMaster] > 1 || len(c.Members)-places[PlaceStandby] != c.Voters {
		return r.stuck()
	}
	return nil
}

func (r *reader) member(place Place) (Member, bool) {
	head := r.take(memberLine)
	if head == nil {
		return Member{}, false
	}
	// Only a standby says on its line what it is; the others are told by their section.
	if (head[3] == "") != (place != PlaceStandby) {
		return Member{}, false
	}
	m := Member{Name: head[1], ID: head[2], Place: place}
	m.Manager = place == PlaceMaster || place == PlaceSlave || head[3] == "Manager"
	at := r.take(addressLine)
	if at == nil || !r.number(at[3], &m.Port) {
		return m, false
	}
	var ok bool
	if m.IPs, ok = addresses(at[1]); !ok || len(m.IPs) == 0 {
		return m, false
	}
	if m.ManagementIPs, ok = addresses(at[2]); !ok {
		return m, false
	}
	if status := statusLine().FindStringSubmatch(r.line()); r.more() && status != nil {
		if status[2] != "" && status[2] != "N/A" && !knownVersion(status[2]) {
			return m, false
		}
		m.Status = status[1]
		if status[2] != "N/A" {
			m.Version = status[2]
		}
		r.at++
	}
	return m, true
}
