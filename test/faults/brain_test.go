package faults_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/server"
	"scaleio-framework/scheduler/store"
)

var (
	errAway    = errors.New("connection refused")
	errLost    = errors.New("the answer was lost")
	errExpired = errors.New("session expired")
	errFull    = errors.New("no space left on device")
	errDied    = errors.New("died here")
)

// brain is the scheduler's process, or none while it is down. A frozen one does nothing, and what is sent to it waits for it.
type brain struct {
	*scheduler.Stepped
	w      *world
	ahead  time.Duration // of its host's wall clock
	frozen bool
	queue  []func() // requests in its sockets
	look   time.Time
	starts time.Time // when it is started again
	subs   bool      // subscribed
	era    int       // how often the state was lost before it
}

func newBrain(w *world) *brain {
	b := &brain{w: w}
	b.start()
	return b
}

func (b *brain) up() bool { return b.Stepped != nil && !b.frozen }

// start it from what is stored. What is stored decides whether it may.
func (b *brain) start() {
	o := b.w.options
	b.w.disk.session++
	o.Store = lease{b.w.disk, b.w.disk.session}
	if b.w.plan.reboots.on {
		o.Tenant = lease{b.w.disk, b.w.disk.session}
	}
	o.Now = func() time.Time { return clock(b.ahead) }
	if b.w.plan.mutant.wallClock {
		o.Now = func() time.Time { return clock(b.ahead).Round(0) }
	}
	if b.w.plan.mutant.unasked {
		o.Mesos = struct {
			scheduler.Mesos
			scheduler.Reviver
		}{b.w.mesos, b.w.mesos} // it can't be asked
	}
	o.Adopt, b.w.person.adopts = b.w.person.adopts, false
	ctx, cancel := context.WithCancel(b.w.ctx) // who waits for Mesos to answer is begun anew
	defer cancel()
	b.w.mesos.asker = cancel
	made, err := scheduler.Step(ctx, o)
	b.w.note("scheduler starts: %v", err)
	if err != nil {
		b.starts = time.Now().Add(30 * time.Second)
		b.w.refused(err)
		return
	}
	if b.w.disk.gone {
		b.w.broken("a scheduler began anew where another's state was lost")
	}
	b.Stepped, b.look, b.subs, b.queue, b.era = made, time.Now(), false, nil, b.w.era
}

// die leaves what is stored, and is started again in a while.
func (b *brain) die(why string) {
	if b.Stepped == nil {
		return
	}
	b.w.note("scheduler dies: %s", why)
	b.Stepped, b.frozen, b.subs, b.queue = nil, false, false, nil
	b.starts = time.Now().Add(b.w.between(time.Second, b.w.plan.away))
}

// freeze as SIGSTOP does.
func (b *brain) freeze(d time.Duration) {
	if !b.up() {
		return
	}
	b.w.note("scheduler freezes for %s", d)
	b.frozen = true
	b.w.stalled(d)
	frozen := b.Stepped
	b.w.after(d, "", func() {
		if b.Stepped == frozen && b.frozen {
			b.thaw()
		}
	})
}

// takeOver: another scheduler is started while this one is frozen and holds nothing any more but its belief. It thaws beside the new one, serves what waited for it and whoever
// still calls it, until it finds that its session is over, or Mesos tells it.
func (w *world) takeOver(d time.Duration) {
	old := w.brain
	if !old.up() || w.former != nil {
		return
	}
	w.note("the scheduler freezes for %s, and another is started", d)
	old.frozen, w.former = true, old
	w.stalled(d)
	w.brain = &brain{w: w, starts: time.Now().Add(w.between(time.Second, 15*time.Second))}
	w.after(d, "the former scheduler goes on", func() {
		old.thaw()
		w.after(w.between(time.Second, 20*time.Second), "Mesos tells it that it was failed over", func() { w.former = nil })
	})
}

// heard is who a node's call reaches.
func (w *world) heard() *brain {
	if w.former != nil && w.former.Stepped != nil && w.chance(2) {
		return w.former
	}
	return w.brain
}

// thaw: whatever waited is served first, in any order.
func (b *brain) thaw() {
	b.w.note("scheduler goes on, %d requests waited", len(b.queue))
	b.frozen = false
	queue := b.queue
	b.queue = nil
	for _, i := range b.w.dice.Perm(len(queue)) {
		if b.up() {
			queue[i]()
		}
	}
}

func (b *brain) turn() {
	switch {
	case b.Stepped == nil && !time.Now().Before(b.starts):
		b.start()
	case b.up() && !time.Now().Before(b.look):
		next, err := b.Turn(b.w.ctx)
		b.look = time.Now().Add(next)
		_ = b.ended(err)
	}
}

// ended: a call that came back may have been the process's last.
func (b *brain) ended(err error) error {
	if b.Stepped != nil && b.Failed() != nil {
		b.die(b.Failed().Error())
	}
	return err
}

// report of a node, through its certificate.
func (b *brain) report(n *node, r api.Report) (api.Answer, error) {
	caller := server.Caller{Node: n.id, Fingerprint: n.fingerprint, Certificate: n.shown}
	if err := b.Known(caller); err != nil {
		return api.Answer{}, err
	}
	b.look = time.Now()
	answer, err := b.Report(b.w.ctx, caller, r)
	if err = b.ended(err); err == nil {
		b.w.heardFrom(b, n, answer)
	}
	return answer, err
}

// disk is the store's file, or ZooKeeper: it outlives processes.
type disk struct {
	*store.Memory
	w       *world
	gone    bool // nothing is there, and a person brings it back
	full    bool
	spoiled store.Record // as it was before somebody damaged it
	session int          // whose commits are taken: the last scheduler's that opened it
}

// lease of the store, as one scheduler has it.
type lease struct {
	*disk
	session int
}

// Commit while the session lives.
func (l lease) Commit(ctx context.Context, changes ...store.Change) error {
	if l.w.plan.mutant.unfenced {
		for i, c := range changes {
			r, _ := l.Get(ctx, c.Key)
			changes[i].Revision = r.Revision
		}
	} else if l.session != l.disk.session {
		return errExpired
	}
	return l.disk.Commit(ctx, changes...)
}

// Held while it lives: ZooKeeper's client tells it by its own clock, before another can open the store.
func (l lease) Held() error {
	if l.session != l.disk.session {
		return errExpired
	}
	return nil
}

// Keep isn't used: there is no loop.
func (l lease) Keep(context.Context) error { return nil }

func newDisk(w *world) *disk { return &disk{w: w, Memory: &store.Memory{}} }

// Commit, with all that can come of one: it is done or not, known or not.
func (d *disk) Commit(ctx context.Context, changes ...store.Change) error {
	if d.full {
		return errFull
	}
	switch d.w.fate("scheduler", "commit") {
	case fails, lostRequest, diesBefore:
		return errDied
	case lostAnswer, diesAfter:
		return errors.Join(d.commit(ctx, changes...), errLost)
	}
	return d.commit(ctx, changes...)
}

func (d *disk) commit(ctx context.Context, changes ...store.Change) error {
	err := d.Memory.Commit(ctx, changes...)
	for _, c := range changes {
		if err == nil && c.Key == "leases" && d.w.plan.reboots.on {
			d.w.storage.service.stored(c.Value)
		}
	}
	return err
}

// List, with what was damaged.
func (d *disk) List(ctx context.Context, prefix string) ([]store.Record, error) {
	all, err := d.Memory.List(ctx, prefix)
	for _, r := range all {
		if d.spoiled.Key == r.Key && d.w.plan.mutant.fresh {
			return nil, nil
		}
		if d.spoiled.Key == r.Key {
			return nil, errors.Join(store.ErrCorrupt, err)
		}
	}
	return all, err
}

// spoil a record, whichever.
func (d *disk) spoil() {
	all, _ := d.Memory.List(d.w.ctx, "")
	if len(all) > 0 {
		d.spoiled = all[d.w.dice.IntN(len(all))]
		d.w.note("record %s is damaged", kindOf(d.spoiled.Key))
	}
}

// lose all that is on it.
func (d *disk) lose() { d.Memory, d.gone, d.spoiled = &store.Memory{}, true, store.Record{} }

func (d *disk) mend() { d.spoiled, d.full = store.Record{}, false }

// Revive and Kill are what the scheduler asks of Mesos beside launches.
var (
	_ scheduler.Reviver    = (*mesos)(nil)
	_ scheduler.Reconciler = (*mesos)(nil)
)

func contains[T comparable](all []T, one T) bool { return slices.Contains(all, one) }
