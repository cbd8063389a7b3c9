package mesos

import (
	"fmt"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"scaleio-framework/test/mesos/resource"
)

// An agent as the master knows it. Guarded by Master.mu.
type agent struct {
	id         string
	spec       AgentSpec
	attributes []v1.Attribute
	total      resource.Bundle
	used       resource.Bundle
	offered    resource.Bundle
	offers     map[string]*offer
	tasks      map[taskKey]*task

	link             agentLink
	connected        bool
	deactivated      bool
	timer            *time.Timer // ping timeout
	unreachableSince time.Time   // zero while registered

	registeredAt, reregisteredAt time.Time
}

// agentLink is how the master reaches an agent. Calls don't block and are
// carried out in order; they are made under Master.mu.
type agentLink interface {
	launch(framework v1.FrameworkInfo, task v1.TaskInfo)
	kill(framework, task string, policy *v1.KillPolicy)
	acknowledge(framework, task string, uuid []byte)
	frameworkBack(framework string)
	shutdownFramework(framework string)
	close()
}

func (a *agent) registered() bool { return a.unreachableSince.IsZero() }

func (a *agent) active() bool { return a.connected && !a.deactivated }

func (a *agent) stopTimer() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}

// keptTask is a task that an agent brings along when it registers.
type keptTask struct {
	framework string
	info      v1.TaskInfo
	statuses  []v1.TaskStatus
}

func (t keptTask) state() v1.TaskState {
	if n := len(t.statuses); n > 0 {
		return t.statuses[n-1].GetState()
	}
	return v1.TASK_STAGING
}

// registerAgent takes an agent in: new, back after a restart, back from being
// unreachable, or known only to a master before this one.
func (m *Master) registerAgent(spec AgentSpec, link agentLink, kept []keptTask) (*agent, error) {
	total, err := resource.Parse(spec.Resources)
	if err != nil {
		return nil, err
	}
	attributes, err := resource.Attributes(spec.Attributes)
	if err != nil {
		return nil, err
	}
	a := m.agents[spec.ID]
	message := "Unknown agent reregistered"
	if a == nil {
		a = &agent{id: spec.ID, offers: map[string]*offer{}, tasks: map[taskKey]*task{}, registeredAt: time.Now()}
		if a.id == "" {
			a.id = numbered(m.cfg.ID, "-S%d", &m.agentCount)
		}
		m.agents[a.id] = a
		m.agentOrder = append(m.agentOrder, a)
	} else {
		a.link.close()
		a.reregisteredAt = time.Now()
		message = "Unreachable agent re-reregistered"
		m.withdrawAgentOffers(a)
	}
	a.stopTimer()
	a.spec, a.link, a.total, a.attributes = spec, link, total, attributes
	a.connected, a.unreachableSince = true, time.Time{}
	m.cfg.Log.Info("agent registered", "agent_id", a.id, "host", spec.Hostname)
	m.restoreTasks(a, kept, message)
	m.allocate([]*agent{a})
	return a, nil
}

// restoreTasks brings the master's tasks of an agent and the agent's own into
// line: the agent is right.
func (m *Master) restoreTasks(a *agent, kept []keptTask, message string) {
	has := map[taskKey]bool{}
	for _, each := range kept {
		has[taskKey{each.framework, each.info.TaskID.Value}] = true
		m.restoreTask(a, each, message)
	}
	for key, t := range a.tasks {
		if !has[key] && !t.terminal() {
			m.lose(t, v1.TASK_GONE, v1.REASON_RECONCILIATION, "Task is unknown to the agent", time.Now())
			delete(t.framework.unreachable, t.id())
		}
	}
}

func (m *Master) restoreTask(a *agent, kept keptTask, message string) {
	f := m.frameworks[kept.framework]
	if f == nil {
		for _, gone := range m.completed {
			if gone.id == kept.framework {
				a.link.shutdownFramework(kept.framework)
			}
		}
		return
	}
	id := kept.info.TaskID.Value
	if known := f.tasks[id]; known != nil {
		if terminal(kept.state()) { // ended while the agent was away; the update follows
			known.state = kept.state()
			m.release(known)
		}
		return
	}
	t := f.unreachable[id]
	if t == nil {
		t = &task{info: kept.info, framework: f, role: f.roles()[0], resources: taskResources(&kept.info)}
	}
	delete(f.unreachable, id)
	t.agent, t.state, t.statuses, t.released, t.unreachable = a, kept.state(), kept.statuses, false, nil
	t.updateUUID = nil // the master has forwarded nothing since
	f.tasks[id], a.tasks[taskKey{f.id, id}] = t, t
	a.used = a.used.Plus(t.resources)
	f.allocated = f.allocated.Plus(t.resources)
	f.sendStatus(t.latest(v1.REASON_AGENT_REREGISTERED, message))
}

func (m *Master) withdrawAgentOffers(a *agent) {
	for _, o := range a.offers {
		m.rescind(o)
	}
}

// agentDisconnected: offers are rescinded and tasks of frameworks without
// checkpointing are lost at once; for the others the ping timeout runs.
func (m *Master) agentDisconnected(a *agent) {
	if !a.connected {
		return
	}
	a.connected = false
	m.withdrawAgentOffers(a)
	for _, t := range a.tasks {
		if !t.framework.checkpoint() && !t.terminal() {
			m.lose(t, v1.TASK_LOST, v1.REASON_AGENT_DISCONNECTED,
				fmt.Sprintf("Agent %s disconnected", a.spec.Hostname), time.Now())
			delete(t.framework.unreachable, t.id())
		}
	}
	var timer *time.Timer
	timer = time.AfterFunc(m.cfg.AgentPingTimeout, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if a.timer == timer {
			m.agentUnreachable(a)
		}
	})
	a.timer = timer
}

func (m *Master) agentUnreachable(a *agent) {
	a.stopTimer()
	m.withdrawAgentOffers(a)
	a.connected, a.unreachableSince = false, time.Now()
	m.cfg.Log.Info("agent unreachable", "agent_id", a.id)
	for _, t := range a.tasks {
		m.lose(t, v1.TASK_UNREACHABLE, v1.REASON_AGENT_REMOVED, "health check timed out", a.unreachableSince)
	}
	m.tellFailure(a.id)
}

// removeAgent takes an agent off the books: it unregistered.
func (m *Master) removeAgent(a *agent) {
	a.stopTimer()
	a.link.close()
	m.withdrawAgentOffers(a)
	message := fmt.Sprintf("Agent %s removed: the agent unregistered", a.spec.Hostname)
	for _, t := range a.tasks {
		status := masterStatus(t.info.TaskID, agentID(a.id), t.framework.lostOr(v1.TASK_GONE), v1.REASON_AGENT_REMOVED, message)
		t.state = status.GetState()
		m.forget(t)
		t.framework.sendStatus(status)
	}
	delete(m.agents, a.id)
	for i, each := range m.agentOrder {
		if each == a {
			m.agentOrder = append(m.agentOrder[:i:i], m.agentOrder[i+1:]...)
			break
		}
	}
	m.tellFailure(a.id)
}

func (m *Master) tellFailure(id string) {
	for _, f := range m.frameworks {
		e := event(scheduler.Event_FAILURE)
		e.Failure = &scheduler.Event_Failure{AgentID: agentID(id)}
		f.send(e)
	}
}
