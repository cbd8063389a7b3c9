package mdm

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
)

// createCluster makes this manager the master of a new system in single mode, and returns when it serves.
func (n *Node) createCluster(ctx context.Context, args mgmt.CreateCluster) (mgmt.System, error) {
	if !n.opt.isManager() {
		return mgmt.System{}, mgmt.WrongMDMRole
	}
	if len(args.IPs) == 0 || !args.AcceptLicense {
		return mgmt.System{}, mgmt.WrongParameters
	}
	if len(args.IPs) > 4 {
		return mgmt.System{}, mgmt.TooManyIPs
	}
	if args.Name != "" {
		if err := checkName(args.Name); err != nil {
			return mgmt.System{}, err
		}
	}
	state, err := n.firstVoter(args)
	if err != nil {
		return mgmt.System{}, err
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, 5*n.opt.Lease)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := n.masterOffice(); err == nil {
			return state.System, nil
		}
		select {
		case <-ctx.Done():
			return mgmt.System{}, mgmt.WrongClusterState
		case <-ticker.C:
		}
	}
}

func (n *Node) firstVoter(args mgmt.CreateCluster) (*State, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.voter != nil {
		return nil, mgmt.AlreadyConfigured
	}
	system := fmt.Sprintf("%08x%08x", random32(), random32())
	state, err := firstState(system)
	if err != nil {
		return nil, err
	}
	self := mgmt.Member{ID: memberID(0), Name: args.Name, Manager: true, Voter: true, IPs: args.IPs, ManagementIPs: args.ManagementIPs,
		Port: n.opt.ClusterPort, VirtualInterfaces: args.VirtualInterfaces}
	voter := Voter{Self: self.ID, Replicas: Replicas{Gen: Stamp{N: 1}, InSync: []string{self.ID}},
		Config: Config{Version: Stamp{N: 1}, SystemID: system, Nodes: 1, VirtualIPs: args.VirtualIPs, Members: []mgmt.Member{self}}}
	// The voter's file makes the node a member, so the state must be there first.
	if err := n.saveFirst(state); err != nil {
		return nil, err
	}
	n.leaseEnd = time.Time{}
	return state, n.adopt(voter)
}

// memberID ends in the order of joining, as the product's do.
func memberID(number int) string {
	return fmt.Sprintf("%08x%08x", random32(), random32()&^0xff|uint32(number))
}

func (n *Node) saveFirst(state *State) error {
	raw, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("encoding the first state: %w", err)
	}
	return n.repo.saveState(raw)
}

func (n *Node) answerIdentify() peerAnswer {
	n.mu.Lock()
	defer n.mu.Unlock()
	answer := peerAnswer{OK: true, Manager: n.opt.isManager()}
	if n.voter != nil {
		answer.System, answer.Self, answer.Term = n.voter.Config.SystemID, n.voter.Self, n.voter.Term
	}
	return answer
}

// answerAttach takes the identity of a standby. A member of another system stays what it is unless the operator forces it.
func (n *Node) answerAttach(req peerRequest) peerAnswer {
	n.mu.Lock()
	defer n.mu.Unlock()
	if req.Config == nil {
		return peerAnswer{Fault: mgmt.WrongParameters}
	}
	if req.Manager != n.opt.isManager() {
		return peerAnswer{Fault: mgmt.WrongMDMRole}
	}
	if n.voter != nil && !req.Force {
		switch {
		case n.voter.Config.SystemID != req.System:
			return peerAnswer{Fault: mgmt.AttachedElsewhere}
		case n.voter.Self != req.To:
			return peerAnswer{Fault: mgmt.AttachedHere}
		}
	}
	if n.office != nil {
		n.office.resign("taken over by another cluster")
	}
	if err := n.repo.clear(); err != nil {
		return peerAnswer{Fault: mgmt.AsFault(err)}
	}
	if err := n.adopt(Voter{Self: req.To, Term: req.Term, Config: *req.Config}); err != nil {
		return peerAnswer{Fault: mgmt.AsFault(err)}
	}
	return peerAnswer{OK: true}
}

func (n *Node) answerDetach(req peerRequest) peerAnswer {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.voter == nil || n.voter.Config.SystemID != req.System {
		return peerAnswer{OK: true}
	}
	if err := n.repo.clear(); err != nil {
		return peerAnswer{Fault: mgmt.AsFault(err)}
	}
	n.voter, n.follows, n.picture = nil, "", mgmt.Cluster{}
	return peerAnswer{OK: true}
}

// answerRelease: the master gives up its lease for the member that it names, which stands at once.
func (n *Node) answerRelease(req peerRequest) peerAnswer {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.voter == nil || n.voter.Config.SystemID != req.System || n.voter.Term != req.Term || n.follows != req.From {
		return peerAnswer{Why: "not followed"}
	}
	n.leaseEnd, n.follows = time.Time{}, ""
	if n.voter.Self == req.To {
		select {
		case n.wake <- struct{}{}:
		default:
		}
	}
	return peerAnswer{OK: true}
}

// addStandby registers the new member by majority first and attaches it then: a crash between leaves a standby that can be removed.
func (c call) addStandby(args mgmt.AddStandby) (mgmt.ID, error) {
	o, n := c.office, c.office.node
	if len(args.IPs) == 0 {
		return mgmt.ID{}, mgmt.WrongParameters
	}
	if len(args.IPs) > 4 {
		return mgmt.ID{}, mgmt.TooManyIPs
	}
	setDefault(&args.Port, n.opt.ClusterPort)
	if args.Name != "" {
		if err := checkName(args.Name); err != nil {
			return mgmt.ID{}, err
		}
	}
	o.writing.Lock()
	defer o.writing.Unlock()
	config := n.config()
	if _, taken := config.find(mgmt.Ref{Name: args.Name}); taken {
		return mgmt.ID{}, mgmt.MDMNameExists
	}
	for _, ip := range slices.Concat(args.IPs, args.ManagementIPs) {
		if _, taken := config.find(mgmt.Ref{IP: ip}); taken {
			return mgmt.ID{}, mgmt.MDMAddressExists
		}
	}
	member := mgmt.Member{ID: memberID(len(config.Members)), Name: args.Name, Manager: args.Manager, IPs: args.IPs,
		ManagementIPs: args.ManagementIPs, Port: args.Port, VirtualInterfaces: args.VirtualInterfaces}
	found, err := n.call(c.ctx, member, n.opt.Lease, peerRequest{Op: "identify"})
	switch {
	case err != nil:
		return mgmt.ID{}, mgmt.MDMNotConnected
	case found.Manager != args.Manager:
		return mgmt.ID{}, mgmt.WrongMDMRole
	case found.System != "" && found.System != config.SystemID && !args.ForceClean:
		return mgmt.ID{}, mgmt.AttachedElsewhere
	case found.System != "" && !args.ForceClean:
		return mgmt.ID{}, mgmt.AttachedHere
	}
	next := config.clone(o.term)
	next.Members = append(next.Members, member)
	answer, err := n.call(c.ctx, member, n.opt.Lease, peerRequest{Op: "attach", System: config.SystemID, Term: o.term, To: member.ID,
		Manager: args.Manager, Force: args.ForceClean, Config: &next})
	if err != nil {
		return mgmt.ID{}, mgmt.MDMNotConnected
	}
	if answer.Fault != nil {
		return mgmt.ID{}, answer.Fault
	}
	if err := o.changeConfig(next, recordOwnFirst); err != nil {
		return mgmt.ID{}, err
	}
	return mgmt.ID{ID: member.ID}, nil
}

// changeConfig is called with writing held.
func (o *office) changeConfig(next Config, order recordOrder) error {
	err := o.record(o.ctx, func(v *Voter) { v.Config = next }, order)
	if err != nil {
		o.resign("the list of members couldn't be recorded")
	}
	return err
}

func (c call) removeStandby(ref mgmt.Ref) (none, error) {
	o, n := c.office, c.office.node
	o.writing.Lock()
	defer o.writing.Unlock()
	config := n.config()
	member, ok := config.find(ref)
	if !ok {
		return none{}, mgmt.NoMDM
	}
	if member.Voter {
		return none{}, mgmt.MDMInCluster
	}
	next := config.clone(o.term)
	next.Members = remove(next.Members, func(m *mgmt.Member) bool { return m.ID == member.ID })
	if err := o.changeConfig(next, recordOwnFirst); err != nil {
		return none{}, err
	}
	if _, err := n.call(c.ctx, member, n.opt.Lease, peerRequest{Op: "detach", System: config.SystemID}); err != nil {
		n.log.Warn("removed MDM wasn't reached and still believes to be a standby", "mdm", member.ID, "err", err)
	}
	return none{}, nil
}

func (c call) switchMaster(ref mgmt.Ref) (none, error) {
	o, n := c.office, c.office.node
	config := n.config()
	member, ok := config.find(ref)
	switch {
	case !ok:
		return none{}, mgmt.NoMDM
	case member.ID == n.self():
		return none{}, mgmt.AlreadyMaster
	case !member.Voter:
		return none{}, mgmt.MDMsNotInCluster
	case !member.Manager:
		return none{}, mgmt.MDMIsTieBreaker
	case !o.inSync(member.ID):
		return none{}, mgmt.OutOfSync
	}
	o.writing.Lock() // nothing is half written when the office ends
	defer o.writing.Unlock()
	o.serving.Store(false)
	o.leaving.Store(true)
	// The answer goes out through a connection that ends with the office.
	defer time.AfterFunc(n.opt.Heartbeat, func() { o.resign("ownership switched") })
	req := peerRequest{Op: "release", System: config.SystemID, From: n.self(), Term: o.term, To: member.ID}
	// The successor comes last: the others must be free to vote for it.
	for _, m := range append(slices.DeleteFunc(slices.Clone(config.Members), func(m mgmt.Member) bool {
		return m.ID == member.ID || m.ID == n.self() || !m.Voter
	}), member) {
		if _, err := n.call(context.WithoutCancel(c.ctx), m, n.opt.Lease/quorumCallFactor, req); err != nil {
			n.log.Warn("releasing a member failed", "mdm", m.ID, "err", err)
		}
	}
	return none{}, nil
}

func (c call) renameMDM(args mgmt.Rename) (none, error) {
	if err := checkName(args.New); err != nil {
		return none{}, err
	}
	o, n := c.office, c.office.node
	o.writing.Lock()
	defer o.writing.Unlock()
	next := n.config().clone(o.term)
	member, ok := next.find(args.Of)
	if !ok {
		return none{}, mgmt.NoMDM
	}
	if _, taken := next.find(mgmt.Ref{Name: args.New}); taken {
		return none{}, mgmt.MDMNameExists
	}
	find(next.Members, func(m *mgmt.Member) bool { return m.ID == member.ID }).Name = args.New
	return none{}, o.changeConfig(next, recordOwnFirst)
}

// renameSystem: the name is in the document and, for query_cluster on any member, in the list of members.
func (c call) renameSystem(args mgmt.Rename) (none, error) {
	if err := checkName(args.New); err != nil {
		return none{}, err
	}
	o, n := c.office, c.office.node
	err := o.write(func(s *State) error { s.System.Name = args.New; return nil })
	if err != nil {
		return none{}, err
	}
	o.writing.Lock()
	defer o.writing.Unlock()
	next := n.config().clone(o.term)
	next.SystemName = args.New
	return none{}, o.changeConfig(next, recordOwnFirst)
}

func modifySystem(s *State, args mgmt.ModifySystem) (none, error) {
	update(&s.System.RestrictedSDC, args.RestrictedSDC)
	update(&s.System.PerfProfile, args.PerfProfile)
	update(&s.System.HighPercent, args.HighPercent)
	update(&s.System.CriticalPercent, args.CriticalPercent)
	if s.System.HighPercent >= s.System.CriticalPercent {
		return none{}, mgmt.Thresholds
	}
	return none{}, nil
}

func update[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}
