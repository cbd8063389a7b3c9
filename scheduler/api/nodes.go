package api

// Removal is how far a node is on its way out. It is stored before anything is done about it.
type Removal string

// The phases.
const (
	RemovalDraining Removal = "draining" // its SDS is to go: the data on its disks moves to the others
	RemovalLeaving  Removal = "leaving"  // the system holds nothing on it any more; its agent takes away what it put there
	RemovalDone     Removal = "removed"  // bare again: no task is placed there, and its key is worth nothing
)

// NodeWish is what a person wants of a node.
type NodeWish string

// The wishes.
const (
	NodeRemove  NodeWish = "remove"
	NodeKeep    NodeWish = "keep"    // takes a removal back, until its SDS is gone
	NodeReadmit NodeWish = "readmit" // lets a removed machine join again
)

// A NodeRequest tells a wish; with DryRun only what would come of it is answered.
type NodeRequest struct {
	Node   string   `json:"node"`
	Wish   NodeWish `json:"wish"`
	Author string   `json:"author"`
	DryRun bool     `json:"dryRun,omitempty"`
}

// A NodeAnswer says what will be done, in order.
type NodeAnswer struct {
	Node string   `json:"node"` // its name
	Acts []string `json:"acts"`
}
