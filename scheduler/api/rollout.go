package api

import "time"

// AgentBinary is what the daemon of a node should be. A node fetches it, proves it and goes back from it by itself.
type AgentBinary struct {
	URL           string `json:"url"`
	SHA256        string `json:"sha256"`
	Attempt       int    `json:"attempt,omitempty"`       // rises when a person wants what nodes went back from to be tried again
	ReadyWithinMS int64  `json:"readyWithinMs,omitempty"` // after its start; 0 = DefaultReadyWithin
}

// DefaultReadyWithin is how long a new agent has to show that its node is as it was before.
const DefaultReadyWithin = 5 * time.Minute

// ReadyWithin is how long this one has.
func (b AgentBinary) ReadyWithin() time.Duration {
	if b.ReadyWithinMS <= 0 {
		return DefaultReadyWithin
	}
	return time.Duration(b.ReadyWithinMS) * time.Millisecond
}

// RunningBinary is which agent a node runs. An agent that says nothing of it can't replace itself.
type RunningBinary struct {
	SHA256     string      `json:"sha256"`
	Proving    bool        `json:"proving,omitempty"` // it came in place of another, and hasn't shown yet that it can
	Waiting    string      `json:"waiting,omitempty"` // why it isn't what the spec wants
	RolledBack *RolledBack `json:"rolledBack,omitempty"`
}

// RolledBack is an agent that this node went back from. It isn't tried again before the spec wants another one, or another attempt.
type RolledBack struct {
	SHA256  string    `json:"sha256"`
	Attempt int       `json:"attempt,omitempty"`
	Why     string    `json:"why"`
	At      time.Time `json:"at"`
}

// Refuses says whether the node went back from just this.
func (r *RolledBack) Refuses(b AgentBinary) bool {
	return r != nil && r.SHA256 == b.SHA256 && r.Attempt >= b.Attempt
}

// What a person may want of a rollout.
const (
	RolloutResume = "resume" // try again what failed, and go on
	RolloutAbort  = "abort"  // everything back to what was before, in the same waves
)

// RolloutRequest of a person.
type RolloutRequest struct {
	Action string `json:"action"`
	Author string `json:"author"`
}

// RolloutView is how far a new agent, manifest or setting is on its way to the nodes.
type RolloutView struct {
	State   string         `json:"state"` // running | stopped | done
	Target  string         `json:"target"`
	Agent   string         `json:"agent,omitempty"` // SHA-256
	Wave    int            `json:"wave"`            // 0 = the canary
	Given   int            `json:"given"`           // nodes that were given it
	Left    int            `json:"left"`            // nodes that are still as before
	Failed  []RolloutFault `json:"failed,omitempty"`
	Why     string         `json:"why,omitempty"` // it is stopped, or what it waits for
	Refused string         `json:"refused,omitempty"`
}

// A RolloutFault is a node that couldn't be what the rollout wanted.
type RolloutFault struct {
	Node string `json:"node"`
	Why  string `json:"why"`
}
