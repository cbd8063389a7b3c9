package agent

import (
	"context"
	"time"

	"scaleio-framework/installer"
	"scaleio-framework/scheduler/api"
)

// Pace of looking at what the cluster owns in the cloud: one leader does, for all.
const (
	listEvery = 10 * time.Minute
	listAgain = time.Minute // after a failure
	listLook  = time.Second // how soon a leader notices what the scheduler wishes, and that it leads no more
	listLimit = 2 * time.Minute
)

// listed is the last list, for as long as this node leads.
type listed struct {
	volumes []api.OwnedVolume
	at      time.Time // when it was asked for; zero = there is none
	asked   string    // the scheduler's wish that it answers
	failed  error
	next    time.Time
}

// lists looks at the cluster's volumes while this node leads a cluster that may grow.
func (a *Agent) lists(ctx context.Context) error {
	if a.Owned == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	for {
		news := a.nextAnswer()
		var again <-chan time.Time // a node that doesn't lead can't begin to without an answer
		if a.listOnce(ctx) {
			again = time.After(listLook)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again:
		case <-news:
		}
	}
}

// listOnce if it is time to. leads: this node is the one that does.
func (a *Agent) listOnce(ctx context.Context) (leads bool) {
	in, leads := a.mayList()
	a.mu.Lock()
	last := a.seen.owned
	a.mu.Unlock()
	if !leads {
		if !last.at.IsZero() || last.failed != nil {
			a.note(func(s *seen) { s.owned = listed{} })
		}
		return false
	}
	now := time.Now()
	if last.asked == in.Spec.Growth.Listing && now.Before(last.next) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, listLimit)
	defer cancel()
	volumes, err := a.Owned(ctx, in)
	next := listed{volumes: volumes, at: now, asked: in.Spec.Growth.Listing, next: now.Add(jitter(listEvery))}
	if err != nil { // what was seen before is still what was seen then
		next = last
		next.asked, next.failed, next.next = in.Spec.Growth.Listing, err, now.Add(jitter(listAgain))
		a.Log.Warn("not seeing the cluster's cloud volumes", "err", err, "again", listAgain)
	}
	a.note(func(s *seen) { s.owned = next })
	return true
}

// mayList: this node leads, and by its present spec the cluster may grow.
func (a *Agent) mayList() (installer.Input, bool) {
	if _, held := a.leases.Left(api.LeaseLeader); !held {
		return installer.Input{}, false
	}
	in, ok := a.input()
	return in, ok && in.Spec.Cluster != nil && in.Spec.Growth != nil
}

// show gives the list with its age; nil = not looked, which isn't "none".
func (l listed) show() *api.OwnedVolumes {
	if l.at.IsZero() {
		return nil
	}
	return &api.OwnedVolumes{Volumes: l.volumes, AgeMS: time.Since(l.at).Milliseconds(), Listing: l.at.UnixNano()}
}

// condition says why there is no new one.
func (l listed) condition() []api.Condition {
	if l.failed == nil {
		return nil
	}
	return []api.Condition{{Type: "list-owned-volumes", Status: api.Unknown, Reason: api.ReasonFailed, Message: l.failed.Error()}}
}
