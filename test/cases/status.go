package cases

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/nodes"
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
				// The scheduler tells what the nodes last reported; they know better.
				if err = s.readyThemselves(ctx); err == nil {
					return nil
				}
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

// readyThemselves asks every node's own health endpoint.
func (s *Stand) readyThemselves(ctx context.Context) error {
	for _, node := range s.Nodes() {
		if err := s.NodeReady(ctx, node); err != nil {
			return err
		}
	}
	return nil
}

// NodeReady fails with what the node lacks unless it calls itself Ready.
func (s *Stand) NodeReady(ctx context.Context, node *nodes.Node) error {
	url := fmt.Sprintf("http://%s:%d/readyz", node.Address, api.NodePort)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", node.Name, err)
	}
	client := s.client()
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("asking %s: %w", node.Name, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
		return fmt.Errorf("%s is not ready: %s: %s", node.Name, answer.Status, text)
	}
	return nil
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
