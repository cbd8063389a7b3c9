package decide

import (
	"slices"

	"scaleio-framework/scheduler/api"
)

// Nothing of ours deletes what may hold data. A volume that nobody had yet is blank. Once it is attached anybody on that machine may write on it, and it looks like new again when
// it is detached: only its own node can see what is on it, and says so as it takes it off. Whatever else is found detached is kept, and listed.

// reasonTakenOff is how the node's step buy-volumes says that it looked at an attached volume, found it empty, and detached it.
const reasonTakenOff = "TakenOff"

// blanks: what its node says of an order tells whether somebody may have written on its volume.
func (o *Order) blanks(r *api.OrderState) {
	switch {
	case r.Stage == api.OrderAttached, r.Stage == api.OrderPresent:
		o.Blank = false
	case r.Reason == reasonTakenOff:
		o.Blank = true
	}
}

// handled: a listing shows it attached. One that is older than its node's word that it was taken off is no news; but that shows it on that node.
func (o *Order) handled(s *State, v api.OwnedVolume) bool {
	return o.Blank && o.VolumeID == v.VolumeID && (v.Instance != "" || v.State == "in-use") && (o.Settled || o.Reason != reasonTakenOff || o.takenBy(s, v))
}

// look at what its node shows of its disk: one that is refused for what is on it, or for who has it, is kept, also once it can't be seen any more. One that
// was found empty since isn't.
func (o *Order) look(n *Node) {
	if n == nil || o.VolumeID == "" || o.Reason == reasonTakenOff {
		return
	}
	i := slices.IndexFunc(reported(n), func(d api.Disk) bool { return o.is(d.ID) })
	if i < 0 {
		return
	}
	d := n.Report.Disks[i]
	switch d.Reason {
	case "", "Settling", "NotReadable": // that says nothing of what is on it
		if d.State == api.DiskOffered {
			o.Used = false
		}
	case "WaitingForApproval", "NotMatched", "DisksUseNone", "Abandoned": // its node says so of empty ones alone
		o.Used = false
	default:
		o.Used = d.State == api.DiskRefused
	}
}

// keep it: nothing more is done for it here.
func (o *Order) keep(s *State) {
	o.Settled, o.Since = true, s.Now
	if o.Stage = api.OrderKept; o.Used {
		o.Reason, o.Message = "InUse", "its node refused its disk: something was on it, or had it"
	}
}

// mayHoldData: its node looked at it and wouldn't let go. What it saw then can't be seen by whoever finds the volume detached, so nothing of ours deletes it.
func (o *Order) mayHoldData() bool {
	switch o.Reason {
	case "InUse", "HandedOver", "NotAsOrdered", "AttachedElsewhere": // the words of the node's step buy-volumes
		return true
	}
	return o.Used
}

// takenBy somebody: it is attached, and none of ours did that. Whoever has it may write on it, and it looks like new again once it is detached. The machine of a
// node that was removed may be anybody's.
func (o *Order) takenBy(s *State, v api.OwnedVolume) bool {
	if v.Instance == "" || o.Loose {
		return v.State == "in-use" && o.Loose
	}
	n := s.Nodes[o.Node]
	return s.gone(o.Node) || n.Report == nil || n.Report.Cloud == nil || n.Report.Cloud.InstanceID != v.Instance
}

// gone: the cluster has no such node any more.
func (s *State) gone(id string) bool {
	n := s.Nodes[id]
	return n == nil || n.Revoked || n.RemovalOf() == api.RemovalDone
}

// stranded: it was handed over or is counted on, and nobody brings it into the pool or has it there: its node is gone, or it didn't get there in time.
func (o *Order) stranded(s *State) (why string) {
	switch {
	case s.gone(o.Node) && !slices.ContainsFunc(s.others(o), func(d api.Disk) bool { return d.State != api.DiskRefused && d.State != api.DiskOffered }):
		return "its node is no part of the cluster any more, and it may hold data: look what is on it, then delete it yourself"
	case o.Given && !o.InPool && o.idle(s) >= givenFor:
		return "it was handed over to the pool and didn't get into it, so it may hold data: `status` says what its node has against its disk; bring it into the pool, or delete it yourself once nothing on it is needed"
	}
	return ""
}

// others that have the order's disk, beside nodes that are gone.
func (s *State) others(o *Order) (disks []api.Disk) {
	for id, n := range s.Nodes {
		if s.gone(id) {
			continue
		}
		for _, d := range reported(n) {
			if o.is(d.ID) {
				disks = append(disks, d)
			}
		}
	}
	return disks
}
