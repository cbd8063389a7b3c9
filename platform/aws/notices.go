package aws

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Kinds of a Notice.
const (
	NoticeSpot      = "spot-interruption"
	NoticeRebalance = "rebalance"
	NoticeScheduled = "maintenance"
	NoticeLifecycle = "target-lifecycle"
)

// A Notice is something that EC2 will do to this instance.
type Notice struct {
	Kind string
	What string
	At   time.Time
}

// Notices that stand now. Where one can't be read the rest is given with the error.
func (m *Metadata) Notices(ctx context.Context) (all []Notice, err error) {
	for _, source := range []struct {
		path string
		read func(string) ([]Notice, error)
	}{
		{"spot/instance-action", readSpot},
		{"events/recommendations/rebalance", readRebalance},
		{"events/maintenance/scheduled", readScheduled},
		{"autoscaling/target-lifecycle-state", readLifecycle},
	} {
		text, problem := m.text(ctx, source.path)
		if absent(problem) || problem == nil && text == "" {
			continue
		}
		var found []Notice
		if problem == nil {
			if found, problem = source.read(text); problem != nil {
				found, problem = nil, &MetadataError{ReasonUnreadable, source.path + ": " + shortened(problem.Error())}
			}
		}
		all, err = append(all, found...), errors.Join(err, problem)
	}
	return all, err
}

func readSpot(text string) ([]Notice, error) {
	var said struct {
		Action string    `json:"action"`
		Time   time.Time `json:"time"`
	}
	err := json.Unmarshal([]byte(text), &said)
	return []Notice{{NoticeSpot, said.Action, said.Time}}, err
}

func readRebalance(text string) ([]Notice, error) {
	var said struct {
		Time time.Time `json:"noticeTime"`
	}
	err := json.Unmarshal([]byte(text), &said)
	return []Notice{{NoticeRebalance, "rebalance", said.Time}}, err
}

// readScheduled takes the events that are still to come: completed and cancelled ones stay in the list for a while.
func readScheduled(text string) (all []Notice, err error) {
	var said []struct {
		Code      string
		State     string
		NotBefore string
	}
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return nil, err
	}
	for _, event := range said {
		if event.State != "active" {
			continue
		}
		at, err := time.Parse("2 Jan 2006 15:04:05 MST", event.NotBefore)
		if err != nil {
			return nil, err
		}
		all = append(all, Notice{NoticeScheduled, event.Code, at.UTC()})
	}
	return all, nil
}

// readLifecycle: an Auto Scaling group names here what it is about to make of the instance.
func readLifecycle(text string) ([]Notice, error) {
	if text == "InService" {
		return nil, nil
	}
	return []Notice{{Kind: NoticeLifecycle, What: shortened(text)}}, nil
}
