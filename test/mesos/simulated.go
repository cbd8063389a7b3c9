package mesos

import (
	"fmt"
	"sync"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"scaleio-framework/test/mesos/delivery"
)

// An AgentSpec describes an agent to AddAgent.
type AgentSpec struct {
	ID         string // taken over if set (an agent of a former master), else assigned
	Hostname   string // default: IP
	IP         string // default: 127.0.0.1
	Port       int    // default: 5051
	Attributes string // as --attributes: "rack:r1;level:10"
	Resources  string // as --resources; default DefaultResources
	// Tasks runs what is launched there; nil = RunAtOnce.
	Tasks TaskDriver
}

// DefaultResources is the recorded agents' --resources.
const DefaultResources = "cpus:4;mem:4096;disk:10240;ports:[31000-32000]"

func (s AgentSpec) withDefaults() AgentSpec {
	if s.IP == "" {
		s.IP = "127.0.0.1"
	}
	if s.Hostname == "" {
		s.Hostname = s.IP
	}
	if s.Port == 0 {
		s.Port = 5051
	}
	if s.Resources == "" {
		s.Resources = DefaultResources
	}
	return s
}

// A TaskDriver plays the executor on a simulated agent. Calls for one agent
// come one after the other and may call back into the task and the master.
type TaskDriver interface {
	Launch(*SimulatedTask)
	Kill(*SimulatedTask)
}

// RunAtOnce starts every task in no time and ends it when it is killed.
type RunAtOnce struct{}

// Launch reports TASK_STARTING and TASK_RUNNING.
func (RunAtOnce) Launch(t *SimulatedTask) {
	t.Update(TaskUpdate{State: v1.TASK_STARTING})
	t.Update(TaskUpdate{State: v1.TASK_RUNNING})
}

// Kill reports TASK_KILLED in the words of a command executor.
func (RunAtOnce) Kill(t *SimulatedTask) {
	t.Update(TaskUpdate{State: v1.TASK_KILLED, Message: "Command terminated with signal Terminated"})
}

// A SimulatedTask is a task launched on an agent made by AddAgent.
type SimulatedTask struct {
	Info        v1.TaskInfo
	Framework   v1.FrameworkInfo // as of the launch
	FrameworkID string
	AgentID     string

	on        *simulatedAgent
	container string
	pid       uint32
	statuses  []v1.TaskStatus // guarded by on.mu
}

// ID is the task's id.
func (t *SimulatedTask) ID() string { return t.Info.TaskID.Value }

// A TaskUpdate is what an executor reports about its task.
type TaskUpdate struct {
	State   v1.TaskState
	Message string
	Reason  *v1.TaskStatus_Reason // nil for normal updates
	Healthy *bool
	Check   *v1.CheckStatusInfo
	Source  *v1.TaskStatus_Source // nil = SOURCE_EXECUTOR
}

// Update sends a status update; it is retried until acknowledged.
func (t *SimulatedTask) Update(u TaskUpdate) {
	executor, ip := v1.ExecutorID{Value: t.ID()}, t.on.ip
	source := v1.SOURCE_EXECUTOR
	if u.Source != nil {
		source = *u.Source
	}
	status := v1.TaskStatus{
		TaskID: t.Info.TaskID, State: &u.State, Source: &source, Reason: u.Reason,
		AgentID: agentID(t.AgentID), ExecutorID: &executor, Timestamp: timestamp(time.Now()),
		UUID: newUUIDBytes(), Healthy: u.Healthy, CheckStatus: u.Check,
	}
	if source == v1.SOURCE_EXECUTOR {
		status.ContainerStatus = &v1.ContainerStatus{
			ContainerID:  &v1.ContainerID{Value: t.container},
			NetworkInfos: []v1.NetworkInfo{{IPAddresses: []v1.NetworkInfo_IPAddress{{Protocol: v1.IPv4.Enum(), IPAddress: &ip}}}},
			ExecutorPID:  &t.pid,
		}
	}
	if u.Message != "" {
		status.Message = &u.Message
	}
	t.on.record(t, status)
	t.on.updates.Add(t.FrameworkID, status)
}

// simulatedAgent plays an agent inside the master's process.
type simulatedAgent struct {
	master  *Master
	ip      string
	driver  TaskDriver
	updates *delivery.Queue
	inbox   mailbox

	mu    sync.Mutex
	self  *agent
	next  uint32
	tasks map[taskKey]*SimulatedTask
}

// AddAgent registers a simulated agent and returns its id. It panics on a spec
// that can't be read: that is a fault of the test.
func (m *Master) AddAgent(spec AgentSpec) string {
	spec = spec.withDefaults()
	if spec.Tasks == nil {
		spec.Tasks = RunAtOnce{}
	}
	sim := &simulatedAgent{master: m, ip: spec.IP, driver: spec.Tasks, tasks: map[taskKey]*SimulatedTask{}, next: 1000}
	sim.updates = delivery.NewQueue(m.cfg.UpdateRetry, sim.send)
	m.mu.Lock()
	defer m.mu.Unlock()
	a, err := m.registerAgent(spec, sim, nil)
	if err != nil {
		panic(fmt.Sprintf("mesos: agent of the test: %v", err))
	}
	sim.setSelf(a)
	return a.id
}

func (s *simulatedAgent) setSelf(a *agent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.self = a
}

func (s *simulatedAgent) send(u delivery.Update) {
	s.mu.Lock()
	self := s.self
	s.mu.Unlock()
	s.master.update(self, u)
}

func (s *simulatedAgent) record(t *SimulatedTask, status v1.TaskStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.statuses = append(t.statuses, status)
	if len(t.statuses) > maxStatuses {
		t.statuses = t.statuses[1:]
	}
}

func (s *simulatedAgent) launch(framework v1.FrameworkInfo, info v1.TaskInfo) {
	s.mu.Lock()
	s.next++
	t := &SimulatedTask{
		Info: info, Framework: framework, FrameworkID: framework.ID.Value, AgentID: info.AgentID.Value,
		on: s, container: newUUID(), pid: s.next,
	}
	s.tasks[taskKey{t.FrameworkID, t.ID()}] = t
	s.mu.Unlock()
	s.inbox.post(func() { s.driver.Launch(t) })
}

func (s *simulatedAgent) kill(framework, id string, _ *v1.KillPolicy) {
	s.mu.Lock()
	t := s.tasks[taskKey{framework, id}]
	s.mu.Unlock()
	if t != nil && !t.over() {
		s.inbox.post(func() { s.driver.Kill(t) })
	}
}

func (t *SimulatedTask) over() bool {
	t.on.mu.Lock()
	defer t.on.mu.Unlock()
	n := len(t.statuses)
	return n > 0 && terminal(t.statuses[n-1].GetState())
}

func (s *simulatedAgent) acknowledge(framework, id string, uuid []byte) {
	s.inbox.post(func() {
		status, accepted := s.updates.Acknowledge(framework, id, uuid)
		if accepted && terminal(status.GetState()) {
			s.mu.Lock()
			delete(s.tasks, taskKey{framework, id})
			s.mu.Unlock()
		}
	})
}

func (s *simulatedAgent) frameworkBack(framework string) {
	s.inbox.post(func() { s.updates.Resend(framework) })
}

func (s *simulatedAgent) shutdownFramework(framework string) {
	s.mu.Lock()
	var ended []*SimulatedTask
	for key, t := range s.tasks {
		if key.framework == framework {
			ended = append(ended, t)
			delete(s.tasks, key)
		}
	}
	s.mu.Unlock()
	s.inbox.post(func() {
		for _, t := range ended {
			s.driver.Kill(t)
		}
		s.updates.Forget(framework)
	})
}

// close: the simulated agent goes on; only its place in the master is taken.
func (s *simulatedAgent) close() {}

func (s *simulatedAgent) kept() []keptTask {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept []keptTask
	for key, t := range s.tasks {
		kept = append(kept, keptTask{key.framework, t.Info, append([]v1.TaskStatus(nil), t.statuses...)})
	}
	return kept
}

// A mailbox runs functions one after the other, outside of the caller's locks,
// with a goroutine only while there is something to do.
type mailbox struct {
	mu      sync.Mutex
	waiting []func()
	running bool
}

func (b *mailbox) post(work func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, work)
	if !b.running {
		b.running = true
		go b.run()
	}
}

func (b *mailbox) run() {
	for {
		b.mu.Lock()
		if len(b.waiting) == 0 {
			b.running = false
			b.mu.Unlock()
			return
		}
		work := b.waiting[0]
		b.waiting = b.waiting[1:]
		b.mu.Unlock()
		work()
	}
}
