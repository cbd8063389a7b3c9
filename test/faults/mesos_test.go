package faults_test

import (
	"context"
	"fmt"
	"time"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
)

// mesos is a master with its agents. What it is told may be lost on the way; what it tells is told again until it is acknowledged.
type mesos struct {
	w          *world
	frameworks []string
	agents     []*mesosAgent
	launched   bool
	leaderless bool
	asker      func() // ends the start of a scheduler that asks a mute master
	subscribed string // the framework that subscribed last
	launcher   string // and that launched last
	reconciled time.Time
	made       int // tasks and offers
}

// mesosAgent of one node.
type mesosAgent struct {
	id      string
	node    *node
	cut     bool
	cutAt   time.Time
	told    bool      // that it is unreachable
	back    time.Time // when it is registered with a new master
	task    *task
	offer   string // outstanding
	refused time.Time
}

type task struct {
	id      string
	number  int
	state   scheduler.TaskState
	acked   bool
	retryAt time.Time
	env     map[string]string
}

func (t *task) live() bool { return t != nil && !t.state.Ended() }

func newMesos(w *world) *mesos { return &mesos{w: w} }

func (m *mesos) add(n *node) {
	m.agents = append(m.agents, &mesosAgent{id: "agent-" + n.name, node: n})
}

// Frameworks of our name.
func (m *mesos) Frameworks(context.Context, string, string) (all []scheduler.KnownFramework, err error) {
	if m.w.plan.mutant.anew {
		return nil, nil
	}
	if m.leaderless {
		m.asker()
		return nil, errAway
	}
	for _, id := range m.frameworks {
		all = append(all, scheduler.KnownFramework{ID: id})
	}
	return all, nil
}

// Run isn't used: the world subscribes.
func (m *mesos) Run(context.Context, scheduler.Framework, scheduler.MesosHandler) error { return nil }

// Kill a task, if the call arrives.
func (m *mesos) Kill(_ context.Context, taskID, agentID string) error {
	if !m.hears() {
		return errAway
	}
	if f := m.w.fate("mesos", "kill"); f == lostRequest || f == fails {
		return nil // at most once, and nobody says so
	}
	if a := m.agent(agentID); a != nil && a.task.live() && a.task.id == taskID {
		m.w.note("task %d on %s is killed", a.task.number, a.id)
		a.set("TASK_KILLED")
	}
	return nil
}

// Reconcile tells, after a while, of every task that runs on an agent that is there, if the call arrives: the master accepts it, or that it didn't is known.
func (m *mesos) Reconcile(context.Context) error {
	if !m.hears() {
		return errAway
	}
	if f := m.w.fate("mesos", "reconcile"); f == lostRequest || f == fails {
		return errAway
	}
	asking := m.w.brain.Stepped
	told := func() {
		for _, a := range m.agents {
			if b := m.w.brain; b.Stepped == asking && b.up() && m.hears() && a.registered() && a.task.live() {
				_ = b.ended(b.Updated(m.w.ctx, a.reconciled(a.task.state)))
			}
		}
	}
	m.w.after(m.w.between(0, 2*time.Second), "", func() {
		if b := m.w.brain; b.Stepped == asking && b.frozen { // it reads it before any later offer
			b.queue = append(b.queue, told)
			return
		}
		told()
	})
	return nil
}

// registered with the master, as far as that knows.
func (a *mesosAgent) registered() bool { return !a.told && !time.Now().Before(a.back) }

func (a *mesosAgent) reconciled(state scheduler.TaskState) scheduler.TaskUpdate {
	return scheduler.TaskUpdate{TaskID: a.task.id, AgentID: a.id, State: state, Reason: "REASON_RECONCILIATION", Source: "SOURCE_MASTER", Reconciliation: true}
}

// fallsMute: it has no leader for a while. The next one knows of no task before the agents are back.
func (m *mesos) fallsMute(d time.Duration) {
	m.leaderless = true
	m.w.note("Mesos has no leader")
	m.w.after(d, "Mesos has a leader", m.elects)
}

func (m *mesos) elects() {
	if !m.leaderless {
		return
	}
	m.leaderless = false
	for _, a := range m.agents {
		a.back = time.Now().Add(m.w.between(0, 40*time.Second))
	}
}

// Revive forgets filters.
func (m *mesos) Revive(context.Context) error {
	if !m.hears() {
		return errAway
	}
	for _, a := range m.agents {
		a.refused = time.Time{}
	}
	return nil
}

func (m *mesos) hears() bool { return !m.leaderless && m.w.brain.subs }

func (m *mesos) agent(id string) *mesosAgent {
	for _, a := range m.agents {
		if a.id == id {
			return a
		}
	}
	return nil
}

func (a *mesosAgent) set(state scheduler.TaskState) {
	a.task.state, a.task.acked, a.task.retryAt = state, false, time.Time{}
}

// turn of the master.
func (m *mesos) turn() {
	b := m.w.brain
	if m.leaderless || !b.up() {
		if m.leaderless && b.up() && b.subs {
			b.Disconnected(errAway)
			b.subs = false
		}
		return
	}
	if !b.subs && !m.subscribe() {
		return
	}
	if time.Since(m.reconciled) > 3*time.Minute {
		m.reconcile()
	}
	for _, a := range m.agents {
		m.watch(a)
		m.tell(a)
	}
	if b.up() {
		m.offer()
	}
}

func (m *mesos) subscribe() bool {
	b := m.w.brain
	id := b.Framework().ID
	if id == "" {
		if m.launched { // one that died before it stored its id leaves one without tasks
			m.w.broken("tasks run as %v, and the scheduler registers anew", m.frameworks)
		}
		id = fmt.Sprintf("framework-%d", len(m.frameworks)+1)
		m.frameworks = append(m.frameworks, id)
	}
	err := b.ended(b.Subscribed(m.w.ctx, id, "master"))
	m.w.note("subscribed as %s: %v", id, err != nil)
	if err != nil || !b.up() {
		return false
	}
	b.subs, m.subscribed = true, id
	for _, a := range m.agents {
		a.offer, a.refused = "", time.Time{}
	}
	m.reconcile()
	return true
}

// reconcile says what became of each task that the scheduler knows.
func (m *mesos) reconcile() {
	m.reconciled = time.Now()
	b := m.w.brain
	tasks := map[string]scheduler.TaskRef{}
	for _, t := range b.Tasks() {
		tasks[t.AgentID] = t
	}
	for _, a := range m.agents {
		ref, asked := tasks[a.id]
		if b.up() && a.registered() && a.task.live() && (!asked || a.task.id != ref.TaskID) { // it asks for what it doesn't know as well
			_ = b.ended(b.Updated(m.w.ctx, a.reconciled(a.task.state)))
		}
		if !asked || !b.up() || time.Now().Before(a.back) {
			continue
		}
		u := scheduler.TaskUpdate{TaskID: ref.TaskID, AgentID: a.id, State: "TASK_GONE", Reason: "REASON_RECONCILIATION", Source: "SOURCE_MASTER", Reconciliation: true}
		switch {
		case a.task != nil && a.task.id == ref.TaskID && a.cut:
			u.State = scheduler.TaskUnreachable
		case a.task != nil && a.task.id == ref.TaskID:
			u.State = a.task.state
		case a.cut:
			u.State = scheduler.TaskUnknown
		}
		_ = b.ended(b.Updated(m.w.ctx, u))
	}
}

// watch for agents that are away: they count as unreachable after their pings timed out.
func (m *mesos) watch(a *mesosAgent) {
	b := m.w.brain
	switch {
	case a.cut && !a.told && time.Since(a.cutAt) > 75*time.Second:
		a.told = true
		if a.task.live() && b.up() {
			_ = b.ended(b.Updated(m.w.ctx, scheduler.TaskUpdate{TaskID: a.task.id, AgentID: a.id, State: scheduler.TaskUnreachable, Source: "SOURCE_MASTER"}))
		}
		if b.up() {
			b.AgentLost(m.w.ctx, a.id)
			_ = b.ended(nil)
		}
	case !a.cut && a.told:
		a.told = false
		if a.task != nil {
			a.set(a.task.state)
		}
	}
}

// tell the state of a task until it is acknowledged.
func (m *mesos) tell(a *mesosAgent) {
	b := m.w.brain
	if a.task == nil || a.task.acked || a.cut || time.Now().Before(a.back) || time.Now().Before(a.task.retryAt) || !b.up() {
		return
	}
	t := a.task
	t.retryAt = time.Now().Add(10 * time.Second)
	u := scheduler.TaskUpdate{TaskID: t.id, AgentID: a.id, State: t.state, Source: "SOURCE_EXECUTOR"}
	deliver := func() {
		if m.w.brain.up() && m.hears() {
			if err := m.w.brain.ended(m.w.brain.Updated(m.w.ctx, u)); err == nil && t.state == u.State {
				t.acked = true
			}
		}
	}
	switch m.w.fate("mesos", "update") {
	case lostRequest, fails:
	case late:
		m.w.after(m.w.between(time.Second, 10*time.Minute), "", deliver)
	case twice:
		deliver()
		m.w.after(m.w.between(time.Second, 5*time.Minute), "", deliver)
	default:
		deliver()
	}
}

// offer what is free. Offers that were made are outstanding until they are answered.
func (m *mesos) offer() {
	var free []*mesosAgent
	var offers []scheduler.Offer
	for _, a := range m.agents {
		if a.cut || a.told || time.Now().Before(a.back) || a.offer != "" || time.Now().Before(a.refused) || !a.node.powered() {
			continue
		}
		m.made++
		a.offer = fmt.Sprintf("offer-%d", m.made)
		free = append(free, a)
		offers = append(offers, scheduler.Offer{ID: a.offer, AgentID: a.id, Hostname: a.node.name + ".example", IP: a.node.ip, Attributes: map[string]string{"zone": a.node.zone}, CPUs: 4, MemMB: 8192, DiskMB: 10000}) // it lists no executor: a command's isn't shown
	}
	if len(offers) == 0 {
		return
	}
	answers := m.w.brain.Offered(m.w.ctx, offers)
	m.w.brain.look = time.Now()
	if _ = m.w.brain.ended(nil); !m.w.brain.up() { // whatever it said, it isn't there to say it
		return
	}
	for i, a := range free {
		m.answered(a, answers[i])
	}
}

func (m *mesos) answered(a *mesosAgent, answer scheduler.OfferAnswer) {
	offer := a.offer
	arrives := func() {
		if a.offer != offer { // rescinded
			if l := answer.Launch; l != nil {
				m.w.note("a launch on %s comes for an offer that is no more", a.id)
			}
			return
		}
		a.offer, a.refused = "", time.Now().Add(answer.Refuse.Round(10*time.Second)) // the scheduler's own jitter isn't seeded
		if answer.Launch != nil {
			m.launch(a, answer.Launch)
		}
	}
	switch m.w.fate("mesos", "accept") {
	case lostRequest, fails: // the master takes it back after a while
		m.w.after(30*time.Second, "", func() {
			if a.offer == offer {
				a.offer = ""
			}
		})
	case late:
		m.w.after(m.w.between(time.Second, time.Minute), "", arrives)
	default:
		arrives()
	}
}

func (m *mesos) launch(a *mesosAgent, l *scheduler.Launch) {
	if a.task.live() {
		m.w.broken("task launched on %s, where task %d is %s", a.id, a.task.number, a.task.state)
	}
	m.launched, m.launcher = true, m.subscribed
	m.made++
	a.task = &task{id: l.TaskID, number: m.made, env: l.Env}
	m.w.note("task %d is launched on %s", a.task.number, a.id)
	if a.cut {
		a.set("TASK_DROPPED")
		return
	}
	a.set(scheduler.TaskRunning)
	a.node.place(l.Env[api.EnvToken], l.Env[api.EnvCluster])
}
