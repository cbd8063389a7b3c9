package mesos

import (
	"math"
	"slices"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

// The methods in this file let a test make happen what happens to schedulers
// in the field. None of them waits.

// RescindOffers takes every outstanding offer back, with RESCIND events.
func (m *Master) RescindOffers() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.offers {
		m.rescind(o)
	}
}

// DropStreams breaks every subscription's connection without a proper end, as
// a network failure does. Frameworks have their failover timeout to come back.
func (m *Master) DropStreams() {
	m.eachStream((*stream).cut)
}

// EndStreams ends every subscription's stream properly.
func (m *Master) EndStreams() {
	m.eachStream((*stream).close)
}

// GoSilent keeps the connections of all present subscriptions but lets nothing
// through any more, no heartbeats either: a half-open connection or a master
// that hangs.
func (m *Master) GoSilent() {
	m.eachStream((*stream).goSilent)
}

func (m *Master) eachStream(do func(*stream)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.frameworks {
		if f.stream != nil {
			do(f.stream)
		}
	}
}

// DisconnectAgent: the agent's connection breaks; the ping timeout runs.
func (m *Master) DisconnectAgent(id string) {
	m.withAgent(id, m.agentDisconnected)
}

// LoseAgent makes an agent unreachable at once: its tasks are TASK_LOST or
// TASK_UNREACHABLE, a FAILURE follows.
func (m *Master) LoseAgent(id string) {
	m.withAgent(id, func(a *agent) {
		m.agentDisconnected(a)
		m.agentUnreachable(a)
	})
}

// ReturnAgent brings a simulated agent back, same id, its tasks still running.
func (m *Master) ReturnAgent(id string) {
	m.returnAgent(id, true)
}

// RebootAgent brings a simulated agent back without its tasks.
func (m *Master) RebootAgent(id string) {
	m.returnAgent(id, false)
}

func (m *Master) returnAgent(id string, withTasks bool) {
	m.withAgent(id, func(a *agent) {
		sim, ok := a.link.(*simulatedAgent)
		if !ok {
			return
		}
		m.agentDisconnected(a)
		var kept []keptTask
		if withTasks {
			kept = sim.kept()
		} else {
			sim.forgetAll()
		}
		spec := a.spec
		spec.ID = a.id
		if _, err := m.registerAgent(spec, sim, kept); err == nil {
			sim.inbox.post(func() { sim.updates.Resend("") })
		}
	})
}

func (s *simulatedAgent) forgetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks = map[taskKey]*SimulatedTask{}
	s.updates.Close()
}

// RemoveAgent: the agent unregisters (SIGUSR1) and is gone.
func (m *Master) RemoveAgent(id string) {
	m.withAgent(id, m.removeAgent)
}

func (m *Master) withAgent(id string, do func(*agent)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.agents[id]; a != nil {
		do(a)
	}
}

// RemoveFramework tears a framework down as the operator's endpoint does.
func (m *Master) RemoveFramework(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.frameworks[id]
	if f != nil {
		m.removeFramework(f)
	}
	return f != nil
}

// Task returns the driver's handle of a running task on a simulated agent.
func (m *Master) Task(framework, id string) (*SimulatedTask, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.frameworks[framework]
	if f == nil || f.tasks[id] == nil {
		return nil, false
	}
	sim, ok := f.tasks[id].agent.link.(*simulatedAgent)
	if !ok {
		return nil, false
	}
	sim.mu.Lock()
	defer sim.mu.Unlock()
	t, ok := sim.tasks[taskKey{framework, id}]
	return t, ok
}

// Counts is a snapshot for assertions and benchmarks.
type Counts struct {
	Frameworks, Connected int
	Agents, Offers, Tasks int
	ActiveAgents          int // registered and connected
	Running               int // tasks in TASK_RUNNING
	OffersMade            int // ever
}

// Counts tells how much there is.
func (m *Master) Counts() Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := Counts{Frameworks: len(m.frameworks), Offers: len(m.offers), OffersMade: m.offerCount}
	for _, a := range m.agents {
		if a.registered() {
			c.Agents++
		}
		if a.active() {
			c.ActiveAgents++
		}
	}
	for _, f := range m.frameworks {
		if f.connected() {
			c.Connected++
		}
		for _, t := range f.tasks {
			c.Tasks++
			if t.state == v1.TASK_RUNNING {
				c.Running++
			}
		}
	}
	return c
}

// Quiet is how long no agent is offered to a framework again, if nothing changes: until the first of the filters ends. 0 = one lacks a filter.
func (m *Master) Quiet() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, soonest := time.Now(), time.Duration(math.MaxInt64)
	for _, f := range m.frameworks {
		for _, a := range m.agentOrder {
			for _, role := range f.roles() {
				var until time.Time
				for _, each := range f.filters[filterKey{a.id, role}] {
					if until.Before(each.until) {
						until = each.until
					}
				}
				soonest = min(soonest, max(0, until.Sub(now)))
			}
		}
	}
	return soonest
}

// FrameworkIDs lists the registered frameworks, sorted.
func (m *Master) FrameworkIDs() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := make([]string, 0, len(m.frameworks))
	for id := range m.frameworks {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
