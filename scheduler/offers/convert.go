package offers

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	mesosgo "github.com/mesos/mesos-go/api/v1/lib"

	"scaleio-framework/scheduler"
)

// frameworkInfo is what we subscribe as. GPU_RESOURCES only makes Mesos offer agents that have GPUs: storage belongs there too.
func frameworkInfo(f scheduler.Framework) *mesosgo.FrameworkInfo {
	checkpoint := true
	failover := f.FailoverTimeout.Seconds()
	info := &mesosgo.FrameworkInfo{User: f.User, Name: f.Name, Roles: f.Roles, Checkpoint: &checkpoint, FailoverTimeout: &failover}
	for _, kind := range []mesosgo.FrameworkInfo_Capability_Type{
		mesosgo.FrameworkInfo_Capability_MULTI_ROLE, mesosgo.FrameworkInfo_Capability_RESERVATION_REFINEMENT, mesosgo.FrameworkInfo_Capability_PARTITION_AWARE,
		mesosgo.FrameworkInfo_Capability_TASK_KILLING_STATE, mesosgo.FrameworkInfo_Capability_GPU_RESOURCES,
	} {
		info.Capabilities = append(info.Capabilities, mesosgo.FrameworkInfo_Capability{Type: kind})
	}
	if f.ID != "" {
		info.ID = &mesosgo.FrameworkID{Value: f.ID}
	}
	if f.Principal != "" {
		info.Principal = &f.Principal
	}
	if f.WebUIURL != "" {
		info.WebUiURL = &f.WebUIURL
	}
	if f.Hostname != "" {
		info.Hostname = &f.Hostname
	}
	return info
}

func plainOffer(o *mesosgo.Offer) scheduler.Offer {
	plain := scheduler.Offer{ID: o.ID.Value, AgentID: o.AgentID.Value, Hostname: o.Hostname, Attributes: map[string]string{}, HasOurTask: len(o.ExecutorIDs) > 0}
	if o.URL != nil {
		plain.IP = o.URL.Address.GetIP()
	}
	for i := range o.Attributes {
		plain.Attributes[o.Attributes[i].Name] = attributeText(&o.Attributes[i])
	}
	for i := range o.Resources {
		r := &o.Resources[i]
		if r.GetScalar() == nil || r.GetRevocable() != nil || r.GetDisk() != nil {
			continue // what may be taken away again, and volumes, are no ground for a daemon that stays
		}
		switch r.Name {
		case "cpus":
			plain.CPUs += r.Scalar.Value
		case "mem":
			plain.MemMB += r.Scalar.Value
		case "disk":
			plain.DiskMB += r.Scalar.Value
		}
	}
	return plain
}

// attributeText shows an attribute as the agent's flag had it: Mesos makes a scalar of "10".
func attributeText(a *mesosgo.Attribute) string {
	switch {
	case a.Text != nil:
		return a.Text.Value
	case a.Scalar != nil:
		return strconv.FormatFloat(a.Scalar.Value, 'g', -1, 64)
	case a.Ranges != nil:
		var parts []string
		for _, r := range a.Ranges.Range {
			parts = append(parts, fmt.Sprintf("%d-%d", r.Begin, r.End))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case a.Set != nil:
		return "{" + strings.Join(a.Set.Item, ",") + "}"
	}
	return ""
}

func plainUpdate(s *mesosgo.TaskStatus) scheduler.TaskUpdate {
	u := scheduler.TaskUpdate{TaskID: s.TaskID.Value, AgentID: s.GetAgentID().GetValue(), State: scheduler.TaskState(s.GetState().String()), Message: s.GetMessage(), Healthy: s.Healthy}
	if s.Reason != nil { // the getter's default is a reason of its own: test for presence
		u.Reason = s.Reason.String()
		u.Reconciliation = *s.Reason == mesosgo.REASON_RECONCILIATION
	}
	if s.Source != nil {
		u.Source = s.Source.String()
	}
	if c := s.GetCheckStatus().GetCommand(); c != nil && c.ExitCode != nil {
		code := int(*c.ExitCode)
		u.CheckExit = &code
	}
	return u
}

// taskInfo makes the command task. mesos-go marshals a task without name or ids silently, so what must be there is checked here.
func taskInfo(o *mesosgo.Offer, l scheduler.Launch) (mesosgo.TaskInfo, error) {
	if l.TaskID == "" || l.Name == "" || l.Command == "" || l.AgentID != o.AgentID.Value {
		return mesosgo.TaskInfo{}, errors.New("task without id, name or command, or for another agent")
	}
	shell, user := true, "root"
	command := &mesosgo.CommandInfo{Shell: &shell, Value: &l.Command, User: &user, Environment: &mesosgo.Environment{}}
	for name, value := range l.Env {
		command.Environment.Variables = append(command.Environment.Variables, mesosgo.Environment_Variable{Name: name, Value: &value})
	}
	for _, u := range l.URIs {
		extract := false
		uri := mesosgo.CommandInfo_URI{Value: u.Value, Executable: &u.Executable, Extract: &extract, Cache: &u.Cache}
		if u.OutputFile != "" {
			uri.OutputFile = &u.OutputFile
		}
		command.URIs = append(command.URIs, uri)
	}
	resources, err := take(o.Resources, map[string]float64{"cpus": l.CPUs, "mem": l.MemMB, "disk": l.DiskMB})
	if err != nil {
		return mesosgo.TaskInfo{}, err
	}
	task := mesosgo.TaskInfo{Name: l.Name, TaskID: mesosgo.TaskID{Value: l.TaskID}, AgentID: o.AgentID, Resources: resources, Command: command,
		HealthCheck: healthCheck(l.Health), Check: commandCheck(l.Check)}
	if len(l.Labels) > 0 {
		task.Labels = &mesosgo.Labels{}
		for key, value := range l.Labels {
			task.Labels.Labels = append(task.Labels.Labels, mesosgo.Label{Key: key, Value: &value})
		}
	}
	return task, nil
}

// take cuts the wanted amounts out of what was offered, reserved resources first: they are there for us.
func take(offered []mesosgo.Resource, want map[string]float64) ([]mesosgo.Resource, error) {
	var taken []mesosgo.Resource
	for _, reserved := range []bool{true, false} {
		for _, r := range offered {
			left := want[r.Name]
			if left <= 0 || r.Scalar == nil || r.Revocable != nil || r.Disk != nil || (len(r.Reservations) > 0) != reserved {
				continue
			}
			amount := min(left, r.Scalar.Value)
			part := r
			part.Scalar = &mesosgo.Value_Scalar{Value: amount}
			taken = append(taken, part)
			want[r.Name] = left - amount
		}
	}
	for name, missing := range want {
		if missing > 1e-3 { // Mesos keeps three decimals
			return nil, fmt.Errorf("the offer lacks %g of %s", missing, name)
		}
	}
	return taken, nil
}

func healthCheck(h scheduler.HTTPHealth) *mesosgo.HealthCheck {
	if h.Port == 0 {
		return nil
	}
	kind, failures, scheme := mesosgo.HealthCheck_HTTP, uint32(h.Failures), "http"
	return &mesosgo.HealthCheck{Type: kind, HTTP: &mesosgo.HealthCheck_HTTPCheckInfo{Port: uint32(h.Port), Path: &h.Path, Scheme: &scheme},
		DelaySeconds: seconds(h.Delay), IntervalSeconds: seconds(h.Interval), TimeoutSeconds: seconds(h.Timeout), GracePeriodSeconds: seconds(h.Grace), ConsecutiveFailures: &failures}
}

func commandCheck(c scheduler.CommandCheck) *mesosgo.CheckInfo {
	if c.Command == "" {
		return nil
	}
	shell := true
	return &mesosgo.CheckInfo{Type: mesosgo.CheckInfo_COMMAND, Command: &mesosgo.CheckInfo_Command{Command: mesosgo.CommandInfo{Shell: &shell, Value: &c.Command}},
		DelaySeconds: seconds(c.Delay), IntervalSeconds: seconds(c.Interval), TimeoutSeconds: seconds(c.Timeout)}
}

func seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}
