package step_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// fact is a step over one variable; fail makes Apply fail, find overrides what Check says.
type fact struct {
	name    string
	true    bool
	fail    error
	find    func() (step.Finding, error)
	applied int
}

func (f *fact) Name() string { return f.name }

func (f *fact) Check(context.Context) (step.Finding, error) {
	switch {
	case f.find != nil:
		return f.find()
	case f.true:
		return step.OK("it is so"), nil
	}
	return step.Need("NotSo", "it isn't so"), nil
}

func (f *fact) Apply(context.Context) error {
	f.applied++
	if f.fail != nil {
		return f.fail
	}
	f.true = true
	return nil
}

func reconciler() *step.Reconciler { return &step.Reconciler{Log: slog.New(slog.DiscardHandler)} }

func condition(t *testing.T, r step.Result, name string) api.Condition {
	t.Helper()
	for _, c := range r.Conditions {
		if c.Type == name {
			return c
		}
	}
	require.Fail(t, "no condition "+name)
	return api.Condition{}
}

func TestPass_actsInOrderAndLooksAgain(t *testing.T) {
	a, b := &fact{name: "a"}, &fact{name: "b"}
	a.find = func() (step.Finding, error) {
		if a.applied == 0 {
			return step.Need("NotSo", "not yet"), nil
		}
		assert.Zero(t, b.applied, "b must not act before a was looked at again")
		return step.OK("so"), nil
	}
	res := reconciler().Pass(t.Context(), step.Plan{{Step: a}, {Step: b}}, nil, 1)
	assert.True(t, res.Ready)
	assert.True(t, res.Acted)
	assert.Equal(t, 1, b.applied)
	assert.Empty(t, res.First)
	assert.Equal(t, api.True, condition(t, res, "b").Status)
}

func TestPass_stopsBehindWhatDoesNotHold(t *testing.T) {
	for name, finding := range map[string]step.Finding{
		"waiting": step.Wait("Elsewhere", "somebody else"),
		"blocked": step.Block("Person", "a person"),
		"unknown": {},
	} {
		t.Run(name, func(t *testing.T) {
			a := &fact{name: "a", find: func() (step.Finding, error) { return finding, nil }}
			b, c := &fact{name: "b"}, &fact{name: "c", true: true}
			res := reconciler().Pass(t.Context(), step.Plan{{Step: a}, {Step: b}, {Step: c}}, nil, 1)
			assert.Zero(t, a.applied, "only Needed may act")
			assert.Zero(t, b.applied)
			assert.False(t, res.Ready)
			assert.Equal(t, "a", res.First)
			assert.Equal(t, api.ReasonWaitingForStep, condition(t, res, "b").Reason)
			assert.Contains(t, condition(t, res, "b").Message, "waits for a")
			assert.Equal(t, api.True, condition(t, res, "c").Status, "what holds is said to hold")
		})
	}
}

func TestPass_branchesDoNotWaitForEachOther(t *testing.T) {
	trunk, a1, a2, b := &fact{name: "trunk"}, &fact{name: "a1"}, &fact{name: "a2"}, &fact{name: "b"}
	a1.find = func() (step.Finding, error) { return step.Wait("Elsewhere", "the leader"), nil }
	p := step.Plan{{Step: trunk}, {Step: a1, Branch: "a"}, {Step: b, Branch: "b"}, {Step: a2, Branch: "a"}}
	res := reconciler().Pass(t.Context(), p, nil, 1)
	assert.Equal(t, 1, b.applied, "b is of another branch")
	assert.Zero(t, a2.applied)
	assert.Equal(t, "a1", res.First)
	assert.Contains(t, condition(t, res, "a2").Message, "waits for a1")

	trunk.find = func() (step.Finding, error) { return step.Block("Person", "look"), nil }
	b.true, b.applied = false, 0
	reconciler().Pass(t.Context(), p, nil, 1)
	assert.Zero(t, b.applied, "everything waits for the trunk")
}

func TestPass_gateGuardsTheActAndNotTheFact(t *testing.T) {
	f := &fact{name: "f"}
	p := step.Plan{{Step: f, After: api.GatePoolReady}}
	res := reconciler().Pass(t.Context(), p, []api.Gate{api.GateRolesDecided}, 1)
	assert.Zero(t, f.applied)
	assert.Equal(t, api.ReasonWaitingForGate, condition(t, res, "f").Reason)

	f.true = true
	res = reconciler().Pass(t.Context(), p, nil, 1)
	assert.True(t, res.Ready, "a fact that holds needs no gate")

	f.true = false
	reconciler().Pass(t.Context(), p, []api.Gate{api.GatePoolReady}, 1)
	assert.Equal(t, 1, f.applied)
}

func TestPass_brakeStopsActsAndNotLooks(t *testing.T) {
	f := &fact{name: "f"}
	r := reconciler()
	r.Held = func() (string, bool) { return "maintenance by ops", true }
	res := r.Pass(t.Context(), step.Plan{{Step: f}}, nil, 1)
	assert.Zero(t, f.applied)
	assert.Equal(t, api.ReasonHeld, condition(t, res, "f").Reason)
	assert.Contains(t, condition(t, res, "f").Message, "maintenance by ops")
}

// The brake ends an act that is under way, also one that began after an earlier brake was taken off in the same pass; looking isn't ended.
func TestPass_brakeEndsARunningActAlone(t *testing.T) {
	held, release := "", func(context.CancelCauseFunc) {}
	r := reconciler()
	r.Held = func() (string, bool) { return held, held != "" }
	r.Guard = func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		release(cancel)
		return ctx, func() { cancel(nil) }
	}
	busy := &acts{apply: func(ctx context.Context) error {
		held = "ops"
		<-ctx.Done()
		return fmt.Errorf("waiting for job install-sds.service, which goes on: %w", ctx.Err())
	}}
	release = func(cancel context.CancelCauseFunc) { cancel(step.ErrHeld) }
	after := &fact{name: "after", true: true}
	p := step.Plan{{Step: busy, Branch: "a"}, {Step: after, Branch: "b"}}
	res := r.Pass(t.Context(), p, nil, 1)
	c := condition(t, res, "busy")
	assert.Equal(t, api.ReasonHeld, c.Reason)
	assert.Contains(t, c.Message, "install-sds.service, which goes on")
	assert.Equal(t, api.True, condition(t, res, "after").Status, "the pass goes on looking")
	assert.Zero(t, res.RetryIn, "it didn't fail")

	c = condition(t, r.Pass(t.Context(), p, nil, 1), "busy")
	assert.Contains(t, c.Message, "install-sds.service, which goes on", "and says so for as long as it is held")
	held = ""
	busy.apply = func(context.Context) error { busy.done = true; return nil }
	assert.True(t, r.Pass(t.Context(), p, nil, 1).Ready, "tried at once when the brake is off")
}

type acts struct {
	done  bool
	apply func(context.Context) error
}

func (*acts) Name() string { return "busy" }
func (a *acts) Check(context.Context) (step.Finding, error) {
	if a.done {
		return step.OK("so"), nil
	}
	return step.Need("NotSo", "it isn't so"), nil
}
func (a *acts) Apply(ctx context.Context) error { return a.apply(ctx) }

// What only a person can mend must not be hidden by the brake, nor be forgotten under it: an answer that wasn't understood holds the cluster, and
// would end its own hold.
func TestPass_blockedShowsUnderTheBrake(t *testing.T) {
	f := &fact{name: "f", fail: step.Permanent("UnknownDialect", errors.New("Quantum state: 7"))}
	held := false
	r := reconciler()
	r.Held = func() (string, bool) { return "read-only", held }
	p := step.Plan{{Step: f}}
	r.Pass(t.Context(), p, nil, 1)
	held = true
	for generation := range int64(3) {
		assert.Equal(t, "UnknownDialect", condition(t, r.Pass(t.Context(), p, nil, generation+1), "f").Reason)
	}
	held = false
	r.Pass(t.Context(), p, nil, 9)
	assert.Equal(t, 2, f.applied, "new orders without the brake")
}

func TestPass_checkErrorIsUnknownAndNothingIsDone(t *testing.T) {
	f := &fact{name: "f", find: func() (step.Finding, error) { return step.Need("NotSo", ""), errors.New("no answer") }}
	res := reconciler().Pass(t.Context(), step.Plan{{Step: f}}, nil, 1)
	assert.Zero(t, f.applied)
	assert.Equal(t, api.Unknown, condition(t, res, "f").Status)
	assert.Contains(t, condition(t, res, "f").Message, "check f: no answer")
}

func TestPass_failedActBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fact{name: "f", fail: errors.New("mirror away")}
		r := reconciler()
		p := step.Plan{{Step: f}}
		var waits []time.Duration
		for range 9 {
			res := r.Pass(t.Context(), p, nil, 1)
			assert.Equal(t, api.ReasonFailed, condition(t, res, "f").Reason)
			assert.Contains(t, condition(t, res, "f").Message, "apply f: mirror away")
			waits = append(waits, res.RetryIn)
			tried := f.applied
			r.Pass(t.Context(), p, nil, 1)
			assert.Equal(t, tried, f.applied, "not before its time")
			time.Sleep(res.RetryIn)
		}
		assert.Equal(t, []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60}, seconds(waits))

		f.fail = nil
		assert.True(t, r.Pass(t.Context(), p, nil, 1).Ready)
		f.true, f.fail = false, errors.New("again")
		assert.Equal(t, time.Second, r.Pass(t.Context(), p, nil, 1).RetryIn, "a success resets the back-off")
	})
}

func seconds(ds []time.Duration) []time.Duration {
	out := make([]time.Duration, len(ds))
	for i, d := range ds {
		out[i] = d / time.Second
	}
	return out
}

func TestPass_newGenerationTriesAtOnce(t *testing.T) {
	f := &fact{name: "f", fail: errors.New("wrong package")}
	r := reconciler()
	p := step.Plan{{Step: f}}
	r.Pass(t.Context(), p, nil, 1)
	r.Pass(t.Context(), p, nil, 1)
	assert.Equal(t, 1, f.applied)
	r.Pass(t.Context(), p, nil, 2)
	assert.Equal(t, 2, f.applied)
}

func TestPass_actThatChangesNothingFails(t *testing.T) {
	f := &fact{name: "f", find: func() (step.Finding, error) { return step.Need("NotSo", "never is"), nil }}
	res := reconciler().Pass(t.Context(), step.Plan{{Step: f}}, nil, 1)
	assert.Equal(t, 1, f.applied)
	assert.Contains(t, condition(t, res, "f").Message, "recheck f: still needed after the act")
	assert.Positive(t, res.RetryIn)
}

func TestPass_permanentBlocksUntilNewOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fact{name: "f", fail: step.Permanent("WrongArch", errors.New("arm64"))}
		r := reconciler()
		p := step.Plan{{Step: f}}
		for range 3 {
			res := r.Pass(t.Context(), p, nil, 1)
			assert.Equal(t, "WrongArch", condition(t, res, "f").Reason)
			time.Sleep(time.Hour)
		}
		assert.Equal(t, 1, f.applied)
		r.Pass(t.Context(), p, nil, 2)
		assert.Equal(t, 2, f.applied)
	})
}

func TestPass_repairLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, ordinary := &fact{name: "f", true: true}, &fact{name: "ordinary", true: true}
		r := reconciler()
		p := step.Plan{{Step: f, Branch: "f"}, {Step: ordinary, Branch: "o", Routine: true}}
		lose := func() step.Result {
			f.true, ordinary.true = false, false
			return r.Pass(t.Context(), p, nil, 1)
		}
		r.Pass(t.Context(), p, nil, 1)
		for range step.RepairLimit {
			assert.True(t, lose().Ready)
			time.Sleep(time.Minute)
		}
		res := lose()
		assert.Equal(t, api.ReasonRepairLimit, condition(t, res, "f").Reason)
		assert.Equal(t, step.RepairLimit, f.applied)
		assert.Equal(t, step.RepairLimit+1, ordinary.applied, "routine isn't repair")

		time.Sleep(step.RepairWindow)
		assert.True(t, lose().Ready, "the window has passed")
	})
}

func TestPass_newOrdersAreNoRepair(t *testing.T) {
	f := &fact{name: "f"}
	r := reconciler()
	for generation := range int64(10) {
		f.true = false
		assert.True(t, r.Pass(t.Context(), step.Plan{{Step: f}}, nil, generation).Ready, "generation %d", generation)
	}
}

func TestPass_progressIsShownWhileItActs(t *testing.T) {
	a, b := &fact{name: "a", true: true}, &fact{name: "b"}
	r := reconciler()
	var shown [][]api.Condition
	r.Changed = func(c []api.Condition) { shown = append(shown, c) }
	r.Pass(t.Context(), step.Plan{{Step: a}, {Step: b}}, nil, 7)
	require.Len(t, shown, 1)
	require.Len(t, shown[0], 2)
	assert.Equal(t, api.ReasonApplying, shown[0][1].Reason)
	assert.Equal(t, int64(7), shown[0][1].Generation)
}

func TestPass_sinceMovesOnlyWithStatusOrReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		message := "one"
		f := &fact{name: "f", find: func() (step.Finding, error) { return step.Wait("Elsewhere", "%s", message), nil }}
		r := reconciler()
		p := step.Plan{{Step: f}}
		first := condition(t, r.Pass(t.Context(), p, nil, 1), "f").Since
		time.Sleep(time.Minute)
		message = "two"
		c := condition(t, r.Pass(t.Context(), p, nil, 1), "f")
		assert.Equal(t, first, c.Since)
		assert.Equal(t, "two", c.Message)
	})
}

func TestPass_endsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a, b := &fact{name: "a", true: true}, &fact{name: "b"}
	a.find = func() (step.Finding, error) { cancel(); return step.OK("so"), nil }
	res := reconciler().Pass(ctx, step.Plan{{Step: a}, {Step: b}}, nil, 1)
	assert.False(t, res.Ready)
	assert.Zero(t, b.applied)
}

func TestPass_boundsEachLookAndAct(t *testing.T) {
	var looked, acted time.Duration
	s := deadlines{look: &looked, act: &acted}
	reconciler().Pass(t.Context(), step.Plan{{Step: s, Timeout: time.Hour}}, nil, 1)
	assert.InDelta(t, time.Hour.Seconds(), looked.Seconds(), 5)
	assert.InDelta(t, time.Hour.Seconds(), acted.Seconds(), 5)
}

type deadlines struct{ look, act *time.Duration }

func (deadlines) Name() string { return "deadlines" }

func (d deadlines) Check(ctx context.Context) (step.Finding, error) {
	at, _ := ctx.Deadline()
	*d.look = time.Until(at)
	return step.Need("NotSo", ""), nil
}

func (d deadlines) Apply(ctx context.Context) error {
	at, _ := ctx.Deadline()
	*d.act = time.Until(at)
	return nil
}
