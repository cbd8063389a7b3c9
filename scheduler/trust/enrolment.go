package trust

import (
	"errors"
	"slices"
	"time"
)

// An Enrolment is what is stored of an enrolment token: it lies in the configuration of machines that no Mesos task was placed on, may be read by
// whoever reads that, and lives longer than a task's token. So it is bound to a time and to a number of keys.
type Enrolment struct {
	Digest  string    `json:"digest"`
	Author  string    `json:"author"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Count   int       `json:"count"`
	Domain  string    `json:"domain,omitempty"` // failure domain that an operator put its nodes into
	Revoked bool      `json:"revoked,omitempty"`
	Uses    []Use     `json:"uses,omitempty"`
}

// A Use of an enrolment token by one key for one node.
type Use struct {
	Key  string `json:"key"`
	Node string `json:"node"`
}

// Why an enrolment token isn't honoured.
var (
	ErrEnrolmentExpired = errors.New("enrolment token has expired: make another with `scaleio-scheduler tokens create`")
	ErrEnrolmentRevoked = errors.New("enrolment token was revoked")
	ErrEnrolmentUsed    = errors.New("enrolment token has made all the nodes that it was made for")
	ErrEnrolmentOther   = errors.New("this key joined by this enrolment token as another node")
)

// ID by which people name the token.
func (e Enrolment) ID() string { return e.Digest[:12] }

// Use honours the token for a key: each key once, as one node; the same one again (its answer may have been lost) for nothing.
func (e Enrolment) Use(key, node string, now time.Time) (Enrolment, error) {
	i := slices.IndexFunc(e.Uses, func(u Use) bool { return u.Key == key })
	switch {
	case e.Revoked:
		return e, ErrEnrolmentRevoked
	case now.After(e.Expires):
		return e, ErrEnrolmentExpired
	case i >= 0 && e.Uses[i].Node != node:
		return e, ErrEnrolmentOther
	case i >= 0:
		return e, nil
	case len(e.Uses) >= e.Count:
		return e, ErrEnrolmentUsed
	}
	e.Uses = append(slices.Clone(e.Uses), Use{key, node})
	return e, nil
}
