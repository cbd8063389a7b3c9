package mesos

//lint:file-ignore ST1005 the words are Mesos' own

import (
	"errors"
	"fmt"
	"strings"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// A requirement names the nested message that a type of call must carry.
type requirement struct {
	field   string
	present func(*scheduler.Call) bool
}

var requirements = map[scheduler.Call_Type]requirement{
	scheduler.Call_SUBSCRIBE:   {"subscribe", func(c *scheduler.Call) bool { return c.Subscribe != nil }},
	scheduler.Call_ACCEPT:      {"accept", func(c *scheduler.Call) bool { return c.Accept != nil }},
	scheduler.Call_DECLINE:     {"decline", func(c *scheduler.Call) bool { return c.Decline != nil }},
	scheduler.Call_KILL:        {"kill", func(c *scheduler.Call) bool { return c.Kill != nil }},
	scheduler.Call_SHUTDOWN:    {"shutdown", func(c *scheduler.Call) bool { return c.Shutdown != nil }},
	scheduler.Call_ACKNOWLEDGE: {"acknowledge", func(c *scheduler.Call) bool { return c.Acknowledge != nil }},
	scheduler.Call_RECONCILE:   {"reconcile", func(c *scheduler.Call) bool { return c.Reconcile != nil }},
	scheduler.Call_MESSAGE:     {"message", func(c *scheduler.Call) bool { return c.Message != nil }},
	scheduler.Call_REQUEST:     {"request", func(c *scheduler.Call) bool { return c.Request != nil }},
	scheduler.Call_ACCEPT_INVERSE_OFFERS: {"accept_inverse_offers",
		func(c *scheduler.Call) bool { return c.AcceptInverseOffers != nil }},
	scheduler.Call_DECLINE_INVERSE_OFFERS: {"decline_inverse_offers",
		func(c *scheduler.Call) bool { return c.DeclineInverseOffers != nil }},
	scheduler.Call_RECONCILE_OPERATIONS: {"reconcile_operations",
		func(c *scheduler.Call) bool { return c.ReconcileOperations != nil }},
	scheduler.Call_ACKNOWLEDGE_OPERATION_STATUS: {"acknowledge_operation_status",
		func(c *scheduler.Call) bool { return c.AcknowledgeOperationStatus != nil }},
	scheduler.Call_UPDATE_FRAMEWORK: {"update_framework",
		func(c *scheduler.Call) bool { return c.UpdateFramework != nil }},
}

// validateCall returns what Mesos says after "Failed to validate
// scheduler::Call: ".
func validateCall(call *scheduler.Call, principal string) error {
	if call.Type == scheduler.Call_UNKNOWN {
		return errors.New("Expecting 'type' to be present")
	}
	if call.Type != scheduler.Call_SUBSCRIBE && call.FrameworkID == nil {
		return errors.New("Expecting 'framework_id' to be present")
	}
	if need, ok := requirements[call.Type]; ok && !need.present(call) {
		return fmt.Errorf("Expecting '%s' to be present", need.field)
	}
	switch call.Type {
	case scheduler.Call_SUBSCRIBE:
		return validateSubscribe(call, principal)
	case scheduler.Call_ACKNOWLEDGE:
		if len(call.Acknowledge.UUID) != 16 {
			return errors.New("Not a valid UUID")
		}
	}
	return nil
}

func validateSubscribe(call *scheduler.Call, principal string) error {
	info := call.Subscribe.FrameworkInfo
	if info == nil {
		return errors.New("Expecting 'subscribe.framework_info' to be present")
	}
	if (call.FrameworkID == nil) != (info.ID == nil) || call.FrameworkID.GetValue() != info.ID.GetValue() {
		return errors.New("'framework_id' differs from 'subscribe.framework_info.id'")
	}
	if principal != "" && info.Principal != nil && *info.Principal != principal {
		return fmt.Errorf("Authenticated principal '%s' does not match principal '%s' set in `FrameworkInfo`",
			principal, *info.Principal)
	}
	return nil
}

// invalidFramework says why a FrameworkInfo is refused, in an ERROR event; ""
// means that it isn't.
func (m *Master) invalidFramework(info *v1.FrameworkInfo) string {
	if reason := invalidID(info.ID.GetValue()); info.ID.GetValue() != "" && reason != "" {
		return reason
	}
	multi := (&framework{info: *info}).can(v1.FrameworkInfo_Capability_MULTI_ROLE)
	switch {
	case multi && info.Role != nil:
		return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
	case !multi && len(info.Roles) > 0:
		return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
	}
	field := "role"
	if multi {
		field = "roles"
	}
	roles := (&framework{info: *info}).roles()
	var foreign []string
	for _, role := range roles {
		if reason := invalidRole(role); reason != "" {
			return fmt.Sprintf("'FrameworkInfo.%s' is not a valid role: %s", field, reason)
		}
		if !m.allowed(role) {
			foreign = append(foreign, role)
		}
	}
	if len(foreign) > 0 {
		return fmt.Sprintf("Roles { %s } are not present in the master's --roles", strings.Join(foreign, ", "))
	}
	return ""
}

func (m *Master) allowed(role string) bool {
	if len(m.cfg.Roles) == 0 || role == "*" {
		return true
	}
	for _, each := range m.cfg.Roles {
		if role == each || strings.HasPrefix(role, each+"/") {
			return true
		}
	}
	return false
}

func invalidRole(role string) string {
	if role == "*" {
		return ""
	}
	for _, part := range strings.Split(role, "/") {
		switch {
		case part == "":
			return "Role component is empty"
		case part == "." || part == ".." || part == "*":
			return fmt.Sprintf("Role component '%s' is invalid", part)
		case strings.HasPrefix(part, "-"):
			return fmt.Sprintf("Role component '%s' is invalid because it starts with a dash", part)
		case strings.ContainsAny(part, "\t\n\v\f\r \b\x7f"):
			return fmt.Sprintf("Role component '%s' is invalid because it contains backspace or whitespace", part)
		}
	}
	return ""
}

// invalidID is Mesos' check of ids that end up in paths.
func invalidID(id string) string {
	switch {
	case id == "":
		return "ID must not be empty"
	case len(id) > 255:
		return "ID must not be greater than 255 characters"
	case id == "." || id == "..":
		return fmt.Sprintf("'%s' is disallowed", id)
	case strings.ContainsFunc(id, func(r rune) bool { return r == '/' || r == '\\' || r <= ' ' || r == 0x7f }):
		return fmt.Sprintf("'%s' contains invalid characters", id)
	}
	return ""
}
