package mesos

import (
	"fmt"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"scaleio-framework/test/mesos/resource"
)

// accept uses the offers up. One bad offer spoils all tasks of the call; bad
// tasks are refused one by one, and what isn't used returns under the filter.
func (m *Master) accept(f *framework, call *scheduler.Call_Accept) {
	offers, fault := m.takeOffers(f, call.OfferIDs)
	if fault != "" {
		for _, task := range launches(call) {
			m.refuseTask(f, task, f.lostOr(v1.TASK_DROPPED), v1.REASON_INVALID_OFFERS,
				"Task launched with invalid offers: "+fault)
		}
		return
	}
	a, role := offers[0].agent, offers[0].role
	var left resource.Bundle
	for _, o := range offers {
		left = left.Plus(o.resources)
	}
	for _, task := range launches(call) {
		if fault := m.invalidTask(f, a, role, &task, left); fault != "" {
			m.refuseTask(f, task, v1.TASK_ERROR, v1.REASON_TASK_INVALID, fault)
			continue
		}
		left = left.Minus(m.launch(f, a, role, task).resources)
	}
	f.refuse(a.id, role, left, call.Filters, time.Now())
}

// takeOffers removes the offers from the books, good or bad, and says what is
// wrong with the list.
func (m *Master) takeOffers(f *framework, ids []v1.OfferID) (offers []*offer, fault string) {
	if len(ids) == 0 {
		return nil, "No offers specified"
	}
	seen := map[string]bool{}
	for _, id := range ids {
		o := f.offers[id.Value]
		switch {
		case seen[id.Value]:
			fault = fmt.Sprintf("Duplicate offer %s in offer list", id.Value)
		case o == nil:
			fault = fmt.Sprintf("Offer %s is no longer valid", id.Value)
		case len(offers) > 0 && o.agent != offers[0].agent:
			fault = fmt.Sprintf("Aggregated offers must belong to one single agent. Offer %s uses agent %s and offer %s uses agent %s",
				offers[0].id, offers[0].agent.id, o.id, o.agent.id)
			offers = append(offers, o)
		case len(offers) > 0 && o.role != offers[0].role:
			fault = "Aggregated offers must be allocated to the same role"
			offers = append(offers, o)
		default:
			offers = append(offers, o)
		}
		seen[id.Value] = true
	}
	for _, o := range offers {
		m.drop(o)
	}
	return offers, fault
}

func launches(call *scheduler.Call_Accept) []v1.TaskInfo {
	var tasks []v1.TaskInfo
	for i := range call.Operations {
		switch operation := &call.Operations[i]; operation.Type {
		case v1.Offer_Operation_LAUNCH:
			tasks = append(tasks, operation.GetLaunch().GetTaskInfos()...)
		case v1.Offer_Operation_LAUNCH_GROUP:
			tasks = append(tasks, operation.GetLaunchGroup().GetTaskGroup().Tasks...)
		}
	}
	return tasks
}

func (m *Master) launch(f *framework, a *agent, role string, info v1.TaskInfo) *task {
	info.Resources = allocated(info.Resources, role)
	t := &task{
		info: info, framework: f, agent: a, role: role,
		state: v1.TASK_STAGING, resources: taskResources(&info),
	}
	f.tasks[t.id()] = t
	a.tasks[taskKey{f.id, t.id()}] = t
	a.used = a.used.Plus(t.resources)
	f.allocated = f.allocated.Plus(t.resources)
	m.cfg.Log.Info("task launched", "framework", f.id, "task", t.id(), "agent_id", a.id)
	a.link.launch(f.info, info)
	return t
}

// allocated fills in what a scheduler may leave out.
func allocated(resources []v1.Resource, role string) []v1.Resource {
	out := append([]v1.Resource(nil), resources...)
	for i := range out {
		if out[i].AllocationInfo == nil {
			out[i].AllocationInfo = &v1.Resource_AllocationInfo{Role: &role}
		}
	}
	return out
}

// taskResources are those of the task and of its executor, if it has one.
func taskResources(info *v1.TaskInfo) resource.Bundle {
	all := resource.FromResources(info.Resources)
	if info.Executor != nil {
		all = all.Plus(resource.FromResources(info.Executor.Resources))
	}
	return all
}

// lostOr is the state for a PARTITION_AWARE framework, TASK_LOST for others.
func (f *framework) lostOr(state v1.TaskState) v1.TaskState {
	if f.partitionAware() {
		return state
	}
	return v1.TASK_LOST
}

func (m *Master) refuseTask(f *framework, info v1.TaskInfo, state v1.TaskState, reason v1.TaskStatus_Reason, message string) {
	m.cfg.Log.Info("task refused", "framework", f.id, "task", info.TaskID.Value, "reason", message)
	f.sendStatus(masterStatus(info.TaskID, agentID(info.AgentID.Value), state, reason, message))
}

// masterStatus is an update made by the master: no uuid, no acknowledgement.
func masterStatus(id v1.TaskID, agent *v1.AgentID, state v1.TaskState, reason v1.TaskStatus_Reason, message string) v1.TaskStatus {
	return v1.TaskStatus{
		TaskID: id, State: &state, Message: &message, Source: v1.SOURCE_MASTER.Enum(), Reason: &reason,
		AgentID: agent, Timestamp: timestamp(time.Now()),
	}
}

func (f *framework) sendStatus(status v1.TaskStatus) {
	e := event(scheduler.Event_UPDATE)
	e.Update = &scheduler.Event_Update{Status: status}
	f.send(e)
}
