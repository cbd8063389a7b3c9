package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"scaleio-framework/scheduler/zookeeper"
)

// A tenure is our own judgement of how long the store is ours, by our monotonic clock: two thirds of a session from when we last asked the ensemble
// and were answered. The session itself ends later, and only then somebody else can take the lock.
type tenure struct {
	client  zookeeper.Client
	lock    string
	session int64
	length  time.Duration

	over chan struct{} // closed when it is lost

	mu        sync.Mutex
	confirmed time.Time
	lost      error
}

func newTenure(client zookeeper.Client, lock string, asked time.Time) *tenure {
	s := client.Session()
	return &tenure{client: client, lock: lock, session: s.ID, length: s.Length, over: make(chan struct{}), confirmed: asked}
}

func (t *tenure) limit() time.Duration { return 2 * t.length / 3 }

func (t *tenure) held() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil {
		if silent := time.Since(t.confirmed); silent >= t.limit() {
			t.lose(fmt.Errorf("ZooKeeper hasn't answered for %s, and sessions end after %s", silent.Round(time.Millisecond), t.length))
		}
	}
	return t.lost
}

// left is how long it is surely ours yet.
func (t *tenure) left() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(0, t.limit()-time.Since(t.confirmed))
}

func (t *tenure) end(why error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil {
		t.lose(why)
	}
	return t.lost
}

func (t *tenure) lose(why error) {
	t.lost = fmt.Errorf("%w (%w)", ErrLost, why)
	close(t.over)
}

// keep asks five times in a session. What a call doesn't bring is asked again at once: the connection may be another one by then.
func (t *tenure) keep(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := t.confirm(ctx)
		if ctx.Err() != nil || t.held() != nil {
			return
		}
		pause := t.length / 5
		if err != nil {
			pause = min(t.length/50, t.left())
		}
		timer.Reset(pause)
	}
}

// confirm that the lock is this session's. The answer counts from when it was asked for.
func (t *tenure) confirm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.left())
	defer cancel()
	asked := time.Now()
	err := t.client.Sync(ctx, t.lock) // a server that lost its leader would answer from what it has
	var lock zookeeper.Stat
	if err == nil {
		_, lock, err = t.client.Get(ctx, t.lock)
	}
	switch {
	case t.client.Session().ID != t.session:
		return t.end(errors.New("the session expired"))
	case errors.Is(err, zookeeper.ErrNoNode), errors.Is(err, zookeeper.ErrNoAuth):
		return t.end(fmt.Errorf("the lock is gone: %w", err))
	case err != nil:
		return err
	case lock.Owner != t.session:
		return t.end(errors.New("the lock is another scheduler's"))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.confirmed = asked
	return nil
}
