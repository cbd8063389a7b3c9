package faults_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"scaleio-framework/installer"
	"scaleio-framework/platform/aws"
	"scaleio-framework/scheduler/api"
)

// maxVolumes that may ever be there.
const maxVolumes = 9

// cloud is EC2: one request is answered after another, and reads lag behind writes.
type cloud struct {
	w       *world
	volumes map[string]*bought
	tokens  map[string]string
	made    int
	asked   int // of mutations
	lag     time.Duration
}

type bought struct {
	aws.Volume
	at time.Time
}

func newCloud(w *world) *cloud {
	return &cloud{w: w, volumes: map[string]*bought{}, tokens: map[string]string{}, lag: w.between(0, 20*time.Second)}
}

// instance is EC2 as one node reaches it.
type instance struct {
	*cloud
	n *node
}

func (i *instance) view() *api.CloudView {
	used := 1
	for _, v := range i.volumes {
		if _, here := v.On(i.n.id); here {
			used++
		}
	}
	return &api.CloudView{Provider: "aws", InstanceID: i.n.id, InstanceType: "m5.large", Region: "us-east-1", Zone: i.n.zone, Verified: true, SlotsMax: 27, SlotsUsed: used}
}

func (i *instance) Instance(context.Context) (string, error) { return i.n.id, nil }

func (i *instance) Volumes(by aws.Access) (installer.Volumes, error) {
	return account{i, strings.Contains(by.CredentialsFile, "cleanup")}, nil
}

type account struct {
	*instance
	cleanup bool
}

func unavailable(op string) error {
	return &aws.Error{Op: op, Code: "InternalError", Kind: aws.ErrUnavailable}
}

// change something: the answer may be lost, the asker may die over it, or EC2 may not be willing.
func (a account) change(op string, do func() error) error {
	if a.n.dead {
		return errDied
	}
	a.asked++
	effect := func() error {
		err := do()
		a.w.note("%s: EC2 %s: %v", a.n.name, op, err)
		return err
	}
	switch a.w.fate(a.n.name, "EC2 "+op) {
	case diesBefore:
		a.n.die(op)
		return errDied
	case diesAfter:
		_ = effect()
		a.n.die(op)
		return errDied
	case lostAnswer:
		_ = effect()
		return unavailable(op)
	case lostRequest:
		return unavailable(op)
	case fails:
		codes := []*aws.Error{{Op: op, Code: "RequestLimitExceeded", Kind: aws.ErrThrottled}, {Op: op, Code: "InsufficientVolumeCapacity", Kind: aws.ErrCapacity},
			{Op: op, Code: "VolumeLimitExceeded", Kind: aws.ErrLimit}, {Op: op, Code: "ExpiredToken", Kind: aws.ErrDenied}}
		return codes[a.w.dice.IntN(len(codes))]
	case freezes:
		a.w.pause(a.n)
		if a.n.dead {
			return errDied
		}
	case late: // done after it was given up
		a.w.after(a.w.between(time.Second, time.Minute), a.n.name+": EC2 is late", func() { _ = effect() })
		return unavailable(op)
	}
	return effect()
}

func (a account) Tagged(_ context.Context, tags map[string]string) (found []aws.Volume, err error) {
	if a.n.dead {
		return nil, errDied
	}
	if f := a.w.fate(a.n.name, "EC2 describe"); f == fails || f == lostRequest {
		return nil, unavailable("DescribeVolumes")
	}
	if len(tags) == 1 { // all of the cluster's
		a.w.known.listed = a.n.era
	} else if a.w.plan.mutant.anyToken {
		return nil, nil
	}
	for _, id := range slices.Sorted(maps.Keys(a.volumes)) {
		if v := a.volumes[id]; time.Since(v.at) >= a.lag && carries(v, tags) {
			a.settle(v)
			found = append(found, copyOf(v))
		}
	}
	return found, nil
}

func carries(v *bought, tags map[string]string) bool {
	for k, want := range tags {
		if v.Tags[k] != want {
			return false
		}
	}
	return true
}

// settle: what takes time in EC2 is done when it is looked at next.
func (c *cloud) settle(v *bought) {
	if v.State == aws.VolumeCreating {
		v.State = aws.VolumeAvailable
	}
	for i := range v.Attachments {
		if v.Attachments[i].State == aws.Attaching {
			v.Attachments[i].State = aws.Attached
		}
	}
}

func copyOf(v *bought) aws.Volume {
	c := v.Volume
	c.Tags, c.Attachments = maps.Clone(v.Tags), slices.Clone(v.Attachments)
	return c
}

func (a account) Create(_ context.Context, want aws.NewVolume) (made aws.Volume, err error) {
	err = a.change("CreateVolume", func() error {
		if id := a.tokens[want.ClientToken]; id != "" && !a.w.plan.mutant.anyToken {
			v := a.volumes[id]
			if v == nil {
				return &aws.Error{Op: "CreateVolume", Kind: aws.ErrBurnt}
			}
			made = copyOf(v)
			return nil
		}
		a.made++
		v := &bought{aws.Volume{ID: fmt.Sprintf("vol-%017x", a.made), State: aws.VolumeCreating, Zone: want.Zone, Type: want.Type, SizeGiB: want.SizeGiB, Tags: want.Tags, Created: time.Now().Round(0)}, time.Now()}
		a.volumes[v.ID], a.tokens[want.ClientToken] = v, v.ID
		made = copyOf(v)
		a.w.note("%s buys %s for order %s", a.n.name, v.ID, v.Tags[api.TagOrder])
		a.w.checkPurchase(v)
		return nil
	})
	return made, err
}

func (a account) Describe(_ context.Context, ids ...string) (map[string]aws.Volume, error) {
	seen := map[string]aws.Volume{}
	for _, id := range ids {
		if v := a.volumes[id]; v != nil && time.Since(v.at) >= a.lag {
			a.settle(v)
			seen[id] = copyOf(v)
		}
	}
	return seen, nil
}

func (a account) AwaitAvailable(_ context.Context, ids ...string) (map[string]aws.Volume, error) {
	seen := map[string]aws.Volume{}
	for _, id := range ids {
		if v := a.volumes[id]; v != nil && time.Since(v.at) >= a.lag {
			a.settle(v)
			seen[id] = copyOf(v)
		}
	}
	if len(seen) < len(ids) {
		return seen, aws.ErrTimeout
	}
	return seen, nil
}

func (a account) Attach(_ context.Context, id string) (at aws.Attachment, err error) {
	err = a.change("AttachVolume", func() error {
		v := a.volumes[id]
		if v == nil {
			return &aws.Error{Op: "AttachVolume", Kind: aws.ErrGone}
		}
		if have, here := v.On(a.n.id); here {
			at = have
			return nil
		}
		if a.settle(v); v.State != aws.VolumeAvailable {
			return &aws.Error{Op: "AttachVolume", Kind: aws.ErrConflict}
		}
		at = aws.Attachment{Instance: a.n.id, Device: fmt.Sprintf("/dev/xvdb%c", 'a'+len(a.n.disks)), State: aws.Attaching, Since: time.Now()}
		v.State, v.Attachments = aws.VolumeInUse, []aws.Attachment{at}
		node := a.n
		a.w.after(a.w.between(time.Second, 70*time.Second), "", func() {
			if _, still := v.On(node.id); still {
				node.plug(v.ID, "/dev/nvme-"+v.ID, int64(v.SizeGiB)<<30, "nvme")
			}
		})
		return nil
	})
	return at, err
}

func (a account) Detach(_ context.Context, id string) error {
	return a.change("DetachVolume", func() error {
		if !a.cleanup {
			return &aws.Error{Op: "DetachVolume", Kind: aws.ErrDenied}
		}
		v := a.volumes[id]
		if v == nil || len(v.Attachments) == 0 {
			return nil
		}
		for _, n := range a.w.nodes {
			for _, d := range slices.Clone(n.disks) {
				if d.id != id {
					continue
				}
				if d.taken {
					a.w.broken("%s is detached though the pool uses it", id)
				}
				n.unplug(d)
			}
		}
		v.State, v.Attachments = aws.VolumeAvailable, nil
		return nil
	})
}

func (a account) Delete(_ context.Context, id string, tags map[string]string) error {
	return a.change("DeleteVolume", func() error {
		v := a.volumes[id]
		switch {
		case !a.cleanup:
			return &aws.Error{Op: "DeleteVolume", Kind: aws.ErrDenied}
		case v == nil:
			return nil
		case v.State != aws.VolumeAvailable && v.State != aws.VolumeCreating || !carries(v, tags):
			return &aws.Error{Op: "DeleteVolume", Kind: aws.ErrConflict}
		}
		if a.w.known.used[id] {
			a.w.broken("%s is deleted though it was in the pool", id)
		}
		delete(a.volumes, id)
		return nil
	})
}

func (a account) SetDeleteOnTermination(_ context.Context, id string, on bool) error {
	return a.change("ModifyInstanceAttribute", func() error {
		if v := a.volumes[id]; v != nil && len(v.Attachments) > 0 {
			v.Attachments[0].DeleteOnTermination = on
		}
		return nil
	})
}
