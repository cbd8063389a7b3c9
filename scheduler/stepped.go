package scheduler

import (
	"context"
	"time"
)

// Stepped is a scheduler whose owner is its loop: each call is a turn of its own and done when it returns, and time passes when Turn is called. It has no port, no timer and
// no goroutine, so whoever drives a whole cluster from one place sees the same run twice. Reports must not ask to be held.
type Stepped struct {
	*brain
	failure error
}

// Step makes one as Run does: from what is stored, or for a new cluster.
func Step(ctx context.Context, o Options) (*Stepped, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	b := newBrain(o)
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	b.stepped = &Stepped{brain: b}
	return b.stepped, nil
}

// Turn looks at what time alone may have changed, and says when to look next. An error is the end, as it is Run's.
func (s *Stepped) Turn(ctx context.Context) (next time.Duration, err error) {
	if s.failure == nil {
		next, s.failure = s.brain.turn(ctx, nil)
		s.over()
	}
	return next, s.failure
}

func (s *Stepped) turn(ctx context.Context, e *event) error {
	if s.failure != nil {
		return errStopped
	}
	_, s.failure = s.brain.turn(ctx, []*event{e})
	s.over()
	return nil
}

func (s *Stepped) over() {
	if s.failure != nil {
		close(s.ended)
	}
}

// Failed says why it ended; nil while it goes on.
func (s *Stepped) Failed() error { return s.failure }

// Framework as which it subscribes.
func (s *Stepped) Framework() Framework {
	f := s.brain.Framework
	f.ID = s.framework.ID
	return f
}
