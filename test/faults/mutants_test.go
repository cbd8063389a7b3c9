package faults_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/scheduler/api"
)

// mutant of the product, as far as it can be made from outside: a rule that isn't kept.
type mutant struct {
	unguarded, wallClock, blind, forgetful, unfenced, fresh              bool
	rosy, early, heedless, meddling, abandoned, twofold                  bool // of reboots
	putBack, unlisted, amnesia, reseated, anew, unasked, shuts, anyToken bool // of what follows a loss of the scheduler's state
}

const soon = 60 // seeds

func asItIs(*plan) {}

// loses its state in each seed.
func loses(kind lossKind) func(*plan) {
	return func(p *plan) {
		p.loss = lossOf(p.seed, p, 1)
		p.loss.kind = kind
	}
}

// growing loses it in the middle of an expansion.
func growing(kind lossKind) func(*plan) {
	return func(p *plan) {
		loses(kind)(p)
		p.rarity, p.calamity, p.fullAt = 60, 0, 2*time.Minute
		p.loss.bought, p.loss.savedBought, p.loss.saved, p.loss.after = 2+int(p.seed%6), 1, 0, time.Minute
	}
}

// rebooting are in each seed, and little else befalls it.
func rebooting(tune func(*plan)) func(*plan) {
	return func(p *plan) {
		p.loss, p.rarity, p.calamity, p.fullAt, p.rage = loss{}, 0, 8, 0, 6*time.Minute
		p.reboots = rebootsOf(p.seed, p, 1)
		for i := range p.reboots.wishes {
			p.reboots.wishes[i].late = false
		}
		tune(p)
	}
}

// What would go wrong if one of the product's rules weren't there is found, and soon: else that nothing is found would mean nothing.
func TestSeeds_findMutants(t *testing.T) {
	for name, m := range map[string]struct {
		mutant mutant
		finds  string
		tune   func(*plan) // where it is likely
	}{
		"a leader that doesn't look at its lease before it acts": {mutant{unguarded: true}, "after the end of its lease", func(p *plan) {
			p.rarity, p.fates, p.calamity, p.calamities = 8, []fate{freezes, hangs}, 8, []func(*world, *node){cutOff}
		}},
		"leases that count by the wall clock": {mutant{wallClock: true}, "", func(p *plan) {
			p.rarity, p.calamity, p.calamities = 0, 2, []func(*world, *node){cutOff, setClock, masterMoves}
		}},
		"a disk that isn't read again before it is handed over":     {mutant{blind: true}, "isn't ours", asItIs},
		"an agent that forgets what it began":                       {mutant{forgetful: true}, "", asItIs},
		"a store that takes a write whoever wrote in the meantime":  {mutant{unfenced: true}, "", asItIs},
		"a scheduler that takes a store that it can't read as none": {mutant{fresh: true}, "", asItIs},
		"a backup that is put back as it was":                       {mutant{putBack: true}, "epoch wasn't raised", loses(setBack)},
		"nodes that remember nothing for the scheduler":             {mutant{amnesia: true}, "failure domain", loses(lost)},
		"an empty store that is taken for a new cluster's":          {mutant{anew: true}, "began anew", loses(lost)},
		"a scheduler that doesn't ask Mesos what runs": {mutant{unasked: true}, "launched on", func(p *plan) {
			loses(setBack)(p)
			p.loss.mute, p.loss.saved, p.rarity, p.calamity, p.calamities = true, 0, 0, 10, []func(*world, *node){taskFails}
		}},
		"purchases that nobody looks up": {mutant{anyToken: true}, "bought twice", func(p *plan) {
			growing(setBack)(p)
			p.force = map[string]fate{"n1: EC2 CreateVolume": lostAnswer, "n2: EC2 CreateVolume": diesAfter}
		}},
		"nodes that remember other parts of the cluster": {mutant{reseated: true}, "they were", loses(lost)},
		"a listing that isn't one": {mutant{unlisted: true}, "before the cluster's volumes were listed", func(p *plan) {
			loses(setBack)(p)
			p.rarity, p.calamity, p.pace, p.fullAt, p.rage = 0, 0, 12*time.Second, 5*time.Minute, 28*time.Minute
			p.loss = loss{kind: setBack, saved: time.Minute, after: 2 * time.Minute}
		}},
		"a sample that shows all well": {mutant{rosy: true}, "the storage can't do without it", rebooting(func(p *plan) {
			p.calamities = []func(*world, *node){func(w *world, n *node) {
				if w.allPowered() {
					n.lose(w.between(2*time.Minute, 4*time.Minute))
				}
			}}
		})},
		"a right to reboot that comes with that to be interrupted": {mutant{early: true}, "its SDS isn't in maintenance", rebooting(func(p *plan) { p.calamity = 0 })},
		"a master that doesn't hand over": {mutant{early: true}, "its MDM is master", rebooting(func(p *plan) {
			p.calamity = 0
			for i := range p.reboots.wishes {
				p.reboots.wishes[i].node = i % 3
			}
		})},
		"a right to reboot that anybody has": {mutant{twofold: true}, "is down by our act", rebooting(func(p *plan) {
			p.calamity, p.reboots.wishes = 0, []wish{{node: 0, at: time.Minute}, {node: 1, at: time.Minute}}
		})},
		"a hold that nobody heeds":                     {mutant{heedless: true}, "is held since", rebooting(func(p *plan) { p.calamity, p.script = 0, func(w *world) { w.person.hold("") } })},
		"a maintenance that is ended by whoever leads": {mutant{meddling: true}, "a person's maintenance", rebooting(func(p *plan) { p.calamity, p.calamities = 4, []func(*world, *node){serveOne} })},
		"a maintenance that is begun and left alone":   {mutant{abandoned: true}, "is in maintenance by us", rebooting(func(p *plan) { p.calamity = 0 })},
		"a node that forgets what it was rebooted for": {mutant{forgetful: true}, "for what a reboot didn't end", rebooting(func(p *plan) {
			p.calamity = 0
			for i := range p.reboots.wishes {
				p.reboots.wishes[i].inVain = true
			}
		})},
		"a gate that shuts": {mutant{shuts: true}, "a gate closed", asItIs},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= soon; seed++ {
				p := planOf(seed)
				m.tune(&p)
				p.mutant, p.settles = m.mutant, time.Hour
				if o := live(t, p); len(o.wrong) > 0 {
					t.Logf("seed %d: %s", seed, o.wrong[0])
					assert.Contains(t, strings.Join(o.wrong, "; "), m.finds)
					return
				}
			}
			t.Errorf("not found by %d seeds", soon)
		})
	}
}

// mutated answer, as a scheduler or an agent that isn't right would have it.
func (w *world) mutated(n *node, a *api.Answer) {
	m := w.plan.mutant
	if !m.early && !m.twofold && !m.meddling && !m.abandoned {
		return
	}
	right := api.Lease{Name: api.LeaseReboot}
	wants := contains(n.leases.Wants(), api.LeaseReboot)
	if i := w.brain.Status().Interruption; m.early && i != nil && i.Node == n.name && wants || m.twofold && wants {
		a.Leases = append(a.Leases, right)
	}
	c := a.Spec.Cluster
	if c == nil {
		return
	}
	changed := *c
	a.Spec.Cluster = &changed
	if s := c.Service; m.abandoned && s != nil && s.Leave {
		changed.Service = nil
	}
	for _, d := range w.storage.objects.SDSs {
		if m.meddling && d.InMaintenance() {
			changed.Service = &api.SDSService{SDS: d.ID, Name: d.Name, Leave: true}
		}
	}
}

// rosy: whatever the storage is, it is shown as whole.
func rosy(v *api.ClusterView) {
	v.State = "Normal"
	if v.Pool != nil {
		pool := *v.Pool
		pool.DegradedBytes, pool.RebuildBytes = 0, 0
		v.Pool = &pool
	}
	v.SDSs = slices.Clone(v.SDSs)
	for i := range v.SDSs {
		v.SDSs[i].Connection = "Connected"
	}
}
