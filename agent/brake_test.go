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

// The brake of a person on this node: who, why and until when; it needs no scheduler, outlives the process, and ends by itself.
func TestBrake_holdOfAPersonHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := testAgent(t)
		files := a.Files.(*platformtest.Files)
		cut := make(chan time.Duration, 1)
		begun := 0
		a.Steps = fakeSteps{plan: step.Plan{{Step: busyStep{apply: func(ctx context.Context) error {
			if begun++; begun > 1 {
				return nil
			}
			<-ctx.Done()
			cut <- time.Since(heldAt)
			return context.Cause(ctx)
		}}}}}
		_, err := a.take(answerOf(1), time.Now())
		require.NoError(t, err)
		until := time.Now().Add(2 * time.Hour)
		go func() {
			time.Sleep(3 * time.Second)
			heldAt = time.Now()
			files.Set(HoldFile, LocalHold{Reason: "disk\nswap", Author: "ann@n1", Until: until}.Text(), 0o644)
		}()
		a.pass(t.Context())
		assert.LessOrEqual(t, <-cut, time.Second, "what was going on")
		a.pass(t.Context())
		assert.Equal(t, 1, begun, "what would come next")
		reason, held := a.brake.Held()
		assert.True(t, held)
		for _, want := range []string{"disk swap", "by ann@n1", "until " + until.UTC().Format(time.RFC3339)} {
			assert.Contains(t, reason, want)
			assert.Contains(t, a.report().Conditions[len(a.report().Conditions)-1].Message, want, "people at the scheduler see it")
		}
		again, err := New(a.Options)
		require.NoError(t, err)
		_, held = again.brake.Held()
		assert.True(t, held, "after a restart")

		again.brake.now = func() time.Time { return time.Now().Round(0).Add(240 * time.Hour) } // as a clock that was set: without a monotonic part
		late := &brake{files: files, hold: again.hold, now: again.brake.now}
		_, held = late.Held()
		assert.False(t, held, "a process that begins then goes by the clock")
		time.Sleep(2 * time.Hour)
		_, held = a.brake.Held()
		assert.False(t, held, "its time is over")
		a.pass(t.Context())
		assert.Equal(t, 2, begun)
	})
}

var heldAt time.Time

// Whatever is in the file holds; only an end that is understood ends it.
func TestBrake_anyFileHolds(t *testing.T) {
	for text, want := range map[string]string{
		"": HoldFile + " exists", "\n\n": HoldFile + " exists", "window": HoldFile + ": window", "x\nuntil: tomorrow\n": HoldFile + ": x",
		"until: 2001-01-01T00:00:00Z": HoldFile + ": until: 2001-01-01T00:00:00Z",
	} {
		a := testAgent(t)
		a.Files.(*platformtest.Files).Set(HoldFile, text, 0o644)
		reason, held := a.brake.Held()
		assert.True(t, held, "%q", text)
		assert.Equal(t, want, reason)
	}
}
