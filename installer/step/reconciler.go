package step

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"scaleio-framework/scheduler/api"
)

// Repair limit: a fact that was true and is lost again is mended at most RepairLimit times within RepairWindow; then a person has to look.
const (
	RepairLimit  = 3
	RepairWindow = time.Hour
)

// A Reconciler walks plans. It keeps only what can't be observed: how often it mended a step, when to try a failed one again, since when a
// condition has held.
type Reconciler struct {
	Log     *slog.Logger
	Held    func() (reason string, held bool) // the brake; nil = never
	Guard   Guard                             // ends an act when the brake is put on in the middle of it; nil = nothing does
	Reached func(point string)                // told before and after every act; fault injection listens here
	Changed func([]api.Condition)             // told while a pass goes on, so that people see progress

	memory map[string]*memory
}

// A Guard gives a context that ends with ErrHeld as its cause when the brake is put on. Acts alone run under it: looking goes on.
type Guard func(ctx context.Context) (context.Context, context.CancelFunc)

type memory struct {
	satisfied bool        // was seen true by this process
	repairs   []time.Time // acts after it had been true
	failures  int
	lastErr   error
	retryAt   time.Time
	permanent *permanentError
	gen       int64
	cond      api.Condition
}

// Result of a pass.
type Result struct {
	Conditions []api.Condition
	Acted      bool          // something was applied: look again soon
	RetryIn    time.Duration // when a failed act may be tried again; 0 = nothing failed
	Ready      bool          // every fact holds
	First      string        // the first step not satisfied
}

// Pass looks at every item in order. One that is needed, whose predecessors all hold and whose gate is open is applied and looked at again; on
// success the walk goes on. What stands behind a fact of its branch or of the trunk that doesn't hold is looked at and reported as waiting for it.
func (r *Reconciler) Pass(ctx context.Context, p Plan, open []api.Gate, generation int64) Result {
	if r.memory == nil {
		r.memory = map[string]*memory{}
	}
	res := Result{Ready: true}
	stuck := map[string]string{} // branch: its first step not satisfied
	for i, item := range p {
		if ctx.Err() != nil {
			break
		}
		m := r.remember(item.Step.Name(), generation)
		finding := r.look(ctx, item, OpCheck, m)
		before := cmp.Or(stuck[""], stuck[item.Branch])
		switch {
		case finding.Verdict != Needed:
		case before != "":
			finding = Wait(api.ReasonWaitingForStep, "waits for %s; then: %s", before, finding.Message)
		default:
			finding = r.act(ctx, item, open, finding, m, &res, p, i)
		}
		if finding.Verdict == Satisfied {
			m.satisfied = true
		} else {
			res.Ready = false
			res.First = cmp.Or(res.First, item.Step.Name())
			stuck[item.Branch] = cmp.Or(stuck[item.Branch], item.Step.Name())
		}
		res.Conditions = append(res.Conditions, m.note(item.Step.Name(), finding, generation))
	}
	if ctx.Err() != nil {
		res.Ready = false
	}
	return res
}

func (r *Reconciler) remember(name string, generation int64) *memory {
	m := r.memory[name]
	if m == nil {
		m = &memory{}
		r.memory[name] = m
	}
	if m.gen != generation { // new orders: what could not be mended may be now, and what they ask for is no repair
		m.gen, m.failures, m.retryAt, m.satisfied = generation, 0, time.Time{}, false
		if !r.held() { // under the brake nothing is tried, so nothing is known better
			m.permanent, m.lastErr = nil, nil
		}
	}
	return m
}

func (r *Reconciler) look(ctx context.Context, item Item, op Op, m *memory) Finding {
	ctx, cancel := context.WithTimeout(ctx, timeout(item))
	defer cancel()
	finding, err := item.Step.Check(ctx)
	if err != nil {
		m.lastErr = &Error{item.Step.Name(), op, err}
		return Finding{Unknown, api.ReasonFailed, m.lastErr.Error()}
	}
	if finding.Verdict == Satisfied {
		m.failures, m.retryAt, m.permanent, m.lastErr = 0, time.Time{}, nil, nil
	}
	return finding
}

// act applies the item if nothing forbids it, and looks again.
func (r *Reconciler) act(ctx context.Context, item Item, open []api.Gate, before Finding, m *memory, res *Result, p Plan, i int) Finding {
	if stop := r.forbidden(item, open, before, m, res); stop != nil {
		return *stop
	}
	name := item.Step.Name()
	if m.satisfied && !item.Routine {
		m.repairs = append(m.repairs, time.Now())
	}
	r.Log.Info("applying", "step", name, "reason", before.Reason, "why", before.Message)
	r.progress(res, m, name, before, p, i)
	r.reach(PointApply + name)
	begun := time.Now()
	err := r.apply(ctx, item)
	r.reach(PointApplied + name)
	res.Acted = true
	if err != nil {
		return r.failed(name, OpApply, err, m, res)
	}
	after := r.look(ctx, item, OpRecheck, m)
	if after.Verdict == Needed {
		return r.failed(name, OpRecheck, fmt.Errorf("still needed after the act: %s: %s", after.Reason, after.Message), m, res)
	}
	r.Log.Info("applied", "step", name, "dur", time.Since(begun).Round(time.Millisecond), "now", after.Message)
	return after
}

func (r *Reconciler) apply(ctx context.Context, item Item) error {
	if r.Guard != nil {
		guarded, release := r.Guard(ctx)
		defer release()
		ctx = guarded
	}
	ctx, cancel := context.WithTimeout(ctx, timeout(item))
	defer cancel()
	err := item.Step.Apply(ctx)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrHeld) && !errors.Is(err, ErrHeld) {
		err = errors.Join(ErrHeld, err)
	}
	return err
}

func (r *Reconciler) forbidden(item Item, open []api.Gate, before Finding, m *memory, res *Result) *Finding {
	stop := func(f Finding) *Finding { return &f }
	if onlyWatched(item.Step) {
		return stop(Finding{Unknown, api.ReasonFailed, "needed, yet there is no act for it: " + before.Message})
	}
	if m.permanent != nil { // before the brake: what only a person can mend must not look like something that only waits
		return stop(Block(m.permanent.reason, "%v", m.permanent.err))
	}
	if r.Held != nil {
		if reason, held := r.Held(); held {
			if errors.Is(m.lastErr, ErrHeld) { // cut in the middle: what goes on all the same, such as a package manager's work, has to be said
				return stop(Wait(api.ReasonHeld, "held (%s); was cut off by that: %v; then: %s", reason, m.lastErr, before.Message))
			}
			return stop(Wait(api.ReasonHeld, "held (%s); then: %s", reason, before.Message))
		}
	}
	if item.After != "" && !isOpen(open, item.After) {
		return stop(Wait(api.ReasonWaitingForGate, "waits for the cluster: %s; then: %s", item.After, before.Message))
	}
	now := time.Now()
	if wait := m.retryAt.Sub(now); wait > 0 {
		res.retry(wait)
		return stop(Finding{Needed, api.ReasonFailed, fmt.Sprintf("%v; tried again in %s", m.lastErr, wait.Round(time.Second))})
	}
	m.repairs = since(m.repairs, now.Add(-RepairWindow))
	if m.satisfied && len(m.repairs) >= RepairLimit {
		return stop(Block(api.ReasonRepairLimit, "mended %d times within %s and lost again (%s): find out what undoes it; restart the agent to go on",
			len(m.repairs), RepairWindow, before.Message))
	}
	return nil
}

func (r *Reconciler) held() bool {
	if r.Held == nil {
		return false
	}
	_, held := r.Held()
	return held
}

func (r *Reconciler) failed(name string, op Op, err error, m *memory, res *Result) Finding {
	m.lastErr = &Error{name, op, err}
	var perm *permanentError
	if errors.As(err, &perm) {
		m.permanent = &permanentError{perm.reason, m.lastErr}
		r.Log.Error("blocked", "step", name, "reason", perm.reason, "err", err)
		return Block(perm.reason, "%v", m.lastErr)
	}
	if errors.Is(err, ErrHeld) { // the brake's doing, not the step's
		r.Log.Info("cut off by the brake", "step", name, "err", err)
		return Wait(api.ReasonHeld, "%v", m.lastErr)
	}
	m.failures++
	wait := min(time.Second<<min(m.failures-1, 6), time.Minute)
	m.retryAt = time.Now().Add(wait)
	res.retry(wait)
	r.Log.Warn("failed", "step", name, "op", op, "err", err, "again", wait)
	return Finding{Needed, api.ReasonFailed, m.lastErr.Error()}
}

// progress shows people that the step is being applied: conditions so far, this one as Applying, the rest as last seen.
func (r *Reconciler) progress(res *Result, m *memory, name string, before Finding, p Plan, i int) {
	if r.Changed == nil {
		return
	}
	shown := append([]api.Condition(nil), res.Conditions...)
	shown = append(shown, m.note(name, Finding{Needed, api.ReasonApplying, before.Message}, m.gen))
	for _, item := range p[i+1:] {
		if c := r.remember(item.Step.Name(), m.gen).cond; c.Type != "" {
			shown = append(shown, c)
		}
	}
	r.Changed(shown)
}

func (r *Reconciler) reach(point string) {
	if r.Reached != nil {
		r.Reached(point)
	}
}

// note turns a finding into a condition; Since moves only when status or reason do.
func (m *memory) note(name string, f Finding, generation int64) api.Condition {
	status := map[Verdict]api.Status{Satisfied: api.True, Unknown: api.Unknown}[f.Verdict]
	if status == "" {
		status = api.False
	}
	c := api.Condition{Type: name, Status: status, Reason: f.Reason, Message: f.Message, Since: m.cond.Since, Generation: generation}
	if f.Verdict == Unknown && f.Reason == "" {
		c.Reason = "Unknown"
	}
	if f.Verdict == Blocked && f.Reason == "" {
		c.Reason = api.ReasonBlocked
	}
	if c.Status != m.cond.Status || c.Reason != m.cond.Reason {
		c.Since = time.Now().UTC()
	}
	m.cond = c
	return c
}

func (res *Result) retry(in time.Duration) {
	if res.RetryIn == 0 || in < res.RetryIn {
		res.RetryIn = in
	}
}

// Before an act and after it Reached is told these words and the step's name.
const (
	PointApply   = "apply:"
	PointApplied = "applied:"
)

// Points lists where Reached is called while this plan is followed for the first time, for tests that kill at each of them. A step that only looks has none.
func (p Plan) Points() []string {
	var points []string
	for _, item := range p {
		if !onlyWatched(item.Step) && !item.Later {
			points = append(points, PointApply+item.Step.Name(), PointApplied+item.Step.Name())
		}
	}
	return points
}

func timeout(item Item) time.Duration {
	if item.Timeout > 0 {
		return item.Timeout
	}
	return DefaultTimeout
}

func isOpen(open []api.Gate, g api.Gate) bool {
	for _, o := range open {
		if o == g {
			return true
		}
	}
	return false
}

func since(times []time.Time, from time.Time) []time.Time {
	for len(times) > 0 && times[0].Before(from) {
		times = times[1:]
	}
	return times
}
