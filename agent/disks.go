package agent

import (
	"context"
	"slices"
	"time"

	"scaleio-framework/platform/uevent"
	"scaleio-framework/scheduler/api"
)

// deafFor is how long it is before the kernel is listened to again; meanwhile the passes see what changed, a minute later at most.
const deafFor = time.Minute

// diskChanges looks when a disk comes or goes. What a new one is, the report shows at once; what it holds is read when udev has done with it, and the pass that
// is woken then does something about it. The passes themselves are the safety net for events that never came.
func (a *Agent) diskChanges(ctx context.Context) error {
	if a.DiskChanges == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	for {
		err := a.DiskChanges(ctx, uevent.Told{Seen: a.diskSeen, Settled: func(names []string) {
			a.Steps.DisksSettled(names)
			signal(a.look)
			signal(a.wake)
		}})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.Log.Warn("not hearing of disks that come or go; they are seen by the next pass", "err", err, "again", deafFor)
		rest := time.NewTimer(deafFor)
		select {
		case <-ctx.Done():
			rest.Stop()
			return ctx.Err()
		case <-rest.C:
		}
	}
}

// diskSeen has a disk that isn't known yet reported, and no others: what changes all the time would be looked at all the time.
func (a *Agent) diskSeen(name string) {
	disk, ok := a.Steps.DiskSeen(name)
	if !ok {
		return
	}
	a.mu.Lock()
	known := slices.ContainsFunc(a.seen.observed.Disks, func(d api.Disk) bool { return d.ID == disk.ID && d.Path == disk.Path && d.SizeBytes == disk.SizeBytes })
	a.mu.Unlock()
	if !known {
		a.Log.Info("a disk came", "id", disk.ID, "path", disk.Path, "bytes", disk.SizeBytes, "model", disk.Model)
		signal(a.look)
	}
}
