//go:build nodes

package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"scaleio-framework/test/cases"
)

const zkSession = 4 * time.Second // what cases.StateInZooKeeper asks for

// The scheduler is killed and started at once on another host, with its state in ZooKeeper. Orders flow again when it answers and the node that leads has its lease from it; the
// others report when their turn comes, and find it through the Mesos master. How long Marathon takes to notice isn't in it.
func BenchmarkKilled(b *testing.B) {
	s := bare(b, "bench")
	var err error
	defer func() { done(b, s, err) }()
	ctx, cancel := context.WithTimeout(b.Context(), 15*time.Minute)
	defer cancel()
	if err = s.StartZooKeeper(ctx); err != nil {
		return
	}
	state := s.StateInZooKeeper()
	if err = s.StartScheduler(ctx, state...); err != nil {
		return
	}
	if err = s.WaitReady(ctx, nil); err != nil {
		return
	}
	var before, after []string
	if before, err = s.TaskIDs(ctx); err != nil {
		return
	}
	killed := time.Now()
	if err = s.KillProcess(ctx, "scheduler"); err != nil {
		return
	}
	if err = s.StartSchedulerElsewhere(ctx, state...); err != nil {
		return
	}
	var answers, leads, all time.Duration
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for all == 0 {
		answers, leads, all = heard(ctx, s, killed, answers, leads)
		select {
		case <-ctx.Done():
			err = ctx.Err()
			return
		case <-tick.C:
		}
	}
	if err = s.WaitReady(ctx, nil); err != nil {
		return
	}
	if after, err = s.TaskIDs(ctx); err != nil {
		return
	}
	anew := slices.DeleteFunc(slices.Clone(after), func(id string) bool { return slices.Contains(before, id) })
	b.ReportMetric(answers.Seconds(), "s-until-it-answers")
	b.ReportMetric(max(0, leads-zkSession).Seconds(), "s-beyond-session")
	b.ReportMetric(all.Seconds(), "s-until-all-report")
	b.ReportMetric(float64(len(anew)), "tasks-anew")
	b.ReportMetric(0, "ns/op")
}

// heard so far by the new scheduler; all is 0 until each node has reported to it.
func heard(ctx context.Context, s *cases.Stand, killed time.Time, answers, leads time.Duration) (time.Duration, time.Duration, time.Duration) {
	status, err := s.Status(ctx)
	if err != nil {
		return answers, leads, 0
	}
	now := time.Since(killed)
	if answers == 0 {
		answers = now
	}
	if leads == 0 && status.Leader != "" {
		leads = now
	}
	for _, node := range status.Nodes {
		if !node.LastSeen.After(killed) {
			return answers, leads, 0
		}
	}
	if leads == 0 || len(status.Nodes) < len(s.Nodes()) {
		return answers, leads, 0
	}
	return answers, leads, now
}
