package resource

import v1 "github.com/mesos/mesos-go/api/v1/lib"

// A Format is the shape in which resources are shown. It depends on what the
// framework can do: without MULTI_ROLE no allocation, with
// RESERVATION_REFINEMENT reservations in place of the role.
type Format struct {
	AllocatedTo string // role in allocation_info, "" for none
	Refined     bool   // reservations in place of role
	BareRole    bool   // neither: agent_info and tasks of the operator API
	InOrder     bool   // order of the flag, not ranges first
}

// Resources prints the bundle as Mesos resources.
func (b Bundle) Resources(format Format) []v1.Resource {
	entries := b.entries
	if !format.InOrder {
		entries = b.ordered()
	}
	out := make([]v1.Resource, 0, len(entries))
	for _, e := range entries {
		out = append(out, e.resource(format))
	}
	return out
}

func (e entry) resource(format Format) v1.Resource {
	r := v1.Resource{Name: e.name}
	if e.isRanges {
		r.Type = v1.RANGES.Enum()
		r.Ranges = &v1.Value_Ranges{}
		for _, s := range e.spans {
			r.Ranges.Range = append(r.Ranges.Range, v1.Value_Range{Begin: s.begin, End: s.end})
		}
	} else {
		r.Type = v1.SCALAR.Enum()
		r.Scalar = &v1.Value_Scalar{Value: float64(e.milli) / 1000}
	}
	role := e.role
	switch {
	case format.Refined:
		if role != Unreserved {
			static := v1.Resource_ReservationInfo_STATIC
			r.Reservations = []v1.Resource_ReservationInfo{{Type: &static, Role: &role}}
		}
	case !format.BareRole:
		r.Role = &role
	}
	if format.AllocatedTo != "" {
		allocated := format.AllocatedTo
		r.AllocationInfo = &v1.Resource_AllocationInfo{Role: &allocated}
	}
	return r
}
