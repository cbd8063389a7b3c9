package faults_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// mutant of the product, as far as it can be made from outside: a rule that isn't kept.
type mutant struct {
	unguarded, wallClock, blind, forgetful, unfenced, fresh              bool
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
					assert.Contains(t, o.wrong[0], m.finds)
					return
				}
			}
			t.Errorf("not found by %d seeds", soon)
		})
	}
}
