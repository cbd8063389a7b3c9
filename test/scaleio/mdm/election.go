package mdm

import (
	"context"
	"slices"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
)

func contains(list []string, id string) bool { return slices.Contains(list, id) }

// campaign asks first without promise, so that a member that nobody would elect doesn't disturb a working cluster by raising the term.
func (n *Node) campaign(ctx context.Context) *office {
	if !n.gatherVotes(ctx, true) {
		return nil
	}
	n.mu.Lock()
	next := *n.voter
	next.Term++
	next.VotedFor = next.Self
	err := n.adopt(next)
	n.mu.Unlock()
	if err != nil {
		n.log.Warn("standing for election failed", "err", err)
		return nil
	}
	if !n.gatherVotes(ctx, false) {
		return nil
	}
	return n.takeOffice()
}

// gatherVotes tells whether a majority, this node included, would have or has voted for it.
func (n *Node) gatherVotes(ctx context.Context, dry bool) bool {
	n.mu.Lock()
	voter := *n.voter
	n.mu.Unlock()
	req := peerRequest{Op: "vote", System: voter.Config.SystemID, From: voter.Self, Term: voter.Term, Dry: dry,
		Config: &voter.Config, Replicas: &voter.Replicas}
	if dry {
		req.Term++
	}
	votes := make(chan bool)
	asked := 0
	for _, m := range voter.Config.Members {
		if !m.Voter || m.ID == voter.Self {
			continue
		}
		asked++
		go func() {
			answer, err := n.call(ctx, m, n.opt.Lease/2, req)
			if err == nil && answer.Config != nil {
				n.learn(*answer.Config)
			}
			if err == nil && !answer.OK {
				n.log.Debug("vote refused", "by", m.ID, "reason", answer.Why)
			}
			votes <- err == nil && answer.OK
		}()
	}
	granted := 1
	for range asked {
		if <-votes {
			granted++
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	same := n.voter != nil && n.voter.Term == voter.Term && n.voter.Config.Version == voter.Config.Version
	return same && granted >= voter.Config.majority()
}

// learn keeps a newer configuration that another member told.
func (n *Node) learn(c Config) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.voter == nil || c.SystemID != n.voter.Config.SystemID || !n.voter.Config.Version.before(c.Version) {
		return
	}
	next := *n.voter
	next.Config = c
	if err := n.adopt(next); err != nil {
		n.log.Warn("storing the cluster's members failed", "err", err)
	}
}

// adopt makes a voter record durable and then current. Called with mu held: a promise must be on disk before anyone sees it.
func (n *Node) adopt(next Voter) error {
	if err := n.repo.saveVoter(&next); err != nil {
		return err
	}
	n.voter = &next
	return nil
}

// answerVote is the heart of "a stale replica can never win": the voter that recorded it as missing refuses.
func (n *Node) answerVote(req peerRequest) peerAnswer {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.voter == nil || n.voter.Config.SystemID != req.System || req.Config == nil || req.Replicas == nil {
		return peerAnswer{Fault: mgmt.NotAttached}
	}
	v := *n.voter
	refuse := func(why string) peerAnswer { return peerAnswer{Why: why, Term: v.Term} }
	switch {
	case req.Config.Version.before(v.Config.Version):
		answer := refuse("candidate has an older list of members")
		answer.Config = &v.Config
		return answer
	case !req.Config.isVoter(req.From) || !req.Config.isVoter(v.Self):
		return refuse("not both members of the cluster")
	case n.office != nil || n.bound():
		return refuse("MDM in use")
	case req.Term < v.Term || req.Term == v.Term && v.VotedFor != req.From:
		return refuse("voted already in this term")
	case req.Replicas.Gen.before(v.Replicas.Gen) && !contains(v.Replicas.InSync, req.From):
		return refuse("Cannot accept vote as the sender is out of sync")
	}
	if req.Dry {
		return peerAnswer{OK: true, Term: v.Term}
	}
	v.Term, v.VotedFor = req.Term, req.From
	if v.Config.Version.before(req.Config.Version) {
		v.Config = *req.Config
	}
	if err := n.adopt(v); err != nil {
		return refuse(err.Error())
	}
	return peerAnswer{OK: true, Term: v.Term}
}

// answerBeat follows the master of this or a later term and stores what it says about members and replicas before agreeing.
func (n *Node) answerBeat(req peerRequest) peerAnswer {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.voter == nil || n.voter.Config.SystemID != req.System || req.Config == nil || req.Replicas == nil {
		return peerAnswer{Fault: mgmt.NotAttached}
	}
	next := *n.voter
	if req.Term < next.Term || req.Config.Version.before(next.Config.Version) {
		return peerAnswer{Term: next.Term, Config: &n.voter.Config, Why: "older term or members"}
	}
	changed := false
	if req.Term > next.Term {
		next.Term, next.VotedFor, changed = req.Term, "", true
	}
	if next.Config.Version.before(req.Config.Version) {
		next.Config, changed = *req.Config, true
	}
	if next.Replicas.Gen.before(req.Replicas.Gen) {
		next.Replicas, changed = *req.Replicas, true
	}
	if changed {
		if err := n.adopt(next); err != nil {
			return peerAnswer{Term: next.Term, Why: err.Error()}
		}
	}
	if n.office != nil && n.office.term < req.Term {
		n.office.resign("another master holds a later term")
	}
	n.follows, n.leaseEnd = req.From, time.Now().Add(n.opt.Lease)
	if req.Cluster != nil {
		n.picture = *req.Cluster
	}
	return peerAnswer{OK: true, Term: next.Term, Manager: n.opt.isManager(), Certificate: n.certificate}
}

// answerPut stores the master's state: only then may the master acknowledge. The disk is written without mu, so that a slow one doesn't keep
// beats from being answered; a later term that comes meanwhile makes the answer a refusal.
func (n *Node) answerPut(req peerRequest) peerAnswer {
	n.storing.Lock()
	defer n.storing.Unlock()
	if answer := n.mayPut(req); !answer.OK {
		return answer
	}
	if err := n.repo.saveState(req.State); err != nil {
		return peerAnswer{Why: err.Error()}
	}
	return n.mayPut(req)
}

func (n *Node) mayPut(req peerRequest) peerAnswer {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.voter == nil || n.voter.Config.SystemID != req.System:
		return peerAnswer{Fault: mgmt.NotAttached}
	case req.Term < n.voter.Term:
		return peerAnswer{Term: n.voter.Term, Why: "older term"}
	}
	return peerAnswer{OK: true, Term: n.voter.Term}
}
