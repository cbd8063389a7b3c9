package decide

import (
	"iter"
	"time"
	"unique"

	"scaleio-framework/scheduler/api"
)

// A line is a condition as it is kept, a quarter of its size: what ten thousand nodes say of themselves is the same few hundred sentences, and package unique holds each
// once, for as long as a node says it.
type line struct {
	said       unique.Handle[sentence]
	since      int64 // ns since 1970
	generation int64
}

type sentence struct {
	step            string
	status          api.Status
	reason, message string
}

func (l line) condition() api.Condition {
	said := l.said.Value()
	return api.Condition{Type: said.step, Status: said.status, Reason: said.reason, Message: said.message, Since: atNanosecond(l.since), Generation: l.generation}
}

// Keep a node's report. Its conditions are kept apart from it.
func (n *Node) Keep(r *api.Report) {
	n.lines = make([]line, len(r.Conditions))
	for i, c := range r.Conditions {
		n.lines[i] = line{unique.Make(sentence{c.Type, c.Status, c.Reason, c.Message}), nanoseconds(c.Since), c.Generation}
	}
	r.Conditions = nil
	n.Report = r
}

// Conditions of a node's last report, in the order of its plan.
func (n *Node) Conditions() iter.Seq[api.Condition] {
	return func(yield func(api.Condition) bool) {
		if n.Report == nil {
			return
		}
		for _, c := range n.Report.Conditions { // one that wasn't given to Keep
			if !yield(c) {
				return
			}
		}
		for _, l := range n.lines {
			if !yield(l.condition()) {
				return
			}
		}
	}
}

// looked: the node said at all how it is.
func (n *Node) looked() bool { return n.Report != nil && len(n.Report.Conditions)+len(n.lines) > 0 }

// condition of a step; nil = the node said nothing of it.
func condition(n *Node, step string) *api.Condition {
	if n == nil || n.Report == nil {
		return nil
	}
	for i := range n.Report.Conditions {
		if c := &n.Report.Conditions[i]; c.Type == step {
			return c
		}
	}
	for _, l := range n.lines { // asked of all nodes in a look, mostly for what they don't say
		if l.said.Value().step == step {
			c := l.condition()
			return &c
		}
	}
	return nil
}

// holds says whether a step's fact holds on a node, by its last report.
func holds(n *Node, step string) bool {
	c := condition(n, step)
	return c != nil && c.Status == api.True
}

// holdsNow: and the look was made for the spec that the report names. A report may come while a pass goes on, and then carries some conditions
// of the pass before. Gates ask this; what goes into specs doesn't, or a spec would depend on its own generation.
func holdsNow(n *Node, step string) bool {
	return holds(n, step) && condition(n, step).Generation == n.Report.Version.Generation
}

// passed says whether all conditions were made for the report's spec.
func passed(n *Node) bool {
	for c := range n.Conditions() {
		if c.Generation != n.Report.Version.Generation {
			return false
		}
	}
	return true
}

// nanoseconds since 1970; 0 = no time.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func atNanosecond(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
