package offers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	mesosgo "github.com/mesos/mesos-go/api/v1/lib"
	mesos "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"scaleio-framework/scheduler"
)

// Pace of reconnecting and reconciling.
const (
	firstBackoff      = time.Second
	lastBackoff       = 15 * time.Second
	silentHeartbeats  = 2 // a master that misses this many is taken for dead
	defaultHeartbeat  = 15 * time.Second
	firstReconcile    = 10 * time.Second // a restarted master is silent about tasks whose agents haven't come back (recorded, 18b)
	lastReconcile     = 2 * time.Minute
	implicitReconcile = 15 * time.Minute
	eventBuffer       = 256
)

// Config of a driver.
type Config struct {
	Masters   []string // http://host:port, any of them; the leader is found by redirects. None = Found tells
	Principal string
	Secret    string
	Transport http.RoundTripper // nil = a plain one
	Backoff   time.Duration     // first pause after a lost subscription; 0 = one second
	Log       *slog.Logger
}

// A Driver implements scheduler.Mesos.
type Driver struct {
	Config
	wire *wire

	mu        sync.Mutex
	framework string
	stream    string
}

var (
	_ scheduler.Mesos      = (*Driver)(nil)
	_ scheduler.Reviver    = (*Driver)(nil)
	_ scheduler.Reconciler = (*Driver)(nil)
)

// New makes a driver; it calls nobody yet.
func New(c Config) *Driver {
	if c.Backoff == 0 {
		c.Backoff = firstBackoff
	}
	return &Driver{Config: c, wire: newWire(c.Masters, c.Principal, c.Secret, c.Transport)}
}

// Found tells which masters there are, the leading one first; or why that isn't known.
func (d *Driver) Found(masters []string, err error) { d.wire.found(masters, err) }

// Known masters, by name.
func (d *Driver) Known() []string { return d.wire.all() }

// Run stays subscribed until ctx ends or the master forbids it.
func (d *Driver) Run(ctx context.Context, f scheduler.Framework, h scheduler.MesosHandler) error {
	pause := d.Backoff
	if masters, moved, _ := d.wire.known(); masters == 0 {
		select { // found within moments, as a rule: not the first pause already
		case <-ctx.Done():
		case <-moved:
		case <-time.After(callLimit):
		}
	}
	for ctx.Err() == nil {
		began := time.Now()
		err := d.session(ctx, &f, h)
		if ctx.Err() != nil {
			return nil
		}
		var fatal *fatalError
		if errors.As(err, &fatal) {
			return fatal.err
		}
		h.Disconnected(err)
		if !errors.Is(err, errNotLeader) && !errors.Is(err, errMoved) {
			d.wire.lost()
		}
		if time.Since(began) > lastBackoff { // it had worked: begin the back-off anew
			pause = d.Backoff
		}
		d.Log.Warn("subscription lost", "err", err, "again", pause)
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
		pause = min(2*pause, lastBackoff)
	}
	return nil
}

// fatalError ends Run: going on would do harm.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

// session is one subscription from SUBSCRIBE to its end.
func (d *Driver) session(ctx context.Context, f *scheduler.Framework, h scheduler.MesosHandler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	info := frameworkInfo(*f)
	_, moved, _ := d.wire.known()
	call := calls.Subscribe(info)
	if f.ID != "" { // both places or neither, else 400; without it a new framework would be made (mesos-go forgets it when failover_timeout is 0)
		call.FrameworkID = &mesosgo.FrameworkID{Value: f.ID}
	}
	// The first answer's headers have a deadline of their own in the transport; the stream has none but the heartbeat watch.
	sub, err := d.wire.subscribe(ctx, call)
	if err != nil {
		return err
	}
	defer sub.body.Close()
	events, ended := d.read(ctx, sub, cancel)
	s := &session{driver: d, sub: sub, handler: h, framework: f, pending: map[string]scheduler.TaskRef{}}
	s.explicit, s.implicit = time.NewTimer(time.Hour), time.NewTimer(implicitReconcile)
	defer s.explicit.Stop()
	defer s.implicit.Stop()
	for {
		select {
		case event, ok := <-events:
			if !ok {
				return <-ended
			}
			if err := s.handle(ctx, event, events); err != nil {
				return err
			}
		case <-moved:
			return errMoved
		case <-s.explicit.C:
			if err := s.reconcilePending(ctx); err != nil {
				return err
			}
		case <-s.implicit.C:
			s.implicit.Reset(implicitReconcile)
			if err := s.call(ctx, calls.Reconcile()); err != nil {
				return err
			}
		}
	}
}

// read decodes events apart from handling them, so that a slow handler isn't taken for a silent master, and ends the session when the master is silent.
func (d *Driver) read(ctx context.Context, sub *subscription, cancel context.CancelFunc) (<-chan *mesos.Event, <-chan error) {
	events, ended := make(chan *mesos.Event, eventBuffer), make(chan error, 1)
	go func() {
		defer close(events)
		var silent bool
		var mu sync.Mutex
		limit := silentHeartbeats * defaultHeartbeat
		watch := time.AfterFunc(limit, func() {
			mu.Lock()
			silent = true
			mu.Unlock()
			cancel()
		})
		defer watch.Stop()
		for {
			event, err := sub.next()
			if err != nil {
				mu.Lock()
				if silent {
					err = fmt.Errorf("no heartbeat within %s: the master is silent", limit)
				}
				mu.Unlock()
				ended <- err
				return
			}
			if s := event.GetSubscribed(); s != nil && s.GetHeartbeatIntervalSeconds() > 0 {
				limit = time.Duration(silentHeartbeats * s.GetHeartbeatIntervalSeconds() * float64(time.Second))
			}
			watch.Stop() // while the handler is behind, silence is ours
			select {
			case events <- event:
			case <-ctx.Done():
				ended <- ctx.Err()
				return
			}
			watch.Reset(limit)
		}
	}()
	return events, ended
}

// Kill asks for the end of a task over the present subscription.
func (d *Driver) Kill(ctx context.Context, taskID, agentID string) error {
	return d.say(ctx, calls.Kill(taskID, agentID))
}

// Revive takes back all filters: what was declined is offered again.
func (d *Driver) Revive(ctx context.Context) error {
	return d.say(ctx, calls.Revive())
}

// Reconcile asks for an update of every task that the master knows to run.
func (d *Driver) Reconcile(ctx context.Context) error {
	return d.say(ctx, calls.Reconcile())
}

// say one call of the present subscription from outside its loop.
func (d *Driver) say(ctx context.Context, call *mesos.Call) error {
	d.mu.Lock()
	framework, stream := d.framework, d.stream
	d.mu.Unlock()
	if stream == "" {
		return fmt.Errorf("calling %s: not subscribed", call.GetType())
	}
	call.FrameworkID = &mesosgo.FrameworkID{Value: framework}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	response, err := d.wire.post(ctx, call, stream)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func (d *Driver) subscribed(framework, stream string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.framework, d.stream = framework, stream
}
