package decide

import (
	"fmt"
	"slices"

	"scaleio-framework/scheduler/api"
)

// A GrowthOutcome is what came of a look at growth.
type GrowthOutcome struct {
	Expansions  []*Expansion        // new or changed: to be stored before anybody is told
	Approved    map[string][]string // node -> disks that need no person's approval
	Disapproved map[string][]string // node -> disks that were approved with an expansion, and aren't part of it any more
	Events      []api.Event
	Checked     bool     // the ledger was compared with what there is
	Dropped     []string // expansions that are remembered no more: nothing is left of them
}

func (s *State) replace(next *Expansion) {
	for i, e := range s.Ledger {
		if e.ID == next.ID {
			s.Ledger[i] = next
		}
	}
}

// store an expansion in the place of what it was before.
func (o *GrowthOutcome) store(was, next *Expansion) {
	if i := slices.Index(o.Expansions, was); i >= 0 {
		o.Expansions[i] = next
		return
	}
	o.Expansions = append(o.Expansions, next)
}

func (o *GrowthOutcome) tell(s *State, e api.Event) {
	e.Time = s.Now.UTC()
	if e.Who == "" {
		e.Who = "scaleio-scheduler"
	}
	o.Events = append(o.Events, e)
}

// once tells of a subject what goes on being so: not again while the key is the same.
func (o *GrowthOutcome) once(s *State, kind, subject, key string, e api.Event) {
	if s.Growing.told == nil {
		s.Growing.told = map[string]string{}
	}
	if s.Growing.told[kind+subject] == key {
		return
	}
	s.Growing.told[kind+subject] = key
	e.Kind = kind
	o.tell(s, e)
}

func bytesText(n int64) string {
	switch {
	case n >= 10<<40:
		return fmt.Sprintf("%.1f TB", float64(n)/(1<<40))
	case n >= 10<<30:
		return fmt.Sprintf("%d GB", n>>30)
	}
	return fmt.Sprintf("%d MB", n>>20)
}
