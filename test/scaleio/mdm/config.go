package mdm

import (
	"slices"

	"scaleio-framework/test/scaleio/mgmt"
)

func (c Config) clone(term int64) Config {
	c.Members = slices.Clone(c.Members)
	c.Version = c.Version.next(term)
	return c
}

func (c Config) member(id string) (mgmt.Member, bool) {
	i := slices.IndexFunc(c.Members, func(m mgmt.Member) bool { return m.ID == id })
	if i < 0 {
		return mgmt.Member{}, false
	}
	return c.Members[i], true
}

// find resolves what an operator typed; the 0x that query_cluster prints is accepted back.
func (c Config) find(ref mgmt.Ref) (mgmt.Member, bool) {
	i := slices.IndexFunc(c.Members, func(m mgmt.Member) bool {
		return ref.ID != "" && (m.ID == ref.ID || "0x"+m.ID == ref.ID) ||
			ref.Name != "" && m.Name == ref.Name ||
			ref.IP != "" && (slices.Contains(m.IPs, ref.IP) || slices.Contains(m.ManagementIPs, ref.IP))
	})
	if i < 0 {
		return mgmt.Member{}, false
	}
	return c.Members[i], true
}

func (c Config) voters() []string {
	var ids []string
	for _, m := range c.Members {
		if m.Voter {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

func (c Config) isVoter(id string) bool { return slices.Contains(c.voters(), id) }

func (c Config) majority() int { return len(c.voters())/2 + 1 }

// votingManagers are the members that keep a replica.
func (c Config) votingManagers() []string {
	var ids []string
	for _, m := range c.Members {
		if m.Voter && m.Manager {
			ids = append(ids, m.ID)
		}
	}
	return ids
}
