// Package steptest holds the contract that every step keeps: a look changes nothing, an act makes the fact hold, a second act does no harm, and an act that
// was cut off at any of its calls is healed by the next process. Only tests import it.
package steptest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/step"
)

// A Cutter ends a process at its nth call to the machine.
type Cutter interface {
	CutBefore(n int) // without the effect of that call
	CutAfter(n int)  // with its effect, but the process never learns of it
	Heal()
	HasCut() bool
	Calls() []string
}

// A World is a machine on which the fact doesn't hold.
type World struct {
	Cutter   Cutter
	Step     func() step.Step         // of a new process
	Snapshot func() map[string]string // everything that an act may change
}

// A Contract of one step.
type Contract struct {
	New    func(t *testing.T) World
	Done   step.Verdict // after the act; the zero value means Satisfied
	Memory bool         // what the act found out is kept by the process alone: to the next one the fact doesn't hold
}

// Run checks it. Every world has its own bubble of time, so that waiting costs none.
func Run(t *testing.T, c Contract) {
	t.Helper()
	if c.Done == step.Unknown {
		c.Done = step.Satisfied
	}
	calls := 0
	t.Run("needed, applied, done", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { calls = c.plain(t) })
	})
	require.Positive(t, calls, "the act makes no call")
	for n := 1; n <= calls; n++ {
		for _, after := range []bool{false, true} {
			name := fmt.Sprintf("cut at call %d", n)
			if after {
				name += ", its effect unseen"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { c.cut(t, n, after) })
			})
		}
	}
}

// plain gives the number of calls that the act makes.
func (c Contract) plain(t *testing.T) int {
	w := c.New(t)
	c.look(t, w, w.Step(), step.Needed)
	s := w.Step()
	w.Cutter.Heal()
	require.NoError(t, s.Apply(t.Context()))
	calls := len(w.Cutter.Calls())
	c.look(t, w, s, c.Done)
	if c.Memory {
		c.look(t, w, w.Step(), step.Needed)
	} else {
		c.look(t, w, w.Step(), c.Done)
	}

	require.NoError(t, s.Apply(t.Context()), "a second act")
	c.look(t, w, s, c.Done)
	return calls
}

// look checks that a look changes nothing.
func (c Contract) look(t *testing.T, w World, s step.Step, want step.Verdict) {
	t.Helper()
	before := w.Snapshot()
	w.Cutter.Heal()
	f, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, f.Verdict, "%s: %s", f.Reason, f.Message)
	require.NotEmpty(t, f.Reason)
	require.NotEmpty(t, f.Message)
	require.Equal(t, before, w.Snapshot(), "Check changed the machine")
	for _, call := range w.Cutter.Calls() {
		for _, verb := range []string{"write ", "remove ", "mkdir ", "symlink ", "install ", "require ", "recover", "start ", "restart ", "stop ", "enable ", "reload", "reset-failed ", "fetch ", "job ", "reboot", "hold "} {
			assert.False(t, strings.HasPrefix(call, verb), "Check calls %q", call)
		}
	}
}

// cut the act, then let new processes go on.
func (c Contract) cut(t *testing.T, n int, after bool) {
	w := c.New(t)
	s := w.Step()
	if after {
		w.Cutter.CutAfter(n)
	} else {
		w.Cutter.CutBefore(n)
	}
	_ = s.Apply(t.Context()) // whatever it says: its process is gone
	require.True(t, w.Cutter.HasCut(), "the act made fewer than %d calls this time", n)
	w.Cutter.Heal()

	var last step.Finding
	s = w.Step()
	for range 4 {
		if !c.Memory {
			s = w.Step()
		}
		var err error
		last, err = s.Check(t.Context())
		require.NoError(t, err)
		if last.Verdict != step.Needed {
			break
		}
		require.NoError(t, s.Apply(t.Context()), "healing after %q", last.Message)
	}
	require.Equal(t, c.Done, last.Verdict, "%s: %s", last.Reason, last.Message)
	c.look(t, w, s, c.Done)
}
