package api

import "time"

// A TokenRequest asks for an enrolment token: what machines join with that no Mesos task was placed on.
type TokenRequest struct {
	Author string `json:"author"`
	TTLMS  int64  `json:"ttlMs"`
	Count  int    `json:"count"`            // how many nodes it makes
	Domain string `json:"domain,omitempty"` // failure domain of the nodes that join by it
}

// Bounds of an enrolment token.
const (
	MinTokenTTL   = time.Minute
	MaxTokenTTL   = 30 * 24 * time.Hour
	MaxTokenCount = 200
)

// A NewToken is the one answer that carries an enrolment token; only its digest is kept. With the rest it makes an agent.yaml.
type NewToken struct {
	TokenStatus
	Token   string   `json:"token"`
	Cluster string   `json:"cluster"`
	CA      string   `json:"ca"` // PEM
	Servers []string `json:"servers"`
}

// TokenStatus is what may be known of an enrolment token.
type TokenStatus struct {
	ID      string    `json:"id"` // first digits of its digest
	Author  string    `json:"author"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Count   int       `json:"count"`
	Domain  string    `json:"domain,omitempty"`
	Revoked bool      `json:"revoked,omitempty"`
	Nodes   []string  `json:"nodes"` // that joined by it, by name
}

// TokenList lists the enrolment tokens, oldest first.
type TokenList struct {
	Tokens []TokenStatus `json:"tokens"`
}

// A TokenRevocation ends an enrolment token. Nodes that joined by it stay.
type TokenRevocation struct {
	ID     string `json:"id"`
	Author string `json:"author"`
}
