package cases

import (
	"context"
	"fmt"
	"time"

	"scaleio-framework/scheduler/api"
)

// WaitReady follows the cluster until every node is Ready, and hands each new
// status to show (which may be nil). It ends early if the scheduler does.
func (s *Stand) WaitReady(ctx context.Context, show func(api.ClusterStatus)) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	var last api.ClusterStatus
	var lastErr error
	for {
		status, err := s.Status(ctx)
		if err == nil {
			last = status
			if show != nil {
				show(status)
			}
			if ready(status, len(s.Nodes())) {
				return nil
			}
		}
		lastErr = err
		if !s.Process("scheduler").Alive() {
			return fmt.Errorf("waiting for the cluster to be Ready: the scheduler ended; see %s", s.Path("log/scheduler.log"))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the cluster to be Ready: %w; last seen: %s (last error: %w)", context.Cause(ctx), unready(last), lastErr)
		case <-tick.C:
		}
	}
}

func ready(status api.ClusterStatus, nodes int) bool {
	count := 0
	for _, node := range status.Nodes {
		if node.Ready {
			count++
		}
	}
	return status.Ready && count == nodes
}

func unready(status api.ClusterStatus) string {
	text := fmt.Sprintf("%d nodes", len(status.Nodes))
	if status.Waiting != "" {
		text += ", waiting for " + status.Waiting
	}
	for _, node := range status.Nodes {
		if !node.Ready {
			text += fmt.Sprintf("; %s at %s: %s %s", node.Name, node.Step, node.Reason, node.Message)
		}
	}
	return text
}
