package mdm

import (
	"slices"

	"scaleio-framework/test/scaleio/mgmt"
)

// switchMode moves standbys into the cluster or members out of it.
func (c call) switchMode(args mgmt.SwitchMode) (none, error) {
	o, n := c.office, c.office.node
	o.writing.Lock()
	defer o.writing.Unlock()
	config := n.config()
	next := config.clone(o.term)
	next.Nodes = args.Nodes
	adding := slices.Concat(args.AddSlaves, args.AddTBs)
	removing := slices.Concat(args.RemoveSlaves, args.RemoveTBs)
	switch {
	case !slices.Contains([]int{1, 3, 5}, args.Nodes):
		return none{}, mgmt.WrongParameters
	case args.Nodes == config.Nodes:
		return none{}, mgmt.SameClusterMode
	case args.Nodes > config.Nodes && len(removing) > 0:
		return none{}, mgmt.NeedlessRemove
	case args.Nodes < config.Nodes && len(adding) > 0:
		return none{}, mgmt.NeedlessAdd
	}
	for i, ref := range adding {
		if err := o.join(&next, ref, i < len(args.AddSlaves)); err != nil {
			return none{}, err
		}
	}
	for i, ref := range removing {
		if err := o.leave(&next, ref, i < len(args.RemoveSlaves)); err != nil {
			return none{}, err
		}
	}
	if len(next.voters()) != args.Nodes || len(next.votingManagers()) != args.Nodes/2+1 {
		return none{}, mgmt.WrongNumberOfMDMs
	}
	if args.Nodes > config.Nodes {
		// The master asks for the larger majority from now on, even if it dies before anyone else hears of it.
		return none{}, o.changeConfig(next, recordOwnFirst)
	}
	// Leaving members must know that they have no vote left before the master relies on itself alone.
	if err := o.changeReplicas(func(inSync []string) []string {
		return slices.DeleteFunc(inSync, func(id string) bool { return !next.isVoter(id) })
	}); err != nil {
		return none{}, err
	}
	return none{}, o.changeConfig(next, recordOwnLast)
}

func (o *office) join(next *Config, ref mgmt.Ref, slave bool) error {
	found, ok := next.find(ref)
	switch {
	case !ok:
		return mgmt.NoMDM
	case found.Voter:
		return mgmt.MDMsInCluster
	case found.Manager != slave:
		return mgmt.WrongMDMRole
	}
	// A member that doesn't answer now would leave the cluster degraded from its first moment.
	if err := o.beat(o.ctx, found, nil); err != nil {
		return mgmt.AddsFailedMDM
	}
	find(next.Members, func(m *mgmt.Member) bool { return m.ID == found.ID }).Voter = true
	return nil
}

func (o *office) leave(next *Config, ref mgmt.Ref, slave bool) error {
	found, ok := next.find(ref)
	switch {
	case !ok:
		return mgmt.NoMDM
	case !found.Voter:
		return mgmt.MDMsNotInCluster
	case slave && !found.Manager:
		return mgmt.MDMIsTieBreaker
	case found.Manager != slave:
		return mgmt.WrongMDMRole
	case found.ID == o.node.self():
		return &mgmt.Fault{Code: 566, Text: "The Master MDM cannot be removed from the cluster"}
	}
	find(next.Members, func(m *mgmt.Member) bool { return m.ID == found.ID }).Voter = false
	return nil
}
