package mesos

import (
	"net/http"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

const (
	principalChanged = "Changing framework's principal is not allowed."
	frameworkRemoved = "Framework has been removed"
	failedOver       = "Framework failed over"
)

func (m *Master) serveSubscribe(w http.ResponseWriter, r *http.Request, call *scheduler.Call, principal string) error {
	protobuf, err := negotiate(r)
	if err != nil {
		return err
	}
	if r.Header.Get("Mesos-Stream-Id") != "" {
		return refused(http.StatusBadRequest, "Subscribe calls should not include the 'Mesos-Stream-Id' header")
	}
	if call.Subscribe.FrameworkInfo.Principal == nil && principal != "" {
		call.Subscribe.FrameworkInfo.Principal = &principal
	}
	s := newStream(protobuf)
	defer m.disconnected(s)
	m.mu.Lock()
	m.subscribe(s, call.Subscribe)
	m.mu.Unlock()
	s.serve(r.Context(), w, m.cfg.HeartbeatInterval)
	return nil
}

// subscribe registers, re-registers or fails over a framework. Refusals are
// ERROR events on a 200, not HTTP errors.
func (m *Master) subscribe(s *stream, call *scheduler.Call_Subscribe) {
	info := *call.FrameworkInfo
	if reason := m.invalidFramework(&info); reason != "" {
		reject(s, reason)
		return
	}
	id := info.ID.GetValue()
	for _, gone := range m.completed {
		if id != "" && gone.id == id {
			reject(s, frameworkRemoved)
			return
		}
	}
	f := m.frameworks[id]
	if f != nil && f.info.GetPrincipal() != info.GetPrincipal() {
		reject(s, principalChanged)
		return
	}
	now := time.Now()
	if f == nil {
		f = m.register(id, info, now)
	} else {
		m.reregister(f, info, now)
	}
	takeover := f.connected()
	f.stopFailover()
	f.stream = s
	f.suppressed = roleSet(call.SuppressedRoles)
	subscribed := event(scheduler.Event_SUBSCRIBED)
	seconds := m.cfg.HeartbeatInterval.Seconds()
	subscribed.Subscribed = &scheduler.Event_Subscribed{
		FrameworkID: &v1.FrameworkID{Value: f.id}, HeartbeatIntervalSeconds: &seconds, MasterInfo: m.masterInfo(),
	}
	f.send(subscribed)
	f.send(event(scheduler.Event_HEARTBEAT))
	for _, a := range m.agentOrder {
		if a.connected {
			a.link.frameworkBack(f.id)
		}
	}
	// A framework that takes over a live connection never was inactive: its
	// resources are offered in the next round (recording 08).
	if !takeover {
		m.allocate(m.agentOrder)
	}
}

func (m *Master) register(id string, info v1.FrameworkInfo, now time.Time) *framework {
	if id == "" {
		id = numbered(m.cfg.ID, "-%04d", &m.frameworkCount)
	}
	f := newFramework(id, info, now)
	m.frameworks[id] = f
	m.cfg.Log.Info("framework registered", "framework", id, "name", info.Name)
	return f
}

// reregister prepares a known framework for its new connection. An old
// connection that is still there is told that it has been replaced.
func (m *Master) reregister(f *framework, info v1.FrameworkInfo, now time.Time) {
	f.reregistered = now
	rolesChanged := f.adopt(info)
	m.withdrawOffers(f, rolesChanged)
	if f.connected() {
		reject(f.stream, failedOver)
	}
	m.cfg.Log.Info("framework re-registered", "framework", f.id, "took_over", f.connected())
}

func reject(s *stream, message string) {
	e := event(scheduler.Event_ERROR)
	e.Error = &scheduler.Event_Error{Message: message}
	s.send(e)
	s.close()
}

// disconnected runs when a subscription's connection has ended, whoever ended
// it. The framework then has its failover timeout to come back.
func (m *Master) disconnected(s *stream) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.frameworks {
		if f.stream == s {
			m.disconnect(f)
			return
		}
	}
}

func (m *Master) disconnect(f *framework) {
	f.stream = nil
	m.withdrawOffers(f, false)
	f.filters, f.suppressed = map[filterKey][]filter{}, map[string]bool{}
	timeout := secondsOf(f.info.GetFailoverTimeout())
	m.cfg.Log.Info("framework disconnected", "framework", f.id, "failover_timeout", timeout)
	if timeout == 0 {
		m.removeFramework(f)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(timeout, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if f.failover == timer && m.frameworks[f.id] == f {
			m.removeFramework(f)
		}
	})
	f.failover = timer
}

// removeFramework ends a framework for good: its stream just ends, its tasks
// are killed, its id is never accepted again.
func (m *Master) removeFramework(f *framework) {
	f.stopFailover()
	m.withdrawOffers(f, false)
	if f.stream != nil {
		f.stream.close()
		f.stream = nil
	}
	for _, a := range m.agentOrder {
		a.link.shutdownFramework(f.id)
	}
	for _, t := range f.tasks {
		if !t.terminal() {
			t.state = v1.TASK_KILLED
			status := masterStatus(t.info.TaskID, agentID(t.agent.id), t.state, v1.REASON_FRAMEWORK_REMOVED,
				"Framework "+f.id+" removed")
			t.statuses = append(t.statuses, status)
		}
		m.forget(t)
	}
	f.unregistered = time.Now()
	delete(m.frameworks, f.id)
	m.completed = append(m.completed, f)
	if len(m.completed) > maxCompleted {
		m.completed = m.completed[1:]
	}
	m.cfg.Log.Info("framework removed", "framework", f.id)
}
