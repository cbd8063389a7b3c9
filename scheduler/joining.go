package scheduler

import (
	"context"
	"crypto/x509"
	"errors"
	"regexp"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/server"
	"scaleio-framework/scheduler/trust"
)

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)

// Join gives a node its first certificate for the token of its task. Joining alone yields no secret.
func (b *brain) Join(ctx context.Context, r api.JoinRequest, csr *x509.CertificateRequest) (api.JoinAnswer, error) {
	if !idPattern.MatchString(r.Node.ID) {
		return api.JoinAnswer{}, api.Errorf(api.CodeInvalid, "%.200q is no identity of a node", r.Node.ID)
	}
	if err := checkIdentity(r.Node); err != nil {
		return api.JoinAnswer{}, err
	}
	key := trust.Fingerprint(csr.RawSubjectPublicKeyInfo)
	err := b.do(ctx, func() error {
		if b.recovery != nil {
			return errRecovering
		}
		return b.join(r, key)
	})
	b.metrics.join(err)
	if err != nil {
		return api.JoinAnswer{}, err
	}
	return b.certify(r.Node.ID, csr)
}

func (b *brain) join(r api.JoinRequest, key string) error {
	digest := trust.Digest(r.Token)
	if e, ok := b.enrolments[digest]; ok {
		return b.enrol(e, r, key)
	}
	p := b.agents[b.tickets[digest]]
	dead := p == nil || p.State.Ended() || !p.Ticket.Revoked && b.state.Now.After(p.Ticket.Expires) && (p.Ticket.Key == "" || p.Ticket.Key == key)
	if n := b.pinned(r.Node, key); n != nil && dead {
		b.knownAgain(n)
		return nil
	}
	if p == nil || p.State.Ended() {
		return api.Errorf(api.CodeUnauthorized, "join token isn't known: its task has ended; the next one brings a new token")
	}
	ticket, err := p.Ticket.Use(key, b.state.Now)
	switch {
	case errors.Is(err, trust.ErrReused):
		b.revoke(p)
	case errors.Is(err, trust.ErrLate):
		b.event(b.owners[p.AgentID], "JoinTokenMisused", "the join token of task %s was shown after its time, with another key: somebody reads Mesos' state", p.TaskID)
	case err == nil && b.anothers(p, r.Node.ID):
		ticket = p.Ticket
		ticket.Revoked, err = true, errOtherNode
		b.event(b.state.Nodes[p.Node], "JoinTokenMisused", "the join token of task %s was used to join as %s: refused", p.TaskID, r.Node.ID)
	}
	p.Ticket = ticket
	b.touched[kindAgent+p.AgentID] = true
	if err != nil {
		return api.Errorf(api.CodeUnauthorized, "%v", err)
	}
	n, err := b.admit(r.Node, key)
	if err != nil {
		return err
	}
	p.Node = n.ID
	b.settle(n, p)
	b.touchNode(n)
	return nil
}

// pinned is the node whose key this is, where it may still speak for it. Its certificate has expired, or a CA signed it that counts no more: the request for the next one, signed
// with the key, is proof enough, since the certificate is worth nothing without that key.
func (b *brain) pinned(id api.Identity, key string) *decide.Node {
	n := b.state.Nodes[id.ID]
	if n == nil || key == "" || n.Key != key || n.Revoked || n.Conflict != "" || n.RemovalOf() == api.RemovalDone {
		return nil
	}
	return n
}

func (b *brain) knownAgain(n *decide.Node) { b.event(n, "NodeJoined", "again, by its own key") }

var errOtherNode = api.Errorf(api.CodeUnauthorized, "another node joined from this Mesos agent: if its machine was installed anew, release the identity of the former node")

// anothers says whether a placement's token is for another node than this: one Mesos agent is one machine. Else one stolen token would make any
// number of nodes, and of these the MDMs.
func (b *brain) anothers(p *placement, id string) bool {
	n := b.state.Nodes[p.Node]
	return n != nil && n.ID != id && n.Key != "" && !n.Revoked
}

// admit finds the node or makes it. The same id with another key is a conflict that only a person can solve.
func (b *brain) admit(id api.Identity, key string) (*decide.Node, error) {
	n := b.state.Nodes[id.ID]
	switch {
	case n == nil:
		n = &decide.Node{ID: id.ID, Hostname: id.Hostname, AgentUUID: id.AgentUUID, Key: key}
		n.Name = decide.Name(id.Hostname, id.ID, b.nameTaken)
		b.state.Nodes[id.ID] = n
		b.event(n, "NodeJoined", "identity %s", id.ID)
	case n.RemovalOf() == api.RemovalDone:
		return nil, api.Errorf(api.CodeForbidden, "node %s was removed; `nodes readmit %s` lets it join again", n.Name, n.Name)
	case n.Key == "": // a person released its identity
		n.Key, n.AgentUUID = key, id.AgentUUID
		b.event(n, "NodeJoined", "again, with a new key")
	case n.Revoked:
		return nil, api.Errorf(api.CodeForbidden, "the key of node %s was revoked; an operator has to release its identity", n.Name)
	case n.Key != key:
		before := n.Conflict
		n.Conflict = "another machine (host " + id.Hostname + ", agent " + id.AgentUUID + ") claims the same identity with another key; " +
			"if the machine was installed anew, release its identity"
		if n.Conflict != before { // it goes on trying
			b.event(n, api.ConditionIdentityConflict, "%s", n.Conflict)
		}
		b.touchNode(n)
		return nil, api.Errorf(api.CodeConflict, "node identity %s is known with another key", id.ID)
	}
	return n, nil
}

// settle the node where its task is: failure domain and pin come from the Mesos agent's attributes. Once fault sets are decided a domain that
// changed isn't followed, since an SDS can't change its fault set.
func (b *brain) settle(n *decide.Node, p *placement) {
	first := n.AgentID == "" && n.Domain == ""
	b.own(n, p.AgentID)
	n.Pin, n.TooSmall = p.Pin, p.TooSmall
	switch {
	case first || !b.state.Cluster.Spread:
		n.Domain, n.Moved = p.Domain, ""
	case n.Domain == p.Domain:
		n.Moved = ""
	case n.Moved != p.Domain:
		n.Moved = p.Domain
		b.event(n, "FaultDomainChanged", "joined in %q, seen in %q now", n.Domain, p.Domain)
	}
}

// revoke what a stolen token led to: the first key as well, since nobody can say which of the two was the thief's.
func (b *brain) revoke(p *placement) {
	for _, n := range b.state.Nodes {
		if n.Key == p.Ticket.Key && n.AgentID == p.AgentID {
			n.Revoked = true
			b.touchNode(n)
			b.event(n, "JoinTokenReused", "the join token of task %s was used with two keys: both are revoked", p.TaskID)
			return
		}
	}
	b.event(nil, "JoinTokenReused", "the join token of task %s on %s was used with two keys: both are revoked", p.TaskID, p.Hostname)
}

func (b *brain) nameTaken(name string) bool {
	for _, n := range b.state.Nodes {
		if n.Name == name {
			return true
		}
	}
	return false
}

// Renew signs the node's next certificate, for the same key.
func (b *brain) Renew(_ context.Context, c server.Caller, csr *x509.CertificateRequest) (api.JoinAnswer, error) {
	if trust.Fingerprint(csr.RawSubjectPublicKeyInfo) != c.Fingerprint {
		return api.JoinAnswer{}, api.Errorf(api.CodeForbidden, "a certificate is renewed for the same key only")
	}
	return b.certify(c.Node, csr)
}

func (b *brain) certify(node string, csr *x509.CertificateRequest) (api.JoinAnswer, error) {
	cert, err := b.authority().Node(node, csr, time.Now())
	if err != nil {
		return api.JoinAnswer{}, err
	}
	return api.JoinAnswer{Cluster: b.clusterID(), Certificate: cert, CA: b.authority().PEM(), Servers: b.Servers}, nil
}

// Known says whether a certificate's key may still speak for its node.
func (b *brain) Known(c server.Caller) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	n := b.state.Nodes[c.Node]
	switch {
	case b.recovery != nil, n == nil && b.late(c): // it is asked what it remembers
		return nil
	case n == nil:
		return api.Errorf(api.CodeUnauthorized, "node %s isn't known", c.Node)
	case n.RemovalOf() == api.RemovalDone:
		return api.Errorf(api.CodeUnauthorized, "node %s was removed", n.Name)
	case !speaksFor(n, c.Fingerprint):
		return revoked(n)
	}
	return nil
}

func speaksFor(n *decide.Node, key string) bool { return !n.Revoked && n.Key == key }

func revoked(n *decide.Node) error {
	return api.Errorf(api.CodeUnauthorized, "the key of node %s was revoked", n.Name)
}

func (b *brain) clusterID() string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.state.Cluster.ID
}
