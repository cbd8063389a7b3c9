package agent

import (
	"log/slog"
	"slices"
	"time"

	"scaleio-framework/installer"
	"scaleio-framework/scheduler/api"
)

// awayAfter is how long the scheduler may be out of reach before people are told.
const awayAfter = 2 * time.Minute

// Intended acts are read after the report took the ETag of the answer that leases are held by: who has lost one and shows no note of what it was for never began
// that. What the last look saw is told along, until a look doesn't see it.
func Intended(files installer.Files, log *slog.Logger, r *api.Report) {
	now, err := installer.Intents(files)
	if err != nil { // the last look's alone prove nothing
		log.Warn("reading intents", "err", err)
		r.Unread = true
	}
	for _, i := range r.Intents {
		if !slices.ContainsFunc(now, func(n api.Intent) bool { return n.Kind == i.Kind && n.Subject == i.Subject }) {
			now = append(now, i)
		}
	}
	r.Intents = now
}

// report says everything that was seen last.
func (a *Agent) report() api.Report {
	reason, held := a.brake.Held()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.seen
	r := api.Report{
		Node: a.Identity, Agent: a.Version, Time: time.Now().UTC(), BootID: a.Facts.BootID, Platform: s.observed.Platform,
		Addresses: s.observed.Addresses, Ready: a.readyLocked(), Step: s.result.First, Conditions: a.conditionsLocked(), Disks: s.disks(time.Now()),
		MDM: s.observed.MDM, Gateway: s.observed.Gateway, Intents: s.observed.Intents, Orders: s.observed.Orders, Cloud: s.cloud.view(), Wants: a.leases.Wants(), Binary: a.runningLocked(), Seen: a.answer.etag, Trusts: a.trusts,
	}
	if a.Facts.Uptime != nil {
		r.UptimeMS = a.Facts.Uptime().Milliseconds()
	}
	if a.kept.Spec != nil {
		r.Version = a.kept.Spec.Version
	}
	if a.answer.recall {
		r.Recalled = a.recalledLocked()
	}
	if held { // the file here is the scheduler's to know too: another node's leader would go on with what this one prepared
		r.Conditions = append(r.Conditions, api.Condition{Type: api.ConditionHeld, Status: api.True, Reason: api.ReasonHeld, Message: reason, Generation: r.Version.Generation})
		for i := range r.Disks {
			if d := &r.Disks[i]; d.State == api.DiskPrepared {
				d.State, d.PreparedAgeMS, d.Message = api.DiskClaimed, 0, "claimed by the leader; not given while this node is held"
			}
		}
	}
	if s.view != nil {
		if _, leading := a.leases.Left(api.LeaseLeader); leading {
			view := *s.view
			view.AgeMS = time.Since(s.viewAt).Milliseconds() // viewAt is when the sample was taken, not when it was there
			view.Conditions = slices.Concat(view.Conditions, s.leading, s.owned.condition())
			view.Owned = s.owned.show()
			r.Cluster = &view
		}
	}
	return r
}

// disks as they are now: the age of a verification goes on while nobody looks, and ends it.
func (s seen) disks(now time.Time) []api.Disk {
	aged := append([]api.Disk(nil), s.observed.Disks...)
	for i := range aged {
		if d := &aged[i]; d.State == api.DiskPrepared {
			d.PreparedAgeMS += now.Sub(s.looked).Milliseconds()
			if d.PreparedAgeMS >= api.PreparedTTL.Milliseconds() {
				d.State, d.PreparedAgeMS, d.Message = api.DiskClaimed, 0, "claimed by the leader; its verification is too old by now"
			}
		}
	}
	return aged
}

func (a *Agent) readyLocked() bool {
	return a.seen.result.Ready && a.seen.unsupp == "" && a.conflictLocked() == "" && a.waiting.reason == ""
}

// conflictLocked: another machine has this one's identity, or this one has another's state.
func (a *Agent) conflictLocked() string {
	if why, is := a.notItself(); is {
		return why
	}
	return a.answer.conflict
}

// conditionsLocked are the steps' and those of the agent itself.
func (a *Agent) conditionsLocked() []api.Condition {
	all := append([]api.Condition(nil), a.seen.result.Conditions...)
	add := func(kind, reason, message string) {
		all = append(all, api.Condition{Type: kind, Status: api.True, Reason: reason, Message: message, Since: time.Now().UTC(), Generation: a.generationLocked()})
	}
	if a.seen.unsupp != "" {
		add(api.ConditionUnsupportedSpec, "UnsupportedSpec", a.seen.unsupp)
	}
	if w := a.waiting; w.reason != "" {
		all = append(all, api.Condition{Type: api.ConditionNotJoined, Status: api.True, Reason: w.reason, Message: w.err.Error(), Since: w.since.UTC(), Generation: a.generationLocked()})
	}
	if conflict := a.conflictLocked(); conflict != "" {
		add(api.ConditionIdentityConflict, "IdentityConflict", conflict)
	}
	if why := a.outsideEC2(); why != "" {
		add(api.ConditionInstanceUnverified, "NotOnEC2", why)
	}
	if back := a.change.back; back != nil {
		add(api.ConditionRolledBack, api.ConditionRolledBack, "went back from agent "+back.SHA256[:12]+": "+back.Why)
	}
	for _, c := range a.seen.cloud.conditions() {
		add(c.Type, c.Reason, c.Message)
	}
	if a.answer.away != nil && time.Since(a.answer.awaySince) > awayAfter {
		add(api.ConditionSchedulerAway, "Unreachable", a.answer.away.Error()+"; this node goes on without it")
	}
	for _, c := range a.seen.result.Conditions {
		if installer.WantsReboot(c) {
			add(api.ConditionRebootNeeded, c.Reason, c.Message)
		}
	}
	return all
}

func (a *Agent) generationLocked() int64 {
	if a.kept.Spec == nil {
		return 0
	}
	return a.kept.Spec.Version.Generation
}
