package scheduler

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/trust"
)

// Bounds of what is kept of enrolment tokens.
const (
	maxEnrolments = 200
	enrolmentKept = 7 * 24 * time.Hour // after it expired, for people who wonder
	maxAuthor     = 100
	maxDomain     = 255
)

// CreateToken makes an enrolment token. It is stored, as a digest, before it is told.
func (b *brain) CreateToken(ctx context.Context, r api.TokenRequest) (api.NewToken, error) {
	ttl := time.Duration(r.TTLMS) * time.Millisecond
	switch {
	case r.Author == "" || len(r.Author) > maxAuthor || len(r.Domain) > maxDomain:
		return api.NewToken{}, api.Errorf(api.CodeInvalid, "a token needs an author (at most %d characters), and a failure domain of at most %d", maxAuthor, maxDomain)
	case ttl < api.MinTokenTTL || ttl > api.MaxTokenTTL || r.TTLMS > api.MaxTokenTTL.Milliseconds():
		return api.NewToken{}, api.Errorf(api.CodeInvalid, "a token lives from %s to %s", api.MinTokenTTL, api.MaxTokenTTL)
	case r.Count < 1 || r.Count > api.MaxTokenCount:
		return api.NewToken{}, api.Errorf(api.CodeInvalid, "a token makes from 1 to %d nodes", api.MaxTokenCount)
	}
	token, digest := trust.NewToken()
	answer := api.NewToken{Token: token, CA: b.authority().PEM(), Servers: b.Servers}
	err := b.do(ctx, func() error {
		b.forgetEnrolments()
		if len(b.enrolments) >= maxEnrolments {
			return api.Errorf(api.CodeTooMany, "there are %d tokens already: revoke some", maxEnrolments)
		}
		e := trust.Enrolment{
			Digest: digest, Author: r.Author, Created: b.state.Now.UTC(), Expires: b.state.Now.Add(ttl).UTC(), Count: r.Count, Domain: r.Domain,
		}
		b.keepEnrolment(e)
		b.byPerson(nil, "EnrolmentTokenCreated", e.Author, "", "%s: %d nodes until %s", e.ID(), e.Count, e.Expires.Format(time.RFC3339))
		answer.Cluster, answer.TokenStatus = b.state.Cluster.ID, b.tokenStatus(e)
		return nil
	})
	if err != nil {
		return api.NewToken{}, err
	}
	return answer, nil
}

// RevokeToken ends one. Nodes that joined by it stay: each of them is an operator's to remove.
func (b *brain) RevokeToken(ctx context.Context, r api.TokenRevocation) error {
	if r.Author == "" || len(r.Author) > maxAuthor {
		return api.Errorf(api.CodeInvalid, "a revocation needs an author (at most %d characters)", maxAuthor)
	}
	return b.do(ctx, func() error {
		for _, e := range b.enrolments {
			if e.ID() != r.ID {
				continue
			}
			if !e.Revoked {
				e.Revoked = true
				b.keepEnrolment(e)
				b.byPerson(nil, "EnrolmentTokenRevoked", r.Author, "", "%s", e.ID())
			}
			return nil
		}
		return api.Errorf(api.CodeNotFound, "no enrolment token %.100q", r.ID)
	})
}

// Tokens for people; what a token is nobody can tell any more.
func (b *brain) Tokens() api.TokenList {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := api.TokenList{Tokens: []api.TokenStatus{}}
	for _, e := range b.enrolments {
		list.Tokens = append(list.Tokens, b.tokenStatus(e))
	}
	slices.SortFunc(list.Tokens, func(x, y api.TokenStatus) int {
		return cmp.Or(x.Created.Compare(y.Created), strings.Compare(x.ID, y.ID))
	})
	return list
}

func (b *brain) tokenStatus(e trust.Enrolment) api.TokenStatus {
	s := api.TokenStatus{
		ID: e.ID(), Author: e.Author, Created: e.Created, Expires: e.Expires, Count: e.Count, Domain: e.Domain, Revoked: e.Revoked, Nodes: []string{},
	}
	for _, u := range e.Uses {
		name := u.Node
		if n := b.state.Nodes[u.Node]; n != nil {
			name = n.Name
		}
		s.Nodes = append(s.Nodes, name)
	}
	return s
}

func (b *brain) keepEnrolment(e trust.Enrolment) {
	b.enrolments[e.Digest] = e
	b.touched[kindEnrolment+e.Digest] = true
}

func (b *brain) forgetEnrolments() {
	for digest, e := range b.enrolments {
		if b.state.Now.Sub(e.Expires) > enrolmentKept {
			delete(b.enrolments, digest)
			b.touched[kindEnrolment+digest] = true
		}
	}
}

// admitEnrolled refuses who claims the identity of a node that is there, and that node stays what it is: the token lies in user data, and who reads it must not
// be able to put nodes out by naming them.
func (b *brain) admitEnrolled(id api.Identity, key string) (*decide.Node, error) {
	if n := b.state.Nodes[id.ID]; n != nil && n.Key != "" && n.Key != key && !n.Revoked && n.RemovalOf() != api.RemovalDone {
		return nil, api.Errorf(api.CodeConflict, "node identity %s is %s's, with another key: if its machine was installed anew, release its identity", id.ID, n.Name)
	}
	return b.admit(id, key)
}

// enrol a machine that no Mesos task was placed on. A key counts against the token before its identity is looked at: who stole the token can't
// claim more identities than the token has nodes.
func (b *brain) enrol(e trust.Enrolment, r api.JoinRequest, key string) error {
	next, err := e.Use(key, r.Node.ID, b.state.Now)
	if n := b.pinned(r.Node, key); err != nil && n != nil {
		b.knownAgain(n)
		return nil
	}
	if err != nil {
		b.once(nil, "EnrolmentRefused", "%s to %s: %v", e.ID(), r.Node.ID, err)
		return api.Errorf(api.CodeUnauthorized, "%v", err)
	}
	fresh := len(next.Uses) != len(e.Uses)
	if fresh {
		b.keepEnrolment(next)
	}
	n, err := b.admitEnrolled(r.Node, key)
	if err != nil {
		b.once(nil, "EnrolmentRefused", "%s to %s: %v", e.ID(), r.Node.ID, err)
		return err
	}
	if fresh {
		b.event(n, "EnrolmentTokenUsed", "%s, node %d of %d", e.ID(), len(next.Uses), e.Count)
	}
	b.situate(n, e.Domain)
	b.touchNode(n)
	return nil
}

// situate a node in the failure domain that its token names. Where a Mesos agent's attributes say one, they go before.
func (b *brain) situate(n *decide.Node, domain string) {
	if n.AgentID == "" && domain != "" && (n.Domain == "" || !b.state.Cluster.Spread) {
		n.Domain = domain
	}
}
