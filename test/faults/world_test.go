package faults_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/trust"
)

// A summary of this library has a goroutine for ever, made with the first: not in a bubble of time.
var _ = metrics.NewSet().NewSummary("first")

// world is a cluster of some nodes in three zones, with everything that it stands on.
type world struct {
	ctx     context.Context
	dice    *rand.Rand
	begun   time.Time
	log     *slog.Logger
	plan    plan
	brain   *brain
	former  *brain // another scheduler, which doesn't know yet that it was replaced
	disk    *disk
	mesos   *mesos
	storage *storage
	cloud   *cloud
	product *installertest.Product
	nodes   []*node
	person  *person
	era     int // how often the scheduler's state was lost
	lostAt  time.Time
	later   []event // what the network delivers later
	raging  bool    // faults happen
	depth   int     // of pauses within calls
	hash    uint64
	tail    []string
	wrong   []string // broken invariants
	options scheduler.Options
	known   known
	told    []api.Event // in the end
	stalls  []stall
}

// event is something on its way.
type event struct {
	at   time.Time
	what string
	do   func()
}

const tailLines = 400

func newWorld(ctx context.Context, p plan) *world {
	w := &world{ctx: ctx, plan: p, dice: rand.New(rand.NewPCG(p.seed, 0x5ca1e10)), begun: time.Now(), log: slog.New(slog.DiscardHandler), product: &installertest.Product{}, known: newKnown()}
	if os.Getenv("VERBOSE") != "" {
		w.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	w.disk, w.storage, w.cloud, w.mesos = newDisk(w), newStorage(w), newCloud(w), newMesos(w)
	w.person = newPerson(w)
	w.options = scheduler.Options{
		Settings: decide.Settings{
			ClusterName: "faults", DomainAttribute: "zone", Settle: 20 * time.Second, Licence: true, ProtectionDomain: "pd", StoragePool: "sp", MediaType: "SSD", ZeroPadding: true, VolumeUser: "rexray",
			Disks: api.DiskPolicy{Use: api.DiskUseAllEmpty}, Agent: &api.AgentBinary{SHA256: "00", URL: "http://mirror/scaleio-agent"},
			Growth: decide.GrowthSettings{Mode: api.GrowthAuto, Threshold: 70, Takes: 2 * time.Minute, Safety: 2, Cooldown: time.Hour, Patience: 10 * time.Minute,
				MaxPerNode: 4, MaxPerCluster: maxVolumes, MaxPerDay: maxVolumes, Budget: 1_000_00, Prices: decide.ListPrices(), SpareSlots: 2, Volume: api.VolumeOrder{Type: "gp3"},
				Node: api.NodeGrowth{CredentialsFile: "/keys", CleanupFile: "/cleanup"}},
		},
		Store: w.disk, Mesos: w.mesos, Framework: scheduler.Framework{Name: "scaleio", Principal: "scaleio", Roles: []string{"scaleio"}},
		People: trust.NewPeople("read", "operate"), AdminPassword: api.NewSecret("Admin-Pass-1"),
		ReserveMDM: scheduler.Resources{CPUs: 1, MemMB: 1024}, ReserveData: scheduler.Resources{CPUs: 0.5, MemMB: 512}, Servers: []string{"https://scheduler"}, Log: w.log,
	}
	if p.reboots.on {
		w.options.Settings.Reboots, w.options.Settings.RebootWithin = api.RebootsRolling, rebootWithin
	}
	for i := range p.nodes {
		w.nodes = append(w.nodes, newNode(w, i+1, i%3+1))
	}
	w.brain = newBrain(w)
	return w
}

// note a line of the trace. Nothing in it is random or secret, so that two runs of a seed have the same.
func (w *world) note(format string, a ...any) {
	line := fmt.Sprintf("%9s %s", time.Since(w.begun).Round(time.Millisecond), fmt.Sprintf(format, a...))
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%x%s", w.hash, line)
	w.hash = h.Sum64()
	if w.tail = append(w.tail, line); len(w.tail) > tailLines {
		w.tail = append([]string(nil), w.tail[tailLines/2:]...)
	}
}

// broken is an invariant that doesn't hold.
func (w *world) broken(format string, a ...any) {
	text := fmt.Sprintf(format, a...)
	w.note("BROKEN: %s", text)
	w.wrong = append(w.wrong, text)
}

// after some time.
func (w *world) after(d time.Duration, what string, do func()) {
	w.later = append(w.later, event{time.Now().Add(d), what, do})
}

// arrive: what is due happens, in the order in which it is due.
func (w *world) arrive() {
	for {
		first := -1
		for i, e := range w.later {
			if !e.at.After(time.Now()) && (first < 0 || e.at.Before(w.later[first].at)) {
				first = i
			}
		}
		if first < 0 {
			return
		}
		e := w.later[first]
		w.later = append(w.later[:first:first], w.later[first+1:]...)
		if e.what != "" {
			w.note("%s", e.what)
		}
		e.do()
	}
}

// between two durations, by the dice.
func (w *world) between(a, b time.Duration) time.Duration {
	return (a + time.Duration(w.dice.Int64N(int64(b-a)+1))).Truncate(time.Millisecond)
}

// chance of one in n.
func (w *world) chance(n int) bool { return w.dice.IntN(n) == 0 }

// round of everybody but who is frozen.
func (w *world) round(pause time.Duration) {
	w.arrive()
	w.person.turn()
	w.brain.turn()
	if w.former != nil && w.former.Stepped == nil {
		w.former = nil // nobody starts it again
	}
	if w.former != nil {
		w.former.turn()
	}
	w.mesos.turn()
	for _, i := range w.dice.Perm(len(w.nodes)) {
		w.nodes[i].turn()
	}
	w.storage.turn()
	w.check()
	time.Sleep(pause)
	synctest.Wait() // a call whose deadline is now has heard of it
}

// run what the plan says: a time of faults, then calm until all is as it should be. It gives what was wrong.
func (w *world) run() []string {
	w.raging = true
	for (time.Since(w.begun) < w.plan.rage || w.losing() && time.Since(w.begun) < w.plan.rage+moreTime) && len(w.wrong) == 0 {
		w.befall()
		w.round(w.between(w.plan.pace/4, w.plan.pace))
	}
	w.calm()
	calm, quiet := time.Now(), 0
	for len(w.wrong) == 0 {
		w.round(w.between(w.plan.pace/2, 2*w.plan.pace))
		why := w.unsettled()
		if quiet++; why != "" {
			quiet = 0
		}
		if quiet > 5 {
			break
		}
		if time.Since(calm) > w.plan.settles {
			w.broken("not settled %s after the last fault: %s", w.plan.settles, why)
			w.note("%s", w.standing())
		}
	}
	w.atRest()
	return w.wrong
}

// story of the run's end.
func (w *world) story() string {
	return strings.Join(w.tail, "\n") + "\n" + strings.Join(w.wrong, "\n")
}

// start the cluster of a plan in a bubble.
func start(t *testing.T, p plan) *world { return newWorld(t.Context(), p) }
