package mesos

import (
	"slices"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"scaleio-framework/test/mesos/delivery"
	"scaleio-framework/test/mesos/resource"
)

// maxStatuses bounds the history of a task that the operator API shows.
const maxStatuses = 16

// A task as the master knows it. Guarded by Master.mu.
type task struct {
	info      v1.TaskInfo
	framework *framework
	agent     *agent
	role      string
	resources resource.Bundle

	state       v1.TaskState // latest known, acknowledged or not
	statuses    []v1.TaskStatus
	updateState v1.TaskState // of the last forwarded update
	updateUUID  []byte
	released    bool
	unreachable *v1.TimeInfo
}

type taskKey struct{ framework, task string }

func (t *task) id() string { return t.info.TaskID.Value }

func (t *task) terminal() bool { return terminal(t.state) }

func terminal(state v1.TaskState) bool {
	switch state {
	case v1.TASK_FINISHED, v1.TASK_FAILED, v1.TASK_KILLED, v1.TASK_ERROR, v1.TASK_LOST,
		v1.TASK_DROPPED, v1.TASK_GONE, v1.TASK_GONE_BY_OPERATOR:
		return true
	default:
		return false
	}
}

// update takes a status update from an agent and forwards it; without a
// connected framework the agent goes on retrying.
func (m *Master) update(a *agent, u delivery.Update) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.agents[a.id] != a || !a.connected {
		return
	}
	f := m.frameworks[u.FrameworkID]
	if f == nil {
		return
	}
	if t := f.tasks[u.Status.TaskID.Value]; t != nil {
		t.note(u)
		if t.terminal() {
			m.release(t)
		}
	}
	f.sendStatus(u.Status)
}

func (t *task) note(u delivery.Update) {
	if !t.terminal() {
		t.state = u.Latest
	}
	t.updateState, t.updateUUID = u.Status.GetState(), u.Status.UUID
	repeated := slices.ContainsFunc(t.statuses, func(s v1.TaskStatus) bool { return string(s.UUID) == string(u.Status.UUID) })
	if !repeated {
		t.statuses = append(t.statuses, u.Status)
	}
	if len(t.statuses) > maxStatuses {
		t.statuses = t.statuses[1:]
	}
}

// release returns a task's resources, once.
func (m *Master) release(t *task) {
	if t.released {
		return
	}
	t.released = true
	t.agent.used = t.agent.used.Minus(t.resources)
	t.framework.allocated = t.framework.allocated.Minus(t.resources)
}

// forget moves a finished task to the history.
func (m *Master) forget(t *task) {
	m.release(t)
	f := t.framework
	delete(f.tasks, t.id())
	delete(t.agent.tasks, taskKey{f.id, t.id()})
	f.finished = append(f.finished, t)
	if len(f.finished) > maxCompleted {
		f.finished = f.finished[1:]
	}
}

// kill of a task that the master knows goes to its agent (and is lost if that
// is away); of any other the answer is that of a reconciliation.
func (m *Master) kill(f *framework, call *scheduler.Call_Kill) {
	t := f.tasks[call.TaskID.Value]
	if t == nil {
		m.reconcileTask(f, call.TaskID, call.AgentID)
		return
	}
	if t.agent.connected {
		t.agent.link.kill(f.id, t.id(), call.KillPolicy)
	}
}

func (m *Master) reconcile(f *framework, call *scheduler.Call_Reconcile) {
	if len(call.Tasks) > 0 {
		for _, each := range call.Tasks {
			m.reconcileTask(f, each.TaskID, each.AgentID)
		}
		return
	}
	for _, t := range f.tasks {
		if !t.terminal() {
			f.sendStatus(t.latest(v1.REASON_RECONCILIATION, "Reconciliation: Latest task state"))
		}
	}
}

// reconcileTask answers in Mesos' order: known, unknown on a registered agent,
// unreachable, unknown otherwise.
func (m *Master) reconcileTask(f *framework, id v1.TaskID, on *v1.AgentID) {
	if t := f.tasks[id.Value]; t != nil {
		f.sendStatus(t.latest(v1.REASON_RECONCILIATION, "Reconciliation: Latest task state"))
		return
	}
	answer := func(state v1.TaskState, message string) v1.TaskStatus {
		return masterStatus(id, on, f.lostOr(state), v1.REASON_RECONCILIATION, "Reconciliation: "+message)
	}
	a := m.agents[on.GetValue()]
	t := f.unreachable[id.Value]
	switch {
	case a != nil && a.registered():
		f.sendStatus(answer(v1.TASK_GONE, "Task is unknown to the agent"))
	case t != nil || a != nil:
		status := answer(v1.TASK_UNREACHABLE, "Task is unreachable")
		if t != nil {
			status.AgentID, status.UnreachableTime = agentID(t.agent.id), t.unreachable
		} else {
			status.UnreachableTime = timeInfo(a.unreachableSince)
		}
		f.sendStatus(status)
	default:
		f.sendStatus(answer(v1.TASK_UNKNOWN, "Task is unknown"))
	}
}

// latest is the master's own update about a task: the state that was last
// forwarded, which may lag behind what the agent knows (recording 23).
func (t *task) latest(reason v1.TaskStatus_Reason, message string) v1.TaskStatus {
	state := t.state
	if t.updateUUID != nil {
		state = t.updateState
	}
	status := masterStatus(t.info.TaskID, agentID(t.agent.id), state, reason, message)
	if n := len(t.statuses); n > 0 {
		last := t.statuses[n-1]
		status.Healthy, status.CheckStatus, status.ContainerStatus = last.Healthy, last.CheckStatus, last.ContainerStatus
	}
	return status
}

// lose marks a task of an agent that went away.
func (m *Master) lose(t *task, state v1.TaskState, reason v1.TaskStatus_Reason, message string, at time.Time) {
	f := t.framework
	t.unreachable = timeInfo(at)
	status := masterStatus(t.info.TaskID, agentID(t.agent.id), f.lostOr(state), reason, message)
	if reason == v1.REASON_AGENT_REMOVED {
		status.UnreachableTime = t.unreachable
	}
	m.release(t)
	delete(f.tasks, t.id())
	delete(t.agent.tasks, taskKey{f.id, t.id()})
	t.state = f.lostOr(state)
	t.statuses = append(t.statuses, status)
	f.unreachable[t.id()] = t
	f.sendStatus(status)
}
