package installer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform/aws"
	"scaleio-framework/scheduler/api"
)

// volumesBought is the fact that every volume that an expansion ordered of this node is here as a disk, and that none is left of an order that was given up.
// From there on hand-over-disks treats it as any other disk. The record of a purchase is EC2 itself (client token, tags) and the scheduler's ledger.
type volumesBought struct{ *orders }

func buyVolumes(o *orders) step.Step { return volumesBought{o} }

func (volumesBought) Name() string { return "buy-volumes" }

// buysVolumes: there is something to buy or to give up.
func (o *orders) buysVolumes() bool { return o.Spec.Growth != nil && len(o.Spec.Growth.Orders) > 0 }

// How long things may take before they count as something else.
const (
	readLag    = time.Minute      // EC2's reads are behind its writes by less, nearly always
	tokenTime  = time.Hour        // EC2 remembers a client token for longer
	deniedTime = time.Minute      // credentials that were just rotated are good again by then
	attachTime = 90 * time.Second // an attachment that takes longer is stuck
	deviceTime = 3 * time.Minute  // from attached to a device here; up to a minute was seen
	roundTime  = 10 * time.Second // one round's wait for what it created
	quickLook  = 2 * time.Second
	slowLook   = 15 * time.Second
)

// Reasons of an order's state beside those of package aws.
const (
	reasonVanished     = "VolumeVanished"
	reasonVolumeError  = "VolumeError"
	reasonElsewhere    = "AttachedElsewhere"
	reasonStuck        = "AttachStuck"
	reasonNoDevice     = "DeviceMissing"
	reasonNotLookedYet = "NotLookedYet"
	reasonNotShown     = "NotShownYet"
	reasonOrderTooOld  = "OrderNotConfirmed"
	reasonAbandoned    = "Abandoned"
	reasonHandedOver   = "HandedOver"
	reasonDetachFirst  = "DetachFirst"
	reasonTakenOff     = "TakenOff"
	reasonInUseLocally = "InUse"
	reasonNotAsOrdered = "NotAsOrdered"
	reasonNoRight      = "NoCleanupCredentials"
)

func (s volumesBought) Check(ctx context.Context) (step.Finding, error) {
	disks, err := s.survey.look(ctx, s.orders)
	if err != nil {
		return step.Finding{}, err
	}
	var open, closed []affair
	for _, o := range s.Spec.Growth.Orders {
		state := s.orderState(o, disks)
		a := affair{state.Reason, fmt.Sprintf("order %s (%d GiB): %s", o.Key(), o.SizeGiB, state.Message)}
		switch {
		case state.Stage == api.OrderPresent:
		case s.purchases.get(o).over:
			closed = append(closed, affair{a.reason, a.text + "; the scheduler decides what becomes of it"})
		default:
			open = append(open, a)
		}
	}
	switch {
	case len(open) > 0 && s.purchases.due():
		return step.Need(open[0].reason, "%s", join(open)), nil
	case len(open)+len(closed) > 0:
		all := append(open, closed...)
		return step.Wait(all[0].reason, "%s", join(all)), nil
	}
	return step.OK("%d ordered volumes are here", len(s.Spec.Growth.Orders)), nil
}

// Apply makes one round: it looks by tag, creates what isn't there, attaches what is available, and gives up what was abandoned. Whatever takes longer is
// looked at again by the next pass. What EC2 refuses for good is the order's state and no error: the scheduler plans it elsewhere.
func (s volumesBought) Apply(ctx context.Context) error {
	disks, err := s.survey.look(ctx, s.orders)
	if err != nil {
		return err
	}
	r, err := s.enterCloud(ctx, disks)
	if err != nil {
		return err
	}
	defer s.opts.Noticed()
	var failed []error
	var created []string
	for _, o := range r.open {
		var err error
		if v, there := r.volume(o); o.Abandon {
			err = r.giveUp(ctx, o, v, there)
		} else if err = r.further(ctx, o, v, there); err == nil && r.purchases.get(o).Stage == api.OrderCreating {
			created = append(created, r.purchases.get(o).VolumeID)
		}
		if err != nil {
			failed = append(failed, err)
		}
		s.opts.Noticed()
	}
	failed = append(failed, r.attachNew(ctx, created)...)
	if len(failed) > 0 {
		return errors.Join(failed...) // the engine backs off
	}
	s.purchases.rest(r.pause())
	return nil
}

// pause until EC2 is worth another look. A device that comes wakes the pass by itself, and costs no request.
func (r *round) pause() time.Duration {
	pause := slowLook
	for _, o := range r.open {
		if r.purchases.get(o).Stage == api.OrderCreating {
			pause = quickLook
		}
	}
	return pause
}

// further brings one order on by one act.
func (r *round) further(ctx context.Context, o api.VolumeOrder, v aws.Volume, there bool) error {
	p := r.purchases.get(o)
	if !there {
		if p.VolumeID == "" {
			return r.create(ctx, o, p)
		}
		return r.missing(ctx, o, p)
	}
	if p.VolumeID != v.ID {
		r.reached(o, api.OrderCreated, v.ID, "volume "+v.ID+" was found by its tags")
		r.opts.Noticed()
	}
	if a, here := v.On(r.instance); here {
		return r.attached(o, v, a)
	}
	switch v.State {
	case aws.VolumeCreating:
		r.reached(o, api.OrderCreating, v.ID, "volume "+v.ID+" is being created")
	case aws.VolumeAvailable:
		return r.attach(ctx, o, v.ID)
	case aws.VolumeDeleting, aws.VolumeDeleted:
		r.burn(o, reasonVanished, fmt.Sprintf("volume %s is %s, and not by this node: with an encryption key look whether the instance's role may use it", v.ID, v.State))
	case aws.VolumeError:
		r.end(o, api.OrderFailed, reasonVolumeError, "EC2 shows volume "+v.ID+" as broken")
	default:
		if len(v.Attachments) > 0 && v.Attachments[0].Instance != r.instance {
			r.end(o, api.OrderFailed, reasonElsewhere, fmt.Sprintf("volume %s is attached to %s: somebody else did that", v.ID, v.Attachments[0].Instance))
			return nil
		}
		r.stay(o, reasonNotShown, "volume "+v.ID+" is "+v.State)
	}
	return nil
}

// missing: EC2 gave the id and doesn't show it. Its reads may lag for however long, a person may have deleted it, and an encryption key that may not be used makes a
// volume disappear. The client token tells which, since no read is behind that answer: the same volume, or that the token is used up. It is asked for only as long
// as EC2 surely remembers it, else asking could buy another one.
func (r *round) missing(ctx context.Context, o api.VolumeOrder, p purchase) error {
	if r.purchases.lasted(p, p.Stage, reasonNotShown) < readLag || p.asked.IsZero() || r.sys.Clock().Sub(p.asked) > tokenTime {
		r.stay(o, reasonNotShown, "EC2 doesn't show volume "+p.VolumeID)
		return nil
	}
	ctx, cancel, confirmed := r.whileConfirmed(ctx, o)
	if !confirmed {
		return nil
	}
	defer cancel()
	switch v, err := r.volumes.Create(ctx, r.wanted(o)); {
	case errors.Is(err, aws.ErrBurnt):
		r.burn(o, reasonVanished, fmt.Sprintf("EC2 hasn't shown volume %s for %s, and says that its client token is used up: it was deleted, or the role may not use the encryption key", p.VolumeID, readLag))
		return nil
	case err != nil:
		return r.refused(o, "asking for volume "+p.VolumeID+" by its client token", err)
	case v.ID != p.VolumeID:
		r.end(o, api.OrderFailed, reasonVanished, fmt.Sprintf("the client token of volume %s gives %s: look at both", p.VolumeID, v.ID))
		return nil
	default:
		return r.further(ctx, o, v, true)
	}
}

// create a volume. The same token gives the same volume, however often a lost answer makes it ask again.
func (r *round) create(ctx context.Context, o api.VolumeOrder, p purchase) error {
	if r.purchases.lasted(p, p.Stage, aws.Reason(aws.ErrLimit)) >= readLag {
		r.end(o, api.OrderFailed, p.Reason, p.Message)
		return nil
	}
	if p.Reason == aws.Reason(aws.ErrLimit) { // EC2 may say so although the request before made the volume: only its tags tell, once they are shown
		return nil
	}
	ctx, cancel, confirmed := r.whileConfirmed(ctx, o)
	if !confirmed {
		return nil
	}
	defer cancel()
	if p.asked.IsZero() {
		p.asked = r.sys.Clock()
		r.purchases.put(o, p)
	}
	v, err := r.volumes.Create(ctx, r.wanted(o))
	if err != nil {
		return r.refused(o, "creating a volume", err)
	}
	r.opts.Log.Info("bought a volume", "order", o.Key(), "attempt", o.Attempt, "volume", v.ID, "size", o.SizeGiB, "type", o.Type)
	r.reached(o, api.OrderCreating, v.ID, "volume "+v.ID+" is being created")
	return nil
}

func (r *round) wanted(o api.VolumeOrder) aws.NewVolume {
	tags := map[string]string{}
	for k, v := range r.Spec.Growth.Tags {
		tags[k] = v
	}
	cluster := r.Spec.Version.Cluster
	tags[api.TagCluster], tags[api.TagNode], tags[api.TagExpansion], tags[api.TagOrder] = cluster, r.Spec.Node, o.Expansion, orderTag(o.Index, o.Attempt)
	return aws.NewVolume{ClientToken: o.ClientToken(cluster, r.Spec.Node), Zone: o.Zone, Type: o.Type, SizeGiB: o.SizeGiB, IOPS: o.IOPS,
		ThroughputMiBs: o.ThroughputMiBs, Encrypted: o.Encrypted, KMSKey: o.KMSKey, Tags: tags}
}

// attachNew waits a little for what this round created: the answer to one request tells of all.
func (r *round) attachNew(ctx context.Context, created []string) (failed []error) {
	if len(created) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	seen, err := r.volumes.AwaitAvailable(limited, created...)
	if err != nil && !errors.Is(err, aws.ErrTimeout) && limited.Err() == nil {
		return []error{fmt.Errorf("waiting for new volumes: %w", err)}
	}
	for _, o := range r.open {
		v, there := seen[r.purchases.get(o).VolumeID]
		if !there || o.Abandon {
			continue
		}
		if err := r.further(ctx, o, v, true); err != nil {
			failed = append(failed, err)
		}
		r.opts.Noticed()
	}
	return failed
}

func (r *round) attach(ctx context.Context, o api.VolumeOrder, id string) error {
	if p := r.purchases.get(o); p.Stage != api.OrderCreated || p.VolumeID != id { // else what EC2 said of attaching it stands, and since when
		r.reached(o, api.OrderCreated, id, "volume "+id+" is available")
	}
	ctx, cancel, confirmed := r.whileConfirmed(ctx, o)
	if !confirmed {
		return nil
	}
	defer cancel()
	a, err := r.volumes.Attach(ctx, id)
	if err != nil {
		return r.refused(o, "attaching volume "+id, err)
	}
	r.opts.Log.Info("attached a volume", "order", o.Key(), "volume", id, "device", a.Device)
	p := r.purchases.get(o)
	p.device = a.Device
	p.Stage, p.Reason, p.Message = api.OrderAttached, "", fmt.Sprintf("volume %s is being attached as %s", id, a.Device)
	r.purchases.put(o, p)
	return nil
}

// attached: EC2 has it on this instance; the device comes when it comes.
func (r *round) attached(o api.VolumeOrder, v aws.Volume, a aws.Attachment) error {
	p := r.purchases.get(o)
	limit, reason := attachTime, reasonStuck
	if a.State == aws.Attached {
		limit, reason = deviceTime, reasonNoDevice
	}
	p.device, p.Stage, p.Reason, p.Retry = a.Device, api.OrderAttached, reason, true
	p.Message = fmt.Sprintf("volume %s is %s as %s", v.ID, a.State, a.Device)
	r.purchases.put(o, p)
	p = r.purchases.get(o)
	if _, here := diskOf(o, v.ID, a.Device, r.disks); !here && r.purchases.lasted(p, p.Stage, p.Reason) >= limit {
		r.end(o, api.OrderFailed, reason, fmt.Sprintf("volume %s has been %s as %s for %s and no device of it is here", v.ID, a.State, a.Device, limit))
		return nil
	}
	return r.nameIt(o, v, a)
}
