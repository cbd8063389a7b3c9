package agent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"scaleio-framework/platform/aws"
	"scaleio-framework/scheduler/api"
)

// Cloud is this machine as an instance of one.
type Cloud interface {
	Firmware() string                   // the instance's id, without asking anybody; "" = the firmware doesn't say
	Known() aws.Known                   // without asking
	Look(ctx context.Context) aws.Known // asks
	Forget() error                      // what was verified was another machine's
	Notices(ctx context.Context) ([]aws.Notice, error)
	Slots(ctx context.Context, by aws.Access) (aws.Slots, error)
}

// Pace of looking. A spot instance is told two minutes before its end. Slots cost a request of EC2's, which all nodes of the account share.
const (
	noticesEvery = 30 * time.Second
	verifyEvery  = 5 * time.Minute
	slotsEvery   = 30 * time.Minute
	slotsAgain   = 5 * time.Minute // after a failure
	slotsLimit   = 3 * time.Minute
)

// clouded is what was seen of it last.
type clouded struct {
	known   aws.Known
	notices []aws.Notice
	slots   aws.Slots
}

// watchesCloud until ctx ends: who this is, and what will happen to it.
func (a *Agent) watchesCloud(ctx context.Context) error {
	if a.Cloud == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	tick := time.NewTicker(noticesEvery)
	defer tick.Stop()
	var verified time.Time
	for {
		known := a.Cloud.Known()
		if known.Reason != "" || time.Since(verified) >= verifyEvery {
			known, verified = a.Cloud.Look(ctx), time.Now()
		}
		notices, err := a.Cloud.Notices(ctx)
		if err != nil {
			a.Log.Debug("not seeing all notices of the cloud", "err", err)
		}
		a.cloudSeen(known, notices, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// cloudSeen: what couldn't be read stands as it was read last.
func (a *Agent) cloudSeen(known aws.Known, notices []aws.Notice, failed error) {
	a.mu.Lock()
	before := a.seen.cloud
	a.mu.Unlock()
	if failed != nil && len(notices) == 0 {
		notices = before.notices
	}
	for _, n := range notices {
		if !has(before.notices, n) {
			a.Log.Warn("the cloud announces", "what", n.Kind, "action", n.What, "at", n.At)
		}
	}
	if known.Reason != before.known.Reason && known.Reason != "" {
		a.Log.Warn("the instance isn't confirmed", "reason", known.Reason, "err", known.Message, "verified", known.Verified)
	}
	a.note(func(s *seen) { s.cloud.known, s.cloud.notices = known, notices })
}

func has(all []aws.Notice, one aws.Notice) bool {
	for _, n := range all {
		if n.Kind == one.Kind && n.What == one.What && n.At.Equal(one.At) {
			return true
		}
	}
	return false
}

// watchesSlots while the scheduler wants to know how many more volumes this instance takes.
func (a *Agent) watchesSlots(ctx context.Context) error {
	if a.Cloud == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	var next time.Time
	for {
		news := a.nextAnswer()
		var again <-chan time.Time // that it is wanted no more, or is now, comes by an answer
		if by, wanted := a.slotsWanted(); !wanted {
			next = time.Time{}
		} else {
			if !time.Now().Before(next) {
				next = time.Now().Add(a.lookAtSlots(ctx, by))
			}
			again = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again:
		case <-news:
		}
	}
}

func (a *Agent) slotsWanted() (aws.Access, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept.Spec == nil || a.kept.Spec.Growth == nil || !a.kept.Spec.Growth.WatchSlots {
		return aws.Access{}, false
	}
	g := a.kept.Spec.Growth
	return aws.Access{Endpoint: g.Endpoint, CredentialsFile: g.CredentialsFile}, true
}

func (a *Agent) lookAtSlots(ctx context.Context, by aws.Access) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, slotsLimit)
	defer cancel()
	slots, err := a.Cloud.Slots(ctx, by)
	if err != nil {
		a.Log.Warn("not seeing how many more volumes this instance takes", "err", err, "again", slotsAgain)
		return jitter(slotsAgain)
	}
	a.note(func(s *seen) { s.cloud.slots = slots })
	return jitter(slotsEvery)
}

// view for the report; nil where there is no cloud.
func (c clouded) view() *api.CloudView {
	k := c.known
	if k.Instance.ID == "" && k.Reason == "" {
		return nil
	}
	v := &api.CloudView{Provider: "aws", InstanceID: k.Instance.ID, InstanceType: k.Instance.Type, Region: k.Instance.Region, Zone: k.Instance.Zone, Account: k.Instance.Account,
		Verified: k.Verified, SlotsMax: c.slots.Max, SlotsUsed: c.slots.Used, Attached: c.slots.Attached}
	if !k.Verified {
		v.Reason, v.Message = k.Reason, k.Message
	}
	for _, n := range c.notices {
		v.Notices = append(v.Notices, api.CloudNotice{Kind: n.Kind, What: n.What, At: n.At})
	}
	return v
}

// conditions for people: that the instance isn't verified, so that nothing is bought for it, and what will happen to it.
func (c clouded) conditions() (all []api.Condition) {
	v := c.view()
	if v == nil {
		return nil
	}
	if !v.Verified && v.Reason != aws.ReasonNotAsked {
		all = append(all, api.Condition{Type: api.ConditionInstanceUnverified, Status: api.True, Reason: v.Reason, Message: v.Message})
	}
	if len(v.Notices) > 0 {
		var what []string
		for _, n := range v.Notices {
			line := n.Kind + " (" + n.What + ")"
			if !n.At.IsZero() {
				line = fmt.Sprintf("%s at %s", line, n.At.UTC().Format(time.RFC3339))
			}
			what = append(what, line)
		}
		all = append(all, api.Condition{Type: api.ConditionInstanceNotice, Status: api.True, Reason: noticeReasons[v.Notices[0].Kind], Message: "the cloud announces: " + strings.Join(what, "; ")})
	}
	return all
}

// noticeReasons by kind; the first notice is the most urgent.
var noticeReasons = map[string]string{
	aws.NoticeSpot: "SpotInterruption", aws.NoticeRebalance: "RebalanceRecommended", aws.NoticeScheduled: "ScheduledEvent", aws.NoticeLifecycle: "LifecycleTarget",
}
