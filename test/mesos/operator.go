package mesos

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gogo/protobuf/proto"
	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/master"

	"scaleio-framework/test/mesos/resource"
	"scaleio-framework/test/mesos/wire"
)

// serveOperator answers the operator API's reads.
func (m *Master) serveOperator(w http.ResponseWriter, r *http.Request) {
	if err := m.operatorCall(w, r); err != nil {
		answerError(w, err)
	}
}

func (m *Master) operatorCall(w http.ResponseWriter, r *http.Request) error {
	var call master.Call
	if err := readCall(w, r, &call); err != nil {
		return err
	}
	if call.Type == master.Call_UNKNOWN {
		return refused(http.StatusBadRequest, "Failed to validate master::Call: Expecting 'type' to be present")
	}
	protobuf, err := negotiate(r)
	if err != nil {
		return err
	}
	m.mu.Lock()
	answer := m.read(call.Type)
	m.mu.Unlock()
	if answer == nil {
		return refused(http.StatusNotImplemented, "The dev master doesn't carry out %s", call.Type)
	}
	encode, mediaType := wire.Marshal, mediaJSON
	if protobuf {
		encode, mediaType = proto.Marshal, mediaProtobuf
	}
	body, err := encode(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", mediaType)
	_, err = w.Write(body)
	return err
}

func (m *Master) read(kind master.Call_Type) *master.Response {
	switch kind {
	case master.Call_GET_HEALTH:
		return &master.Response{Type: master.Response_GET_HEALTH, GetHealth: &master.Response_GetHealth{Healthy: true}}
	case master.Call_GET_VERSION:
		return &master.Response{Type: master.Response_GET_VERSION,
			GetVersion: &master.Response_GetVersion{VersionInfo: v1.VersionInfo{Version: Version}}}
	case master.Call_GET_FLAGS:
		return &master.Response{Type: master.Response_GET_FLAGS, GetFlags: m.getFlags()}
	case master.Call_GET_MASTER:
		return &master.Response{Type: master.Response_GET_MASTER, GetMaster: &master.Response_GetMaster{
			MasterInfo: m.masterInfo(), StartTime: timestamp(m.started), ElectedTime: timestamp(m.started)}}
	case master.Call_GET_AGENTS:
		return &master.Response{Type: master.Response_GET_AGENTS, GetAgents: m.getAgents()}
	case master.Call_GET_FRAMEWORKS:
		return &master.Response{Type: master.Response_GET_FRAMEWORKS, GetFrameworks: m.getFrameworks()}
	case master.Call_GET_TASKS:
		return &master.Response{Type: master.Response_GET_TASKS, GetTasks: m.getTasks()}
	case master.Call_GET_EXECUTORS:
		return &master.Response{Type: master.Response_GET_EXECUTORS, GetExecutors: noExecutors()}
	case master.Call_GET_STATE:
		return &master.Response{Type: master.Response_GET_STATE, GetState: &master.Response_GetState{
			GetTasks: m.getTasks(), GetExecutors: noExecutors(), GetFrameworks: m.getFrameworks(), GetAgents: m.getAgents()}}
	default:
		return nil
	}
}

// noExecutors: command executors aren't listed by a master, and there are no others.
func noExecutors() *master.Response_GetExecutors {
	return &master.Response_GetExecutors{Executors: []master.Response_GetExecutors_Executor{}}
}

func (m *Master) flags() map[string]string {
	return map[string]string{
		"agent_ping_timeout": "15secs", "allocation_interval": m.cfg.AllocationInterval.String(),
		"authenticate_http_frameworks": boolText(m.cfg.Credentials != nil),
		"hostname":                     m.cfg.Hostname, "ip": m.cfg.IP, "registry": "in_memory",
		"roles": strings.Join(m.cfg.Roles, ","),
	}
}

func boolText(value bool) string {
	if value {
		return "true"
	}
	return "false"
}

func (m *Master) getFlags() *master.Response_GetFlags {
	flags := &master.Response_GetFlags{}
	for name, value := range m.flags() {
		flags.Flags = append(flags.Flags, v1.Flag{Name: name, Value: &value})
	}
	slices.SortFunc(flags.Flags, func(a, b v1.Flag) int { return strings.Compare(a.Name, b.Name) })
	return flags
}

func (m *Master) getAgents() *master.Response_GetAgents {
	list := &master.Response_GetAgents{Agents: []master.Response_GetAgents_Agent{}, RecoveredAgents: []v1.AgentInfo{}}
	for _, a := range m.agentOrder {
		if a.registered() {
			list.Agents = append(list.Agents, a.message())
		}
	}
	return list
}

var agentCapabilities = []v1.AgentInfo_Capability{
	{Type: v1.AgentInfo_Capability_MULTI_ROLE}, {Type: v1.AgentInfo_Capability_HIERARCHICAL_ROLE},
	{Type: v1.AgentInfo_Capability_RESERVATION_REFINEMENT},
}

func (a *agent) message() master.Response_GetAgents_Agent {
	port, deactivated, pid := int32(a.spec.Port), a.deactivated, a.pid()
	agent := master.Response_GetAgents_Agent{
		AgentInfo: v1.AgentInfo{
			Hostname: a.spec.Hostname, Port: &port, ID: agentID(a.id), Attributes: a.attributes,
			Resources: a.total.Resources(resource.Format{BareRole: true, InOrder: true}),
		},
		Active: a.active(), Deactivated: &deactivated, Version: Version, PID: &pid,
		RegisteredTime: timeInfo(a.registeredAt), Capabilities: agentCapabilities,
		TotalResources: a.total.Resources(resource.Format{InOrder: true}),
	}
	if !a.reregisteredAt.IsZero() {
		agent.ReregisteredTime = timeInfo(a.reregisteredAt)
	}
	for _, t := range a.tasks {
		if !t.released {
			agent.AllocatedResources = append(agent.AllocatedResources, t.resources.Resources(resource.Format{AllocatedTo: t.role})...)
		}
	}
	for _, o := range a.offers {
		agent.OfferedResources = append(agent.OfferedResources, o.resources.Resources(resource.Format{AllocatedTo: o.role})...)
	}
	return agent
}

func (m *Master) getFrameworks() *master.Response_GetFrameworks {
	list := &master.Response_GetFrameworks{
		Frameworks:          []master.Response_GetFrameworks_Framework{},
		CompletedFrameworks: []master.Response_GetFrameworks_Framework{},
	}
	for _, f := range m.sortedFrameworks() {
		list.Frameworks = append(list.Frameworks, f.message())
	}
	for _, f := range m.completed {
		list.CompletedFrameworks = append(list.CompletedFrameworks, f.message())
	}
	return list
}

func (m *Master) sortedFrameworks() []*framework {
	all := make([]*framework, 0, len(m.frameworks))
	for _, f := range m.frameworks {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *framework) int { return strings.Compare(a.id, b.id) })
	return all
}

func (f *framework) message() master.Response_GetFrameworks_Framework {
	message := master.Response_GetFrameworks_Framework{
		FrameworkInfo: f.info, Active: f.connected(), Connected: f.connected(),
		RegisteredTime: timeInfo(f.registered), ReregisteredTime: timeInfo(f.reregistered),
	}
	if !f.unregistered.IsZero() {
		message.UnregisteredTime = timeInfo(f.unregistered)
	}
	for _, o := range f.offers {
		message.Offers = append(message.Offers, o.forOperators())
		message.OfferedResources = append(message.OfferedResources, o.resources.Resources(resource.Format{AllocatedTo: o.role})...)
	}
	for _, t := range f.tasks {
		if !t.released {
			message.AllocatedResources = append(message.AllocatedResources, t.resources.Resources(resource.Format{AllocatedTo: t.role})...)
		}
	}
	return message
}

func (m *Master) getTasks() *master.Response_GetTasks {
	list := &master.Response_GetTasks{Tasks: []v1.Task{}, UnreachableTasks: []v1.Task{}, CompletedTasks: []v1.Task{}}
	for _, f := range append(m.sortedFrameworks(), m.completed...) {
		for _, t := range f.tasks {
			list.Tasks = append(list.Tasks, t.message())
		}
		for _, t := range f.unreachable {
			list.UnreachableTasks = append(list.UnreachableTasks, t.message())
		}
		for _, t := range f.finished {
			list.CompletedTasks = append(list.CompletedTasks, t.message())
		}
	}
	return list
}

func (t *task) message() v1.Task {
	state, updateState := t.state, t.updateState
	message := v1.Task{
		Name: t.info.Name, TaskID: t.info.TaskID, FrameworkID: v1.FrameworkID{Value: t.framework.id},
		AgentID: v1.AgentID{Value: t.agent.id}, State: &state, Statuses: t.statuses,
		Resources: t.resources.Resources(resource.Format{AllocatedTo: t.role, Refined: true, InOrder: true}),
		Labels:    t.info.Labels, Discovery: t.info.Discovery, Container: t.info.Container,
		HealthCheck: t.info.HealthCheck, KillPolicy: t.info.KillPolicy,
	}
	if t.updateUUID != nil {
		message.StatusUpdateState, message.StatusUpdateUUID = &updateState, t.updateUUID
	}
	return message
}
