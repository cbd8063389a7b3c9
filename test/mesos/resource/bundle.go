package resource

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

// Unreserved is the role of resources that belong to nobody.
const Unreserved = "*"

// A span is one range of a ranges resource, both ends included.
type span struct{ begin, end uint64 }

// entry is the amount of one resource in one reservation. Scalars are kept in
// thousandths, as Mesos does, so that 0.1 taken and given back is nothing.
type entry struct {
	name, role string
	milli      int64
	spans      []span
	isRanges   bool
}

func (e entry) empty() bool { return e.milli <= 0 && len(e.spans) == 0 }

// A Bundle is a set of resources without allocation: the amounts per name and
// reservation role. The zero value is empty; methods return new bundles.
type Bundle struct{ entries []entry }

// FromResources takes the amounts out of Mesos resources.
func FromResources(resources []v1.Resource) Bundle {
	var b Bundle
	for i := range resources {
		r := &resources[i]
		e := entry{name: r.Name, role: roleOf(r)}
		switch r.GetType() {
		case v1.RANGES:
			e.isRanges = true
			for _, each := range r.GetRanges().GetRange() {
				e.spans = append(e.spans, span{each.Begin, each.End})
			}
			e.spans = merged(e.spans)
		case v1.SCALAR:
			e.milli = int64(math.Round(r.GetScalar().GetValue() * 1000))
		default:
			continue // sets and texts are never offered by a dev agent
		}
		b = b.with(e)
	}
	return b
}

func roleOf(r *v1.Resource) string {
	if n := len(r.Reservations); n > 0 {
		return r.Reservations[n-1].GetRole()
	}
	if r.Role != nil && *r.Role != "" {
		return *r.Role
	}
	return Unreserved
}

func (b Bundle) with(e entry) Bundle {
	if e.empty() {
		return b
	}
	entries := slices.Clone(b.entries)
	for i := range entries {
		if entries[i].name == e.name && entries[i].role == e.role {
			entries[i].milli += e.milli
			entries[i].spans = merged(append(slices.Clone(entries[i].spans), e.spans...))
			return Bundle{entries}
		}
	}
	return Bundle{append(entries, e)}
}

// Plus adds the other bundle.
func (b Bundle) Plus(other Bundle) Bundle {
	for _, e := range other.entries {
		b = b.with(e)
	}
	return b
}

// Minus takes the other bundle away; what isn't there can't be taken.
func (b Bundle) Minus(other Bundle) Bundle {
	var left []entry
	for _, e := range b.entries {
		if taken, ok := other.find(e.name, e.role); ok {
			e.milli -= taken.milli
			e.spans = without(e.spans, taken.spans)
		}
		if !e.empty() {
			left = append(left, e)
		}
	}
	return Bundle{left}
}

func (b Bundle) find(name, role string) (entry, bool) {
	for _, e := range b.entries {
		if e.name == name && e.role == role {
			return e, true
		}
	}
	return entry{}, false
}

// Contains says whether the other bundle fits into this one.
func (b Bundle) Contains(other Bundle) bool {
	for _, wanted := range other.entries {
		have, ok := b.find(wanted.name, wanted.role)
		if !ok || have.milli < wanted.milli || len(without(wanted.spans, have.spans)) > 0 {
			return false
		}
	}
	return true
}

// Empty says that nothing is left.
func (b Bundle) Empty() bool { return len(b.entries) == 0 }

// Scalar is the amount of one scalar over all roles.
func (b Bundle) Scalar(name string) float64 {
	var milli int64
	for _, e := range b.entries {
		if e.name == name {
			milli += e.milli
		}
	}
	return float64(milli) / 1000
}

// Ranges prints a ranges resource over all roles: "[31000-32000]", "" if none.
func (b Bundle) Ranges(name string) string {
	var spans []span
	for _, e := range b.entries {
		if e.name == name && e.isRanges {
			spans = append(spans, e.spans...)
		}
	}
	if len(spans) == 0 {
		return ""
	}
	return printed(merged(spans))
}

func printed(spans []span) string {
	var ranges []string
	for _, s := range spans {
		ranges = append(ranges, fmt.Sprintf("%d-%d", s.begin, s.end))
	}
	return "[" + strings.Join(ranges, ", ") + "]"
}

// ForRole keeps what a framework of the role may use: its own reservations and
// what is unreserved.
func (b Bundle) ForRole(role string) Bundle {
	var kept []entry
	for _, e := range b.entries {
		if e.role == Unreserved || e.role == role {
			kept = append(kept, e)
		}
	}
	return Bundle{kept}
}

// Allocatable is Mesos' lower bound for an offer: 0.01 CPU or 32 MB.
func (b Bundle) Allocatable() bool {
	return b.Scalar("cpus") >= 0.01 || b.Scalar("mem") >= 32
}

// String prints the bundle as master's messages do, allocated to a role.
func (b Bundle) String(allocatedTo string) string {
	var parts []string
	for _, e := range b.ordered() {
		text := strconv.FormatFloat(float64(e.milli)/1000, 'f', -1, 64)
		if e.isRanges {
			text = printed(e.spans)
		}
		note := ""
		if allocatedTo != "" {
			note = "(allocated: " + allocatedTo + ")"
		}
		if e.role != Unreserved {
			note += "(reservations: [(STATIC," + e.role + ")])"
		}
		parts = append(parts, e.name+note+":"+text)
	}
	return strings.Join(parts, "; ")
}

// ordered puts reservations first, and ranges first among equals, as the
// master's offers do.
func (b Bundle) ordered() []entry {
	sorted := slices.Clone(b.entries)
	slices.SortStableFunc(sorted, func(x, y entry) int { return x.rank() - y.rank() })
	return sorted
}

func (e entry) rank() int {
	rank := 0
	if e.role == Unreserved {
		rank = 2
	}
	if !e.isRanges {
		rank++
	}
	return rank
}
