package decide

import (
	"fmt"
	"slices"
	"strings"

	"scaleio-framework/scheduler/api"
)

// Limits of the product that bind the hand-over of disks, the lowest of the versions that are known.
const (
	devicesPerSDS = 64
	sdsPerDomain  = 128
)

// wantedSDSs are the nodes whose SDS runs and that have something to give.
func wantedSDSs(s *State) []api.WantedSDS {
	var all []api.WantedSDS
	for _, n := range those(s.Nodes, func(n *Node) bool { return gives(s, n) }) {
		set, ok := s.Cluster.FaultSet(n)
		if !ok || len(all) == sdsPerDomain {
			continue
		}
		all = append(all, api.WantedSDS{Node: n.ID, Name: n.Name, IPs: n.Report.Addresses, FaultSet: set})
	}
	return all
}

func gives(s *State, n *Node) bool {
	if !s.live(n) || s.clientOnly(n) || n.Conflict != "" || n.Revoked || n.Removal != nil || !holds(n, stepRunSDS) || s.Held(n) != nil || holds(n, api.ConditionHeld) {
		return false
	}
	return slices.ContainsFunc(n.Report.Disks, func(d api.Disk) bool { return d.State != api.DiskRefused })
}

// candidateDisks are what the leader may claim, and where the claimed ones stand.
func candidateDisks(s *State) []api.CandidateDisk { return disksOf(s, wantedSDSs(s)) }

func disksOf(s *State, wanted []api.WantedSDS) []api.CandidateDisk {
	theirs := map[string]bool{}
	for _, w := range wanted {
		for _, d := range s.Nodes[w.Node].Report.Disks {
			theirs[d.ID] = true
		}
	}
	seen := owners(s, func(disk string) bool { return theirs[disk] })
	var all []api.CandidateDisk
	for _, w := range wanted {
		n := s.Nodes[w.Node]
		devices := 0
		forbidden := untouchable(s, n)
		for _, d := range n.Report.Disks {
			if d.State == api.DiskAdopted || d.State == api.DiskAdded {
				devices++
			}
		}
		for _, d := range n.Report.Disks {
			if !open(d) || len(seen[d.ID]) > 1 || devices >= devicesPerSDS || n.claim(d.ID) == nil && forbidden(d.ID) {
				continue
			}
			devices++
			c := api.CandidateDisk{Node: n.ID, SDSName: n.Name, Disk: d.ID, Path: d.Path, Link: d.Link, SizeBytes: d.SizeBytes, State: api.DiskOffered}
			if n.claim(d.ID) != nil {
				c.State = api.DiskClaimed
				if d.State == api.DiskPrepared {
					c.State = api.DiskPrepared
					c.PreparedAgeMS = d.PreparedAgeMS + s.Now.Sub(n.SeenAt).Milliseconds()
				}
			}
			all = append(all, c)
		}
	}
	return all
}

func open(d api.Disk) bool {
	return d.State == api.DiskOffered || d.State == api.DiskClaimed || d.State == api.DiskPrepared
}

// owners lists the nodes that show each of the disks that are asked for. One that two nodes show is shared or has a copied serial: neither may give it.
func owners(s *State, asked func(disk string) bool) map[string][]string {
	seen := map[string][]string{}
	for _, n := range s.Nodes {
		for _, d := range reported(n) {
			if asked(d.ID) && !slices.Contains(seen[d.ID], n.ID) {
				seen[d.ID] = append(seen[d.ID], n.ID)
			}
		}
	}
	return seen
}

// allOwners of all disks.
func allOwners(s *State) map[string][]string { return owners(s, func(string) bool { return true }) }

// duplicates are the disks of a node that other nodes show too, each with why it is given to nobody.
func duplicates(s *State, n *Node, seen map[string][]string) map[string]string {
	why := map[string]string{}
	for _, d := range reported(n) {
		if all := seen[d.ID]; d.ID != "" && len(all) > 1 {
			names := make([]string, len(all))
			for i, id := range all {
				names[i] = nameOf(s, id)
			}
			slices.Sort(names)
			why[d.ID] = fmt.Sprintf("%s all show a disk of this identity: it is shared, or the identity isn't unique", strings.Join(names, ", "))
		}
	}
	return why
}

func (n *Node) claim(disk string) *api.DiskClaim {
	for i := range n.Claims {
		if n.Claims[i].Disk == disk {
			return &n.Claims[i]
		}
	}
	return nil
}

// Claims that the leader makes, by node; it takes those only that it may, and says which it refused.
func Claims(s *State, view *api.ClusterView) (claims map[string][]api.DiskClaim, refused []string) {
	candidates := map[api.DiskRef]api.CandidateDisk{}
	for _, c := range candidateDisks(s) {
		candidates[api.DiskRef{Node: c.Node, Disk: c.Disk}] = c
	}
	claims = map[string][]api.DiskClaim{}
	for _, ref := range view.Claims {
		n := s.Nodes[ref.Node]
		c, ok := candidates[ref]
		switch {
		case n != nil && n.claim(ref.Disk) != nil: // stands already
		case !ok:
			refused = append(refused, fmt.Sprintf("%s of %s isn't offered", ref.Disk, nameOf(s, ref.Node)))
		case s.Held(n) != nil:
			refused = append(refused, fmt.Sprintf("%s: %s is held", ref.Disk, n.Name))
		default:
			if claims[n.ID] == nil {
				claims[n.ID] = slices.Clone(n.Claims)
			}
			claims[n.ID] = append(claims[n.ID], api.DiskClaim{Disk: ref.Disk, SizeBytes: c.SizeBytes})
		}
	}
	return claims, refused
}

// Settled gives a node's claims without those that came to an end: the disk is adopted, or the node refuses it or shows it no more. Only a
// report for the spec that carries the claims counts.
func Settled(s *State, n *Node) []api.DiskClaim {
	if !s.current(n) || len(n.Claims) == 0 {
		return n.Claims
	}
	var left []api.DiskClaim
	for _, c := range n.Claims {
		i := slices.IndexFunc(n.Report.Disks, func(d api.Disk) bool { return d.ID == c.Disk })
		if i < 0 {
			continue
		}
		switch d := n.Report.Disks[i]; {
		case d.State == api.DiskAdopted, d.State == api.DiskRefused:
		case d.State == api.DiskOffered && d.SizeBytes != c.SizeBytes: // it grew: to its node it isn't the disk that was claimed
		default:
			left = append(left, c)
		}
	}
	return left
}

// Approve gives the identities that a person approves now: one disk, or with "*" all that the node holds back for that reason alone.
func Approve(n *Node, disk string) ([]string, error) {
	approved := slices.Clone(n.Approved)
	found := false
	for _, d := range reported(n) {
		if disk != d.ID && (disk != "*" || d.Reason != ReasonWaitingForApproval) {
			continue
		}
		found = true
		if !slices.Contains(approved, d.ID) {
			approved = append(approved, d.ID)
		}
	}
	if !found {
		return nil, fmt.Errorf("node %s shows no disk %q that waits for approval", n.Name, disk)
	}
	return approved, nil
}

// ReasonWaitingForApproval is why a node holds back an empty disk under the policy "approve".
const ReasonWaitingForApproval = "WaitingForApproval"

func reported(n *Node) []api.Disk {
	if n.Report == nil {
		return nil
	}
	return n.Report.Disks
}
