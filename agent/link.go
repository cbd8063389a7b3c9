package agent

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"scaleio-framework/scheduler/api"
)

// Pace of reports: never faster than reportGap, and no slower than leaderPoll while the leader lease has to be renewed.
const (
	reportGap  = 20 * time.Millisecond
	leaderPoll = api.LeaderLeaseTTL / 5
	firstRetry = time.Second
	lastRetry  = 20 * time.Second
	knockEvery = 20 * time.Second
)

// link joins, then reports for as long as the agent runs. Only nodes that something waits for keep a request open. A node whose certificate isn't
// good any more (expired, or an operator released its identity) joins again, with the same key.
func (a *Agent) link(ctx context.Context) error {
	retry := firstRetry
	var scheduler Scheduler
	var to Target
	a.lookFirst(ctx)
	for ctx.Err() == nil {
		var err error
		if _, other := a.notItself(); other {
			scheduler = nil
		}
		if scheduler == nil {
			if to, err = a.joined(ctx); err != nil {
				return err
			}
			scheduler, err = a.connect(to)
		}
		next := retry
		if err == nil {
			next, err = a.exchange(ctx, scheduler)
		}
		if err == nil {
			err = a.renewIfDue(ctx, &scheduler)
		}
		if a.retrusted() {
			scheduler = nil
		}
		if err == nil {
			retry = firstRetry
			a.showToken(ctx, to)
		}
		var refused *api.Error
		if errors.As(err, &refused) && refused.Code == api.CodeUnauthorized || unwanted(err) {
			scheduler = nil
			reason, again := a.join(ctx, to)
			if again == nil {
				continue
			}
			if ctx.Err() == nil {
				err = fmt.Errorf("%w; joining again: %w", err, again)
				a.unjoined(reason, err)
			}
		}
		if err != nil && ctx.Err() == nil {
			a.away(err)
			next, retry = jitter(retry), min(2*retry, lastRetry)
			scheduler = nil // addresses or certificates may have changed
			if a.find(ctx, err) {
				next, retry = 0, firstRetry
			}
		}
		a.pause(ctx, next)
	}
	return ctx.Err()
}

// lookFirst: a restarted agent that reported before it had looked would say that its node has no platform and no disks, and lose role and claims over it.
func (a *Agent) lookFirst(ctx context.Context) {
	in, ok := a.input()
	if !ok {
		return // a new node: nothing can be lost
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	begun := time.Now()
	observed := a.observe(ctx, in)
	a.note(func(s *seen) { s.observe(observed, begun) })
}

// pause waits, or less if there is something to tell.
func (a *Agent) pause(ctx context.Context, d time.Duration) {
	gap := time.NewTimer(reportGap)
	defer gap.Stop()
	select {
	case <-ctx.Done():
		return
	case <-gap.C:
	}
	rest := time.NewTimer(max(0, d-reportGap))
	defer rest.Stop()
	knock := time.NewTimer(jitter(knockEvery))
	defer knock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.tell:
			return
		case <-rest.C:
			return
		case <-knock.C:
		}
		if a.isGone(ctx) {
			return
		}
		knock.Reset(jitter(knockEvery))
	}
}

// isGone: nobody opens any more at any place that is known, and one of them answered last. A node at rest reports once a minute; a knock costs both sides next to nothing, and so it finds a scheduler
// that was started elsewhere within half of that.
func (a *Agent) isGone(ctx context.Context) bool {
	if a.Knock == nil {
		return false
	}
	a.mu.Lock()
	away := a.answer.away != nil
	a.mu.Unlock()
	servers := a.Servers()
	if away || len(servers) == 0 {
		return false
	}
	var all error
	for _, server := range servers {
		err := a.Knock(ctx, server)
		if err == nil {
			return false
		}
		all = errors.Join(all, err)
	}
	if ctx.Err() == nil {
		a.Log.Debug("nobody opens where the scheduler was: reporting now", "err", all)
	}
	return true
}

// exchange sends one report and takes its answer. A held request is given up when something changed here; yet the scheduler's word is heard every LongPollLimit, however
// often that is: leases and orders stand by it.
func (a *Agent) exchange(ctx context.Context, scheduler Scheduler) (time.Duration, error) {
	drain(a.tell)
	report := a.report()
	Intended(a.Files, a.Log, &report)
	hold := time.Duration(0)
	if wait, heard := a.waits(); wait {
		hold = max(0, api.LongPollLimit-time.Since(heard))
		if _, leading := a.leases.Left(api.LeaseLeader); leading {
			hold = min(hold, leaderPoll)
		}
	}
	report.WaitMS = hold.Milliseconds()
	ctx, cancel := context.WithTimeout(ctx, hold+15*time.Second)
	defer cancel()
	interrupted := make(chan struct{})
	if hold > 0 {
		go func() {
			select {
			case <-ctx.Done():
			case <-a.tell:
				close(interrupted)
				cancel()
			}
		}()
	}
	sent := time.Now()
	answer, err := scheduler.Report(ctx, report)
	if err != nil {
		select {
		case <-interrupted:
			return 0, nil // we gave it up ourselves
		default:
			return 0, err
		}
	}
	return a.take(answer, sent)
}

// waits says whether something waits for this node, and when an answer came last.
func (a *Agent) waits() (wait bool, heard time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answer.wait, a.answer.heard
}

// take follows an answer, unless its spec must be refused.
func (a *Agent) take(answer api.Answer, sent time.Time) (time.Duration, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.kept.accept(answer.Spec, a.Identity.ID); err != nil {
		return 0, err
	}
	keep := a.kept
	trusted, err := a.toTrustLocked(answer.CA)
	if err != nil {
		return 0, err
	}
	keep.Trust = trusted
	changed := keep.Spec == nil || keep.Spec.Version != answer.Spec.Version
	spec := answer.Spec
	moved := changed || !sameHold(keep.Hold, answer.Hold) || !sameServers(keep.Servers, answer.Servers) || answer.Mesos != nil && !reflect.DeepEqual(keep.Mesos, answer.Mesos) || answer.CA != ""
	keep.Spec, keep.Hold, keep.Bare = &spec, answer.Hold, keep.Bare && spec.Remove
	if len(answer.Servers) > 0 {
		keep.Servers = answer.Servers
	}
	if answer.Mesos != nil {
		keep.Mesos = answer.Mesos
	}
	if moved {
		if err := keep.save(a.Files); err != nil {
			return 0, fmt.Errorf("keeping the scheduler's orders: %w", err)
		}
	}
	if a.answer.away != nil {
		a.Log.Info("scheduler reached again")
	}
	fresh := a.answer.etag != answer.ETag
	a.kept, a.found = keep, ""
	a.distrust = a.distrust || answer.CA != ""
	a.waiting = unjoined{}
	a.answer = received{storage: answer.Storage, secrets: answer.Secrets, etag: answer.ETag, wait: answer.Wait, renew: answer.Renew, poll: time.Duration(answer.PollMS) * time.Millisecond, at: sent, heard: time.Now()}
	a.leases.Granted(sent, answer.Leases)
	close(a.news)
	a.news = make(chan struct{})
	if changed || fresh {
		signal(a.fetch)
		signal(a.wake)
		signal(a.leadWake)
	}
	poll := a.answer.poll
	if answer.Wait {
		poll = 0
	}
	for _, l := range answer.Leases {
		if l.Name == api.LeaseLeader {
			poll = min(poll, leaderPoll)
		}
	}
	return poll, nil
}

func (a *Agent) away(err error) {
	a.refusal(err)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.answer.away == nil {
		a.answer.awaySince = time.Now()
		a.Log.Warn("scheduler can't be reached; this node goes on without it", "err", err)
	}
	a.answer.away = err
}

// refusal notes what an answer says of this node.
func (a *Agent) refusal(err error) {
	var refused *api.Error
	if !errors.As(err, &refused) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch refused.Code {
	case api.CodeConflict:
		a.answer.conflict = refused.Message
	case api.CodeRecovering:
		a.answer.recall = true
	}
}

// Servers in the order in which they are tried: where it was found last, then what was configured; before them all what Mesos said when none of them
// answered.
func (a *Agent) Servers() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	known := map[string]bool{}
	if a.found != "" {
		known[a.found] = true
		all = append(all, a.found)
	}
	for _, s := range append(append([]string(nil), a.kept.Servers...), a.config.Servers...) {
		if !known[s] {
			known[s] = true
			all = append(all, s)
		}
	}
	return all
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

func sameHold(a, b *api.Hold) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func sameServers(kept, told []string) bool {
	if len(told) == 0 {
		return true
	}
	if len(kept) != len(told) {
		return false
	}
	for i := range kept {
		if kept[i] != told[i] {
			return false
		}
	}
	return true
}
