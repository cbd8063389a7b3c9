package installer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// disksHandedOver is the fact that every disk that may be given is in the pool, and that no record of a handover is left. Its act is the node's half:
// verify, record, clear the record. The leader adds.
type disksHandedOver struct{ *orders }

func handOverDisks(o *orders) step.Step { return disksHandedOver{o} }

func (disksHandedOver) Name() string { return "hand-over-disks" }

// addTime is how long the leader's view may take to show a disk that was added.
const addTime = 10 * time.Minute

func (s disksHandedOver) Check(ctx context.Context) (step.Finding, error) {
	disks, err := s.survey.look(ctx, s.orders)
	if err != nil {
		return step.Finding{}, err
	}
	blocked, needed, waiting, err := s.open(disks)
	switch {
	case err != nil:
		return step.Finding{}, err
	case len(blocked) > 0:
		return step.Block(blocked[0].reason, "%s", join(blocked)), nil
	case len(needed) > 0:
		return step.Need(needed[0].reason, "%s", join(needed)), nil
	case len(waiting) > 0:
		return step.Wait(waiting[0].reason, "%s", join(waiting)), nil
	}
	return step.OK("%s", summary(disks)), nil
}

// An affair is one thing about one disk that isn't settled.
type affair struct{ reason, text string }

func join(affairs []affair) string {
	texts := make([]string, len(affairs))
	for i, a := range affairs {
		texts[i] = a.text
	}
	return strings.Join(texts, "; ")
}

func (s disksHandedOver) open(disks []surveyed) (blocked, needed, waiting []affair, err error) {
	here := map[string]bool{}
	for _, d := range disks {
		here[d.ID] = true
		a := affair{d.Reason, fmt.Sprintf("disk %s (%s): %s", d.ID, d.Path, d.Message)}
		switch {
		case d.Reason == ReasonSettling:
			if d.claim != nil || d.intent != nil {
				waiting = append(waiting, a)
			}
		case d.State == api.DiskAdopted && d.intent != nil:
			needed = append(needed, affair{"IntentDone", a.text + "; the record of its handover can go"})
		case d.Reason == reasonBeingAdded && d.intent.older(addTime, s.sys.Clock()):
			blocked = append(blocked, affair{"HandOverUnclear", fmt.Sprintf("%s. For %s no view has shown it: look with scli --query_sds; if it isn't a device there, find out what wrote to it, then remove %s",
				a.text, addTime, intentFile(intentHandOverDisk, d.ID))})
		case d.Reason == reasonBeingAdded, d.State == api.DiskPrepared, d.State == api.DiskOffered && d.intent == nil:
			waiting = append(waiting, affair{"WaitingForLeader", a.text})
		case d.Reason == reasonToBePrepared:
			needed = append(needed, a)
		case d.claim != nil && d.State == api.DiskRefused:
			blocked = append(blocked, affair{"ClaimRefused", a.text})
		case d.intent != nil && len(d.refusals) == 0: // still empty and claimed no more: nothing became of it
			needed = append(needed, affair{"IntentDropped", a.text + "; the leader claims it no longer, the record of its handover can go"})
		case d.intent != nil:
			blocked = append(blocked, affair{reasonLeftOverIntent, fmt.Sprintf("%s. It was being handed over at %s, is claimed no more and isn't empty: look with scli --query_sds whether it is a device of the pool; if not, remove %s",
				a.text, d.intent.Since.Format(time.RFC3339), intentFile(intentHandOverDisk, d.ID))})
		}
	}
	left, err := s.intents.all(intentHandOverDisk)
	for _, i := range left {
		if !here[i.Subject] {
			blocked = append(blocked, affair{reasonLeftOverIntent, fmt.Sprintf("disk %s was being handed over at %s and isn't on this node any more: bring it back, or remove %s",
				i.Subject, i.Since.Format(time.RFC3339), intentFile(intentHandOverDisk, i.Subject))})
		}
	}
	for _, c := range s.Spec.Claims {
		if !here[c.Disk] {
			waiting = append(waiting, affair{"ClaimedDiskMissing", fmt.Sprintf("disk %s is claimed and isn't on this node", c.Disk)})
		}
	}
	return blocked, needed, waiting, err
}

// summary tells a person which disks the node keeps to itself, and why.
func summary(disks []surveyed) string {
	given := 0
	var kept []string
	for _, d := range disks {
		if d.State == api.DiskAdopted {
			given++
			continue
		}
		kept = append(kept, fmt.Sprintf("%s (%s) %s", d.Path, d.Reason, d.Message))
	}
	if len(kept) == 0 {
		return fmt.Sprintf("%d disks in the pool", given)
	}
	return fmt.Sprintf("%d disks in the pool; refused: %s", given, strings.Join(kept, " | "))
}

func (s disksHandedOver) Apply(ctx context.Context) error {
	disks, err := s.survey.look(ctx, s.orders)
	if err != nil {
		return err
	}
	for _, d := range disks {
		switch {
		case d.State == api.DiskAdopted && d.intent != nil,
			d.claim == nil && d.intent != nil && len(d.refusals) == 0 && d.Reason != ReasonSettling:
			err = s.survey.drop(ctx, s.orders, d)
		case d.Reason == reasonToBePrepared:
			if err = s.confirmNamed(ctx, d); err == nil {
				err = s.survey.prepare(ctx, s.orders, d)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
