package agent

import (
	"context"
	"errors"
	"time"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// Leader converges the ScaleIO objects while this node's MDM is the master.
type Leader interface {
	Plan(in leader.Input) step.Plan
	View(ctx context.Context, in leader.Input) (*api.ClusterView, error)
}

// Pace of the leader's loop.
const (
	leadWorking = time.Second
	leadResting = 3 * time.Second // an interruption of a node rests on a sample of at most 10 s
	leadLimit   = 2 * time.Minute
)

// leads does the leader's duties for as long as this node holds the right to.
func (a *Agent) leads(ctx context.Context) error {
	for {
		news := a.nextAnswer()
		next := a.leadOnce(ctx)
		if next == 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-news:
			}
			continue
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		case <-a.leadWake:
			timer.Stop()
		}
	}
}

// leadOnce says when to look again; 0 = this node has no duty before another answer.
func (a *Agent) leadOnce(ctx context.Context) time.Duration {
	in, ok := a.duty()
	if !ok {
		a.mu.Lock()
		led := a.seen.view != nil || a.seen.leading != nil
		a.mu.Unlock()
		if led {
			a.note(func(s *seen) { s.view, s.leading = nil, nil })
		}
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, leadLimit)
	defer cancel()
	view, err := a.Leader.View(ctx, in)
	switch {
	case err == nil:
		a.note(func(s *seen) { s.show(view) })
	case errors.Is(err, leader.ErrNotLeading):
		a.note(func(s *seen) { s.view = nil })
	default:
		a.Log.Debug("the leader can't see the cluster yet", "err", err)
	}
	result := a.lead.Pass(ctx, a.Leader.Plan(in), in.Spec.Gates, in.Spec.Version.Generation)
	if result.Acted {
		if view, err = a.Leader.View(ctx, in); err != nil {
			view = nil
		}
	}
	a.note(func(s *seen) {
		s.leading = result.Conditions
		if view != nil {
			s.show(view)
		}
	})
	if result.Ready && err == nil {
		return leadResting
	}
	return leadWorking
}

// show a view; its age counts from when the leader asked for the sample, however long the answer took.
func (s *seen) show(view *api.ClusterView) {
	s.view, s.viewAt = view, time.Now().Add(-time.Duration(view.AgeMS)*time.Millisecond)
}

// errLeaseEnds says that a mutating call must not begin.
var errLeaseEnds = errors.New("the leader lease ends too soon for this call")

// duty is what the leader works from: only with the lease (or the formation grant's spec), and never from a spec kept over a restart.
func (a *Agent) duty() (leader.Input, bool) {
	if _, held := a.leases.Left(api.LeaseLeader); !held {
		return leader.Input{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	spec := a.kept.Spec
	if spec == nil || spec.Cluster == nil || a.answer.secrets.Admin.Empty() {
		return leader.Input{}, false
	}
	if _, err := a.Steps.Plan(installer.Input{Spec: *spec, Leases: a.leases}); err != nil {
		return leader.Input{}, false // a spec that this version doesn't understand is followed in no part
	}
	return leader.Input{Spec: *spec, Secrets: a.answer.secrets, Received: a.answer.at, Guard: a.mayAct, Latest: a.duty}, true
}

// mayAct is asked before each mutating call: enough of the lease must be left for the call's whole time. That the local MDM is master the leader asks itself.
func (a *Agent) mayAct(_ context.Context, callTime time.Duration) error {
	if reason, held := a.brake.Held(); held {
		return errors.Join(step.ErrHeld, errors.New(reason))
	}
	if left, ok := a.leases.Left(api.LeaseLeader); !ok || left <= callTime {
		return errLeaseEnds
	}
	return nil
}
