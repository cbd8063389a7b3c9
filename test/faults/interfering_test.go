package faults_test

import (
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
)

// interference is what a person does on a cluster whose nodes are rebooted: holds, maintenance of their own, and a right that they give away.
type interference struct {
	held     map[string]time.Time // node, "" = the cluster: since the scheduler acknowledged it
	lets     []string             // go of these, as soon as somebody hears
	released time.Time            // when somebody's right to be interrupted was last given away
	tidied   time.Time
}

var interfering = []func(*world, *node){
	func(w *world, n *node) { holdFor(w, n.name) },
	holdAll,
	serveOne,
	func(w *world, _ *node) {
		if b := w.brain; b.up() && b.Status().Interruption != nil {
			w.person.release()
		}
	},
}

func holdAll(w *world, _ *node) { holdFor(w, "") }

func holdFor(w *world, name string) {
	w.person.hold(name)
	w.after(w.between(10*time.Second, 3*time.Minute), "", func() { w.person.lets = append(w.person.lets, name) })
}

func serveOne(w *world, n *node) { w.person.serves(n) }

func (p *person) hold(name string) {
	b := p.w.brain
	if !b.up() {
		return
	}
	var err error
	if !p.w.plan.mutant.heedless {
		err = b.ended(b.Hold(p.w.ctx, api.HoldRequest{Node: name, Author: "me", Reason: "looking"}))
	}
	p.w.note("a person holds %q: %v", name, err)
	if _, was := p.held[name]; err == nil && !was {
		p.held[name] = time.Now()
	}
}

// holds says for how long a node has been held, as far as the scheduler told the person so.
func (p *person) holds(n *node) (d time.Duration) {
	for _, name := range []string{"", n.name} {
		if since, held := p.held[name]; held {
			d = max(d, time.Since(since))
		}
	}
	return d
}

// serves an SDS, which the person puts into maintenance for that where the storage can do without it.
func (p *person) serves(n *node) {
	s := p.w.storage
	d := s.sdsOf(n)
	if d == nil || !s.canMiss(n) || d.InMaintenance() {
		return
	}
	p.note("puts an SDS into maintenance")
	p.w.note("that is %s", d.Name)
	s.enters(d, byPerson)
	p.w.after(p.w.between(20*time.Second, 4*time.Minute), "", func() { p.served(n) })
}

func (p *person) served(n *node) {
	s := p.w.storage
	if d := s.sdsOf(n); d != nil && s.service.by[d.ID] == byPerson {
		p.w.note("the person's maintenance of %s ends", d.Name)
		s.exits(d)
	}
}

// release the right to be interrupted, whoever has it.
func (p *person) release() {
	b := p.w.brain
	p.released = time.Now()
	err := b.ended(b.Release(p.w.ctx, api.ReleaseRequest{What: api.ReleaseDisruption, Author: "me"}))
	p.w.note("a person gives away the right to interrupt: %v", err)
}

// interferes: what the person began comes to its end.
func (p *person) interferes() {
	b := p.w.brain
	if !p.w.plan.reboots.on || !b.up() {
		return
	}
	lets := p.lets
	p.lets = nil
	for _, name := range lets {
		if !b.up() {
			p.lets = append(p.lets, name)
			continue
		}
		delete(p.held, name) // also if its answer is lost
		if err := b.ended(b.Hold(p.w.ctx, api.HoldRequest{Node: name, Author: "me", Release: true})); err != nil {
			p.lets = append(p.lets, name)
			continue
		}
		p.w.note("a person lets %q go", name)
	}
	if !p.w.raging && b.up() && time.Since(p.tidied) > 20*time.Second {
		p.tidied = time.Now()
		p.tidies(b.Status())
	}
}

// tidies: of a scheduler that lost its state, the person takes over what it doesn't know to be its own, once people are told of it.
func (p *person) tidies(s api.ClusterStatus) {
	if s.Hold != nil {
		p.lets = append(p.lets, "")
	}
	for _, line := range s.Nodes {
		i := slices.IndexFunc(p.w.nodes, func(n *node) bool { return n.name == line.Name })
		switch {
		case i < 0:
		case line.Reason == api.ReasonHeld && s.Hold == nil:
			p.lets = append(p.lets, line.Name)
		case p.w.era > 0 && p.w.nodes[i].says("InMaintenance"):
			if d := p.w.storage.sdsOf(p.w.nodes[i]); d != nil && d.InMaintenance() {
				p.note("ends a maintenance that nobody remembers")
				p.w.storage.exits(d)
			}
		case p.w.nodes[i].says("RebootInVain"):
			p.note("mends what a reboot didn't end")
			p.w.nodes[i].mended()
		}
	}
}

// says says whether a condition of the node has this reason.
func (n *node) says(reason string) bool {
	return slices.ContainsFunc(n.conds, func(c api.Condition) bool { return c.Reason == reason })
}
