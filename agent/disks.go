package agent

import (
	"context"
	"time"
)

// deafFor is how long it is before the kernel is listened to again; meanwhile the passes see what changed, a minute later at most.
const deafFor = time.Minute

// diskChanges looks at once when a disk comes or goes: the report shows it before the pass that is woken does something about it. The passes themselves
// are the safety net for events that never came.
func (a *Agent) diskChanges(ctx context.Context) error {
	if a.DiskChanges == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	for {
		err := a.DiskChanges(ctx, func() {
			signal(a.look)
			signal(a.wake)
		})
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
