package api

import "time"

// CAWish is what a person wants of the cluster's CA.
type CAWish string

// The wishes.
const (
	CARotate CAWish = "rotate" // make a successor, trusted beside it
	CAFinish CAWish = "finish" // forget the old one
)

// MaxCABytes bounds the PEM of the CAs that a node is to trust: two of them.
const MaxCABytes = 16 << 10

// A RecoverRequest lets a recovery go on without nodes that are off, or that say what can't be.
type RecoverRequest struct {
	Author  string   `json:"author"`
	Without []string `json:"without"` // names, identities, host names, or ids of Mesos agents
}

// A CARequest tells a wish.
type CARequest struct {
	Wish        CAWish   `json:"wish"`
	Author      string   `json:"author"`
	LeaveBehind []string `json:"leaveBehind,omitempty"` // nodes that need not have followed: they join anew by the next task or token
}

// CAView is how far a rotation is.
type CAView struct {
	Since  time.Time `json:"since"`
	Author string    `json:"author"`
	Nodes  int       `json:"nodes"`
	Left   int       `json:"left"`            // nodes that don't have a certificate of the new CA yet, or don't trust it
	Names  []string  `json:"names,omitempty"` // of some of them
	Serves bool      `json:"serves"`          // all trust the new CA, so the scheduler shows itself by it

	GivenOut []string `json:"givenOut,omitempty"` // join tokens that are still good and went out with the old CA alone: who joins by them takes no other
}
