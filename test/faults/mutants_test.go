package faults_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// mutant of the product, as far as it can be made from outside: a rule that isn't kept.
type mutant struct{ unguarded, wallClock, blind, forgetful, unfenced, fresh bool }

const soon = 60 // seeds

func asItIs(*plan) {}

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
