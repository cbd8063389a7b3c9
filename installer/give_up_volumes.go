package installer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"scaleio-framework/platform/aws"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
)

// giveUp takes back what an abandoned order left: nothing, or a volume that never was handed over. What a claim or a record of a handover names, or what
// isn't empty any more, is kept, whatever the order says; and so is what this node has no right to delete.
func (r *round) giveUp(ctx context.Context, o api.VolumeOrder, v aws.Volume, there bool) error {
	err := r.takeBack(ctx, o, v, there)
	if p := r.purchases.get(o); err == nil && v.ID != "" && (p.Stage == api.OrderKept || p.Stage == api.OrderDeleted) {
		err = r.intents.clear(intentTakeOff, v.ID)
	}
	return err
}

func (r *round) takeBack(ctx context.Context, o api.VolumeOrder, v aws.Volume, there bool) error {
	p := r.purchases.get(o)
	if !there || v.State == aws.VolumeDeleted || v.State == aws.VolumeDeleting {
		r.nothingLeft(o, p, v)
		return nil
	}
	if p.VolumeID != v.ID {
		p.VolumeID = v.ID
		r.purchases.put(o, p)
	}
	if a, here := v.On(r.instance); here {
		p.device = a.Device
		r.purchases.put(o, p)
		return r.takeOff(ctx, o, v, a)
	}
	switch v.State {
	case aws.VolumeCreating:
		r.stay(o, reasonAbandoned, "volume "+v.ID+" is still being created")
		return nil
	case aws.VolumeAvailable, aws.VolumeError:
		return r.remove(ctx, o, v)
	}
	r.end(o, api.OrderKept, reasonElsewhere, fmt.Sprintf("volume %s is %s, not on this instance: it is left alone", v.ID, v.State))
	return nil
}

// nothingLeft once EC2 has shown nothing for longer than its reads lag: a request whose answer was lost may have made a volume.
func (r *round) nothingLeft(o api.VolumeOrder, p purchase, v aws.Volume) {
	if v.ID == "" && r.purchases.lasted(p, api.OrderWaiting, reasonAbandoned) < readLag {
		p.Stage, p.Reason, p.Message, p.Retry = api.OrderWaiting, reasonAbandoned, "EC2 shows no volume of it; it is looked again, since its reads lag", true
		r.purchases.put(o, p)
		return
	}
	if v.ID == "" && p.VolumeID != "" { // reads that lag for longer look like that too
		r.end(o, api.OrderKept, reasonNotShown, "EC2 doesn't show volume "+p.VolumeID+": the cluster's listings tell whether it is gone")
		return
	}
	r.end(o, api.OrderDeleted, reasonAbandoned, "no volume of it is there")
}

// takeOff a volume that is attached here and empty.
func (r *round) takeOff(ctx context.Context, o api.VolumeOrder, v aws.Volume, a aws.Attachment) error {
	if why := r.handedOver(v.ID, a.Device); why != "" {
		r.end(o, api.OrderKept, reasonHandedOver, fmt.Sprintf("volume %s is kept: %s", v.ID, why))
		return nil
	}
	if a.State == aws.Detaching || a.State == aws.Busy {
		r.comesOff(ctx, o, v, a)
		return nil
	}
	reason, why, err := r.speaksAgainst(ctx, o, v.ID, a.Device)
	if err != nil {
		return err
	}
	if why != "" {
		r.end(o, api.OrderKept, reason, fmt.Sprintf("volume %s is kept: %s", v.ID, why))
		return nil
	}
	volumes, err := r.cleanup(o, v.ID)
	if volumes == nil {
		return err
	}
	err = r.intents.clear(intentTakeOff, v.ID)
	if err == nil {
		err = r.intents.put(intentTakeOff, v.ID, nil) // what finds it detached knows by that who looked at it, and when
	}
	if err != nil {
		return err
	}
	if err = volumes.Detach(ctx, v.ID); err != nil {
		return r.kept(o, v.ID, "detaching", reasonDetachFirst, err)
	}
	r.stay(o, reasonTakenOff, "volume "+v.ID+" was looked at, nothing is on it, and it is being detached")
	return nil
}

// comesOff: it is to be detached. Who opened it after it was looked at may write on it until he lets go, and then it is off and looks like new.
func (r *round) comesOff(ctx context.Context, o api.VolumeOrder, v aws.Volume, a aws.Attachment) {
	for _, d := range disksThatMayBe(v.ID, a.Device, r.disks) {
		if r.survey.settling.is(d.at.Kernel, r.sys.Clock()) {
			continue
		}
		refusals, _ := r.sys.Disks.Inspect(ctx, d.at, r.diskRules()) // it may go while it is read: that says nothing
		if i := slices.IndexFunc(refusals, func(f block.Refusal) bool { return used(f) || written(f) }); i >= 0 {
			r.end(o, api.OrderKept, reasonInUseLocally, fmt.Sprintf("volume %s is %s, and kept: %s", v.ID, a.State, refusals[i].Message))
			return
		}
	}
	r.stay(o, reasonDetachFirst, fmt.Sprintf("volume %s is %s", v.ID, a.State))
}

// written: something is on it.
func written(r block.Refusal) bool {
	return slices.Contains([]string{block.ReasonHasPartitionTable, block.ReasonHasSignature, block.ReasonNotEmpty}, r.Reason)
}

// takenOffFor so long it counts that this node looked at a volume and took it off: an agent that began anew is back within that. Who was away for longer
// doesn't know who had it meanwhile.
const takenOffFor = 10 * time.Minute

// speaksAgainst detaching: whatever disk may be the volume is looked at anew, since a mounted or written one is somebody's. One that isn't as it was
// ordered isn't what was ordered.
func (r *round) speaksAgainst(ctx context.Context, o api.VolumeOrder, id, device string) (reason, why string, err error) {
	may := disksThatMayBe(id, device, r.disks)
	for _, d := range may {
		if size := int64(o.SizeGiB) * gib; d.SizeBytes != size {
			return reasonNotAsOrdered, fmt.Sprintf("disk %s has %d bytes, and %d were ordered: somebody changed it, and may use it", d.Path, d.SizeBytes, size), nil
		}
		if r.survey.settling.is(d.at.Kernel, r.sys.Clock()) {
			return "", "", fmt.Errorf("looking at disk %s before it is detached: %w", d.Path, errSettling)
		}
		refusals, err := r.sys.Disks.Inspect(ctx, d.at, r.diskRules())
		if err != nil {
			return "", "", fmt.Errorf("looking at disk %s before it is detached: %w", d.Path, err)
		}
		if nameless(d.at) { // EC2 says under which name it is here
			refusals = slices.DeleteFunc(refusals, func(f block.Refusal) bool { return f.Reason == block.ReasonNoIdentity })
		}
		if len(refusals) > 0 {
			return reasonInUseLocally, messages(refusals), nil
		}
	}
	if len(may) > 1 {
		return reasonNotAsOrdered, fmt.Sprintf("disks %s and %s both say that they are it", may[0].Path, may[1].Path), nil
	}
	return "", "", nil
}

// remove a volume that is attached to nothing, if it never was, or if this node looked at it and took it off: whoever else had it may have written on it, and it looks like new. Its tags are compared again by whoever deletes.
func (r *round) remove(ctx context.Context, o api.VolumeOrder, v aws.Volume) error {
	if why := r.handedOver(v.ID, ""); why != "" {
		r.end(o, api.OrderKept, reasonHandedOver, fmt.Sprintf("volume %s is kept: %s", v.ID, why))
		return nil
	}
	note, ours, err := r.intents.get(intentTakeOff, v.ID)
	if err != nil {
		return err
	}
	if !o.Unwritten && (!ours || note.older(takenOffFor, r.sys.Clock())) {
		r.end(o, api.OrderKept, reasonInUseLocally, fmt.Sprintf("volume %s is kept: it was attached, and this node didn't take it off just now, so something may be on it. Look what it holds, then delete it by hand", v.ID))
		return nil
	}
	ctx, cancel, confirmed := r.whileConfirmed(ctx, o) // else the scheduler may know by now that somebody had it
	if !confirmed {
		return nil
	}
	defer cancel()
	volumes, err := r.cleanup(o, v.ID)
	if volumes == nil {
		return err
	}
	tags := map[string]string{api.TagCluster: r.Spec.Version.Cluster, api.TagExpansion: o.Expansion}
	if err = volumes.Delete(ctx, v.ID, tags); err == nil {
		r.opts.Log.Info("deleted a volume that was never handed over", "order", o.Key(), "volume", v.ID)
		r.end(o, api.OrderDeleted, reasonAbandoned, "volume "+v.ID+" was deleted: it never was handed over")
		return nil
	}
	return r.kept(o, v.ID, "deleting", reasonAbandoned, err)
}

// kept, where this node may not do it; else it tries again, or goes on with what comes next.
func (r *round) kept(o api.VolumeOrder, id, what, next string, err error) error {
	switch {
	case err == nil:
		r.stay(o, next, "volume "+id+": "+what)
		return nil
	case errors.Is(err, aws.ErrDenied), errors.Is(err, aws.ErrInvalid), errors.Is(err, aws.ErrConflict) && r.purchases.lasted(r.purchases.get(o), r.purchases.get(o).Stage, aws.Reason(err)) >= readLag:
		r.end(o, api.OrderKept, aws.Reason(err), fmt.Sprintf("volume %s is kept and goes on costing: %s it failed with %v. Detach and delete it by hand", id, what, err))
		return nil
	}
	r.stay(o, aws.Reason(err), fmt.Sprintf("%s volume %s: %v", what, id, err))
	return fmt.Errorf("%s volume %s: %w", what, id, err)
}

// cleanup reaches EC2 as the role that may take away, if the operator gave one: a node's own may not. Without it the volume is kept.
func (r *round) cleanup(o api.VolumeOrder, id string) (Volumes, error) {
	if r.Spec.Growth.CleanupFile == "" {
		r.end(o, api.OrderKept, reasonNoRight, fmt.Sprintf("volume %s is kept and goes on costing: nodes may not delete. It never was handed over: detach and delete it by hand, or set growth-cleanup-credentials-file", id))
		return nil, nil
	}
	volumes, err := r.sys.Cloud.Volumes(aws.Access{Endpoint: r.Spec.Growth.Endpoint, CredentialsFile: r.Spec.Growth.CleanupFile})
	if err != nil {
		r.stay(o, aws.Reason(err), err.Error())
		return nil, fmt.Errorf("reaching EC2 to clean up volume %s: %w", id, err)
	}
	return volumes, nil
}

// handedOver says what speaks for data on it: from a claim on, nobody may take a volume away.
func (r *round) handedOver(id, device string) string {
	names := []string{id}
	for _, d := range disksThatMayBe(id, device, r.disks) {
		names = append(names, d.ID)
		if d.State == api.DiskAdopted || d.intent != nil || d.claim != nil {
			return "disk " + d.Path + " is on its way into the pool or in it"
		}
	}
	left, err := r.intents.all(intentHandOverDisk)
	if err != nil {
		return err.Error()
	}
	for _, i := range left {
		if slices.Contains(names, i.Subject) {
			return "a record says that it was being handed over"
		}
	}
	for _, c := range r.Spec.Claims {
		if slices.Contains(names, c.Disk) {
			return "it is claimed"
		}
	}
	return ""
}
