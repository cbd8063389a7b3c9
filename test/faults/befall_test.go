package faults_test

import (
	"context"
	"slices"
	"strings"
	"time"

	"scaleio-framework/installer/scaleio"
)

// fate of one call.
type fate int

const (
	goes        fate = iota
	fails            // with an error of its own
	lostRequest      // not done
	lostAnswer       // done, and nobody knows
	diesBefore       // the caller, before it is done
	diesAfter        // the caller, after it is done and before it knows
	late             // it arrives later, perhaps after what was sent after it
	twice
	hangs   // until its time is up; done or not
	freezes // the caller, as SIGSTOP does: the world goes on without it
)

func (f fate) String() string {
	return [...]string{"goes", "fails", "request lost", "answer lost", "dies before", "dies after", "late", "twice", "hangs", "freezes"}[f]
}

// plan of a run: everything else follows from the seed.
type plan struct {
	seed       uint64
	nodes      int
	rage       time.Duration         // how long faults go on
	pace       time.Duration         // of rounds
	away       time.Duration         // how long what died stays away at most
	install    time.Duration         // of a component
	rarity     int                   // one call in so many meets something
	calamity   int                   // one round in so many does
	fullAt     time.Duration         // when the pool is filled; 0 = never
	force      map[string]fate       // by actor and beginning of a call: the first such call; it is no random one then
	fates      []fate                // that calls may meet; nil = all
	calamities []func(*world, *node) // nil = all
	settles    time.Duration
	mutant     mutant
	script     func(*world) // before each round, beside what befalls at random
	loss       loss
	reboots    reboots
}

// settles is how long everything may take to be well after the last fault: the longest wait of the product's own is an hour's cooldown.
const settles = 3 * time.Hour

// planOf a seed. Some seeds are calm and long, others short and wild.
func planOf(seed uint64) plan {
	p := plan{seed: seed, nodes: 3 + int(seed%3), pace: 6 * time.Second, away: time.Minute, install: 10 * time.Second, settles: settles}
	p.rarity = []int{12, 25, 60, 200}[seed/3%4]
	p.calamity = []int{8, 15, 40}[seed/12%3]
	p.rage = []time.Duration{3 * time.Minute, 5 * time.Minute}[seed/36%2]
	if seed/72%2 == 0 {
		p.fullAt = 2 * time.Minute
		p.rage += 2 * time.Minute
	}
	p.loss = lossOf(seed, &p, lossRarity)
	p.reboots = rebootsOf(seed, &p, rebootRarity)
	return p
}

// fate of the next call of an actor.
func (w *world) fate(actor, call string) fate {
	for key, f := range w.plan.force {
		if strings.HasPrefix(actor+": "+call, key) {
			delete(w.plan.force, key)
			w.note("%s: %s: %s", actor, call, f)
			return f
		}
	}
	if !w.raging || w.plan.rarity == 0 || !w.chance(w.plan.rarity) {
		return goes
	}
	f := fate(1 + w.dice.IntN(int(freezes)))
	if p := w.plan.fates; len(p) > 0 {
		f = p[w.dice.IntN(len(p))]
	}
	if f == freezes && w.depth > 0 {
		return goes
	}
	w.note("%s: %s: %s", actor, short(call), f)
	return f
}

// short name of a call: what is random in it is left out.
func short(call string) string {
	verb, what, _ := strings.Cut(call, " ")
	if verb == "write" || verb == "remove" {
		what = kindOf(strings.TrimPrefix(what, "/var/lib/scaleio-agent/"))
	}
	return verb + " " + what
}

func kindOf(key string) string {
	kind, _, _ := strings.Cut(key, "/")
	return kind
}

// pause a node's process in the middle of what it does; everybody else goes on.
func (w *world) pause(n *node) time.Duration {
	d := w.between(2*time.Second, 90*time.Second)
	w.note("%s freezes for %s", n.name, d)
	n.frozen = true
	w.stalled(d)
	begun := time.Now()
	w.meanwhile(d, func() bool { return !n.frozen })
	n.frozen = false
	return time.Since(begun)
}

// hang a call of a node until it is given up; its process goes on otherwise.
func (w *world) hang(_ context.Context, n *node) {
	n.waiting = true
	w.meanwhile(scaleio.CallTimeout, func() bool { return n.dead })
	n.waiting = false
}

func (w *world) meanwhile(d time.Duration, over func() bool) {
	end := time.Now().Add(d)
	w.depth++
	for time.Now().Before(end) && !over() {
		w.round(min(time.Until(end), w.between(w.plan.pace/2, w.plan.pace)))
	}
	w.depth--
}

// befall: now and then something happens to a process, a machine, a network, a clock or a disk.
func (w *world) befall() {
	if w.plan.script != nil {
		w.plan.script(w)
	}
	if f := w.plan.fullAt; f > 0 && time.Since(w.begun) > f {
		w.fill()
	}
	w.lose()
	w.wish()
	if w.plan.calamity > 0 && w.chance(w.plan.calamity) {
		all := w.plan.calamities
		if len(all) == 0 && w.plan.reboots.on {
			all = withPerson
		} else if len(all) == 0 {
			all = calamities
		}
		all[w.dice.IntN(len(all))](w, w.nodes[w.dice.IntN(len(w.nodes))])
	}
}

// fill the pool over its threshold, once.
func (w *world) fill() {
	if w.storage.used == 0 && len(w.storage.objects.Devices) == len(w.nodes) {
		w.storage.used = int64(len(w.nodes)) * diskBytes / 100 * 55
		w.note("the pool fills")
	}
}

// withPerson is what may befall a cluster whose nodes are rebooted.
var withPerson = slices.Concat(calamities, interfering)

func setClock(w *world, _ *node) {
	w.brain.ahead = []time.Duration{time.Hour, -time.Hour, 365 * 24 * time.Hour, -365 * 24 * time.Hour, 30 * time.Second, 0}[w.dice.IntN(6)]
	w.note("the scheduler's wall clock is off by %s", w.brain.ahead)
}

func cutOff(w *world, n *node) {
	n.deaf = true
	w.note("%s can't reach the scheduler", n.name)
	w.after(w.between(time.Second, 4*time.Minute), n.name+" can again", func() { n.deaf = false })
}

func taskFails(w *world, n *node) {
	if a := w.mesos.agent("agent-" + n.name); a.task.live() {
		w.note("task %d fails", a.task.number)
		a.set("TASK_FAILED")
	}
}

func masterMoves(w *world, _ *node) { w.storage.moveMaster() }

var calamities = []func(*world, *node){
	func(w *world, _ *node) { w.brain.die("killed") },
	func(w *world, _ *node) { w.brain.die("killed") },
	func(w *world, _ *node) { w.brain.freeze(w.between(2*time.Second, 90*time.Second)) },
	func(w *world, _ *node) { w.takeOver(w.between(20*time.Second, 90*time.Second)) },
	setClock,
	func(w *world, _ *node) {
		w.disk.full = true
		w.note("the scheduler's disk is full")
		w.after(w.between(10*time.Second, 2*time.Minute), "it has room again", func() { w.disk.full = false })
	},
	func(w *world, _ *node) {
		if w.disk.spoiled.Key == "" {
			w.disk.spoil()
			w.brain.die("its host lost power")
			w.after(time.Minute, "the good copy is restored", func() { w.disk.spoiled.Key = "" })
		}
	},
	func(w *world, _ *node) {
		w.mesos.fallsMute(w.between(5*time.Second, 5*time.Minute))
	},
	func(w *world, n *node) {
		if a := w.mesos.agent("agent-" + n.name); !a.cut {
			a.cut, a.cutAt = true, time.Now()
			w.note("%s is cut off", a.id)
			w.after(w.between(time.Second, 5*time.Minute), a.id+" is back", func() { a.cut = false })
		}
	},
	taskFails,
	func(w *world, n *node) { n.die("killed") },
	func(w *world, n *node) { n.die("killed") },
	func(w *world, n *node) {
		if !n.dead && !n.frozen {
			n.frozen = true
			d := w.between(2*time.Second, 90*time.Second)
			w.stalled(d)
			w.after(d, n.name+" thaws", func() { n.frozen = false })
			w.note("%s is frozen", n.name)
		}
	},
	func(w *world, n *node) {
		if w.allPowered() {
			n.lose(w.between(20*time.Second, 2*time.Minute))
		}
	},
	cutOff,
	func(w *world, n *node) {
		n.full = true
		w.note("the disk of %s is full", n.name)
		w.after(w.between(10*time.Second, 2*time.Minute), n.name+" has room again", func() { n.full = false })
	},
	func(w *world, n *node) {
		n.damaged = true
		n.die("its state is damaged")
		w.after(w.between(10*time.Second, 2*time.Minute), "the state of "+n.name+" is restored", func() { n.damaged = false })
	},
	func(w *world, n *node) {
		n.ahead = []time.Duration{time.Hour, -time.Hour, 365 * 24 * time.Hour, -365 * 24 * time.Hour, 0}[w.dice.IntN(5)]
		w.note("the wall clock of %s is off by %s", n.name, n.ahead)
	},
	func(w *world, n *node) {
		n.mdmDown = true
		w.note("the MDM of %s is down", n.name)
		w.after(w.between(5*time.Second, 2*time.Minute), "the MDM of "+n.name+" is up", func() { n.mdmDown = false })
	},
	masterMoves,
	func(w *world, n *node) {
		n.gatewayDown = true
		w.note("the gateway of %s is down", n.name)
		w.after(w.between(5*time.Second, 3*time.Minute), "the gateway of "+n.name+" is up", func() { n.gatewayDown = false })
	},
	func(w *world, n *node) { // somebody uses an empty disk
		if d := n.disks[0]; !d.taken && d.foreign.IsZero() && n.w.chance(3) {
			w.note("somebody formats %s", d.id)
			n.spoil(d)
		}
	},
}

func (w *world) allPowered() bool {
	for _, n := range w.nodes {
		if !n.powered() {
			return false
		}
	}
	return true
}

// calm: nothing happens any more, what was damaged is restored, and what was taken from the cluster is given back.
func (w *world) calm() {
	w.note("calm")
	w.raging = false
	w.disk.mend()
	w.brain.ahead = 0
	w.mesos.elects()
	for _, a := range w.mesos.agents {
		a.cut = false
	}
	for _, n := range w.nodes {
		n.deaf, n.full, n.damaged, n.mdmDown, n.gatewayDown, n.ahead = false, false, false, false, false, 0
		w.person.served(n)
	}
}
