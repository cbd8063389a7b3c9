package installer

import (
	"context"
	"errors"
	"fmt"

	"scaleio-framework/platform/aws"
	"scaleio-framework/scheduler/api"
)

// A round of one Apply, with what EC2 shows.
type round struct {
	volumesBought
	volumes  Volumes
	instance string
	disks    []surveyed
	open     []api.VolumeOrder
	shown    map[string]aws.Volume // by id
}

// enterCloud learns who this machine is, and looks at all that this node bought for the cluster, in one request.
func (s volumesBought) enterCloud(ctx context.Context, disks []surveyed) (*round, error) {
	r := &round{volumesBought: s, disks: disks, shown: map[string]aws.Volume{}}
	for _, o := range s.Spec.Growth.Orders {
		if s.orderState(o, disks).Stage != api.OrderPresent && !s.purchases.get(o).over {
			r.open = append(r.open, o)
		}
	}
	err := s.openCloud(ctx, r)
	if err == nil {
		err = r.see(ctx, map[string]string{api.TagCluster: s.Spec.Version.Cluster, api.TagNode: s.Spec.Node})
	}
	if err == nil && r.forAnother() {
		err = r.see(ctx, map[string]string{api.TagCluster: s.Spec.Version.Cluster})
	}
	if err == nil {
		return r, nil
	}
	for _, o := range r.open {
		r.unseen(o, err)
	}
	return nil, fmt.Errorf("looking at the volumes that this node bought: %w", err)
}

// see what carries these tags.
func (r *round) see(ctx context.Context, tags map[string]string) error {
	found, err := r.volumes.Tagged(ctx, tags)
	for _, v := range found {
		r.shown[v.ID] = v
	}
	return err
}

// unseen: EC2 can't be asked. Whoever has no right to look gets none by waiting; and whether something was bought before, by a request whose answer was lost, isn't
// known: it counts as if it were there.
func (r *round) unseen(o api.VolumeOrder, err error) {
	p := r.purchases.get(o)
	switch {
	case !errors.Is(err, aws.ErrDenied) || r.purchases.lasted(p, p.Stage, aws.Reason(err)) < deniedTime:
		r.stay(o, aws.Reason(err), err.Error())
	case o.Abandon:
		r.end(o, api.OrderKept, aws.Reason(err), fmt.Sprintf("nobody looked whether a volume of it is there: %v", err))
	case p.VolumeID == "":
		r.end(o, api.OrderWaiting, aws.Reason(err), "nobody looked whether a volume of it is there: "+err.Error())
	default:
		r.end(o, api.OrderFailed, aws.Reason(err), err.Error())
	}
}

// forAnother: it is to take back what another node bought, which has that node's tag.
func (r *round) forAnother() bool {
	for _, o := range r.open {
		if _, shown := r.shown[o.VolumeID]; o.Abandon && o.VolumeID != "" && !shown {
			return true
		}
	}
	return false
}

func (s volumesBought) openCloud(ctx context.Context, r *round) (err error) {
	if s.sys.Cloud == nil {
		return aws.ErrUnverified
	}
	if r.instance, err = s.sys.Cloud.Instance(ctx); err != nil {
		return err
	}
	r.volumes, err = s.sys.Cloud.Volumes(aws.Access{Endpoint: s.Spec.Growth.Endpoint, CredentialsFile: s.Spec.Growth.CredentialsFile})
	return err
}

// volume of an order: the one that the ledger or this process knows, else the one with the order's tags. Of two the older attempt's counts; the other is
// found by whoever compares tags and ledger.
func (r *round) volume(o api.VolumeOrder) (aws.Volume, bool) {
	if id := r.purchases.get(o).VolumeID; id != "" {
		v, ok := r.shown[id]
		return v, ok
	}
	for attempt := 1; attempt <= o.Attempt; attempt++ {
		for _, v := range r.shown {
			if v.Tags[api.TagExpansion] == o.Expansion && v.Tags[api.TagOrder] == orderTag(o.Index, attempt) && v.State != aws.VolumeDeleting && v.State != aws.VolumeDeleted {
				return v, true
			}
		}
	}
	return aws.Volume{}, false
}

func orderTag(index, attempt int) string { return fmt.Sprintf("%d.%d", index, attempt) }

// stay notes why an order doesn't get further just now; its stage stands.
func (r *round) stay(o api.VolumeOrder, reason, message string) {
	p := r.purchases.get(o)
	p.Reason, p.Message, p.Retry = reason, message, true
	r.purchases.put(o, p)
}

func (r *round) reached(o api.VolumeOrder, stage api.OrderStage, volume, message string) {
	p := r.purchases.get(o)
	p.Stage, p.VolumeID, p.Reason, p.Message, p.Retry = stage, volume, "", message, true
	r.purchases.put(o, p)
}

// end: nothing more is done for it here.
func (r *round) end(o api.VolumeOrder, stage api.OrderStage, reason, message string) {
	p := r.purchases.get(o)
	p.Stage, p.Reason, p.Message, p.Retry, p.over = stage, reason, message, false, true
	r.purchases.put(o, p)
	r.opts.Log.Warn("an ordered volume isn't to be had", "order", o.Key(), "attempt", o.Attempt, "stage", stage, "volume", p.VolumeID, "reason", reason, "message", message)
}

// burn: the token leads to nothing any more. The scheduler stores another order first. A volume that the token made is gone then, as EC2 says; whether one was made
// whose id isn't known, only its tags tell.
func (r *round) burn(o api.VolumeOrder, reason, message string) {
	p := r.purchases.get(o)
	p.Burnt = true
	r.purchases.put(o, p)
	stage := api.OrderWaiting
	if p.VolumeID != "" {
		stage = api.OrderDeleted
	}
	r.end(o, stage, reason, message)
}

// whileConfirmed bounds what is begun for an order by the scheduler's last word on it: a node that was cut off may have been replaced by another.
func (r *round) whileConfirmed(ctx context.Context, o api.VolumeOrder) (context.Context, context.CancelFunc, bool) {
	left := api.OrderTTL - r.sys.Clock().Sub(r.Heard)
	if r.Heard.IsZero() || left <= 0 {
		if p := r.purchases.get(o); p.Reason == "" || p.Reason == reasonNotLookedYet { // else what EC2 said stands, and since when: silence doesn't make a refusal a new one
			r.stay(o, reasonOrderTooOld, fmt.Sprintf("nothing is bought or deleted: the scheduler must have confirmed the order within %s", api.OrderTTL))
		}
		return nil, nil, false
	}
	limited, cancel := context.WithTimeout(ctx, left)
	return limited, cancel, true
}

// refused sorts an answer: what is over, what is worth another try, and what only time tells.
func (r *round) refused(o api.VolumeOrder, what string, err error) error {
	p := r.purchases.get(o)
	reason, message := aws.Reason(err), fmt.Sprintf("%s: %v", what, err)
	lookedFor := p.VolumeID == "" // nothing of it is known to exist
	switch {
	case errors.Is(err, aws.ErrBurnt) && lookedFor && r.purchases.lasted(p, p.Stage, reason) < readLag: // what the token made may show up by its tags
		r.stay(o, reason, message)
		return nil
	case errors.Is(err, aws.ErrBurnt):
		r.burn(o, reason, message)
		return nil
	case errors.Is(err, aws.ErrCapacity), errors.Is(err, aws.ErrInvalid), errors.Is(err, aws.ErrLimit) && !lookedFor,
		errors.Is(err, aws.ErrDenied) && r.purchases.lasted(p, p.Stage, reason) >= deniedTime:
		r.end(o, api.OrderFailed, reason, message)
		return nil
	case errors.Is(err, aws.ErrLimit):
		r.stay(o, reason, message)
		return nil
	}
	r.stay(o, reason, message)
	return errors.New(message)
}
