package growth_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

var (
	errDied = errors.New("died here")
	errLost = errors.New("the answer was lost")
)

// How a gap is hit.
type how int

const (
	never       how = iota
	dieBefore       // the process ends, and what it was about to do isn't done
	dieAfter        // it is done, and the process ends before it learns of it
	answerLost      // it is done, and the process goes on without knowing
	requestLost     // it isn't done, and the process goes on
)

func (h how) String() string {
	return [...]string{"never", "died before", "died after", "the answer lost", "the request lost"}[h]
}

// gaps counts everything that leaves a trace outside its process. At one of them something goes wrong.
type gaps struct {
	mu    sync.Mutex
	at    int
	how   how
	count int
	names []string
	dead  map[string]bool
	hit   bool
}

// pass one gap of an actor.
func (g *gaps) pass(actor, name string, effect func() error) error {
	g.mu.Lock()
	if g.dead[actor] {
		g.mu.Unlock()
		return errDied
	}
	g.count++
	g.names = append(g.names, actor+": "+name)
	now := g.how
	if g.count != g.at {
		now = never
	}
	if now == dieBefore || now == dieAfter {
		g.dead[actor] = true
	}
	g.hit = g.hit || now != never
	g.mu.Unlock()
	switch now {
	case dieBefore:
		return errDied
	case requestLost:
		return errLost
	}
	err := effect()
	switch now {
	case dieAfter:
		return errDied
	case answerLost:
		return errLost
	}
	return err
}

// alive lets the effect happen unless the process is gone: looking is no gap.
func (g *gaps) alive(actor string, effect func() error) error {
	if g.isDead(actor) {
		return errDied
	}
	return effect()
}

func (g *gaps) isDead(actor string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dead[actor]
}

func (g *gaps) revive(actor string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.dead, actor)
}

func (g *gaps) where() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at < 1 || g.at > len(g.names) {
		return "nowhere"
	}
	return fmt.Sprintf("gap %d (%s), %s", g.at, g.names[g.at-1], g.how)
}

func newGaps() *gaps { return &gaps{dead: map[string]bool{}} }

// arm counts anew from here.
func (g *gaps) arm(at int, how how) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at, g.how, g.count, g.names, g.hit = at, how, 0, nil, false
}

func contains(names []string, part string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, part) })
}
