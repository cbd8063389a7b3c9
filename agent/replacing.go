package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
)

// Pace of trying again to fetch an agent.
const (
	fetchAgain     = 30 * time.Second
	fetchAgainLast = 2 * time.Minute
)

// changing is how far the agent is with replacing itself.
type changing struct {
	sha256  string          // of the agent that lies here, ready to be changed over to
	unit    string          // its unit file
	waiting string          // why the agent isn't what the spec wants
	back    *api.RolledBack // that this node went back from
	proving *replacement    // this agent came in place of another and has yet to show that it can
}

// beginsChange reads what a replacement left, once, before anything else is done.
func (a *Agent) beginsChange(ctx context.Context) {
	r := a.Replacer
	if r == nil {
		return
	}
	if err := a.Files.Write(runningFile, []byte(r.SHA256+"\n"), 0o644); err != nil { // `place` leaves an agent alone that replaces itself
		a.Log.Warn("telling which agent runs", "err", err)
	}
	rec, ok, err := recallReplacement(a.Files)
	switch {
	case err != nil:
		a.Log.Error("what a replacement of the agent left can't be read; it replaces itself no more until that file is away", "err", err)
		a.changes(func(c *changing) { c.waiting = err.Error() })
	case !ok:
		if err := r.disarm(ctx); err != nil {
			a.Log.Warn("tidying up after a replacement", "err", err)
		}
	case rec.To == r.SHA256 && rec.proving():
		a.Log.Info("in place of another agent: it comes back unless this node is Ready in time", "from", rec.From)
		a.changes(func(c *changing) { c.proving = &rec })
	case rec.From == r.SHA256 && rec.proving():
		if err := r.abandon(ctx); err != nil {
			a.Log.Warn("a change to another agent was cut off; beginning anew", "err", err)
		}
	case rec.From == r.SHA256:
		a.changes(func(c *changing) { c.back = rec.rolledBack() })
		if err := r.disarm(ctx); err != nil {
			a.Log.Warn("tidying up after going back", "err", err)
		}
	}
}

// runningFile names the agent that runs, for as long as it does.
const runningFile = RunDir + "/sha256"

func (a *Agent) changes(change func(*changing)) {
	a.mu.Lock()
	before := a.change
	change(&a.change)
	told := before.waiting != a.change.waiting || before.back != a.change.back || before.proving != a.change.proving
	a.mu.Unlock()
	if told {
		signal(a.tell)
	}
}

// fetchesAgent gets what the spec wants this agent to be, beside the passes.
func (a *Agent) fetchesAgent(ctx context.Context) error {
	pause := fetchAgain
	for {
		look, wait := a.fetch, time.Minute // a brake may have come off
		if want, due := a.wantedAgent(); due {
			unit, err := a.Replacer.fetch(ctx, want)
			if err != nil && ctx.Err() == nil {
				a.Log.Warn("the new agent can't be had", "err", err, "again", pause)
				a.changes(func(c *changing) { c.waiting = err.Error() })
				look, wait, pause = nil, jitter(pause), min(2*pause, fetchAgainLast)
			} else if err == nil {
				pause = fetchAgain
				a.changes(func(c *changing) { c.sha256, c.unit, c.waiting = want.SHA256, unit, "" })
				signal(a.wake)
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-look:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// wantedAgent by the spec, and whether it is yet to be fetched.
func (a *Agent) wantedAgent() (want api.AgentBinary, due bool) {
	if a.Replacer == nil {
		return want, false
	}
	_, held := a.mayReplace()
	a.mu.Lock()
	defer a.mu.Unlock()
	c := &a.change
	if a.kept.Spec == nil || a.kept.Spec.Agent == nil || a.kept.Spec.Remove {
		return want, false
	}
	want = *a.kept.Spec.Agent
	return want, !held && c.proving == nil && want.SHA256 != a.Replacer.SHA256 && want.SHA256 != c.sha256 && !c.back.Refuses(want)
}

func (a *Agent) mayReplace() (reason string, held bool) {
	if reason, held = a.brake.Held(); held {
		return reason, held
	}
	return a.isBare()
}

// replacesItself changes over between two passes, once the new agent lies here; restart = the process has to end now.
func (a *Agent) replacesItself(ctx context.Context) (restart bool, err error) {
	if a.Replacer == nil {
		return false, nil
	}
	if err := a.provesItself(ctx); err != nil { // under a hold as well: unproved, the way back would be taken while nothing may change
		return false, err
	}
	if _, held := a.mayReplace(); held {
		return false, nil
	}
	a.mu.Lock()
	c, spec := a.change, a.kept.Spec
	rec := replacement{From: a.Replacer.SHA256, To: c.sha256, Since: time.Now().UTC(), Ready: a.readyLocked(), Held: a.truthsLocked()}
	a.mu.Unlock()
	if spec == nil || spec.Agent == nil || c.sha256 == "" || c.proving != nil || spec.Agent.SHA256 != c.sha256 || c.back.Refuses(*spec.Agent) {
		return false, nil
	}
	rec.Attempt = spec.Agent.Attempt
	a.Log.Info("changing over to another agent", "sha256", rec.To, "from", rec.From, "ready", rec.Ready, "within", spec.Agent.ReadyWithin())
	if err := a.Replacer.change(ctx, rec, c.unit, spec.Agent.ReadyWithin()); err != nil {
		a.changes(func(c *changing) { c.waiting = err.Error() })
		return false, err
	}
	a.Reached("replaced-agent")
	return true, nil
}

// provesItself: this agent has shown its node as it was before, and its scheduler has heard it.
func (a *Agent) provesItself(ctx context.Context) error {
	a.mu.Lock()
	rec := a.change.proving
	proved := rec != nil && !a.answer.at.IsZero() && a.answer.away == nil && a.seen.passes > 0 && a.asBeforeLocked(*rec)
	a.mu.Unlock()
	if !proved {
		return nil
	}
	if err := a.Replacer.proved(ctx, *rec); err != nil {
		return fmt.Errorf("keeping the place of the former agent: %w", err)
	}
	a.Log.Info("this node is as it was before: the former agent's way back is closed", "from", rec.From)
	a.changes(func(c *changing) { c.proving = nil })
	return nil
}

// asBeforeLocked: Ready, or whatever held on a node that wasn't.
func (a *Agent) asBeforeLocked(rec replacement) bool {
	if rec.Ready {
		return a.readyLocked()
	}
	if a.seen.unsupp != "" {
		return false
	}
	now := a.truthsLocked()
	for _, c := range a.seen.result.Conditions {
		if c.Status != api.True && slices.Contains(rec.Held, c.Type) {
			return false
		}
	}
	return len(now) > 0 || len(rec.Held) == 0
}

// truthsLocked are the facts that hold here.
func (a *Agent) truthsLocked() (held []string) {
	for _, c := range a.seen.result.Conditions {
		if c.Status == api.True {
			held = append(held, c.Type)
		}
	}
	return held
}

// runningLocked is what is reported.
func (a *Agent) runningLocked() *api.RunningBinary {
	if a.Replacer == nil {
		return nil
	}
	return &api.RunningBinary{SHA256: a.Replacer.SHA256, Proving: a.change.proving != nil, Waiting: a.change.waiting, RolledBack: a.change.back}
}

// WhyBack is what a new agent lacked, and the hold that the way back waits for: a person's. The scheduler's own read-only state may come of what the new agent itself misread,
// and would then last for as long as that one stays.
func WhyBack(local Local) (why, held string) {
	held = local.Held
	if local.HeldBy == api.AuthorScheduler {
		held = ""
	}
	return notProved(local), held
}

// notProved says what a new agent lacked when its time was over.
func notProved(local Local) string {
	if !local.Ready {
		text := "this node isn't Ready: " + local.Step
		for _, c := range local.Conditions {
			if c.Type == local.Step {
				text += ": " + c.Reason + ": " + c.Message
			}
		}
		if r := []rune(text); len(r) > maxWhyBack {
			text = string(r[:maxWhyBack]) + "…"
		}
		return text
	}
	return "it hasn't reached the scheduler: " + local.Scheduler
}

// maxWhyBack bounds what is remembered, and reported for as long as it is.
const maxWhyBack = 300
