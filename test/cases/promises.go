package cases

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Promise is something that must be so once a cluster is Ready.
type Promise struct {
	What string
	Kept func(context.Context) error
}

// Promises are what the demo shows and the node tests start with, in
// order; top is the repository.
func (s *Stand) Promises(top string) []Promise {
	app := NewApp("first-app", s.Nodes()[0])
	return []Promise{
		{"scli --query_cluster says 3_node, Normal", s.Quorum},
		{"the dev scli prints what is documented", func(ctx context.Context) error { return s.DocumentedOutputs(ctx, top) }},
		{"each failure domain is a fault set", s.FaultSets},
		{"every empty disk is in the pool, and no other", s.PooledDisks},
		{"one task, one SDS and no device twice", s.NothingTwice},
		{"the first app wrote to a new volume through the container's path", func(ctx context.Context) error { return s.Write(ctx, app) }},
		{"what it wrote is on the disks of exactly two nodes", func(context.Context) error { return s.TwoCopies(app) }},
		{"with its node off, another reads it", func(ctx context.Context) error { return s.ReadElsewhere(ctx, app) }},
		{"with the node back, the MDM cluster is whole", s.WaitQuorum},
		{"every node is Ready", func(ctx context.Context) error { return s.WaitReady(ctx, nil) }},
		{"the disks that were not empty are unchanged", func(context.Context) error { return s.UntouchedDisks() }},
	}
}

// Keep holds a cluster against the promises, each within 3 minutes.
func (s *Stand) Keep(ctx context.Context, top string) error {
	for _, promise := range s.Promises(top) {
		limited, cancel := context.WithTimeoutCause(ctx, 3*time.Minute, errors.New("not within 3 minutes"))
		err := promise.Kept(limited)
		cancel()
		if err != nil {
			return fmt.Errorf("not so: %s: %w", promise.What, err)
		}
		s.log.Info("checked: " + promise.What)
	}
	return nil
}

// errFinal is in an answer that no waiting changes.
var errFinal = errors.New("waiting is useless")

// Eventually asks every second until the answer is yes.
func Eventually(ctx context.Context, ask func(context.Context) error) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last error
	for {
		err := ask(ctx)
		if err == nil || errors.Is(err, errFinal) {
			return err
		}
		if last == nil || ctx.Err() == nil { // what was cut short says less than what was there before
			last = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}
