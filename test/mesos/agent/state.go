package agent

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"scaleio-framework/test/mesos/resource"
)

// Version is that of the recorded build, as with the dev master.
const Version = "1.12.0"

type object = map[string]any

// Handler serves the operator reads of an agent's port.
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, prefix := range []string{"", "/slave(1)"} {
		mux.HandleFunc("GET "+prefix+"/state", a.serveState)
		mux.HandleFunc("GET "+prefix+"/health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
		mux.HandleFunc("GET "+prefix+"/flags", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, object{"flags": a.flags})
		})
		mux.HandleFunc("GET "+prefix+"/containers", a.serveContainers)
	}
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, object{"version": Version, "build_user": "dev agent, a stand-in"})
	})
	return mux
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func (a *Agent) serveState(w http.ResponseWriter, _ *http.Request) {
	resources, _ := resource.Parse(a.flags["resources"])
	host, _, _ := strings.Cut(a.flags.masterAddress(), ":")
	writeJSON(w, object{
		"version": Version, "id": a.id(), "pid": "slave(1)@" + a.flags["ip"] + ":" + a.flags["port"],
		"hostname": a.flags["hostname"], "start_time": float64(a.started.UnixMicro()) / 1e6,
		"attributes": a.attributes(), "resources": resourceObject(resources), "flags": a.flags,
		"master_hostname": host, "frameworks": a.frameworks(), "completed_frameworks": []object{},
		"uptime_seconds": time.Since(a.started).Seconds(),
	})
}

func (a *Agent) attributes() object {
	attributes, _ := resource.Attributes(a.flags["attributes"])
	o := object{}
	for _, each := range attributes {
		if each.Type == v1.SCALAR {
			o[each.Name] = each.GetScalar().GetValue()
		} else {
			o[each.Name] = each.GetText().GetValue()
		}
	}
	return o
}

func resourceObject(b resource.Bundle) object {
	o := object{"cpus": b.Scalar("cpus"), "mem": b.Scalar("mem"), "disk": b.Scalar("disk"), "gpus": b.Scalar("gpus")}
	if ports := b.Ranges("ports"); ports != "" {
		o["ports"] = ports
	}
	return o
}

func (a *Agent) frameworks() []object {
	byID := map[string]object{}
	list := []object{}
	for _, c := range a.all() {
		f, known := byID[c.run.FrameworkID]
		if !known {
			f = object{
				"id": c.run.FrameworkID, "name": c.framework.Name, "user": c.framework.User, "role": c.run.Role,
				"failover_timeout": c.framework.GetFailoverTimeout(), "checkpoint": c.framework.GetCheckpoint(),
				"hostname": c.framework.GetHostname(), "principal": c.framework.GetPrincipal(),
				"executors": []object{}, "completed_executors": []object{},
			}
			byID[c.run.FrameworkID] = f
			list = append(list, f)
		}
		f["executors"] = append(f["executors"].([]object), c.object())
	}
	return list
}

func (c *container) object() object {
	return object{
		"id": c.run.TaskID, "name": "Command Executor (Task: " + c.run.TaskID + ")", "source": c.run.TaskID,
		"container": c.run.ContainerID, "directory": c.run.Sandbox, "type": "DEFAULT",
		"tasks": []object{{
			"id": c.run.TaskID, "name": c.task.Name, "framework_id": c.run.FrameworkID, "executor_id": "",
			"state": c.state().String(), "resources": resourceObject(resource.FromResources(c.task.Resources)),
		}},
	}
}

func (a *Agent) serveContainers(w http.ResponseWriter, _ *http.Request) {
	list := []object{}
	for _, c := range a.all() {
		list = append(list, object{
			"container_id": c.run.ContainerID, "executor_id": c.run.TaskID, "framework_id": c.run.FrameworkID,
			"source": c.run.TaskID, "status": object{"container_id": object{"value": c.run.ContainerID}, "executor_pid": c.run.PID},
		})
	}
	writeJSON(w, list)
}
