package decide

import (
	"slices"

	"scaleio-framework/scheduler/api"
)

// A use of a disk by the pool. What has any may hold data: nothing of ours deletes or detaches it, and nobody is advised to.
type use int

const (
	unused use = iota
	handedOver
	pooled
)

// usesOf those disks, on whatever node: what is claimed, what a node showed last as anything from claimed to adopted, and what the product names as a device.
func usesOf(s *State, disks map[string]bool) map[string]use {
	uses := map[string]use{}
	if len(disks) == 0 {
		return uses
	}
	seen := func(disk string, as use) {
		if disk != "" && disks[disk] {
			uses[disk] = max(uses[disk], as)
		}
	}
	for _, n := range s.Nodes {
		for _, c := range n.Claims {
			seen(c.Disk, handedOver)
		}
		for _, d := range reported(n) {
			switch d.State {
			case api.DiskClaimed, api.DiskPrepared, api.DiskAdded:
				seen(d.ID, handedOver)
			case api.DiskAdopted:
				seen(d.ID, pooled)
			}
		}
	}
	if s.View != nil && s.View.ClusterView != nil {
		for i := range s.View.SDSs {
			for _, d := range s.View.SDSs[i].Devices {
				seen(d.Name, handedOver)
			}
		}
	}
	return uses
}

// usesOfOrders that aren't known to be in the pool: settled ones too, since what was given up and kept is a disk that a person may hand over.
func usesOfOrders(s *State) map[string]use {
	disks := map[string]bool{}
	for _, e := range s.Ledger {
		for i := range e.Orders {
			if o := &e.Orders[i]; !o.InPool && o.VolumeID != "" {
				disks[o.VolumeID], disks[o.Disk] = true, true
			}
		}
	}
	return usesOf(s, disks)
}

// follow the disk on its way into the pool.
func (o *Order) follow(uses map[string]use) {
	as := max(uses[o.VolumeID], uses[o.Disk])
	if as == unused {
		return
	}
	o.Given, o.Abandon = true, false
	if as == pooled {
		o.InPool, o.Settled, o.Stage = true, true, api.OrderPresent
	}
}

// followSettled: nothing more comes of those orders, but their disks may still be handed over.
func followSettled(s *State, uses map[string]use, out *GrowthOutcome) {
	if len(uses) == 0 {
		return
	}
	for _, e := range slices.Clone(s.Ledger) {
		for i := range e.Orders {
			was := e.Orders[i]
			o := was
			if !o.Settled || o.InPool || o.Stage == api.OrderDeleted { // what is gone is still in the last report of a node that went with it
				continue
			}
			if o.follow(uses); o == was {
				continue
			}
			o.report(s, &was, out)
			e = amend(s, e, &e.Orders[i], out, func(at *Order) { *at = o })
		}
	}
}

// stepKeepVolumes of a node that stays: what may have been set to end with its instance outlives it.
const stepKeepVolumes = "keep-volumes"

// leave: volumes whose node is taken out of the system. Those that are in the pool when that begins leave it properly, and may end with the instance; what a person took
// out of the pool before may be anybody's by now.
func leave(s *State, out *GrowthOutcome) {
	for _, e := range slices.Clone(s.Ledger) {
		for i := range e.Orders {
			o := &e.Orders[i]
			n := s.Nodes[o.Node]
			if n == nil || !o.InPool {
				continue
			}
			left, ends := o.Left, o.Ends
			switch n.RemovalOf() {
			case "":
				left = false
				ends = ends && !(s.current(n) && holdsNow(n, stepKeepVolumes)) // then the node made sure, and needs EC2 for that no more
			case api.RemovalDraining:
				left = left || slices.ContainsFunc(reported(n), func(d api.Disk) bool { return d.State == api.DiskAdopted && o.is(d.ID) })
			default:
				ends = ends || left && s.Settings.Growth.Node.DeleteOnTermination
			}
			if left != o.Left || ends != o.Ends {
				e = amend(s, e, o, out, func(o *Order) { o.Left, o.Ends = left, ends })
			}
		}
	}
}

// leftBy a node: what may end with its instance, or, on one that isn't leaving now, what mustn't any more. Of what is gone nothing is told.
func leftBy(s *State, n *Node) (volumes []string) {
	out := n.RemovalOf() == api.RemovalLeaving || n.RemovalOf() == api.RemovalDone
	for _, e := range s.Ledger {
		for i := range e.Orders {
			if o := &e.Orders[i]; o.Node == n.ID && o.There() && (out && o.Left || !out && o.Ends) {
				volumes = append(volumes, o.VolumeID)
			}
		}
	}
	return volumes
}

// disapprove the disk of an order that was given up: it was approved with its expansion, and is no part of it any more.
func (o *Order) disapprove(out *GrowthOutcome) {
	for _, id := range []string{o.VolumeID, o.Disk} {
		if id == "" {
			continue
		}
		if out.Disapproved == nil {
			out.Disapproved = map[string][]string{}
		}
		out.Disapproved[o.Node] = append(out.Disapproved[o.Node], id)
	}
}

// WithoutDisks gives what stays approved.
func WithoutDisks(approved, disks []string) []string {
	return slices.DeleteFunc(slices.Clone(approved), func(id string) bool { return slices.Contains(disks, id) })
}
