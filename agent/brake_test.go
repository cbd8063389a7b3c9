package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
)

// The leader is on another node: it has to hear of the file here, or it goes on with what this node had prepared.
func TestBrake_aHeldNodeGivesNothing(t *testing.T) {
	a := testAgent(t)
	a.note(func(s *seen) {
		s.observe(observation(api.Disk{ID: "d1", State: api.DiskPrepared, PreparedAgeMS: 2_000}), time.Now())
	})
	assert.Equal(t, api.DiskPrepared, a.report().Disks[0].State)
	a.Files.(*platformtest.Files).Set(HoldFile, "disk swap\n", 0o644)
	r := a.report()
	assert.Equal(t, api.DiskClaimed, r.Disks[0].State)
	assert.Contains(t, kinds(r.Conditions), api.ConditionHeld)
}

// A clock that is ahead mustn't end a hold that the scheduler still shows.
func TestBrake_aHoldThatTheSchedulerShowsStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := testAgent(t)
		answer := answerOf(1)
		answer.Hold = &api.Hold{Author: "ann", Until: time.Now().Add(-time.Hour)} // the scheduler's clock is two hours behind ours
		_, err := a.take(answer, time.Now())
		require.NoError(t, err)
		_, held := a.brake.Held()
		assert.True(t, held)
		time.Sleep(10 * time.Minute)
		_, held = a.brake.Held()
		assert.False(t, held, "without a scheduler its end counts")
	})
}

// Only the act is cut: the pass goes on looking, and what it saw is reported.
func TestBrake_aPassIsNotCutWithItsAct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := testAgent(t)
		act := busyStep{apply: func(ctx context.Context) error {
			a.Files.(*platformtest.Files).Set(HoldFile, "", 0o644)
			<-ctx.Done()
			return context.Cause(ctx)
		}}
		a.Steps = fakeSteps{plan: step.Plan{{Step: act}}}
		_, err := a.take(answerOf(1), time.Now())
		require.NoError(t, err)
		begun := time.Now()
		a.pass(t.Context())
		assert.LessOrEqual(t, time.Since(begun), time.Second)
		r := a.report()
		assert.Equal(t, api.ReasonHeld, r.Conditions[0].Reason)
	})
}

type busyStep struct{ apply func(context.Context) error }

func (busyStep) Name() string { return "busy" }
func (busyStep) Check(context.Context) (step.Finding, error) {
	return step.Need("NotSo", "it isn't so"), nil
}
func (b busyStep) Apply(ctx context.Context) error { return b.apply(ctx) }
