package faults_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/scheduler/api"
)

// What becomes of the scheduler's state.
type lossKind int

const (
	nothing lossKind = iota
	lost             // the store is gone: it is rebuilt from the nodes
	setBack          // a backup is restored
)

func (k lossKind) String() string { return [...]string{"nothing", "lost", "set back"}[k] }

// loss of the scheduler's state, as a plan has it.
type loss struct {
	kind         lossKind
	saved, after time.Duration // when the backup is taken, and the state is lost
	savedBought  int           // and not before EC2 was asked for so many changes: in the middle of an expansion
	bought       int
	deaf         int  // nodes that can't reach anybody then
	mute         bool // Mesos has no leader then
	again        bool // it happens once more
	times        int  // it happened
}

// moreTime that a run may take until its store is lost, and the least of what can befall the cluster after it.
const (
	moreTime = 8 * time.Minute
	restless = 3 * time.Minute
)

// lossOf a seed. It has dice of its own: what else befalls the cluster stays as it is.
func lossOf(seed uint64, p *plan, rarity int) (l loss) {
	dice := rand.New(rand.NewPCG(seed, 0x105e))
	if dice.IntN(rarity) > 0 {
		return l
	}
	l.kind = lost + lossKind(dice.IntN(2))
	l.after = time.Minute + time.Duration(dice.Int64N(int64(p.rage-time.Minute)))
	l.saved = time.Duration(dice.Int64N(int64(l.after)))
	if p.fullAt > 0 && dice.IntN(3) > 0 {
		l.bought = 1 + dice.IntN(12)
		l.savedBought = dice.IntN(l.bought + 1)
	}
	l.deaf, l.mute, l.again = max(0, dice.IntN(5)-2), dice.IntN(3) == 0, dice.IntN(4) == 0
	return l
}

const lossRarity = 7 // one seed in so many

// losing: the state will be lost yet.
func (w *world) losing() bool {
	l := w.plan.loss
	return l.kind != nothing && (l.times == 0 || l.again && l.times == 1)
}

// lose the scheduler's state when its time has come, and all that it rests on is there: nodes that know their roles.
func (w *world) lose() {
	l := &w.plan.loss
	switch {
	case !w.losing() || time.Since(w.begun) < l.after || w.cloud.asked < l.bought && time.Since(w.begun) < w.plan.rage+moreTime/2:
		return
	case w.known.mdms == "" || w.former != nil || w.person.acts != nil || w.person.keys == nil || l.kind == setBack && w.person.backup == nil:
		return
	case w.era > 0 && !w.brain.up(), l.kind == lost && w.few():
		return
	}
	l.times++
	l.after = time.Since(w.begun) + w.between(time.Minute, restless)
	w.plan.rage = max(w.plan.rage, time.Since(w.begun)+restless)
	w.note("the scheduler's state is %s, after %d changes in EC2", l.kind, w.cloud.asked)
	w.brain.die("its state is " + l.kind.String())
	w.disk.lose()
	w.era++
	w.person.held = map[string]time.Time{}
	w.lostAt, w.known.gates = time.Now(), map[string]int{}
	for range l.deaf {
		cutOff(w, w.nodes[w.dice.IntN(len(w.nodes))])
	}
	if l.mute {
		w.mesos.fallsMute(w.between(5*time.Second, 5*time.Minute))
	}
	if l.kind == lost {
		w.person.recovers()
	} else {
		w.person.restores()
	}
}

// few nodes have heard that fault sets are decided, and no more than half of all: a recovery would stop for a person who has to say which of them are right, and leaving out the
// one that knows leaves out who formed the cluster.
func (w *world) few() bool {
	heard := 0
	for _, n := range w.nodes {
		if n.spread {
			heard++
		}
	}
	return heard > 0 && 2*heard <= len(w.nodes)
}

// remembered is what of the scheduler's own note on a node must never change.
type remembered struct {
	Domain    string            `json:"domain"`
	Spread    bool              `json:"spread"`
	FaultSets map[string]string `json:"faultSets"`
}

// checkRemembered: fault sets were decided once, and are what ScaleIO has.
func (w *world) checkRemembered(n *node, spec *api.NodeSpec) {
	var m remembered
	if len(spec.Recall) == 0 || json.Unmarshal(spec.Recall, &m) != nil {
		return
	}
	n.spread = m.Spread
	if n.situated = n.situated || m.Domain == n.zone; m.Domain != n.zone && (n.situated || m.Domain != "") { // who never heard it can't remember it
		w.broken("%s is in failure domain %q, it was told %q", n.name, n.zone, m.Domain)
	}
	for domain, set := range m.FaultSets {
		if have, ok := w.known.faultSets[domain]; ok && have != set {
			w.broken("the fault set of %s is %s, it was %s", domain, set, have)
		}
		w.known.faultSets[domain] = set
	}
	if len(spec.MDMs) > 0 && m.Spread && len(m.FaultSets) < len(w.known.faultSets) {
		w.broken("%s is told fault sets %v, there were %v", n.name, m.FaultSets, w.known.faultSets)
	}
}

// heardFrom a scheduler: whatever it says first stands above all that was heard before its state was lost.
func (w *world) heardFrom(b *brain, n *node, a api.Answer) {
	if n.kept.Spec != nil && b.era > n.era && a.Spec.Version.Epoch <= n.kept.Spec.Version.Epoch {
		w.broken("the epoch wasn't raised: %s heard %d before, and %d now", n.name, n.kept.Spec.Version.Epoch, a.Spec.Version.Epoch)
	}
	for _, g := range a.Spec.Gates {
		if !slices.Contains(w.known.open, g) {
			w.known.open = append(w.known.open, g)
		}
	}
	if a.Spec.Growth == nil {
		return
	}
	for _, o := range a.Spec.Growth.Orders {
		if _, known := w.known.given[o.Expansion]; !known {
			w.known.given[o.Expansion] = b.era
		}
	}
}

// unheard is how long after the loss something may be bought for an order from before it: it was confirmed, begun, frozen and late.
const unheard = api.OrderTTL + 90*time.Second + time.Minute

// checkPurchase of a volume that comes to be now.
func (w *world) checkPurchase(v *bought) {
	expansion := v.Tags[api.TagExpansion]
	index, _, _ := strings.Cut(v.Tags[api.TagOrder], ".")
	for id, other := range w.cloud.volumes {
		if at, _, _ := strings.Cut(other.Tags[api.TagOrder], "."); other != v && other.Tags[api.TagExpansion] == expansion && at == index {
			w.broken("an order was bought twice: %s is there, and now %s", id, v.ID)
		}
	}
	era, known := w.known.given[expansion]
	switch {
	case !known:
		w.broken("%s is bought for an order that nobody gave", v.ID)
	case w.era > 0 && w.known.listed < w.era && (era == w.era || time.Since(w.lostAt) > unheard):
		w.broken("%s is bought before the cluster's volumes were listed", v.ID)
	}
}

// unchecked says what a scheduler that was brought back doesn't know yet: what was bought meanwhile, and where nodes are that had forgotten it.
func (w *world) unchecked(s *api.ClusterStatus) string {
	record, err := w.disk.Get(w.ctx, "cluster")
	must(err)
	if len(w.known.given) > 0 && clusterIn(record).Unchecked {
		return "what was bought isn't known"
	}
	for _, line := range s.Nodes {
		for _, n := range w.nodes {
			if line.Name == n.name && line.FaultDomain != n.zone {
				return fmt.Sprintf("%s is in failure domain %q", n.name, line.FaultDomain)
			}
		}
	}
	return ""
}

// stillOpen: gates that were open are so, at rest, though the state was lost.
func (w *world) stillOpen() {
	open := w.brain.Status().Gates
	for _, g := range w.known.open {
		if !slices.Contains(open, g) {
			w.broken("gate %s was open, and isn't any more", g)
		}
	}
}

// Whatever becomes of the scheduler's state, and whenever: it is rebuilt or set back, and all goes on.
func TestSeeds_loseTheirState(t *testing.T) {
	did := map[string]int{}
	for seed := *first; seed < *first+min(*seeds, few); seed++ {
		p := planOf(seed)
		p.loss = lossOf(seed, &p, 1)
		o := live(t, p)
		if len(o.wrong) > 0 {
			t.Fatalf("seed %d: %s\n%s", seed, strings.Join(o.wrong, "; "), o.story)
		}
		if o.world.era > 0 {
			did[p.loss.kind.String()]++
		}
		for what, n := range o.world.person.did {
			did[what] += n
		}
	}
	t.Log(did)
	assert.Positive(t, did["lost"])
	assert.Positive(t, did["set back"])
}
