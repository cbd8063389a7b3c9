package aws

import (
	"context"
	"errors"
	"time"
)

// busyAgain is how long a disk that is in use is let be until it is tried again to take it away.
const busyAgain = time.Second

// settle makes happen what is due by now, in the cloud and on machines, and sets the timer for what comes next.
func (c *Cloud) settle() {
	now := time.Now()
	changed := false
	var next time.Time
	for id, v := range c.state.Volumes {
		for c.settleOne(v, now) {
			changed = true
			c.changed(id)
			if c.state.Volumes[id] == nil {
				break
			}
		}
		if c.state.Volumes[id] != nil {
			next = earlier(next, v.due())
		}
	}
	if changed {
		if err := c.save(); err != nil {
			c.log.Error("what happened in the cloud is not on disk", "err", err)
		}
	}
	c.wake(next)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// due is when something happens to the volume by itself next; zero = never.
func (v *Volume) due() time.Time {
	at := v.Settles
	if a := v.Attachment; a != nil {
		at = earlier(earlier(at, a.Settles), a.Appears)
	}
	return at
}

func (c *Cloud) wake(at time.Time) {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = nil
	if !at.IsZero() {
		c.timer = time.AfterFunc(time.Until(at), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.timer != nil { // not closed
				c.settle()
			}
		})
	}
}

func due(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// settleOne does one thing that is due to a volume, if any.
func (c *Cloud) settleOne(v *Volume, now time.Time) bool {
	if a := v.Attachment; a != nil {
		switch {
		case due(a.Settles, now) && a.State == Attaching:
			a.State, a.Settles = Attached, time.Time{}
			a.Appears = now.Add(c.config.Takes.Appear)
			return true
		case due(a.Appears, now):
			return c.plug(v, now)
		case due(a.Settles, now):
			return c.unplug(v, now)
		}
	}
	if !due(v.Settles, now) {
		return false
	}
	v.Settles = time.Time{}
	switch {
	case v.State == Creating && v.Doomed:
		c.forget(v)
	case v.State == Creating:
		v.State = Available
	case v.State == Deleting:
		c.forget(v)
	}
	return true
}

// SetAppear changes how long a machine takes to see a disk that is attached.
func (c *Cloud) SetAppear(takes time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.config.Takes.Appear = takes
}

// plug makes the machine see the disk. Where that fails the volume is attached all the same and the machine doesn't see it yet, which happens in the field too.
func (c *Cloud) plug(v *Volume, now time.Time) bool {
	a := v.Attachment
	instance := c.state.Instances[a.Instance]
	err := c.backend(func(ctx context.Context, b Backend) error { return b.Plug(ctx, *instance, *v.clone()) })
	if err != nil {
		c.log.Error("the machine doesn't see the volume", "volume", v.ID, "instance", a.Instance, "err", err)
		a.Appears = now.Add(busyAgain)
		return false
	}
	a.Appears, a.Plugged = time.Time{}, true
	return true
}

func (c *Cloud) unplug(v *Volume, now time.Time) bool {
	a := v.Attachment
	if a.Plugged {
		instance := c.state.Instances[a.Instance]
		err := c.backend(func(ctx context.Context, b Backend) error { return b.Unplug(ctx, *instance, *v.clone()) })
		if err != nil {
			if !errors.Is(err, ErrBusy) {
				c.log.Error("the volume stays on the machine", "volume", v.ID, "instance", a.Instance, "err", err)
			}
			a.Settles = now.Add(busyAgain)
			changed := a.State != Busy
			a.State = Busy
			return changed
		}
	}
	v.Attachment, v.State = nil, Available
	return true
}

// forget a volume that is gone.
func (c *Cloud) forget(v *Volume) {
	if err := c.backend(func(ctx context.Context, b Backend) error { return b.Destroy(ctx, *v.clone()) }); err != nil {
		c.log.Error("the data of a deleted volume is still there", "volume", v.ID, "err", err)
	}
	delete(c.state.Volumes, v.ID)
}

// replug shows the machines again what they had when this process ended.
func (c *Cloud) replug() {
	for _, v := range c.state.Volumes {
		if a := v.Attachment; a != nil && a.Plugged {
			a.Plugged, a.Appears = false, time.Now()
		}
	}
}
