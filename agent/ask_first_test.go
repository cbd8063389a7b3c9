package agent

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// A node at rest keeps no request open: a hold that was put on a moment ago must stop it all the same from mending what it finds broken.
func TestMayBegin_aNodeAtRestAsksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held, away atomic.Bool
		applied := 0
		a, f := testAgent(t), &fakeScheduler{}
		f.answer = func(int, api.Report) (api.Answer, error) {
			answer := answerOf(1)
			if away.Load() {
				return api.Answer{}, errors.New("connection refused")
			}
			if held.Load() {
				answer.Hold, answer.ETag = &api.Hold{Author: "ann"}, "held"
			}
			return answer, nil
		}
		a.Steps = fakeSteps{plan: step.Plan{{Step: busyStep{apply: func(context.Context) error { applied++; return nil }}}}}
		links(t, a, f)
		time.Sleep(30 * time.Second)
		held.Store(true)
		a.pass(t.Context())
		assert.Zero(t, applied)

		held.Store(false)
		time.Sleep(2 * time.Minute)
		away.Store(true)
		time.Sleep(2 * time.Minute)
		begun := time.Now()
		a.pass(t.Context())
		assert.Equal(t, 1, applied, "without a scheduler it goes on")
		assert.Less(t, time.Since(begun), askLimit)
	})
}

// leftovers is a removal in one step.
type leftovers struct{ there *bool }

func (leftovers) Name() string { return "remove-leftovers" }
func (l leftovers) Check(context.Context) (step.Finding, error) {
	if *l.there {
		return step.Need("StillThere", "packages"), nil
	}
	return step.Finding{Verdict: step.Satisfied, Reason: installer.ReasonRemoved}, nil
}
func (l leftovers) Apply(context.Context) error { *l.there = false; return nil }

// The scheduler forgets a removed node: nobody takes the order back. Whoever uses the machine by hand later keeps what is his.
func TestMayBegin_aRemovedNodeOnlyLooks(t *testing.T) {
	a, there := testAgent(t), true
	a.Steps = fakeSteps{plan: step.Plan{{Step: leftovers{&there}}}}
	told := func(a *Agent, generation int64, remove bool) {
		answer := answerOf(generation)
		answer.Spec.Remove = remove
		_, err := a.take(answer, time.Now())
		require.NoError(t, err)
	}
	told(a, 1, true)
	a.pass(t.Context())
	require.False(t, there, "the order is followed")
	a.pass(t.Context())

	there = true // another's
	a.pass(t.Context())
	assert.True(t, there)
	told(a, 2, true)
	a.pass(t.Context())
	assert.True(t, there, "the same order again")
	again, err := New(a.Options)
	require.NoError(t, err)
	again.pass(t.Context())
	assert.True(t, there, "a restart forgets nothing")

	told(again, 3, false)
	told(again, 4, true)
	again.pass(t.Context())
	assert.False(t, there, "it was readmitted since, and removed once more")
}
