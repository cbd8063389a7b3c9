package api

// An Explanation says of one node, in words, what it is for, how it is, what stands in its way, and what to do.
type Explanation struct {
	Name     string   `json:"name"`
	Purpose  string   `json:"purpose,omitempty"`
	State    string   `json:"state"`
	InTheWay string   `json:"inTheWay,omitempty"` // step and reason
	Means    string   `json:"means,omitempty"`
	Says     string   `json:"says,omitempty"` // the node's own message
	Do       []string `json:"do,omitempty"`
	Waits    string   `json:"waitsFor,omitempty"`
	Also     []string `json:"also,omitempty"`
}
