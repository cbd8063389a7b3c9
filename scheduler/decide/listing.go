package decide

import (
	"fmt"
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
)

// listing of the cluster's volumes, as the leader saw it last, and when that was.
func listing(s *State) (owned []api.OwnedVolume, at time.Time, ok bool) {
	if s.View == nil || s.View.Owned == nil || s.View.From != s.Leases.Leader {
		return nil, at, false
	}
	return s.View.Owned.Volumes, s.View.At.Add(time.Duration(s.View.AgeMS-s.View.Owned.AgeMS) * time.Millisecond), true
}

// elsewhere: the order's volume is in another region than the one that the leader lists, so that a listing that lacks it says nothing.
func (o *Order) elsewhere(s *State) bool {
	n := s.Nodes[s.Leases.Leader]
	if n == nil || n.Report == nil || n.Report.Cloud == nil || n.Report.Cloud.Region == "" {
		return false
	}
	return o.Region != "" && o.Region != n.Report.Cloud.Region
}

// again: the listing that was taken last. Agents of the version before don't name theirs.
func (g *Growing) again(l *api.OwnedVolumes, at time.Time) bool {
	if l.Listing == 0 {
		return at.Sub(g.listed) < sampleEvery
	}
	return l.Listing == g.listing
}

// unlisted says why nothing is bought yet by a scheduler that took a ledger over: volumes that the ledger doesn't know count against budget and limits, and only a
// listing shows them.
func unlisted(s *State) string {
	if g := s.Growing; g == nil || !g.heir || !g.listed.IsZero() {
		return ""
	}
	_, why := unable(s)
	return "this scheduler has just begun, and the leader's node has to list the cluster's volumes first: those that the ledger doesn't know count too" + why
}

// conditionListing in the leader's view says why there is no new listing.
const conditionListing = "list-owned-volumes"

// unable: whom a listing waits for, and what a person can do about it. Nobody but the leader's node lists.
func unable(s *State) (who, why string) {
	n := s.Nodes[s.Leases.Leader]
	switch {
	case n == nil || n.Report == nil:
		return "", "; no node leads the storage now"
	case n.Report.Cloud == nil || n.Report.Cloud.Provider == "":
		return n.Name, fmt.Sprintf("; %s leads and is no EC2 instance: make an MDM on one the master (scli --switch_mdm_ownership), or set growth to off", n.Name)
	}
	if s.View != nil && s.View.ClusterView != nil && s.View.From == n.ID {
		for _, c := range s.View.Conditions {
			if c.Type == conditionListing && c.Status != api.True {
				return n.Name, fmt.Sprintf("; %s leads and can't: %s; let its role list volumes (packaging/iam), or see growth-endpoint and growth-credentials-file", n.Name, cut(c.Message, MaxOrderMessage))
			}
		}
	}
	return "", ""
}

// tellUnlisted whom growth waits for, once.
func tellUnlisted(s *State, out *GrowthOutcome) {
	if s.Settings.Growth.off() && !slices.ContainsFunc(s.Ledger, (*Expansion).open) {
		return
	}
	why := unlisted(s)
	if s.Cluster.Unchecked {
		_, why = cantGrow(s)
	}
	if who, _ := unable(s); why != "" && who != "" {
		out.once(s, "GrowthWaits", "", who, api.Event{Node: who, Message: "nothing is bought, and no expansion ends, before the cluster's volumes are listed", Why: why})
	}
}
