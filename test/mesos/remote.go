package mesos

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gogo/protobuf/proto"
	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"scaleio-framework/test/mesos/delivery"
	"scaleio-framework/test/mesos/link"
)

// A remoteAgent is a dev agent on a node: commands wait in a queue for its
// long-lived connection.
type remoteAgent struct {
	mu     sync.Mutex
	queue  []link.Command
	closed bool
	wake   chan struct{}
}

// pingInterval keeps the connection of a dev agent warm, so that both sides
// notice when the other is gone without a trace.
const pingInterval = 5 * time.Second

func newRemoteAgent() *remoteAgent { return &remoteAgent{wake: make(chan struct{}, 1)} }

func (r *remoteAgent) send(c link.Command) {
	r.mu.Lock()
	r.queue = append(r.queue, c)
	r.mu.Unlock()
	r.signal()
}

func (r *remoteAgent) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.signal()
}

func (r *remoteAgent) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *remoteAgent) take() (commands []link.Command, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	commands, r.queue = r.queue, nil
	return commands, r.closed
}

func (r *remoteAgent) launch(framework v1.FrameworkInfo, task v1.TaskInfo) {
	r.send(link.Command{Kind: link.Launch, FrameworkID: framework.ID.Value, TaskID: task.TaskID.Value,
		Framework: encoded(&framework), Task: encoded(&task)})
}

func (r *remoteAgent) kill(framework, task string, policy *v1.KillPolicy) {
	c := link.Command{Kind: link.Kill, FrameworkID: framework, TaskID: task}
	if policy != nil {
		c.KillPolicy = encoded(policy)
	}
	r.send(c)
}

func (r *remoteAgent) acknowledge(framework, task string, uuid []byte) {
	r.send(link.Command{Kind: link.Acknowledge, FrameworkID: framework, TaskID: task, UUID: uuid})
}

func (r *remoteAgent) frameworkBack(framework string) {
	r.send(link.Command{Kind: link.FrameworkBack, FrameworkID: framework})
}

func (r *remoteAgent) shutdownFramework(framework string) {
	r.send(link.Command{Kind: link.ShutdownFramework, FrameworkID: framework})
}

// encoded never fails for messages that came in through validation.
func encoded(message proto.Message) []byte {
	data, err := proto.Marshal(message)
	if err != nil {
		return nil
	}
	return data
}

// serveAgent registers a dev agent; the answer carries its commands until one
// side is gone.
func (m *Master) serveAgent(w http.ResponseWriter, r *http.Request) {
	var registration link.Registration
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&registration); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	remote := newRemoteAgent()
	a, err := m.admit(registration, remote)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	defer m.remoteGone(a, remote)
	controller, encoder := http.NewResponseController(w), json.NewEncoder(w)
	ping := time.NewTicker(pingInterval)
	defer ping.Stop()
	for {
		commands, closed := remote.take()
		for _, c := range commands {
			if encoder.Encode(c) != nil {
				return
			}
		}
		if controller.Flush() != nil || closed {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-remote.wake:
		case <-ping.C:
			remote.send(link.Command{Kind: link.Ping})
		}
	}
}

func (m *Master) admit(registration link.Registration, remote *remoteAgent) (*agent, error) {
	frameworks, kept, err := decodeKept(registration)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leader != "" {
		return nil, fmt.Errorf("registering with %s: not leading, the leader is %s", m.hostPort(), m.leader)
	}
	m.recoverFrameworks(frameworks)
	spec := AgentSpec{
		ID: registration.ID, Hostname: registration.Hostname, IP: registration.IP, Port: registration.Port,
		Attributes: registration.Attributes, Resources: registration.Resources,
	}
	if spec.ID == "" {
		spec.ID = numbered(m.cfg.ID, "-S%d", &m.agentCount)
	}
	// The answer's first line is the id, before any command.
	remote.send(link.Command{Kind: link.Registered, AgentID: spec.ID})
	return m.registerAgent(spec.withDefaults(), remote, kept)
}

// recoverFrameworks: a restarted master learns of frameworks from the agents
// that run their tasks; they have their failover timeout to come back.
func (m *Master) recoverFrameworks(infos []v1.FrameworkInfo) {
	for _, info := range infos {
		id := info.ID.GetValue()
		if id == "" || m.frameworks[id] != nil || m.removed(id) {
			continue
		}
		m.disconnect(m.register(id, info, time.Now()))
	}
}

func (m *Master) removed(id string) bool {
	for _, f := range m.completed {
		if f.id == id {
			return true
		}
	}
	return false
}

func decodeKept(registration link.Registration) (frameworks []v1.FrameworkInfo, kept []keptTask, err error) {
	for _, data := range registration.Frameworks {
		var info v1.FrameworkInfo
		if err := proto.Unmarshal(data, &info); err != nil {
			return nil, nil, fmt.Errorf("reading a framework of agent %s: %w", registration.ID, err)
		}
		frameworks = append(frameworks, info)
	}
	for _, each := range registration.Tasks {
		task := keptTask{framework: each.FrameworkID}
		if err := proto.Unmarshal(each.Info, &task.info); err != nil {
			return nil, nil, fmt.Errorf("reading a task of agent %s: %w", registration.ID, err)
		}
		for _, data := range each.Statuses {
			var status v1.TaskStatus
			if err := proto.Unmarshal(data, &status); err != nil {
				return nil, nil, fmt.Errorf("reading a status of agent %s: %w", registration.ID, err)
			}
			task.statuses = append(task.statuses, status)
		}
		kept = append(kept, task)
	}
	return frameworks, kept, nil
}

func (m *Master) remoteGone(a *agent, remote *remoteAgent) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.link == agentLink(remote) && m.agents[a.id] == a {
		m.agentDisconnected(a)
	}
}

func (m *Master) serveAgentUpdate(w http.ResponseWriter, r *http.Request) {
	var u link.Update
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&u); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	var status v1.TaskStatus
	if err := proto.Unmarshal(u.Status, &status); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	m.mu.Lock()
	a := m.agents[u.AgentID]
	m.mu.Unlock()
	if a != nil {
		latest := v1.TaskState(v1.TaskState_value[u.Latest])
		m.update(a, delivery.Update{FrameworkID: u.FrameworkID, Status: status, Latest: latest})
	}
	w.WriteHeader(http.StatusAccepted)
}

func (m *Master) serveAgentUnregister(w http.ResponseWriter, r *http.Request) {
	var u link.Unregistration
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&u); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	m.RemoveAgent(u.AgentID)
	w.WriteHeader(http.StatusAccepted)
}
