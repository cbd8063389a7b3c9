package api

import (
	"strings"
	"time"
)

// ClusterStatus is what `scaleio-scheduler status` and the status page show.
type ClusterStatus struct {
	Cluster   string       `json:"cluster"`
	Name      string       `json:"name"`
	Framework string       `json:"framework"`
	Ready     bool         `json:"ready"`             // every placed node is Ready and the cluster is formed and Normal
	Waiting   string       `json:"waiting,omitempty"` // for what, while roles can't be decided
	Gates     []Gate       `json:"gates"`
	Leader    string       `json:"leader,omitempty"` // name of the node
	SystemID  string       `json:"systemId,omitempty"`
	Hold      *Hold        `json:"hold,omitempty"`
	ReadOnly  string       `json:"readOnly,omitempty"` // why, when an unknown dialect made it so
	Storage   *ClusterView `json:"storage,omitempty"`
	Nodes     []NodeStatus `json:"nodes"`
	Events    []Event      `json:"events,omitempty"` // newest last, bounded
	Growth    *GrowthView  `json:"growth,omitempty"`
	Rollout   *RolloutView `json:"rollout,omitempty"`
	CA        *CAView      `json:"ca,omitempty"` // while it is being rotated

	Interruption *InterruptionView `json:"interruption,omitempty"` // nil = no node has the right to be interrupted
}

// InterruptionView of the one node that may be interrupted.
type InterruptionView struct {
	Node  string    `json:"node"`          // its name
	For   string    `json:"for,omitempty"` // reboot, or the component that it upgrades; "" = its Mesos agent
	Since time.Time `json:"since,omitzero"`
	Late  bool      `json:"late,omitempty"` // it isn't back in time: nobody else is interrupted before it is, or an operator releases it
	State string    `json:"state"`          // for people
}

// NodeStatus is one line of it.
type NodeStatus struct {
	Node        string      `json:"node"`
	Name        string      `json:"name"`
	Hostname    string      `json:"hostname"`
	Address     string      `json:"address,omitempty"`
	Role        Role        `json:"role"`
	FaultDomain string      `json:"faultDomain,omitempty"`
	Ready       bool        `json:"ready"`
	Step        string      `json:"step,omitempty"`
	Reason      string      `json:"reason,omitempty"`
	Message     string      `json:"message,omitempty"`
	Task        string      `json:"task,omitempty"` // Mesos task state
	LastSeen    time.Time   `json:"lastSeen,omitzero"`
	Conditions  []Condition `json:"conditions,omitempty"`
	Disks       []Disk      `json:"disks,omitempty"`
	SDS         *SDSView    `json:"sds,omitempty"`
	Removal     Removal     `json:"removal,omitempty"`
	Agent       string      `json:"agent,omitempty"` // version of it
}

// An Event worth a person's attention.
type Event struct {
	Time    time.Time `json:"time"`
	Node    string    `json:"node,omitempty"`
	Kind    string    `json:"kind"` // CamelCase
	Message string    `json:"message"`
	Who     string    `json:"who,omitempty"`       // whose decision it was
	Why     string    `json:"why,omitempty"`       // what it was decided from
	Cost    Cents     `json:"costCents,omitempty"` // per month

	Seq      int64             `json:"seq,omitempty"`      // rises with every event of a cluster
	Evidence map[string]string `json:"evidence,omitempty"` // the facts that it was decided from, as they were
}

// An EventQuery chooses among the events that are kept.
type EventQuery struct {
	Since  time.Time // from then on
	After  int64     // Seq
	Node   string    // its name
	Growth bool      // the story of growth alone
}

// Takes says whether an event is asked for.
func (q EventQuery) Takes(e Event) bool {
	return !e.Time.Before(q.Since) && (q.After == 0 || e.Seq > q.After) && (q.Node == "" || e.Node == q.Node) && (!q.Growth || strings.HasPrefix(e.Kind, "Growth"))
}

// EventList of everything that is kept, oldest first: the story of growth is kept apart from all else, so that nothing pushes it out.
type EventList struct {
	Events []Event `json:"events"`
}

// PlanStatus is what would be done next, and which choices are permanent.
type PlanStatus struct {
	Steps  []PlanLine  `json:"steps"`
	Growth *GrowthView `json:"growth,omitempty"`
}

// A PlanLine is one coming act.
type PlanLine struct {
	Node      string `json:"node,omitempty"` // empty = cluster
	Act       string `json:"act"`
	Why       string `json:"why"`
	Permanent bool   `json:"permanent"` // can't be changed later without removing and adding again
}

// HoldRequest sets or (Release) takes away the brake.
type HoldRequest struct {
	Node    string `json:"node,omitempty"`
	Author  string `json:"author"`
	Reason  string `json:"reason,omitempty"`
	ForMS   int64  `json:"forMs,omitempty"` // 0 = until released
	Release bool   `json:"release,omitempty"`
}

// ApproveRequest approves a disk of a node (Disk "*": all that it offers now), or an expansion.
type ApproveRequest struct {
	Node      string `json:"node,omitempty"`
	Disk      string `json:"disk,omitempty"`
	Expansion string `json:"expansion,omitempty"` // UUID, or at least 8 characters of a beginning that only one has
	Author    string `json:"author,omitempty"`
}

// ApproveAnswer says what was approved, where that was an expansion.
type ApproveAnswer struct {
	Expansion *ExpansionView `json:"expansion,omitempty"`
}

// What a ReleaseRequest takes back.
const (
	ReleaseDisruption = "disruption" // the disruption lease, from a holder that will not come back
	ReleaseFormation  = "formation"  // the grant to form the cluster, after a person saw that its node formed none
	ReleaseIdentity   = "identity"   // a node's key, so that the machine may join with a new one
	ReleaseReadOnly   = "read-only"  // what made the cluster read-only, when its node is gone; one that still shows it makes it so again
)

// ReleaseRequest takes back what never times out. Only a person who looked may ask for it.
type ReleaseRequest struct {
	What   string `json:"what"`
	Node   string `json:"node,omitempty"` // for ReleaseIdentity
	Author string `json:"author,omitempty"`
}
