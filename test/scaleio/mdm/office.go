package mdm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"scaleio-framework/test/scaleio/mgmt"
)

// An office is one term of being master: from election to resignation.
type office struct {
	node *Node
	term int64
	ctx  context.Context
	end  context.CancelCauseFunc

	configuring sync.Mutex // one SDS or device at a time is taken in or given back; before writing
	fencing     sync.Mutex // one change of places at a time; before writing
	writing     sync.Mutex // one change at a time
	state       atomic.Pointer[State]
	serving     atomic.Bool
	leaving     atomic.Bool // the lease is given up: no more beats

	mu      sync.Mutex
	heard   map[string]time.Time // when the last beat that a member agreed to was sent
	refused map[string]bool      // members whose machine answers that no MDM listens there
	inUse   map[string]bool      // members whose beat loop runs
	shown   map[string]*mgmt.Certificate

	rebuilding, rebalancing atomic.Int64         // bytes being copied now
	resting                 map[string]time.Time // volumes that aren't refilled before; refill's own

	sdss *sdsWatch
	sdcs *sdcClients
}

// takeOffice starts from this node's replica, which by election holds every acknowledged change.
func (n *Node) takeOffice() *office {
	n.storing.Lock()
	raw, err := n.repo.loadState()
	n.storing.Unlock()
	state := &State{}
	if err == nil {
		err = json.Unmarshal(raw, state)
	}
	if err != nil {
		n.log.Error("elected but the state can't be read", "err", err)
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	ctx, end := context.WithCancelCause(n.officeCtx)
	o := &office{node: n, term: n.voter.Term, ctx: ctx, end: end, heard: map[string]time.Time{}, refused: map[string]bool{}, resting: map[string]time.Time{}, inUse: map[string]bool{},
		shown: map[string]*mgmt.Certificate{n.voter.Self: n.certificate}}
	o.sdss, o.sdcs = newSDSWatch(o), newSDCClients(o)
	o.state.Store(state)
	n.office, n.follows = o, ""
	n.log.Info("elected", "term", o.term, "index", state.Index)
	return o
}

// resign ends the term; serve returns soon after. May be called with Node.mu held.
func (o *office) resign(reason string) {
	o.serving.Store(false)
	o.end(fmt.Errorf("resigned: %s", reason))
}

// serve holds office until ctx ends or the majority is lost.
func (o *office) serve(ctx context.Context, s *server) {
	n := o.node
	defer func() {
		o.resign("leaving office")
		n.mu.Lock()
		n.office = nil
		n.standsAt = time.Now().Add(beatsOfRest * n.opt.Heartbeat)
		if o.leaving.Load() { // for another, who may be slow
			n.standsAt = time.Now().Add(n.opt.Lease)
		}
		n.mu.Unlock()
		n.sessions.clear()
		n.log.Info("left office", "term", o.term, "reason", context.Cause(o.ctx))
	}()
	stop := context.AfterFunc(ctx, func() { o.resign("stopping") })
	defer stop()

	// First of all: alone in sync, by a majority's word. The others come back through resync.
	if err := o.open(); err != nil {
		n.log.Warn("taking office failed", "term", o.term, "err", err)
		return
	}
	listener, err := listen(o.ctx, n.opt.Listen, n.opt.ManagementPort)
	if err != nil {
		n.log.Error("listening for management failed", "err", err)
		return
	}
	group, ctx := errgroup.WithContext(o.ctx)
	o.serving.Store(true)
	group.Go(func() error { return s.serve(ctx, listener, true) })
	group.Go(func() error { return o.beats(ctx, group) })
	group.Go(func() error { return o.sdss.run(ctx) })
	if err := group.Wait(); err != nil {
		o.resign(err.Error())
	}
}

func (o *office) open() error {
	n := o.node
	ctx, cancel := context.WithTimeout(o.ctx, n.opt.Lease)
	defer cancel()
	o.writing.Lock()
	defer o.writing.Unlock()
	return o.record(ctx, func(v *Voter) {
		v.Config = v.Config.clone(o.term)
		v.Replicas = Replicas{Gen: Stamp{o.term, 1}, InSync: []string{v.Self}}
	}, recordOwnFirst)
}

type recordOrder bool

const (
	recordOwnFirst   recordOrder = true
	recordOwnLast    recordOrder = false // a shrinking cluster: see switchMode
	beatsOfRest                  = 4     // after an office, so that others may stand first
	quorumCallFactor             = 2     // a member that doesn't answer within half a lease isn't there
)

// record changes members or replicas: durable here and with a majority of voters, or an error (and then nothing may rely on it).
// Called with writing held.
func (o *office) record(ctx context.Context, change func(*Voter), order recordOrder) error {
	n := o.node
	n.mu.Lock()
	next, old := *n.voter, n.voter.Config
	next.Replicas.InSync = slices.Clone(next.Replicas.InSync)
	if next.Term != o.term {
		n.mu.Unlock()
		return mgmt.WrongClusterState
	}
	change(&next)
	if order == recordOwnFirst {
		if err := n.adopt(next); err != nil {
			n.mu.Unlock()
			return err
		}
	}
	n.mu.Unlock()
	agreed := o.tellAll(ctx, next, old)
	if !hasMajority(next.Config, agreed) || order == recordOwnLast && !hasMajority(old, agreed) {
		return mgmt.WrongClusterState
	}
	if order == recordOwnLast {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.adopt(next)
	}
	return nil
}

// tellAll beats every member once and returns those that stored it, this node included.
func (o *office) tellAll(ctx context.Context, v Voter, old Config) []string {
	members := slices.Clone(v.Config.Members)
	for _, m := range old.Members {
		if _, ok := v.Config.member(m.ID); !ok {
			members = append(members, m)
		}
	}
	var mu sync.Mutex
	var wait sync.WaitGroup
	agreed := []string{v.Self}
	for _, m := range members {
		if m.ID == v.Self {
			continue
		}
		wait.Go(func() {
			if o.beat(ctx, m, &v) == nil {
				mu.Lock()
				agreed = append(agreed, m.ID)
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return agreed
}

func hasMajority(c Config, agreed []string) bool {
	count := 0
	for _, id := range c.voters() {
		if contains(agreed, id) {
			count++
		}
	}
	return count >= c.majority()
}

// beat sends members, replicas and the lease to one member. A nil voter means the current one.
func (o *office) beat(ctx context.Context, m mgmt.Member, v *Voter) error {
	n := o.node
	if o.leaving.Load() {
		return errRefused
	}
	if v == nil {
		n.mu.Lock()
		current := *n.voter
		n.mu.Unlock()
		v = &current
	}
	picture := o.cluster()
	sent := time.Now()
	answer, err := n.call(ctx, m, n.opt.Lease/quorumCallFactor, peerRequest{Op: "beat", System: v.Config.SystemID, From: v.Self,
		Term: o.term, Config: &v.Config, Replicas: &v.Replicas, Cluster: &picture})
	o.mu.Lock()
	o.refused[m.ID] = errors.Is(err, syscall.ECONNREFUSED)
	o.mu.Unlock()
	switch {
	case err != nil:
		return err
	case answer.Term > o.term:
		o.resign("a member knows a later term")
		return errRefused
	case !answer.OK:
		if answer.Config != nil {
			n.learn(*answer.Config) // this office's own change that reached members only
		}
		return fmt.Errorf("%w: %s", errRefused, answer.Why)
	}
	o.mu.Lock()
	o.heard[m.ID], o.shown[m.ID] = sent, answer.Certificate
	o.mu.Unlock()
	return nil
}

// write is the only way to change the document. fn works on a copy; returning nil means: on the disk of every replica in sync.
func (o *office) write(fn func(*State) error) error {
	o.writing.Lock()
	defer o.writing.Unlock()
	if !o.serving.Load() {
		return mgmt.WrongClusterState
	}
	next, err := o.state.Load().clone()
	if err != nil {
		return err
	}
	if err := fn(next); err != nil {
		return err
	}
	next.Index++
	raw, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encoding state: %w", err)
	}
	if err := o.replicate(raw); err != nil {
		o.resign("a change couldn't be made durable")
		o.node.log.Error("storing a change failed", "err", err)
		return mgmt.WrongClusterState
	}
	o.state.Store(next)
	o.sdcs.changed()
	return nil
}

// replicate stores the document here and with every replica in sync. One that fails is recorded as out of sync by a majority first.
func (o *office) replicate(raw []byte) error {
	n := o.node
	if err := n.repo.saveState(raw); err != nil {
		return err
	}
	n.mu.Lock()
	voter := *n.voter
	n.mu.Unlock()
	var mu sync.Mutex
	var lost []string
	var wait sync.WaitGroup
	for _, id := range voter.Replicas.InSync {
		if id == voter.Self {
			continue
		}
		wait.Go(func() {
			if err := o.put(o.ctx, voter, id, raw); err != nil {
				n.log.Warn("replica lost", "mdm", id, "err", err)
				mu.Lock()
				lost = append(lost, id)
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if len(lost) == 0 {
		return o.ctx.Err()
	}
	return o.changeReplicas(func(inSync []string) []string {
		return slices.DeleteFunc(inSync, func(id string) bool { return contains(lost, id) })
	})
}

func (o *office) put(ctx context.Context, v Voter, id string, raw []byte) error {
	m, ok := v.Config.member(id)
	if !ok {
		return mgmt.NoMDM
	}
	answer, err := o.node.call(ctx, m, o.node.opt.Lease/quorumCallFactor, peerRequest{Op: "put", System: v.Config.SystemID, From: v.Self, Term: o.term, State: raw})
	if err != nil {
		return err
	}
	if !answer.OK {
		return fmt.Errorf("%w: %s", errRefused, answer.Why)
	}
	return nil
}

func (o *office) changeReplicas(change func([]string) []string) error {
	return o.record(o.ctx, func(v *Voter) {
		v.Replicas.InSync = change(v.Replicas.InSync)
		v.Replicas.Gen = v.Replicas.Gen.next(o.term)
	}, recordOwnFirst)
}
