package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

// person is who runs the cluster: takes a backup, runs the command that brings a scheduler's state back, reads the status and does what the product asks for. Its commands are the
// product's own: scheduler.WriteBackup, Recover and Restore, and the scheduler's answers to `recover-without`.
type person struct {
	w         *world
	keys      *store.Backup // of the keys alone, taken when the scheduler began
	backup    *store.Backup // of all
	saved     int           // changes in EC2 until then
	acts      func() error  // the command that is to bring the state back; nil = nothing is to be done
	at        time.Time     // when it is run
	framework string        // whose tasks the nodes have, once the product asked
	looks     time.Time     // at the status
	asked     string        // what the product said that it waits for
	since     time.Time
	patience  time.Duration // with who is missing
	adopts    bool          // the scheduler is to be started with --adopt
	did       map[string]int
	interference
}

func newPerson(w *world) *person {
	return &person{w: w, did: map[string]int{}, interference: interference{held: map[string]time.Time{}}}
}

func (p *person) note(what string) {
	p.did[what]++
	p.w.note("a person: %s", what)
}

// turn of the person: what is due is done.
func (p *person) turn() {
	p.interferes()
	if p.w.plan.loss.kind == nothing {
		return
	}
	if p.acts == nil {
		p.save()
	} else if !time.Now().Before(p.at) && p.w.brain.Stepped == nil {
		p.run()
	}
	if b := p.w.brain; b.up() && p.w.era > 0 && !time.Now().Before(p.looks) {
		p.looks = time.Now().Add(20 * time.Second)
		p.follow(b, b.Status().Waiting)
	}
}

// run the command. One that fails has left part of a store, which `--replace` puts aside.
func (p *person) run() {
	p.w.disk.session++ // it has the store alone
	err := p.acts()
	p.w.note("a person's command: %v", err)
	if err != nil {
		p.w.disk.Memory = &store.Memory{}
		p.at = time.Now().Add(p.w.between(5*time.Second, time.Minute))
		return
	}
	p.acts, p.w.disk.gone = nil, false
}

// save the keys when there are some, and all when the plan says so and storage is formed.
func (p *person) save() {
	if p.w.disk.gone || p.w.brain.Stepped == nil {
		return
	}
	plan := p.w.plan.loss
	if p.keys == nil {
		p.keys = p.copy(true)
	}
	if plan.kind == setBack && p.backup == nil && p.keys != nil && time.Since(p.w.begun) >= plan.saved && p.w.cloud.asked >= plan.savedBought && p.w.storage.formed > 0 {
		if b := p.copy(false); b != nil && clusterOf(b).SystemID != "" {
			p.backup, p.saved = b, p.w.cloud.asked
			p.note("takes a backup")
		}
	}
}

// copy of what is stored; nil if it can't be read just now.
func (p *person) copy(keys bool) *store.Backup {
	var file bytes.Buffer
	if err := scheduler.WriteBackup(p.w.ctx, &file, p.w.disk, keys, time.Now()); err != nil {
		return nil
	}
	b, err := store.ReadBackup(&file)
	must(err)
	return &b
}

func clusterOf(b *store.Backup) (c decide.Cluster) {
	for _, r := range b.Records {
		if r.Key == "cluster" {
			return clusterIn(r)
		}
	}
	return c
}

func clusterIn(r store.Record) (c decide.Cluster) {
	must(json.Unmarshal(r.Value, &c))
	return c
}

// recovers: `recover --from-nodes --keys FILE`.
func (p *person) recovers() {
	p.at = time.Now().Add(p.w.between(5*time.Second, 2*time.Minute))
	p.acts = func() error {
		_, err := scheduler.Recover(p.w.ctx, p.command(), *p.keys, p.framework, p.now())
		return err
	}
}

// restores: `restore --from FILE`.
func (p *person) restores() {
	p.at = time.Now().Add(p.w.between(5*time.Second, 2*time.Minute))
	p.acts = func() error {
		if p.w.plan.mutant.putBack {
			return store.Fill(p.w.ctx, p.command(), p.backup.Records, "cluster")
		}
		_, err := scheduler.Restore(p.w.ctx, p.command(), *p.backup, p.now())
		return err
	}
}

// command has the store while no scheduler runs.
func (p *person) command() store.Store { return lease{p.w.disk, p.w.disk.session} }

// now, on the scheduler's host.
func (p *person) now() time.Time { return clock(p.w.brain.ahead) }

// refused: the scheduler said why it doesn't start, and what to do.
func (p *person) refused(err error) {
	if p.acts == nil && errors.Is(err, scheduler.ErrRefused) && strings.Contains(err.Error(), "recover --framework ID") {
		p.note("says which framework it is")
		p.framework = p.w.mesos.launcher
		p.w.disk.lose()
		p.recovers()
	}
}

// follow what a scheduler that is being recovered asks for: who is missing is waited for, and then given up.
func (p *person) follow(b *brain, waiting string) {
	kind, _, _ := strings.Cut(waiting, " (")
	if kind != p.asked {
		p.asked, p.since, p.patience = kind, time.Now(), p.w.between(time.Minute, 8*time.Minute)
		if waiting != "" {
			p.w.note("the scheduler waits for %s", waiting)
		}
	}
	if !strings.HasPrefix(waiting, "recovery:") || time.Since(p.since) < p.patience {
		return
	}
	var without []string
	if _, list, ok := strings.Cut(waiting, "missing: ["); ok {
		list, _, _ = strings.Cut(list, "]")
		without = slices.DeleteFunc(strings.Fields(list), func(s string) bool { return s == "mesos-agent" })
	}
	if _, list, ok := strings.Cut(waiting, "`): "); ok && strings.Contains(waiting, "remember different things") {
		name, _, _ := strings.Cut(list, ":")
		name, _, _ = strings.Cut(name, ",")
		without = []string{name}
		p.note("goes on without one that contradicts")
	}
	if len(without) > 0 {
		p.note("goes on without nodes")
		p.w.note("%v: %v", without, b.ended(b.Recover(context.WithoutCancel(p.w.ctx), api.RecoverRequest{Author: "me", Without: without})))
		p.asked = ""
	}
}

// told by a node that the scheduler is of an older state than its orders: it says to be started with --adopt.
func (p *person) told(text string) {
	if p.w.era > 0 && !p.adopts && strings.Contains(text, "start it once with --adopt") {
		p.note("starts it with --adopt")
		p.adopts = true
		p.w.brain.die("a person stops it")
	}
}
