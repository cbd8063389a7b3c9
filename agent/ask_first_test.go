package agent

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

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
