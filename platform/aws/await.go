package aws

import (
	"context"
	"fmt"
	"time"
)

// Waiting for EC2. Volumes become available within 1.5 s (half of them) to 4 s, attachments within 1 to 4 s; one that goes on attaching after 90 s stays so.
const (
	firstLook      = 2 * time.Second // most are there by then: one request for them
	nextLook       = time.Second / 2 // and the others soon after; from there on less and less often
	lookAtMost     = 10 * time.Second
	availableLimit = time.Minute
	attachedLimit  = 90 * time.Second
	readsLag       = 30 * time.Second // what is missing for longer doesn't exist
)

// AwaitAvailable looks until each is available, or never will be. EC2's own waiter fails on a volume that isn't readable yet, and waits on one in error.
func (e *EC2) AwaitAvailable(ctx context.Context, ids ...string) (map[string]Volume, error) {
	return e.await(ctx, availableLimit, ids, "available", func(v Volume) bool { return v.State != VolumeCreating })
}

// AwaitAttached looks at the attachment, not at the volume: that is in-use from the moment on at which it begins to attach.
func (e *EC2) AwaitAttached(ctx context.Context, ids ...string) (map[string]Volume, error) {
	self, err := e.self(ctx, "AttachVolume")
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	return e.await(ctx, attachedLimit, ids, "attached", func(v Volume) bool {
		a, here := v.On(self.ID)
		switch {
		case v.State == VolumeDeleting, v.State == VolumeDeleted, v.State == VolumeError:
			return true
		case !here: // not yet readable; or never, once reads can't lag any more
			return time.Since(begun) >= readsLag
		}
		return a.State != Attaching
	})
}

// await looks at all that isn't settled in one call each time.
func (e *EC2) await(ctx context.Context, limit time.Duration, ids []string, what string, settled func(Volume) bool) (map[string]Volume, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	begun, wait, next, last := time.Now(), firstLook, nextLook, map[string]Volume{}
	open := ids
	for {
		if pause(ctx, wait) != nil {
			return last, &Error{Op: "DescribeVolumes", Message: fmt.Sprintf("%d of %d volumes aren't %s after %s", len(open), len(ids), what, limit), Kind: ErrTimeout}
		}
		seen, err := e.Describe(ctx, open...)
		if err != nil && ctx.Err() == nil {
			return last, err
		}
		var still []string
		for _, id := range open {
			v, there := seen[id]
			if there {
				last[id] = v
			}
			if there && settled(v) || !there && err == nil && time.Since(begun) >= readsLag {
				if !there {
					delete(last, id)
				}
				continue
			}
			still = append(still, id)
		}
		if open = still; len(open) == 0 {
			return last, nil
		}
		wait, next = next, min(next*3/2, lookAtMost)
	}
}
