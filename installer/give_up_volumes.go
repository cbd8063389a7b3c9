package installer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"scaleio-framework/platform/aws"
	"scaleio-framework/scheduler/api"
)

// giveUp takes back what an abandoned order left: nothing, or a volume that never was handed over. What a claim or a record of a handover names, or what
// isn't empty any more, is kept, whatever the order says; and so is what this node has no right to delete.
func (r *round) giveUp(ctx context.Context, o api.VolumeOrder, v aws.Volume, there bool) error {
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
	r.end(o, api.OrderDeleted, reasonAbandoned, "no volume of it is there")
}

// takeOff a volume that is attached here and empty.
func (r *round) takeOff(ctx context.Context, o api.VolumeOrder, v aws.Volume, a aws.Attachment) error {
	if why := r.handedOver(o, v.ID, a.Device); why != "" {
		r.end(o, api.OrderKept, reasonHandedOver, fmt.Sprintf("volume %s is kept: %s", v.ID, why))
		return nil
	}
	if a.State == aws.Detaching || a.State == aws.Busy {
		r.stay(o, reasonDetachFirst, fmt.Sprintf("volume %s is %s", v.ID, a.State))
		return nil
	}
	if d, here := diskOf(o, v.ID, a.Device, r.disks); here { // looked at anew: a mounted or written one is somebody's
		refusals, err := r.sys.Disks.Inspect(ctx, d.at, r.diskRules())
		if err != nil {
			return fmt.Errorf("looking at disk %s before it is detached: %w", d.Path, err)
		}
		if len(refusals) > 0 {
			r.end(o, api.OrderKept, reasonInUseLocally, fmt.Sprintf("volume %s is kept: %s", v.ID, messages(refusals)))
			return nil
		}
	}
	volumes, err := r.cleanup(o, v.ID)
	if volumes == nil {
		return err
	}
	return r.kept(o, v.ID, "detaching", reasonDetachFirst, volumes.Detach(ctx, v.ID))
}

// remove a volume that is attached to nothing. Its tags are compared again by whoever deletes.
func (r *round) remove(ctx context.Context, o api.VolumeOrder, v aws.Volume) error {
	if why := r.handedOver(o, v.ID, ""); why != "" {
		r.end(o, api.OrderKept, reasonHandedOver, fmt.Sprintf("volume %s is kept: %s", v.ID, why))
		return nil
	}
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
func (r *round) handedOver(o api.VolumeOrder, id, device string) string {
	names := []string{id}
	if d, here := diskOf(o, id, device, r.disks); here {
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
