package mesos

import (
	"fmt"

	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"scaleio-framework/test/mesos/resource"
)

// invalidTask says in Mesos' words why a task can't be launched; "" = it can.
func (m *Master) invalidTask(f *framework, a *agent, role string, info *v1.TaskInfo, left resource.Bundle) string {
	if reason := invalidID(info.TaskID.Value); reason != "" {
		return reason
	}
	if f.tasks[info.TaskID.Value] != nil {
		return "Task has duplicate ID: " + info.TaskID.Value
	}
	if info.AgentID.Value != a.id {
		return fmt.Sprintf("Task uses invalid agent %s while agent %s is expected", info.AgentID.Value, a.id)
	}
	if reason := invalidCheck(info.Check); reason != "" {
		return "Task uses invalid check: " + reason
	}
	if reason := invalidHealthCheck(info.HealthCheck); reason != "" {
		return "Task uses invalid health check: " + reason
	}
	if len(info.Resources) == 0 {
		return "Task uses no resources"
	}
	if (info.Command == nil) == (info.Executor == nil) {
		return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
	}
	if reason := invalidExecutor(f, info.Executor); reason != "" {
		return reason
	}
	if wanted := taskResources(info); !left.Contains(wanted) {
		return fmt.Sprintf("Total resources %s required by task and its executor is more than available %s",
			wanted.String(role), left.String(role))
	}
	return ""
}

func invalidExecutor(f *framework, executor *v1.ExecutorInfo) string {
	switch {
	case executor == nil:
		return ""
	case executor.FrameworkID != nil && executor.FrameworkID.Value != f.id:
		return fmt.Sprintf("ExecutorInfo has an invalid FrameworkID (Actual: %s vs Expected: %s)", executor.FrameworkID.Value, f.id)
	case executor.Type == v1.ExecutorInfo_DEFAULT && executor.Command != nil:
		return "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"
	default:
		return ""
	}
}

// invalidHealthCheck: a check without a type is taken by what it carries, as
// before Mesos 1.0.
func invalidHealthCheck(check *v1.HealthCheck) string {
	switch {
	case check == nil:
		return ""
	case check.Type == v1.HealthCheck_UNKNOWN && check.HTTP == nil && check.Command == nil:
		return "HealthCheck must specify 'type'"
	case check.Type == v1.HealthCheck_COMMAND && check.Command == nil:
		return "Expecting 'command' to be set for COMMAND health check"
	case check.Type == v1.HealthCheck_HTTP && check.HTTP == nil:
		return "Expecting 'http' to be set for HTTP health check"
	case check.Type == v1.HealthCheck_TCP && check.TCP == nil:
		return "Expecting 'tcp' to be set for TCP health check"
	case check.GetDelaySeconds() < 0 || check.GetGracePeriodSeconds() < 0 || check.GetIntervalSeconds() < 0 || check.GetTimeoutSeconds() < 0:
		return "Expecting delays, intervals and timeouts of the health check to be non-negative"
	default:
		return ""
	}
}

func invalidCheck(check *v1.CheckInfo) string {
	switch {
	case check == nil:
		return ""
	case check.Type == v1.CheckInfo_UNKNOWN:
		return "CheckInfo must specify 'type'"
	case check.Type == v1.CheckInfo_COMMAND && check.Command == nil:
		return "Expecting 'command' to be set for COMMAND check"
	case check.Type == v1.CheckInfo_HTTP && check.HTTP == nil:
		return "Expecting 'http' to be set for HTTP check"
	case check.Type == v1.CheckInfo_TCP && check.TCP == nil:
		return "Expecting 'tcp' to be set for TCP check"
	default:
		return ""
	}
}
