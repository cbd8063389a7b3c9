package scheduler_test

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"scaleio-framework/scheduler"
)

// mesos is a fake master with an agent per node. Its tasks outlive schedulers.
type mesos struct {
	mu       sync.Mutex
	nodes    []*node
	attrs    []map[string]string
	id       string
	tasks    map[string]scheduler.TaskRef // running, by Mesos agent
	launches int
	doubled  []string
	launched []scheduler.Launch
	rename   chan string // node whose Mesos agent loses its id
	agentIDs map[string]string
	failing  chan string // Mesos agents whose task is to fail
	kills    chan scheduler.TaskRef
	refuses  error // nobody can be reached
	frames   []scheduler.KnownFramework
	fatal    chan error
	away     map[string]bool // Mesos agents that a restarted master doesn't hear yet: it offers them to nobody, and says nothing of their tasks
	asks     chan struct{}
	rounds   atomic.Int64 // of offers that were answered
}

func newMesos(nodes []*node, attrs []map[string]string) *mesos {
	return &mesos{nodes: nodes, attrs: attrs, tasks: map[string]scheduler.TaskRef{}, failing: make(chan string), kills: make(chan scheduler.TaskRef, 64), rename: make(chan string), agentIDs: map[string]string{}, fatal: make(chan error, 1), away: map[string]bool{}, asks: make(chan struct{}, 64)}
}

func (m *mesos) Frameworks(context.Context, string, string) ([]scheduler.KnownFramework, error) {
	return m.frames, nil
}

func (m *mesos) Kill(_ context.Context, task, agent string) error {
	m.kills <- scheduler.TaskRef{TaskID: task, AgentID: agent}
	return nil
}

func (m *mesos) Reconcile(context.Context) error {
	m.asks <- struct{}{}
	return nil
}

// cut a Mesos agent off from the master, or bring it back.
func (m *mesos) cut(agent string, away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away[agent] = away
}

func (m *mesos) Run(ctx context.Context, f scheduler.Framework, h scheduler.MesosHandler) error {
	if m.refuses != nil {
		h.Disconnected(m.refuses)
		<-ctx.Done()
		return nil
	}
	if f.ID == "" {
		m.mu.Lock()
		m.launches = 0
		if m.id == "" {
			m.id = "framework-1"
		}
		f.ID = m.id
		m.mu.Unlock()
	}
	if err := h.Subscribed(ctx, f.ID, "master"); err != nil {
		return err
	}
	m.reconcile(ctx, h)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := m.offer(ctx, h); err != nil {
			return nil // the stream ends with the scheduler
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-m.fatal:
			return err
		case agent := <-m.failing:
			m.mu.Lock()
			task := m.tasks[agent]
			delete(m.tasks, agent)
			m.mu.Unlock()
			_ = h.Updated(ctx, scheduler.TaskUpdate{TaskID: task.TaskID, AgentID: agent, State: "TASK_FAILED", Reason: "REASON_COMMAND_EXECUTOR_FAILED"})
		case ref := <-m.kills:
			m.mu.Lock()
			delete(m.tasks, ref.AgentID)
			m.mu.Unlock()
			_ = h.Updated(ctx, scheduler.TaskUpdate{TaskID: ref.TaskID, AgentID: ref.AgentID, State: "TASK_KILLED"})
		case id := <-m.rename:
			m.mu.Lock()
			old := "agent-" + id
			task := m.tasks[old]
			delete(m.tasks, old)
			m.agentIDs[id] = "agent-new-" + id
			m.mu.Unlock()
			_ = h.Updated(ctx, scheduler.TaskUpdate{TaskID: task.TaskID, AgentID: old, State: "TASK_GONE", Reason: "REASON_SLAVE_REMOVED"})
		case <-m.asks:
			m.tellAll(ctx, h)
		case <-tick.C:
		}
	}
}

func (m *mesos) reconcile(ctx context.Context, h scheduler.MesosHandler) {
	m.tellAll(ctx, h)
	for _, ref := range h.Tasks() {
		state := scheduler.TaskUnknown
		m.mu.Lock()
		away := m.away[ref.AgentID]
		if m.tasks[ref.AgentID] == ref {
			state = scheduler.TaskRunning
		}
		m.mu.Unlock()
		if away {
			continue
		}
		_ = h.Updated(ctx, scheduler.TaskUpdate{TaskID: ref.TaskID, AgentID: ref.AgentID, State: state, Reason: "REASON_RECONCILIATION", Reconciliation: true})
	}
}

// tellAll that run: an implicit reconciliation.
func (m *mesos) tellAll(ctx context.Context, h scheduler.MesosHandler) {
	m.mu.Lock()
	running := maps.Clone(m.tasks)
	maps.DeleteFunc(running, func(agent string, _ scheduler.TaskRef) bool { return m.away[agent] })
	m.mu.Unlock()
	for _, ref := range running {
		_ = h.Updated(ctx, scheduler.TaskUpdate{TaskID: ref.TaskID, AgentID: ref.AgentID, State: scheduler.TaskRunning, Reason: "REASON_RECONCILIATION", Reconciliation: true})
	}
}

// offer every agent; what happens between the intent and the launch is what the store's write points are about.
func (m *mesos) offer(ctx context.Context, h scheduler.MesosHandler) error {
	var offers []scheduler.Offer
	m.mu.Lock()
	var of []*node
	for i, n := range m.nodes {
		agent := "agent-" + n.id
		if renamed := m.agentIDs[n.id]; renamed != "" {
			agent = renamed
		}
		if m.away[agent] {
			continue
		}
		of = append(of, n)
		offers = append(offers, scheduler.Offer{
			ID: "o-" + n.id, AgentID: agent, Hostname: n.host, IP: "10.0.0.1", Attributes: m.attrs[i], CPUs: 8, MemMB: 8192,
		})
	}
	m.mu.Unlock()
	for i, answer := range h.Offered(ctx, offers) {
		if answer.Launch == nil {
			continue
		}
		l := *answer.Launch
		m.mu.Lock()
		m.launches++
		m.launched = append(m.launched, l)
		if _, ok := m.tasks[l.AgentID]; ok {
			m.doubled = append(m.doubled, l.AgentID)
		}
		m.tasks[l.AgentID] = scheduler.TaskRef{TaskID: l.TaskID, AgentID: l.AgentID}
		m.mu.Unlock()
		of[i].place(l.Env)
		if err := h.Updated(ctx, scheduler.TaskUpdate{TaskID: l.TaskID, AgentID: l.AgentID, State: scheduler.TaskRunning}); err != nil {
			return err
		}
	}
	m.rounds.Add(1)
	return ctx.Err()
}

func (m *mesos) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.launches
}
