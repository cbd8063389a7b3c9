package scheduler

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// Status for people.
func (b *brain) Status() api.ClusterStatus {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s := b.snapshot()
	status := decide.Status(&s, b.waiting)
	status.Framework = b.framework.ID
	status.CA = b.rotation()
	status.Events = newest(b.allEvents(), shownEvents)
	for i := range status.Nodes {
		n := b.state.Nodes[status.Nodes[i].Node]
		if p := b.agents[n.AgentID]; p != nil {
			status.Nodes[i].Task = string(p.State)
		}
	}
	status.Nodes = append(status.Nodes, b.unjoined()...)
	for id, p := range b.agents { // whose first task failed and is started again is no node yet, but will be
		if b.owners[id] == nil && p.State.Ended() && s.Now.Before(p.NotBefore.Add(calmAfter)) {
			status.Ready = false
		}
	}
	if b.connection != nil {
		status.Waiting = join(fmt.Sprintf("Mesos (%v)", b.connection), status.Waiting)
	}
	return status
}

// snapshot for a reader: what time it is now, everything else as it stands.
func (b *brain) snapshot() decide.State {
	s := b.state
	s.Now = b.Now()
	return s
}

// unjoined lists Mesos agents that aren't nodes yet: the task is on its way, or they were refused.
func (b *brain) unjoined() []api.NodeStatus {
	var all []api.NodeStatus
	for id, p := range b.agents {
		if b.owners[id] != nil {
			continue
		}
		all = append(all, api.NodeStatus{
			Node: "mesos-agent " + id, Name: p.Hostname, Hostname: p.Hostname, Address: p.IP, FaultDomain: p.Domain, Task: string(p.State),
			Reason: "Placing", Message: p.describe(),
		})
	}
	for id, why := range b.tooSmall {
		if b.agents[id] == nil {
			all = append(all, api.NodeStatus{Node: "mesos-agent " + id, Name: id, Reason: "TooSmall", Message: why})
		}
	}
	slices.SortFunc(all, func(a, b api.NodeStatus) int {
		if a.Name != b.Name {
			return strings.Compare(a.Name, b.Name)
		}
		return strings.Compare(a.Node, b.Node)
	})
	return all
}

// Plan for people.
func (b *brain) Plan() api.PlanStatus {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s := b.snapshot()
	return decide.Plan(&s, b.waiting)
}

// Ready unless something that needs a person, or time, keeps the scheduler from its work.
func (b *brain) Ready() error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.connection != nil {
		return fmt.Errorf("Mesos: %w", b.connection)
	}
	return nil
}

// Hold puts the brake on the cluster or a node, or takes it off. It is stored before it is acknowledged.
func (b *brain) Hold(ctx context.Context, r api.HoldRequest) error {
	if r.Author == "" || len(r.Author) > 100 || len(r.Reason) > maxMessage || r.ForMS < 0 {
		return api.Errorf(api.CodeInvalid, "a hold needs an author (at most 100 characters), and a reason of at most %d", maxMessage)
	}
	return b.do(ctx, func() error {
		place, node := &b.state.Cluster.Hold, (*decide.Node)(nil)
		if r.Node != "" {
			if node = b.find(r.Node); node == nil {
				return api.Errorf(api.CodeNotFound, "no node %q", r.Node)
			}
			place = &node.Hold
			b.touchNode(node)
		} else {
			b.touched[keyCluster] = true
		}
		b.look = time.Time{} // a brake has a second, and the nodes' own part of it is half
		if r.Release {
			*place = nil
			b.byPerson(node, "Released", r.Author, "", "nothing holds it any more")
			return nil
		}
		h := &api.Hold{Author: r.Author, Reason: r.Reason}
		if node != nil {
			h.Node = node.ID
		}
		if r.ForMS > 0 {
			h.Until = b.state.Now.Add(time.Duration(r.ForMS) * time.Millisecond).UTC()
		}
		*place = h
		b.byPerson(node, "Held", r.Author, r.Reason, "nothing is changed %s", until(h.Until))
		return nil
	})
}

// lapse ends holds whose time is over, and tells people.
func (b *brain) lapse() {
	over := func(h *api.Hold) bool { return h != nil && !h.Until.IsZero() && !b.state.Now.Before(h.Until) }
	if h := b.state.Cluster.Hold; over(h) {
		b.state.Cluster.Hold = nil
		b.touched[keyCluster] = true
		b.event(nil, "HoldEnded", "the hold of %s was until %s, and is over", h.Author, h.Until.UTC().Format(time.RFC3339))
	}
	for _, n := range b.state.Nodes {
		if h := n.Hold; over(h) {
			n.Hold = nil
			b.touchNode(n)
			b.event(n, "HoldEnded", "the hold of %s was until %s, and is over", h.Author, h.Until.UTC().Format(time.RFC3339))
		}
	}
}

// Approve disks of a node, by identity, or an expansion.
func (b *brain) Approve(ctx context.Context, r api.ApproveRequest) (answer api.ApproveAnswer, err error) {
	if r.Expansion != "" {
		answer.Expansion, err = b.approveExpansion(ctx, r)
		return answer, err
	}
	return answer, b.do(ctx, func() error {
		n := b.find(r.Node)
		if n == nil {
			return api.Errorf(api.CodeNotFound, "no node %q", r.Node)
		}
		approved, err := decide.Approve(n, r.Disk)
		if err != nil {
			return api.Errorf(api.CodeNotFound, "%v", err)
		}
		if encoded(strings.Join(approved, `","`)) > maxApproved {
			return api.Errorf(api.CodeInvalid, "more disks of %s would be approved than can be remembered", n.Name)
		}
		n.Approved = approved
		b.touchNode(n)
		b.byPerson(n, "DiskApproved", r.Author, "", "%s may be used, if it still is empty then", r.Disk)
		return nil
	})
}

// Release what never times out.
func (b *brain) Release(ctx context.Context, r api.ReleaseRequest) error {
	return b.do(ctx, func() error {
		switch r.What {
		case api.ReleaseDisruption:
			holder := b.state.Nodes[b.state.Leases.Disruption]
			if holder == nil {
				return api.Errorf(api.CodeNotFound, "nobody holds the disruption lease")
			}
			b.state.Leases = decide.Released(&b.state)
			b.touched[keyLeases] = true
			b.byPerson(holder, "DisruptionReleased", r.Author, "", "another node may be interrupted in a minute")
		case api.ReleaseFormation:
			c, err := decide.ReleaseFormation(&b.state)
			if err != nil {
				return api.Errorf(api.CodeInvalid, "%v", err)
			}
			holder := b.state.Nodes[b.state.Cluster.Formation.Node]
			b.state.Cluster = c
			if holder != nil { // nobody else gets the grant before it has answered orders without
				holder.SpecHash = ""
				b.stamp(holder)
			}
			b.touched[keyCluster] = true
			b.byPerson(nil, "FormationReleased", r.Author, "", "another manager may get the grant to form the cluster")
		case api.ReleaseIdentity:
			n := b.find(r.Node)
			if n == nil {
				return api.Errorf(api.CodeNotFound, "no node %q", r.Node)
			}
			n.Key, n.Conflict, n.Revoked = "", "", false
			b.touchNode(n)
			b.byPerson(n, "IdentityReleased", r.Author, "", "the next key that joins as it is taken")
		case api.ReleaseReadOnly:
			if b.state.Cluster.ReadOnly == nil {
				return api.Errorf(api.CodeNotFound, "the cluster isn't read-only")
			}
			b.state.Cluster.ReadOnly = nil
			b.touched[keyCluster] = true
			b.byPerson(nil, "ReadOnlyReleased", r.Author, "", "changes are made again, unless an answer of the product isn't understood again")
		default:
			return api.Errorf(api.CodeInvalid, "%q is none of %s, %s, %s, %s", r.What, api.ReleaseDisruption, api.ReleaseFormation, api.ReleaseIdentity, api.ReleaseReadOnly)
		}
		return nil
	})
}

// find a node by name or identity. Where one node's name is another's identity nobody is found: an order must not reach the wrong one.
func (b *brain) find(name string) *decide.Node {
	found := b.state.Nodes[name]
	for _, n := range b.state.Nodes {
		if n.Name != name || n == found {
			continue
		}
		if found != nil {
			return nil
		}
		found = n
	}
	return found
}

func join(parts ...string) string {
	text := ""
	for _, p := range parts {
		if text != "" && p != "" {
			text += "; "
		}
		text += p
	}
	return text
}
