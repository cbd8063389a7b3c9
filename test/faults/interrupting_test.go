package faults_test

import (
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// witnessed is when something last was so, as the world knows it.
type witnessed struct {
	spare    time.Time // the storage could do without the node
	follower time.Time // it hadn't the master MDM
	out      time.Time // its SDS was in maintenance, or had nothing to lose
}

// stall is a time in which somebody was frozen, or something was on its way. What was true before it may be acted on after it: no process can look at the storage and reboot a
// machine in one act.
type stall struct {
	at   time.Time
	long time.Duration
}

// stalled: who looked before it acts after it.
func (w *world) stalled(d time.Duration) {
	if w.plan.reboots.on {
		w.stalls = append(w.stalls, stall{time.Now(), d})
	}
}

const (
	steps    = 15 * time.Second // of this world, which looks at all only now and then
	memories = 5 * time.Minute
)

// leeway is how old what an act rests on may be: a sample of the storage, the scheduler's word on it, and whatever was stopped or on its way lately.
func (w *world) leeway() time.Duration {
	sum := decide.SampleLife + api.WordLife + steps
	for _, s := range w.stalls {
		if time.Since(s.at) < memories {
			sum += s.long
		}
	}
	return sum
}

// checkReboot of a node whose machine is told to go down now.
func (w *world) checkReboot(n *node) {
	leeway := w.leeway()
	w.storage.witness()
	for _, o := range w.nodes {
		if o != n && o.interrupted() && !w.released(n, o) {
			w.broken("%s goes down, and %s is down by our act", n.name, o.name)
		}
	}
	if !n.wished {
		w.broken("%s goes down, and nobody asks for that", n.name)
	}
	if n.again {
		w.broken("%s goes down again for what a reboot didn't end", n.name)
	}
	for _, fact := range []struct {
		last time.Time
		text string
	}{{n.spare, "the storage can't do without it"}, {n.follower, "its MDM is master"}, {n.out, "its SDS isn't in maintenance"}} {
		if since := time.Since(fact.last); since > leeway {
			w.broken("%s goes down, and %s since %s (%s are forgiven)", n.name, fact.text, since, leeway)
		}
	}
	if held := w.person.holds(n); held > leeway {
		w.broken("%s goes down, and is held since %s", n.name, held)
	}
}

// released: a person gave the right of one of them away while it may have been on its way down.
func (w *world) released(a, b *node) bool {
	at := w.person.released
	return !at.IsZero() && (at.Add(api.WordLife+steps).After(a.may) || at.Add(api.WordLife+steps).After(b.may))
}

// checkService of a node whose SDS we put into maintenance now.
func (w *world) checkService(n *node) {
	w.storage.witness()
	if since, leeway := time.Since(n.spare), w.leeway(); since > leeway {
		w.broken("the SDS of %s is put into maintenance, and the storage can't do without it since %s", n.name, since)
	}
}

// uninterrupted says what of reboots isn't over yet.
func (w *world) uninterrupted(s *api.ClusterStatus) string {
	if !w.plan.reboots.on {
		return ""
	}
	for _, d := range w.storage.objects.SDSs {
		if d.InMaintenance() {
			return "SDS " + d.Name + " is in maintenance by " + w.storage.service.by[d.ID]
		}
	}
	for _, n := range w.nodes {
		if n.wished && !slices.ContainsFunc(w.nodes, (*node).blocked) { // a disk that waits for a person keeps the spare from covering a fault unit, and so all of them up
			return n.name + " wasn't rebooted"
		}
	}
	if i := s.Interruption; i != nil && !w.stuck(i) {
		return i.Node + " may be interrupted: " + i.State
	}
	return ""
}

// stuck: who may be interrupted waits for a person, and all others for that node; or another node does, whose disk the spare was made for and the pool doesn't get.
func (w *world) stuck(i *api.InterruptionView) bool {
	return i != nil && slices.ContainsFunc(w.nodes, (*node).blocked)
}
