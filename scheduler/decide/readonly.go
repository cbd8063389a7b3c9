package decide

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
)

// ReadOnly is why nothing may be changed anywhere: an answer of the product that no parser fully recognises. It is kept until the node that
// showed it says that it understands again, or a person releases it.
type ReadOnly struct {
	Node  string    `json:"node"`
	Text  string    `json:"text"` // what wasn't understood, cut
	Since time.Time `json:"since"`
}

// reasonUnknownDialect marks conditions of nodes and of the leader.
const reasonUnknownDialect = "UnknownDialect"

// maxUnrecognised bytes are kept here; the node's own report holds more.
const maxUnrecognised = 4 << 10

// readOnly puts the cluster's record in line with what nodes and leader say now.
func readOnly(s *State, c *Cluster, out *Outcome) {
	if c.ReadOnly != nil {
		n := s.Nodes[c.ReadOnly.Node]
		if n != nil && (!s.live(n) || unrecognised(s, n) != "") {
			return
		}
		out.tell(s, c.ReadOnly.Node, "ReadOnlyEnded", "all answers of the product are understood again")
		c.ReadOnly = nil
	}
	for _, n := range those(s.Nodes, func(n *Node) bool { return s.live(n) && unrecognised(s, n) != "" }) {
		c.ReadOnly = &ReadOnly{Node: n.ID, Text: strings.ToValidUTF8(cut(unrecognised(s, n), maxUnrecognised), "?"), Since: s.Now.UTC()}
		out.tell(s, n.ID, "ReadOnly", "nothing is changed anywhere: an answer of the product isn't understood: "+c.ReadOnly.Text)
		return
	}
}

// unrecognised is what a node's last report holds of it: from its own MDM, from its steps, from its duties as leader.
func unrecognised(s *State, n *Node) string {
	if n == nil || n.Report == nil {
		return ""
	}
	if n.Report.MDM != nil && n.Report.MDM.Unknown != "" {
		return n.Report.MDM.Unknown
	}
	text := inUnknownDialect(n.Conditions())
	if text == "" && s.View != nil && s.View.From == n.ID && s.Leases.Leader == n.ID {
		text = inUnknownDialect(slices.Values(s.View.Conditions))
	}
	return text
}

func inUnknownDialect(all iter.Seq[api.Condition]) string {
	for c := range all {
		if c.Reason == reasonUnknownDialect {
			return fmt.Sprintf("%s: %s", c.Type, c.Message)
		}
	}
	return ""
}

// hold that the record puts on every node.
func (r *ReadOnly) hold(s *State) *api.Hold {
	return &api.Hold{Author: api.AuthorScheduler, Reason: fmt.Sprintf("read-only since %s: an answer of the product on %s isn't understood: %.200s",
		r.Since.Format(time.RFC3339), nameOf(s, r.Node), r.Text)}
}
