package mesos

import (
	"net/http"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

func (m *Master) serveScheduler(w http.ResponseWriter, r *http.Request) {
	principal, err := m.authenticate(w, r)
	if err != nil {
		answerError(w, err)
		return
	}
	m.leading(func(w http.ResponseWriter, r *http.Request) {
		if err := m.schedulerCall(w, r, principal); err != nil {
			answerError(w, err)
		}
	}).ServeHTTP(w, r)
}

func (m *Master) schedulerCall(w http.ResponseWriter, r *http.Request, principal string) error {
	var call scheduler.Call
	if err := readCall(w, r, &call); err != nil {
		return err
	}
	if err := validateCall(&call, principal); err != nil {
		return refused(http.StatusBadRequest, "Failed to validate scheduler::Call: %v", err)
	}
	if call.Type == scheduler.Call_SUBSCRIBE {
		return m.serveSubscribe(w, r, &call, principal)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.caller(r, call.FrameworkID.Value)
	if err != nil {
		return err
	}
	return m.dispatch(w, f, &call)
}

// caller finds the framework and checks that the request belongs to its
// present subscription.
func (m *Master) caller(r *http.Request, id string) (*framework, error) {
	f := m.frameworks[id]
	if f == nil {
		return nil, refused(http.StatusBadRequest, "Framework cannot be found")
	}
	if !f.connected() {
		return nil, refused(http.StatusForbidden, "Framework is not subscribed")
	}
	streamID := r.Header.Get("Mesos-Stream-Id")
	if streamID == "" {
		return nil, refused(http.StatusBadRequest, "All non-subscribe calls should include the 'Mesos-Stream-Id' header")
	}
	if streamID != f.stream.id {
		return nil, refused(http.StatusBadRequest, "The stream ID '%s' included in this request didn't match"+
			" the stream ID currently associated with framework ID %s", streamID, id)
	}
	return f, nil
}

func (m *Master) dispatch(w http.ResponseWriter, f *framework, call *scheduler.Call) error {
	status := http.StatusAccepted
	switch call.Type {
	case scheduler.Call_TEARDOWN:
		m.removeFramework(f)
	case scheduler.Call_ACCEPT:
		m.accept(f, call.Accept)
	case scheduler.Call_DECLINE:
		for _, id := range call.Decline.OfferIDs {
			m.decline(f, id.Value, call.Decline.Filters)
		}
	case scheduler.Call_REVIVE:
		m.revive(f, call.GetRevive().GetRoles())
	case scheduler.Call_SUPPRESS:
		m.suppress(f, call.GetSuppress().GetRoles())
	case scheduler.Call_KILL:
		m.kill(f, call.Kill)
	case scheduler.Call_ACKNOWLEDGE:
		m.acknowledge(f, call.Acknowledge)
	case scheduler.Call_RECONCILE:
		m.reconcile(f, call.Reconcile)
	case scheduler.Call_UPDATE_FRAMEWORK:
		if err := m.updateFramework(f, call.UpdateFramework); err != nil {
			return err
		}
		status = http.StatusOK
	case scheduler.Call_RECONCILE_OPERATIONS:
		status = http.StatusOK
	default:
		// SHUTDOWN, MESSAGE, REQUEST, inverse offers: accepted; there are no
		// custom executors and no maintenance here that they could concern.
	}
	w.WriteHeader(status)
	return nil
}

func (m *Master) updateFramework(f *framework, update *scheduler.Call_UpdateFramework) error {
	info := update.FrameworkInfo
	if reason := m.invalidFramework(&info); reason != "" {
		return refused(http.StatusBadRequest, "Supplied FrameworkInfo is not valid: %s", reason)
	}
	if info.GetPrincipal() != f.info.GetPrincipal() {
		return refused(http.StatusBadRequest, "%s", principalChanged)
	}
	if f.adopt(info) {
		m.withdrawOffers(f, true)
	}
	f.suppressed = roleSet(update.SuppressedRoles)
	return nil
}

func (m *Master) revive(f *framework, roles []string) {
	if len(roles) == 0 {
		roles = f.roles()
	}
	for _, role := range roles {
		delete(f.suppressed, role)
	}
	f.clearFilters(roles)
	m.allocate(m.agentOrder)
}

func (m *Master) suppress(f *framework, roles []string) {
	if len(roles) == 0 {
		roles = f.roles()
	}
	for _, role := range roles {
		f.suppressed[role] = true
	}
}

func (m *Master) acknowledge(f *framework, ack *scheduler.Call_Acknowledge) {
	a := m.agents[ack.AgentID.Value]
	if a == nil || !a.connected {
		return
	}
	a.link.acknowledge(f.id, ack.TaskID.Value, ack.UUID)
	t := f.tasks[ack.TaskID.Value]
	if t != nil && t.terminal() && string(t.updateUUID) == string(ack.UUID) {
		m.forget(t)
	}
}

func roleSet(roles []string) map[string]bool {
	set := map[string]bool{}
	for _, role := range roles {
		set[role] = true
	}
	return set
}

func agentID(id string) *v1.AgentID { return &v1.AgentID{Value: id} }
