package scheduler

import (
	"context"
	"fmt"
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/server"
	"scaleio-framework/scheduler/trust"
)

// maxLeft is how many nodes that a rotation waits for are named.
const maxLeft = 20

func (b *brain) authority() *trust.Authority { return b.ca.Load() }

// trust the authorities of a record from now on.
func (b *brain) trust(keys trust.Record) error {
	a, err := keys.Open()
	if err != nil {
		return err
	}
	b.keys = keys
	b.ca.Store(a)
	return nil
}

// RotateCA takes a person's wish for the cluster's CA. Certificates are made by a new authority only after it was stored.
func (b *brain) RotateCA(ctx context.Context, r api.CARequest) (view api.CAView, err error) {
	if r.Author == "" || len(r.Author) > maxAuthor {
		return view, api.Errorf(api.CodeInvalid, "a wish needs an author (at most %d characters)", maxAuthor)
	}
	err = b.do(ctx, func() error {
		switch r.Wish {
		case api.CARotate:
			err = b.rotate(r.Author)
		case api.CAFinish:
			err = b.finishRotation(r)
		default:
			err = api.Errorf(api.CodeInvalid, "%.100q is none of %s, %s", string(r.Wish), api.CARotate, api.CAFinish)
		}
		if v := b.rotation(); err == nil && v != nil {
			view = *v
		}
		return err
	})
	if err != nil {
		return view, err
	}
	return view, b.writeCA()
}

func (b *brain) rotate(author string) error {
	next, err := b.keys.Rotate(author, b.state.Now)
	if err != nil {
		return api.Errorf(api.CodeConflict, "%v", err)
	}
	if err := b.entrust(next); err != nil {
		return err
	}
	b.event(nil, "CARotation", "by %s: a new CA is trusted beside the old one; nodes follow with their next report", author)
	return nil
}

// entrust what comes of a wish to other keys; nothing is signed by them before they are stored.
func (b *brain) entrust(keys trust.Record) error {
	if _, err := keys.Open(); err != nil {
		return err
	}
	b.keys = keys
	b.touched[keyAuthority] = true
	return nil
}

// entrusted: they are.
func (b *brain) entrusted() error {
	b.owed = true // whoever is held may have to be told
	b.copyIsDue()
	return b.trust(b.keys)
}

func (b *brain) finishRotation(r api.CARequest) error {
	if b.keys.Next == nil {
		return api.Errorf(api.CodeConflict, "the CA isn't being rotated")
	}
	behind := map[string]bool{}
	for _, name := range r.LeaveBehind {
		n := b.find(name)
		if n == nil {
			return api.Errorf(api.CodeNotFound, "no node %.100q", name)
		}
		behind[n.ID] = true
	}
	var left []string
	for _, n := range b.members() {
		if !b.followed(n) && !behind[n.ID] {
			left = append(left, n.Name)
		}
	}
	if len(left) > 0 {
		return api.Errorf(api.CodeConflict, "%d nodes would be shut out: %s. Bring them back, or name those that are to join anew (--leave-behind)", len(left), someOf(left))
	}
	if out := b.givenOut(); len(out) > 0 {
		return api.Errorf(api.CodeConflict, "%s went out with the old CA alone, and can be joined by: wait until they are used or dead (a task's: %s), or revoke them (`tokens revoke`)", someOf(out), trust.TokenLife)
	}
	if err := b.entrust(b.keys.Finished()); err != nil {
		return err
	}
	b.event(nil, "CARotated", "by %s: the old CA counts no more. Backups from before are of no use: take another", r.Author)
	return nil
}

func someOf(names []string) string {
	slices.Sort(names)
	if len(names) > maxLeft {
		return fmt.Sprintf("%v and %d more", names[:maxLeft], len(names)-maxLeft)
	}
	return fmt.Sprint(names)
}

// members are the nodes whose key counts.
func (b *brain) members() (all []*decide.Node) {
	for _, n := range b.state.Nodes {
		if n.Key != "" && !n.Revoked && n.RemovalOf() != api.RemovalDone {
			all = append(all, n)
		}
	}
	return all
}

// followed: the node showed a certificate of the new CA, and takes a scheduler that shows one.
func (b *brain) followed(n *decide.Node) bool {
	return n.CA == b.authority().Next() && b.takes(n)
}

func (b *brain) takes(n *decide.Node) bool {
	return n.Report != nil && slices.Contains(n.Report.Trusts, b.authority().Next())
}

// givenOut are the join tokens that machines may yet come with, and that name the old CA alone: of enrolment, and of tasks.
func (b *brain) givenOut() (all []string) {
	if b.keys.Next == nil {
		return nil
	}
	since := b.keys.Next.Since
	for _, e := range b.enrolments {
		if e.Created.Before(since) && !e.Revoked && b.state.Now.Before(e.Expires) && len(e.Uses) < e.Count {
			all = append(all, "token "+e.ID())
		}
	}
	for id := range b.state.Expected {
		if p := b.agents[id]; p != nil && p.Launched.Before(since) && !p.Ticket.Revoked && b.state.Now.Before(p.Ticket.Expires) {
			all = append(all, "task on "+p.Hostname)
		}
	}
	slices.Sort(all)
	return all
}

// serveBySuccessor once every node takes it, and nobody may come who doesn't. Until then a node that doesn't would have nobody to learn of it from.
func (b *brain) serveBySuccessor() {
	if b.keys.Next == nil || b.keys.Next.Serves || slices.ContainsFunc(b.members(), func(n *decide.Node) bool { return !b.takes(n) }) || len(b.givenOut()) > 0 {
		return
	}
	if err := b.entrust(b.keys.Serving()); err != nil { // it was opened before
		b.log.Error("showing ourselves by the new CA", "err", err)
		return
	}
	b.event(nil, "CARotation", "every node trusts the new CA: the scheduler shows itself by it")
}

// rotation for people; nil while there is none.
func (b *brain) rotation() *api.CAView {
	next := b.keys.Next
	if next == nil {
		return nil
	}
	v := &api.CAView{Since: next.Since, Author: next.Author, Serves: next.Serves}
	for _, n := range b.members() {
		v.Nodes++
		if !b.followed(n) {
			v.Left++
			v.Names = append(v.Names, n.Name)
		}
	}
	slices.Sort(v.Names)
	v.Names = v.Names[:min(len(v.Names), maxLeft)]
	v.GivenOut = b.givenOut()
	v.GivenOut = v.GivenOut[:min(len(v.GivenOut), maxLeft)]
	return v
}

// heardFrom a node: its report, and by which CA it is known.
func (b *brain) heardFrom(c server.Caller, received time.Time, r *api.Report, view *api.ClusterView, raw []byte) error {
	if b.recovery != nil {
		return b.testify(c, received, r)
	}
	if b.state.Nodes[c.Node] == nil && b.late(c) {
		if err := b.latecomer(c, received, r); err != nil {
			return err
		}
	}
	r.Recalled = nil
	if err := b.heard(c.Node, received, r, view, raw); err != nil {
		return err
	}
	if n, next := b.state.Nodes[c.Node], b.authority().Next(); next != "" && c.Authority == next && n.CA != next {
		n.CA = next
		b.touchNode(n)
	}
	return nil
}

// toTrust is what a node is told to trust where it trusts something else. Agents that know nothing of rotations name none, and need no telling while there is one CA.
func (b *brain) toTrust(r *api.Report) string {
	a := b.authority()
	if r == nil || len(r.Trusts) == 0 && a.Next() == "" {
		return ""
	}
	if want := a.Trusted(); len(want) == len(r.Trusts) && !slices.ContainsFunc(want, func(k string) bool { return !slices.Contains(r.Trusts, k) }) {
		return ""
	}
	return a.PEM()
}
