package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
)

// fakeScheduler answers what the test sets, and may hold a report as the real one does.
type fakeScheduler struct {
	mu      sync.Mutex
	reports []api.Report
	at      []time.Time
	answer  func(n int, r api.Report) (api.Answer, error)
}

func (f *fakeScheduler) Report(ctx context.Context, r api.Report) (api.Answer, error) {
	f.mu.Lock()
	f.reports, f.at = append(f.reports, r), append(f.at, time.Now())
	n := len(f.reports)
	f.mu.Unlock()
	answer, err := f.answer(n, r)
	if err == nil && r.WaitMS > 0 && r.Seen == answer.ETag {
		select {
		case <-ctx.Done():
			return api.Answer{}, ctx.Err()
		case <-time.After(time.Duration(r.WaitMS) * time.Millisecond):
		}
	}
	return answer, err
}

func (f *fakeScheduler) Renew(context.Context, api.RenewRequest) (api.JoinAnswer, error) {
	return api.JoinAnswer{}, errors.New("nothing to renew")
}

func (f *fakeScheduler) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.reports)
}

func (f *fakeScheduler) last() api.Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reports[len(f.reports)-1]
}

type fakeSteps struct {
	plan   step.Plan
	glance func() string
}

func (f fakeSteps) Plan(in installer.Input) (step.Plan, error) {
	if !in.Spec.Role.Known() {
		return nil, errors.New("unknown role")
	}
	return f.plan, nil
}
func (f fakeSteps) Glance(context.Context, installer.Input) string { return f.glance() }
func (f fakeSteps) Observe(context.Context, installer.Input) installer.Observation {
	return installer.Observation{}
}

func (f fakeSteps) DiskSeen(string) (api.Disk, bool) { return api.Disk{}, false }
func (f fakeSteps) DisksSettled([]string)            {}

func testAgent(t *testing.T) *Agent {
	t.Helper()
	files := platformtest.NewFiles()
	files.Set(ConfigFile, "cluster: c1\nservers: [https://s:1]\n", 0o644)
	files.Set(CAFile, testCA(t, "c1"), 0o644)
	a, err := New(Options{Version: "test", Identity: api.Identity{ID: "n1"}, Files: files,
		Steps: fakeSteps{}, Notify: func(string) {}, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return a
}

func answerOf(generation int64) api.Answer {
	return api.Answer{Spec: specOf("c1", 1, generation), PollMS: 60_000, ETag: "e"}
}

// links runs exchanges without joining.
func links(t *testing.T, a *Agent, f *fakeScheduler) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			next, err := a.exchange(ctx, f)
			if err != nil {
				a.away(err)
				next = firstRetry
			}
			a.pause(ctx, next)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func TestLink_restsWhenNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, f := testAgent(t), &fakeScheduler{answer: func(int, api.Report) (api.Answer, error) { return answerOf(1), nil }}
		links(t, a, f)
		time.Sleep(10*time.Minute + time.Second)
		assert.InDelta(t, 11, f.count(), 1, "at rest one report a minute")
		assert.Zero(t, f.last().WaitMS, "and no held request")
	})
}

func TestLink_tellsAtOnceWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, f := testAgent(t), &fakeScheduler{}
		f.answer = func(int, api.Report) (api.Answer, error) {
			answer := answerOf(1)
			answer.Wait = true
			return answer, nil
		}
		links(t, a, f)
		time.Sleep(time.Second) // now a request is held
		before := f.count()
		a.note(func(s *seen) {
			s.result.First, s.result.Conditions = "install-sds", []api.Condition{{Type: "install-sds", Status: api.False, Reason: api.ReasonApplying}}
		})
		time.Sleep(200 * time.Millisecond)
		assert.Greater(t, f.count(), before, "a held request must not hide a change")
		assert.Equal(t, "install-sds", f.last().Step)
	})
}

// What changes more often than the scheduler answers a held request must not keep its word from being heard: leases and orders stand by it.
func TestLink_hearsWordHoweverOftenItTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, f := testAgent(t), &fakeScheduler{}
		f.answer = func(int, api.Report) (api.Answer, error) {
			answer := answerOf(1)
			answer.Wait, answer.ETag = true, "same"
			return answer, nil
		}
		links(t, a, f)
		for i := range 30 {
			time.Sleep(api.LongPollLimit / 2)
			a.note(func(s *seen) {
				s.result.Conditions = []api.Condition{{Type: "buy-volumes", Status: api.False, Reason: fmt.Sprint(i)}}
			})
			assert.Less(t, time.Since(a.answered()), api.OrderTTL, "what was ordered may be bought")
		}
		before := f.count()
		time.Sleep(4 * api.LongPollLimit)
		assert.InDelta(t, 4, f.count()-before, 1, "left alone it costs no request more")
	})
}

// Whoever lost a right and shows no note of what it was for is taken for one that never began: a note that is younger than the last look is told, and where notes can't
// be read the report says so.
func TestLink_tellsWhatLiesThereNow(t *testing.T) {
	a, f := testAgent(t), &fakeScheduler{}
	files := a.Files.(*platformtest.Files)
	f.answer = func(int, api.Report) (api.Answer, error) {
		answer := answerOf(1)
		answer.ETag = "same"
		return answer, nil
	}
	exchange := func() api.Report {
		_, err := a.exchange(t.Context(), f)
		require.NoError(t, err)
		return f.last()
	}
	exchange()
	r := exchange()
	assert.Equal(t, "same", r.Seen)
	assert.Empty(t, r.Intents)
	files.Set("/var/lib/scaleio-agent/intents/reboot-1.json", `{"kind":"reboot","since":"2026-01-01T00:00:00Z","bootId":"boot-1"}`, 0o600)
	r = exchange()
	require.Len(t, r.Intents, 1)
	assert.Equal(t, "reboot", r.Intents[0].Kind)
	a.note(func(s *seen) { s.observed.Intents = r.Intents })
	assert.Len(t, exchange().Intents, 1, "once")
	files.Set("/var/lib/scaleio-agent/intents/reboot-1.json", `{`, 0o600)
	assert.True(t, exchange().Unread)
}

func TestLink_keepsTheLastSpecWhileTheSchedulerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, f := testAgent(t), &fakeScheduler{}
		f.answer = func(n int, _ api.Report) (api.Answer, error) {
			if n > 1 {
				return api.Answer{}, errors.New("connection refused")
			}
			return answerOf(3), nil
		}
		links(t, a, f)
		time.Sleep(time.Hour)
		in, ok := a.input()
		require.True(t, ok)
		assert.EqualValues(t, 3, in.Spec.Version.Generation)
		assert.Contains(t, kinds(a.report().Conditions), api.ConditionSchedulerAway)
		kept, err := remember(a.Files, a.Identity.ID, a.Log)
		require.NoError(t, err)
		assert.EqualValues(t, 3, kept.Spec.Version.Generation, "and over a restart")
	})
}

func TestLink_keepsNoSecretAndNoRightOnDisk(t *testing.T) {
	a := testAgent(t)
	answer := answerOf(1)
	answer.Secrets.Admin = api.NewSecret("hunter2-admin")
	answer.Spec.Cluster = &api.ClusterSpec{SystemName: "s"}
	answer.Spec.Formation = &api.Formation{Node: "n1", Nonce: "once"}
	_, err := a.take(answer, time.Now())
	require.NoError(t, err)
	for name, text := range a.Files.(*platformtest.Files).Tree("/") {
		assert.NotContains(t, text, "hunter2", name)
		assert.NotContains(t, text, "once", name)
	}
	in, _ := a.input()
	assert.Equal(t, "hunter2-admin", in.Secrets.Admin.Reveal())
	assert.NotNil(t, in.Spec.Formation)
}

func TestPass_refusesASpecItDoesntUnderstand(t *testing.T) {
	a := testAgent(t)
	answer := answerOf(1)
	answer.Spec.Role = "conductor"
	_, err := a.take(answer, time.Now())
	require.NoError(t, err)
	a.pass(t.Context())
	assert.Contains(t, kinds(a.report().Conditions), api.ConditionUnsupportedSpec)
	assert.False(t, a.report().Ready)
}

func kinds(conditions []api.Condition) (all []string) {
	for _, c := range conditions {
		all = append(all, c.Type)
	}
	return all
}

// A gateway that goes, or an MDM that becomes master, is noticed long before the next pass at rest.
func TestGlances_wakeThePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := testAgent(t)
		var glance atomic.Value
		glance.Store("gateway=true")
		a.Steps = fakeSteps{glance: func() string { return glance.Load().(string) }}
		_, err := a.take(answerOf(1), time.Now())
		require.NoError(t, err)
		a.note(func(s *seen) { s.result.Ready = true })
		drain(a.wake)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = a.glances(ctx) }()
		<-a.wake // the first glance: a gateway that went between the last pass and now must not pass for the usual state
		time.Sleep(time.Minute)
		select {
		case <-a.wake:
			t.Fatal("woken though nothing changed")
		default:
		}
		glance.Store("gateway=false")
		begun := time.Now()
		<-a.wake
		assert.LessOrEqual(t, time.Since(begun), glanceEvery)
	})
}

// A Ready node's next pass is up to a minute away, unless somebody asks for one.
func TestLookNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := testAgent(t)
		var plans atomic.Int32
		a.Steps = countedSteps{plans: &plans}
		_, err := a.take(answerOf(1), time.Now())
		require.NoError(t, err)
		drain(a.wake)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.passes(ctx) }()
		synctest.Wait()
		require.EqualValues(t, 1, plans.Load())
		a.LookNow()
		synctest.Wait()
		assert.EqualValues(t, 2, plans.Load(), "at once")
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

type countedSteps struct {
	fakeSteps
	plans *atomic.Int32
}

func (s countedSteps) Plan(in installer.Input) (step.Plan, error) {
	s.plans.Add(1)
	return s.fakeSteps.Plan(in)
}

type sightedSteps struct{ fakeSteps }

func (sightedSteps) Observe(context.Context, installer.Input) installer.Observation {
	return installer.Observation{Platform: api.Platform{OS: "ubuntu22.04", Supported: true}}
}

// A restarted agent looks before it speaks: a report without a platform would cost its node the role.
func TestLink_looksBeforeItsFirstReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, s := testAgent(t), newSigner(t)
		a.Steps = sightedSteps{}
		a.Join = s.join
		a.token(t, "token")
		_, err := a.take(answerOf(1), time.Now())
		require.NoError(t, err)
		f := &fakeScheduler{answer: func(int, api.Report) (api.Answer, error) { return answerOf(1), nil }}
		linked(t, a, f)
		time.Sleep(time.Second)
		require.NotZero(t, f.count())
		f.mu.Lock()
		defer f.mu.Unlock()
		assert.True(t, f.reports[0].Platform.Supported)
	})
}

// A node at rest finds within half a minute that its scheduler is gone, though it reports once in one; while it knows that, it knocks at no door.
func TestLink_knocksAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := testAgent(t)
		var gone error
		var knocked []string
		a.Knock = func(_ context.Context, server string) error { knocked = append(knocked, server); return gone }
		begun := time.Now()
		a.pause(t.Context(), time.Minute)
		assert.Equal(t, time.Minute, time.Since(begun))
		assert.GreaterOrEqual(t, len(knocked), 2)

		a.kept.Servers, knocked = []string{"https://former:1"}, nil
		a.Knock = func(_ context.Context, server string) error {
			knocked = append(knocked, server)
			if server == "https://former:1" {
				return errors.New("refused")
			}
			return gone
		}
		begun = time.Now()
		a.pause(t.Context(), time.Minute)
		assert.Equal(t, time.Minute, time.Since(begun), "the first of its places isn't the one that answers")
		assert.Contains(t, knocked, "https://s:1")
		gone = errors.New("refused")
		begun = time.Now()
		a.pause(t.Context(), time.Minute)
		assert.LessOrEqual(t, time.Since(begun), 24*time.Second, "it reports now, and looks elsewhere")

		a.away(gone)
		knocked, begun = nil, time.Now()
		a.pause(t.Context(), time.Minute)
		assert.Equal(t, time.Minute, time.Since(begun))
		assert.Empty(t, knocked)
	})
}
