package installertest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"scaleio-framework/installer"
	"scaleio-framework/platform/aws"
	"scaleio-framework/platform/block"
	"scaleio-framework/platform/platformtest"
)

// Cloud is EC2 as one instance sees it. It keeps state over any number of processes.
type Cloud struct {
	Hook  platformtest.Hook
	Disks *platformtest.Disks // where an attached volume appears
	ID    string              // of the instance

	DeviceLate bool // an attached volume has no device yet
	Blind      bool // what was created isn't shown yet
	Stale      bool // attachments are shown as they were at first
	Xen        bool // devices have no serial: the requested name is all there is

	mu       sync.Mutex
	volumes  map[string]*aws.Volume
	tokens   map[string]string // client token: volume
	refusals map[string][]error
	asked    map[string]int
	created  int
}

// NewCloud makes the node an instance.
func (n *Node) NewCloud() *Cloud {
	n.Cloud = &Cloud{Hook: n.Cutter.Do, Disks: n.Disks, ID: "i-" + n.Name, volumes: map[string]*aws.Volume{}, tokens: map[string]string{}, refusals: map[string][]error{}, asked: map[string]int{}}
	return n.Cloud
}

// Refuse the next calls of this kind, in turn: create, attach, detach, delete, tagged, mark. A nil among them lets one through.
func (c *Cloud) Refuse(call string, errs ...error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals[call] = append(c.refusals[call], errs...)
}

// Asked counts calls of a kind.
func (c *Cloud) Asked(call string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[call]
}

// Volumes there are, by id.
func (c *Cloud) All() map[string]aws.Volume {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]aws.Volume{}
	for id, v := range c.volumes {
		all[id] = copyOf(v)
	}
	return all
}

// Change a volume; nil takes it away.
func (c *Cloud) Change(id string, to func(*aws.Volume)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to == nil {
		delete(c.volumes, id)
		return
	}
	to(c.volumes[id])
}

// Forget all client tokens, as EC2 does after a while.
func (c *Cloud) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.tokens)
}

// Instance is verified.
func (c *Cloud) Instance(context.Context) (string, error) { return c.ID, nil }

// Volumes reached with credentials of which only those for cleaning up may take away.
func (c *Cloud) Volumes(by aws.Access) (installer.Volumes, error) {
	return &account{c, strings.Contains(by.CredentialsFile, "cleanup")}, nil
}

type account struct {
	*Cloud
	cleanup bool
}

func (c *Cloud) do(ctx context.Context, kind, subject string, effect func() error) error {
	return c.Hook(strings.TrimSpace("ec2-"+kind+" "+subject), func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked[kind]++
		if err := ctx.Err(); err != nil {
			return err
		}
		if queue := c.refusals[kind]; len(queue) > 0 {
			c.refusals[kind] = queue[1:]
			if queue[0] != nil {
				return queue[0]
			}
		}
		return effect()
	})
}

func (a *account) Tagged(ctx context.Context, tags map[string]string) (found []aws.Volume, err error) {
	err = a.do(ctx, "tagged", "", func() error {
		for _, id := range slices.Sorted(maps.Keys(a.volumes)) {
			v := a.volumes[id]
			if !a.Blind && carries(v, tags) {
				a.settle(v)
				shown := copyOf(v)
				for i := range shown.Attachments {
					shown.Attachments[i].DeleteOnTermination = shown.Attachments[i].DeleteOnTermination && !a.Stale
				}
				found = append(found, shown)
			}
		}
		return nil
	})
	return found, err
}

func (a *account) Describe(ctx context.Context, ids ...string) (map[string]aws.Volume, error) {
	seen := map[string]aws.Volume{}
	err := a.do(ctx, "describe", "", func() error {
		for _, id := range ids {
			if v := a.volumes[id]; v != nil && !a.Blind {
				a.settle(v)
				seen[id] = copyOf(v)
			}
		}
		return nil
	})
	return seen, err
}

func carries(v *aws.Volume, tags map[string]string) bool {
	for k, want := range tags {
		if v.Tags[k] != want {
			return false
		}
	}
	return true
}

// settle: what takes time in EC2 is done when it is looked at next.
func (a *account) settle(v *aws.Volume) {
	if v.State == aws.VolumeCreating {
		v.State = aws.VolumeAvailable
	}
	for i := range v.Attachments {
		if v.Attachments[i].State == aws.Attaching && v.Attachments[i].Instance == a.ID {
			v.Attachments[i].State = aws.Attached
		}
	}
}

func (a *account) Create(ctx context.Context, w aws.NewVolume) (made aws.Volume, err error) {
	err = a.do(ctx, "create", w.ClientToken, func() error {
		if id := a.tokens[w.ClientToken]; id != "" {
			v := a.volumes[id]
			if v == nil {
				return aws.ErrBurnt
			}
			a.settle(v)
			made = copyOf(v)
			return nil
		}
		a.created++
		v := &aws.Volume{ID: fmt.Sprintf("vol-%017x", a.created), State: aws.VolumeCreating, Zone: w.Zone, Type: w.Type, SizeGiB: w.SizeGiB, Tags: w.Tags}
		a.volumes[v.ID], a.tokens[w.ClientToken] = v, v.ID
		made = copyOf(v)
		return nil
	})
	return made, err
}

func (a *account) AwaitAvailable(ctx context.Context, ids ...string) (map[string]aws.Volume, error) {
	seen := map[string]aws.Volume{}
	err := a.do(ctx, "await", "", func() error {
		for _, id := range ids {
			if v := a.volumes[id]; v != nil && !a.Blind {
				a.settle(v)
				seen[id] = copyOf(v)
			}
		}
		if len(seen) < len(ids) {
			return aws.ErrTimeout
		}
		return nil
	})
	return seen, err
}

func (a *account) Attach(ctx context.Context, id string) (at aws.Attachment, err error) {
	err = a.do(ctx, "attach", id, func() error {
		v := a.volumes[id]
		switch {
		case v == nil:
			return aws.ErrGone
		case len(v.Attachments) > 0 && v.Attachments[0].Instance == a.ID:
			at = v.Attachments[0]
			return nil
		case v.State != aws.VolumeAvailable:
			return aws.ErrConflict
		}
		at = aws.Attachment{Instance: a.ID, Device: fmt.Sprintf("/dev/xvdb%c", 'a'+len(a.volumes)-1), State: aws.Attaching}
		v.State, v.Attachments = aws.VolumeInUse, []aws.Attachment{at}
		if !a.DeviceLate {
			a.appear(v)
		}
		return nil
	})
	return at, err
}

// Appear lets the devices of all attached volumes come.
func (c *Cloud) Appear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.volumes {
		if len(v.Attachments) > 0 {
			c.appear(v)
		}
	}
}

func (c *Cloud) appear(v *aws.Volume) {
	d := block.Disk{ID: v.ID, Serial: strings.Replace(v.ID, "-", "", 1), Path: c.path(v), SizeBytes: int64(v.SizeGiB) << 30, Type: block.TypeDisk, Transport: "nvme", Major: 259}
	if c.Xen {
		d.ID, d.Serial, d.Transport, d.Major = "", "", "xen", 202
	}
	c.Disks.Attach(d)
}

func (c *Cloud) path(v *aws.Volume) string {
	if c.Xen {
		return v.Attachments[0].Device
	}
	return "/dev/nvme-" + v.ID
}

func (a *account) Detach(ctx context.Context, id string) error {
	return a.do(ctx, "detach", id, func() error {
		if !a.cleanup {
			return aws.ErrDenied
		}
		if v := a.volumes[id]; v != nil && len(v.Attachments) > 0 {
			a.Disks.Detach(a.path(v))
			v.State, v.Attachments = aws.VolumeAvailable, nil
		}
		return nil
	})
}

func (a *account) Delete(ctx context.Context, id string, tags map[string]string) error {
	return a.do(ctx, "delete", id, func() error {
		v := a.volumes[id]
		switch {
		case !a.cleanup:
			return aws.ErrDenied
		case v == nil:
			return nil
		case v.State != aws.VolumeAvailable || !carries(v, tags):
			return aws.ErrConflict
		}
		delete(a.volumes, id)
		return nil
	})
}

func (a *account) SetDeleteOnTermination(ctx context.Context, id string, on bool) error {
	return a.do(ctx, "mark", id, func() error {
		a.volumes[id].Attachments[0].DeleteOnTermination = on
		return nil
	})
}

func copyOf(v *aws.Volume) aws.Volume {
	c := *v
	c.Tags, c.Attachments = maps.Clone(v.Tags), slices.Clone(v.Attachments)
	return c
}

func (c *Cloud) String() string {
	var all []string
	for _, id := range slices.Sorted(maps.Keys(c.All())) {
		v := c.All()[id]
		all = append(all, fmt.Sprint(v.ID, v.State, v.Tags, v.Attachments))
	}
	return strings.Join(all, "\n")
}
