package mesos

import (
	"slices"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"scaleio-framework/test/mesos/resource"
)

// A framework is what the master knows of one scheduler. Guarded by Master.mu.
type framework struct {
	id       string
	info     v1.FrameworkInfo
	stream   *stream // nil while disconnected
	failover *time.Timer

	suppressed map[string]bool // roles
	filters    map[filterKey][]filter
	offers     map[string]*offer
	allocated  resource.Bundle // of its tasks

	tasks       map[string]*task
	unreachable map[string]*task
	finished    []*task // oldest first

	registered, reregistered, unregistered time.Time
}

type filterKey struct{ agent, role string }

// A filter keeps an agent's resources from being offered again for a while, as
// long as they are no more than those that were refused.
type filter struct {
	refused resource.Bundle
	until   time.Time
}

func newFramework(id string, info v1.FrameworkInfo, now time.Time) *framework {
	info.ID = &v1.FrameworkID{Value: id}
	if info.FailoverTimeout == nil {
		info.FailoverTimeout = new(float64) // shown as 0.0 (recording 09)
	}
	return &framework{
		id: id, info: info,
		suppressed: map[string]bool{}, filters: map[filterKey][]filter{},
		offers: map[string]*offer{}, tasks: map[string]*task{}, unreachable: map[string]*task{},
		registered: now, reregistered: now,
	}
}

func (f *framework) connected() bool { return f.stream != nil }

func (f *framework) send(e *scheduler.Event) {
	if f.stream != nil {
		f.stream.send(e)
	}
}

func (f *framework) can(capability v1.FrameworkInfo_Capability_Type) bool {
	return slices.ContainsFunc(f.info.Capabilities, func(c v1.FrameworkInfo_Capability) bool { return c.Type == capability })
}

func (f *framework) partitionAware() bool { return f.can(v1.FrameworkInfo_Capability_PARTITION_AWARE) }

func (f *framework) checkpoint() bool { return f.info.GetCheckpoint() }

// roles that the framework is offered resources for.
func (f *framework) roles() []string {
	if f.can(v1.FrameworkInfo_Capability_MULTI_ROLE) {
		return f.info.Roles
	}
	if role := f.info.GetRole(); role != "" {
		return []string{role}
	}
	return []string{resource.Unreserved}
}

// format in which the framework is shown resources allocated to the role.
func (f *framework) format(role string) resource.Format {
	format := resource.Format{Refined: f.can(v1.FrameworkInfo_Capability_RESERVATION_REFINEMENT)}
	if f.can(v1.FrameworkInfo_Capability_MULTI_ROLE) {
		format.AllocatedTo = role
	}
	return format
}

func (f *framework) stopFailover() {
	if f.failover != nil {
		f.failover.Stop()
		f.failover = nil
	}
}

// adopt takes over a new FrameworkInfo. Changes of user and checkpoint are
// ignored silently (recording 08); everything else is replaced, also by absence.
func (f *framework) adopt(info v1.FrameworkInfo) (rolesChanged bool) {
	before := f.roles()
	info.User, info.Checkpoint, info.Principal = f.info.User, f.info.Checkpoint, f.info.Principal
	info.ID = &v1.FrameworkID{Value: f.id}
	f.info = info
	return !slices.Equal(before, f.roles())
}

func (f *framework) refuse(agentID, role string, refused resource.Bundle, filters *v1.Filters, now time.Time) {
	seconds := 5.0 // Filters.refuse_seconds' default
	if filters != nil && filters.RefuseSeconds != nil {
		seconds = *filters.RefuseSeconds
	}
	if pause := secondsOf(seconds); pause > 0 && !refused.Empty() {
		key := filterKey{agentID, role}
		f.filters[key] = append(f.filters[key], filter{refused, now.Add(pause)})
	}
}

// refuses says whether a filter holds the resources back, and drops filters
// whose time is over.
func (f *framework) refuses(agentID, role string, free resource.Bundle, now time.Time) bool {
	key := filterKey{agentID, role}
	filters := f.filters[key]
	if len(filters) == 0 {
		return false
	}
	filters = slices.DeleteFunc(filters, func(each filter) bool { return !now.Before(each.until) })
	if len(filters) == 0 {
		delete(f.filters, key)
		return false
	}
	f.filters[key] = filters
	return slices.ContainsFunc(filters, func(each filter) bool { return each.refused.Contains(free) })
}

func (f *framework) clearFilters(roles []string) {
	for key := range f.filters {
		if slices.Contains(roles, key.role) {
			delete(f.filters, key)
		}
	}
}
