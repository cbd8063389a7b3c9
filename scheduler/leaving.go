package scheduler

import (
	"context"
	"slices"
	"strings"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// Node takes a person's wish for a node: refused with the reason, or stored before it is acknowledged.
func (b *brain) Node(ctx context.Context, r api.NodeRequest) (answer api.NodeAnswer, err error) {
	if r.Author == "" || len(r.Author) > maxAuthor {
		return answer, api.Errorf(api.CodeInvalid, "a wish needs an author (at most %d characters)", maxAuthor)
	}
	err = b.do(ctx, func() error {
		n := b.find(r.Node)
		if n == nil {
			return api.Errorf(api.CodeNotFound, "no node %q", r.Node)
		}
		answer.Node = n.Name
		switch r.Wish {
		case api.NodeRemove:
			answer.Acts, err = b.removeNode(n, r)
		case api.NodeKeep:
			answer.Acts, err = b.keepNode(n, r)
		case api.NodeReadmit:
			answer.Acts, err = b.readmitNode(n, r)
		default:
			err = api.Errorf(api.CodeInvalid, "%.100q is none of %s, %s, %s", string(r.Wish), api.NodeRemove, api.NodeKeep, api.NodeReadmit)
		}
		return err
	})
	return answer, err
}

func (b *brain) removeNode(n *decide.Node, r api.NodeRequest) ([]string, error) {
	if p := n.RemovalOf(); p != "" {
		return []string{"nothing more: it is " + string(p) + " already"}, nil
	}
	if why := decide.Refuse(&b.state, n); why != "" {
		return nil, api.Errorf(api.CodeConflict, "not removed: %s", why)
	}
	acts := decide.RemovalActs(&b.state, n)
	if !r.DryRun {
		n.Removal = &decide.Leaver{Phase: api.RemovalDraining, Author: r.Author, Since: b.state.Now.UTC()}
		b.touchNode(n)
		b.byPerson(n, "RemovalAsked", r.Author, "", "it is taken out of the cluster: %s", strings.Join(acts, "; "))
	}
	return acts, nil
}

// keepNode takes the wish back. What the product moves already it moves to the end; then the SDS is added again like any other.
func (b *brain) keepNode(n *decide.Node, r api.NodeRequest) ([]string, error) {
	switch n.RemovalOf() {
	case "":
		return []string{"nothing: nobody wants it out"}, nil
	case api.RemovalDraining:
	default:
		return nil, api.Errorf(api.CodeConflict, "%s has left the system already: let its removal end, then `nodes readmit %s`", n.Name, n.Name)
	}
	if !r.DryRun {
		n.Removal = nil
		b.touchNode(n)
		b.byPerson(n, "RemovalTakenBack", r.Author, "", "it stays")
	}
	acts := []string{n.Name + " stays"}
	if view := decide.Storage(&b.state, n); view != nil && view.SDS != nil && view.SDS.Removing {
		acts = append(acts, "its data is on the way out, which the product doesn't take back: when that has ended, its SDS and disks are added again")
	}
	return acts, nil
}

func (b *brain) readmitNode(n *decide.Node, r api.NodeRequest) ([]string, error) {
	if n.RemovalOf() != api.RemovalDone {
		return nil, api.Errorf(api.CodeConflict, "%s isn't removed", n.Name)
	}
	if !r.DryRun {
		n.Removal, n.Key, n.Revoked, n.Conflict, n.Claims, n.Approved = nil, "", false, "", nil, nil
		b.touchNode(n)
		b.byPerson(n, "Readmitted", r.Author, "", "it may join again")
		b.revive = sooner(b.revive, b.state.Now)
	}
	return []string{"an agent is placed there again, or it joins by a token; the next key that joins as it is taken", "its disks wait for approval again, where that is asked for"}, nil
}

// leave takes those further that are on their way out.
func (b *brain) leave() {
	for _, n := range b.state.Nodes {
		if n.Removal == nil {
			continue
		}
		next := decide.Advance(&b.state, n)
		if *next == *n.Removal {
			continue
		}
		if next.Phase != n.Removal.Phase {
			b.event(n, map[api.Removal]string{api.RemovalDraining: "DrainingAgain", api.RemovalLeaving: "Drained", api.RemovalDone: "Removed"}[next.Phase], "removal asked by %s", next.Author)
		}
		n.Removal = next
		if next.Phase == api.RemovalLeaving {
			n.Claims = nil
		}
		b.touchNode(n)
	}
}

// removedThere names the removed node of that machine, if there is one: nothing is placed there.
func (b *brain) removedThere(o Offer) *decide.Node {
	for _, n := range b.state.Nodes {
		if n.RemovalOf() != api.RemovalDone {
			continue
		}
		if n.AgentID == o.AgentID || n.Hostname == o.Hostname || n.Report != nil && o.IP != "" && slices.Contains(n.Report.Addresses, o.IP) {
			return n
		}
	}
	return nil
}
