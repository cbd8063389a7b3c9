package faults_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// quiet is a plan in which nothing happens but what the case says.
func quiet(nodes int, rage time.Duration) plan {
	return plan{seed: 7, nodes: nodes, rage: rage, pace: 4 * time.Second, away: 20 * time.Second, install: 20 * time.Second, settles: settles}
}

// moment of a case.
type moment struct {
	at time.Duration
	do func(*world)
}

// passes lives through a case, and looks that nothing was broken.
func passes(t *testing.T, p plan, story ...moment) *world {
	t.Helper()
	p.script = func(w *world) {
		for len(story) > 0 && time.Since(w.begun) >= story[0].at {
			story[0].do(w)
			story = story[1:]
		}
	}
	o := live(t, p)
	assert.Empty(t, o.wrong)
	assert.Empty(t, story, "not all of it happened")
	if t.Failed() {
		t.Log(o.story)
	}
	return o.world
}

const year = 365 * 24 * time.Hour

// Fault 14: a task ended while the scheduler's clock was a year ahead. Its next try was stored for a year from now.
func TestFault14_clockWasAheadWhenATaskEnded(t *testing.T) {
	passes(t, quiet(3, 4*time.Minute),
		moment{time.Minute, func(w *world) { w.brain.ahead = year }},
		moment{70 * time.Second, func(w *world) { w.mesos.agents[0].set("TASK_FAILED"); w.mesos.agents[0].offer = "of another framework" }},
		moment{80 * time.Second, func(w *world) { w.brain.die("killed"); w.brain.ahead = 0 }})
}

// Fault 14: a task ended while the scheduler's clock was a year ahead, and the clock was set right while the scheduler ran on.
func TestFault14_clockIsSetRightWhileATaskWaits(t *testing.T) {
	passes(t, quiet(3, 4*time.Minute),
		moment{time.Minute, func(w *world) { w.brain.ahead = year }},
		moment{70 * time.Second, func(w *world) { w.mesos.agents[0].set("TASK_FAILED"); w.mesos.agents[0].offer = "of another framework" }},
		moment{80 * time.Second, func(w *world) { w.brain.ahead = 0; w.mesos.agents[0].offer = "" }})
}

// Fault 14: the same, and the wait was over by the clock that was ahead when another scheduler read it. It is over by the right one too.
func TestFault14_clockIsSetRightAfterTheWait(t *testing.T) {
	passes(t, quiet(3, 4*time.Minute),
		moment{time.Minute, func(w *world) { w.brain.ahead = year }},
		moment{70 * time.Second, func(w *world) { w.mesos.agents[0].set("TASK_FAILED"); w.nodes[0].lose(time.Minute) }},
		moment{80 * time.Second, func(w *world) { w.brain.die("killed") }},
		moment{2 * time.Minute, func(w *world) { w.brain.ahead = 0 }})
}

// Fault 14: an expansion ended while the scheduler's clock was a year ahead. Its cooldown doesn't last a year, and what fills the pool meanwhile is seen.
func TestFault14_clockWasAheadWhenAnExpansionEnded(t *testing.T) {
	p := quiet(3, 80*time.Minute)
	p.fullAt = 2 * time.Minute
	w := passes(t, p,
		moment{time.Minute, func(w *world) { w.brain.ahead = year; w.brain.die("killed") }},
		moment{15 * time.Minute, func(w *world) { w.brain.ahead = 0; w.brain.die("killed") }},
		moment{78 * time.Minute, func(w *world) { w.storage.used = w.storage.used * 2 }})
	assert.Equal(t, 2, w.count("GrowthEnded"))
	assert.Len(t, w.cloud.volumes, 6)
}

// Fault 14: a backup was restored while the scheduler's clock was a year behind, and the clock was set right. A listing from before the restoration stays one from before.
func TestFault14_clockIsSetRightAfterARestoration(t *testing.T) {
	p := quiet(3, 8*time.Minute)
	p.fullAt, p.loss = 2*time.Minute, loss{kind: setBack, saved: time.Minute, after: 2 * time.Minute, bought: 3}
	w := passes(t, p,
		moment{time.Minute, func(w *world) { w.brain.ahead = -year }},
		moment{7 * time.Minute, func(w *world) { w.brain.ahead = 0; w.brain.die("killed") }})
	assert.Equal(t, 1, w.era)
	assert.Len(t, w.cloud.volumes, 3)
}

// Fault 3: a scheduler is frozen and another is started. When it goes on, it answers whoever still calls it, and nobody acts on it beside the new one's word.
func TestFault3_anotherSchedulerTookOver(t *testing.T) {
	for _, at := range []time.Duration{10 * time.Second, 40 * time.Second, time.Minute, 2 * time.Minute} {
		passes(t, quiet(4, 5*time.Minute), moment{at, func(w *world) { w.takeOver(time.Minute) }},
			moment{at + 65*time.Second, func(w *world) { w.storage.moveMaster() }})
	}
}

// Fault 12: the store's session ends while the scheduler goes on. It writes nothing more, tells nobody anything that rests on a write, and ends.
func TestFault12_sessionExpires(t *testing.T) {
	for _, at := range []time.Duration{5 * time.Second, 30 * time.Second, time.Minute, 90 * time.Second} {
		passes(t, quiet(3, 4*time.Minute), moment{at, func(w *world) { w.disk.session++ }})
	}
}

// Fault 12: a commit is done and its answer is lost. Whoever starts next finds it done.
func TestFault12_commitThatNobodyKnowsOf(t *testing.T) {
	for _, at := range []time.Duration{0, 5 * time.Second, 30 * time.Second, time.Minute, 90 * time.Second} {
		passes(t, quiet(3, 4*time.Minute), moment{at, func(w *world) { w.plan.force = map[string]fate{"scheduler: commit": lostAnswer} }})
	}
}

// Fault 23: two nodes ask for a reboot, and the first doesn't return in time. People are told; the other goes when the first is back, and not before.
func TestFault23_theHolderDoesNotReturn(t *testing.T) {
	p := quiet(4, 10*time.Minute)
	p.reboots = reboots{on: true, wishes: []wish{{node: 3, at: 2 * time.Minute, late: true}, {node: 0, at: 3 * time.Minute}}}
	w := passes(t, p)
	assert.Positive(t, w.count("RebootLate"))
	assert.Equal(t, []int{1, 0, 0, 1}, []int{w.nodes[0].ours, w.nodes[1].ours, w.nodes[2].ours, w.nodes[3].ours})
}

// Fault 23: the same, and a person gives its right away. That lets nobody go while the storage lacks it.
func TestFault23_theHolderIsReleased(t *testing.T) {
	p := quiet(4, 20*time.Minute)
	p.reboots = reboots{on: true, wishes: []wish{{node: 3, at: 2 * time.Minute, late: true}, {node: 0, at: 3 * time.Minute}}}
	w := passes(t, p, moment{5 * time.Minute, func(w *world) { w.person.release() }})
	assert.Equal(t, []int{1, 0, 0, 1}, []int{w.nodes[0].ours, w.nodes[1].ours, w.nodes[2].ours, w.nodes[3].ours})
}
