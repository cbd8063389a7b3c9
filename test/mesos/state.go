package mesos

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"scaleio-framework/test/mesos/resource"
)

// object is a JSON object of the old (v0) operator endpoints.
type object = map[string]any

func (m *Master) serveHealth(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }

func (m *Master) serveVersion(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, object{"version": Version, "build_user": "dev master, a stand-in"})
}

func (m *Master) serveFlags(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, object{"flags": m.flags()})
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", mediaJSON)
	_ = json.NewEncoder(w).Encode(value)
}

func (m *Master) serveState(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	writeJSON(w, object{
		"version": Version, "id": m.cfg.ID, "pid": "master@" + m.hostPort(), "hostname": m.cfg.Hostname,
		"start_time": seconds(m.started), "elected_time": seconds(m.started),
		"capabilities": []string{"AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2"},
		"leader":       "master@" + m.hostPort(),
		"leader_info":  object{"id": m.cfg.ID, "pid": "master@" + m.hostPort(), "port": m.cfg.Port, "hostname": m.cfg.Hostname},
		"flags":        m.flags(), "slaves": m.agentObjects(), "recovered_slaves": []object{},
		"activated_slaves": m.countAgents(true), "deactivated_slaves": m.countAgents(false),
		"frameworks": frameworkObjects(m.sortedFrameworks()), "completed_frameworks": frameworkObjects(m.completed),
		"orphan_tasks": []object{}, "unregistered_frameworks": []object{},
	})
}

func (m *Master) serveAgents(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	writeJSON(w, object{"slaves": m.agentObjects(), "recovered_slaves": []object{}})
}

func (m *Master) serveFrameworks(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	writeJSON(w, object{
		"frameworks": frameworkObjects(m.sortedFrameworks()), "completed_frameworks": frameworkObjects(m.completed),
		"unregistered_frameworks": []object{},
	})
}

// serveTeardown removes a framework for the operator.
func (m *Master) serveTeardown(w http.ResponseWriter, r *http.Request) {
	// Read as a form whatever the Content-Type says; the recorded request has none.
	body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	form, _ := url.ParseQuery(string(body))
	id := form.Get("frameworkId")
	switch {
	case id == "":
		refuse(w, http.StatusBadRequest, "Missing 'frameworkId' query parameter in the request body")
	case !m.RemoveFramework(id):
		refuse(w, http.StatusBadRequest, "No framework found with specified ID")
	default:
		w.WriteHeader(http.StatusOK)
	}
}

func (m *Master) countAgents(active bool) float64 {
	count := 0.0
	for _, a := range m.agentOrder {
		if a.registered() && a.active() == active {
			count++
		}
	}
	return count
}

func (a *agent) pid() string { return fmt.Sprintf("slave(1)@%s:%d", a.spec.IP, a.spec.Port) }

func (m *Master) agentObjects() []object {
	list := []object{}
	for _, a := range m.agentOrder {
		if !a.registered() {
			continue
		}
		list = append(list, object{
			"id": a.id, "hostname": a.spec.Hostname, "port": a.spec.Port, "pid": a.pid(),
			"attributes": attributeObject(a.attributes), "registered_time": seconds(a.registeredAt),
			"resources": resourceObject(a.total), "used_resources": resourceObject(a.used),
			"offered_resources": resourceObject(a.offered), "active": a.active(), "deactivated": a.deactivated,
			"version": Version, "capabilities": []string{"MULTI_ROLE", "HIERARCHICAL_ROLE", "RESERVATION_REFINEMENT"},
		})
	}
	return list
}

func frameworkObjects(frameworks []*framework) []object {
	list := []object{}
	for _, f := range frameworks {
		roles, capabilities := f.roles(), []string{}
		for _, c := range f.info.Capabilities {
			capabilities = append(capabilities, c.Type.String())
		}
		o := object{
			"id": f.id, "name": f.info.Name, "user": f.info.User, "hostname": f.info.GetHostname(),
			"webui_url": f.info.GetWebUiURL(), "principal": f.info.GetPrincipal(), "capabilities": capabilities,
			"failover_timeout": f.info.GetFailoverTimeout(), "checkpoint": f.info.GetCheckpoint(),
			"active": f.connected(), "connected": f.connected(), "recovered": false,
			"registered_time": seconds(f.registered), "reregistered_time": seconds(f.reregistered),
			"unregistered_time": seconds(f.unregistered), "used_resources": resourceObject(f.allocated),
			"tasks": taskObjects(f.tasks), "unreachable_tasks": taskObjects(f.unreachable),
			"completed_tasks": finishedObjects(f.finished), "executors": []object{}, "offers": offerObjects(f.offers),
		}
		if f.can(v1.FrameworkInfo_Capability_MULTI_ROLE) {
			o["roles"] = roles
		} else {
			o["role"] = roles[0]
		}
		list = append(list, o)
	}
	return list
}

func taskObjects(tasks map[string]*task) []object {
	list := []object{}
	for _, t := range tasks {
		list = append(list, t.object())
	}
	return list
}

func finishedObjects(tasks []*task) []object {
	list := []object{}
	for _, t := range tasks {
		list = append(list, t.object())
	}
	return list
}

func (t *task) object() object {
	statuses := []object{}
	for _, s := range t.statuses {
		o := object{"state": s.GetState().String(), "timestamp": s.GetTimestamp()}
		if s.Healthy != nil {
			o["healthy"] = *s.Healthy
		}
		if s.ContainerStatus != nil {
			o["container_status"] = object{"container_id": object{"value": s.ContainerStatus.GetContainerID().GetValue()}}
		}
		statuses = append(statuses, o)
	}
	return object{
		"id": t.id(), "name": t.info.Name, "framework_id": t.framework.id, "executor_id": "", "slave_id": t.agent.id,
		"state": t.state.String(), "resources": resourceObject(t.resources), "role": t.role, "statuses": statuses,
	}
}

func offerObjects(offers map[string]*offer) []object {
	list := []object{}
	for _, o := range offers {
		list = append(list, object{
			"id": o.id, "framework_id": o.framework.id, "slave_id": o.agent.id,
			"allocation_info": object{"role": o.role}, "resources": resourceObject(o.resources),
		})
	}
	return list
}

func resourceObject(b resource.Bundle) object {
	o := object{"cpus": b.Scalar("cpus"), "mem": b.Scalar("mem"), "disk": b.Scalar("disk"), "gpus": b.Scalar("gpus")}
	if ports := b.Ranges("ports"); ports != "" {
		o["ports"] = ports
	}
	return o
}

func attributeObject(attributes []v1.Attribute) object {
	o := object{}
	for _, a := range attributes {
		if a.Type == v1.SCALAR {
			o[a.Name] = a.GetScalar().GetValue()
		} else {
			o[a.Name] = a.GetText().GetValue()
		}
	}
	return o
}

func seconds(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return *timestamp(at)
}
