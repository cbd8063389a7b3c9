package agent

import (
	"maps"
	"slices"
	"sync"
	"time"

	"scaleio-framework/scheduler/api"
)

// Leases are the rights this node holds. A lease's time counts from the moment the report that won it was sent, on the monotonic clock: the scheduler
// counts from later, so ours always ends first.
type Leases struct {
	mu     sync.Mutex
	until  map[api.LeaseName]time.Time // zero time: no timeout
	wanted map[api.LeaseName]bool      // by the pass that goes on
	last   map[api.LeaseName]bool      // by the one before: a report from the middle of a pass isn't to say that what stands later in the plan isn't wanted any more
	heard  time.Time
}

// Left tells how long a lease may still be used; 0 and true = without end.
func (l *Leases) Left(name api.LeaseName) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.until[name]
	if !ok {
		return 0, false
	}
	if until.IsZero() {
		return 0, time.Since(l.heard) < api.WordLife // without end, as long as the scheduler says so
	}
	left := time.Until(until)
	return left, left > 0
}

// Want asks for a lease with the next report; wants are collected anew in each pass.
func (l *Leases) Want(name api.LeaseName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wanted == nil {
		l.wanted = map[api.LeaseName]bool{}
	}
	l.wanted[name] = true
}

// PassBegins forgets what the pass before the last one wanted.
func (l *Leases) PassBegins() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last, l.wanted = l.wanted, nil
}

// PassEnded: what it didn't want isn't wanted. It tells whether that is something that the pass before wanted.
func (l *Leases) PassEnded() (fewer bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range l.last {
		fewer = fewer || !l.wanted[name]
	}
	l.last = nil
	return fewer
}

// Wants are what the next report asks for.
func (l *Leases) Wants() []api.LeaseName {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := maps.Clone(l.wanted)
	if all == nil {
		all = map[api.LeaseName]bool{}
	}
	maps.Copy(all, l.last)
	return slices.Sorted(maps.Keys(all))
}

// Granted replaces what is held by what an answer to a report sent at that moment grants.
func (l *Leases) Granted(sent time.Time, grants []api.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until, l.heard = map[api.LeaseName]time.Time{}, time.Now()
	for _, g := range grants {
		if g.TTLMS == 0 {
			l.until[g.Name] = time.Time{}
			continue
		}
		l.until[g.Name] = sent.Add(time.Duration(g.TTLMS) * time.Millisecond)
	}
}
