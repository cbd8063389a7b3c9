package installertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// SystemID that a cluster gets when it is created.
const SystemID = "15040b171075dd81"

// A Product is one ScaleIO system, or none yet, as the tools of its nodes see it.
type Product struct {
	mu      sync.Mutex
	id      string
	members []Member
	nodes   []*Node
	created int
}

// A Member of the MDM cluster.
type Member struct {
	Name    string
	IPs     []string
	Place   string // master | slave | tie-breaker | standby
	Manager bool
	Status  string
}

// Created counts how often a cluster was created.
func (p *Product) Created() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.created
}

// Form a cluster with these members: what the leader makes of it in the end.
func (p *Product) Form(id string, members ...Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.id, p.members = id, members
}

// FormAll makes every node that has an MDM a member: the first is master.
func (p *Product) FormAll() {
	var members []Member
	for _, n := range p.nodes {
		if !n.mdm() {
			continue
		}
		m := Member{Name: n.Name, IPs: []string{n.IP}, Place: "slave", Manager: n.manager(), Status: "Normal"}
		switch {
		case !m.Manager:
			m.Place = "tie-breaker"
		case len(members) == 0:
			m.Place = "master"
		}
		members = append(members, m)
	}
	p.Form(SystemID, members...)
}

func (p *Product) state() (id string, members []Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id, slices.Clone(p.members)
}

func (p *Product) create(m Member) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id != "" {
		return false
	}
	p.id, p.members = SystemID, []Member{m}
	p.created++
	return true
}

func (p *Product) node(ip string) *Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nodes {
		if n.IP == ip {
			return n
		}
	}
	return nil
}

// queryCluster in the words of 3.6.
func queryCluster(members []Member) string {
	var b strings.Builder
	mode, state := fmt.Sprintf("%d_node", max(1, 2*((len(members)-1)/2)+1)), "Normal"
	voters, replicas, up, upReplicas := 0, 0, 0, 0
	for _, m := range members {
		if m.Place == "standby" {
			continue
		}
		voters++
		if m.Manager {
			replicas++
		}
		if m.Status == "Normal" {
			up++
			if m.Manager {
				upReplicas++
			}
		}
	}
	if voters == 1 {
		mode = "1_node"
	}
	if up < voters {
		state = "Degraded"
	}
	fmt.Fprintf(&b, "Cluster:\n    Mode: %s, State: %s, Active: %d/%d, Replicas: %d/%d\n    SDC refresh with MDM IP addresses: disabled\n    Virtual IP Addresses: N/A\n",
		mode, state, up, voters, upReplicas, replicas)
	for _, section := range []struct{ place, title string }{{"master", "Master MDM"}, {"slave", "Slave MDMs"}, {"tie-breaker", "Tie-Breakers"}, {"standby", "Standby MDMs"}} {
		titled := false
		for i, m := range members {
			if m.Place != section.place {
				continue
			}
			if !titled {
				fmt.Fprintf(&b, "%s:\n", section.title)
				titled = true
			}
			b.WriteString(memberLines(i, m))
		}
	}
	return b.String()
}

func memberLines(i int, m Member) string {
	ips := strings.Join(m.IPs, ", ")
	head := fmt.Sprintf("    Name: %s, ID: 0x%016x", m.Name, 0x7cbb59a95d6dcb00+i)
	addresses := fmt.Sprintf("        IP Addresses: %s, Management IP Addresses: %s, Port: 9011, Virtual IP interfaces: N/A\n", ips, ips)
	if !m.Manager {
		addresses = fmt.Sprintf("        IP Addresses: %s, Port: 9011\n", ips)
	}
	if m.Place == "standby" {
		kind := ", Manager\n"
		if !m.Manager {
			kind = ", Tie Breaker\n"
		}
		return head + kind + addresses
	}
	return head + "\n" + addresses + fmt.Sprintf("        Status: %s, Version: 3.6.700\n", m.Status)
}
