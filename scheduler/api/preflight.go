package api

// Preflight is what the nodes of a cluster look at together before anything is installed. A spec without one comes from a scheduler that doesn't know it.
type Preflight struct {
	Done    bool      `json:"done,omitempty"`    // the MDMs' nodes have reached each other: stored, and never taken back
	Refused []Refusal `json:"refused,omitempty"` // what only the scheduler sees against installing on this node
}

// A Refusal is why not.
type Refusal struct {
	Reason  string `json:"reason"` // CamelCase
	Message string `json:"message"`
}

// StepCheckPeers is the step that tries the peers' ports, and ReasonPeersReached what it says while the others haven't reached theirs.
const (
	StepCheckPeers     = "check-peers"
	ReasonPeersReached = "PeersReached"
)
