//go:build nodes

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"scaleio-framework/systemd"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

var restTime = flag.Duration("rest", 10*time.Minute, "how long agents are looked at while they rest")

const settled = time.Minute // after the node became Ready: what the bring-up used is given back

// What the agent takes of a node that is Ready and at rest: memory and time of a core. Of the three nodes the one that leads is told beside: it looks at the whole cluster every
// few seconds. So is an agent that hasn't joined.
func BenchmarkAtRest(b *testing.B) {
	s := bare(b, "bench")
	ctx, cancel := context.WithTimeout(b.Context(), 8*time.Minute+settled+*restTime)
	defer cancel()
	at, err := rested(ctx, b, s)
	done(b, s, err)
	var most, leader sample
	for name, agent := range at {
		b.Logf("%s: %.1f MiB (%.1f MiB anonymous), %+.1f %% in the time, %.4f %% of a core", name, agent.rss, agent.anon, agent.growth, agent.share)
		switch {
		case strings.HasSuffix(name, leads):
			leader = agent
		case !strings.HasSuffix(name, unjoined):
			most.rss, most.growth, most.share = max(most.rss, agent.rss), max(most.growth, agent.growth), max(most.share, agent.share)
		}
	}
	b.ReportMetric(most.rss, "MiB")
	b.ReportMetric(most.share, "%core")
	b.ReportMetric(most.growth, "%growth")
	b.ReportMetric(leader.rss, "MiB-leader")
	b.ReportMetric(leader.share, "%core-leader")
	b.ReportMetric(0, "ns/op")
}

const (
	leads    = " (leads)"
	unjoined = " (not joined)"
)

// A sample of an agent.
type sample struct {
	rss, anon     float64 // MiB
	ran           time.Duration
	growth, share float64 // percent
}

// rested agents, by the name of their node.
func rested(ctx context.Context, b *testing.B, s *cases.Stand) (map[string]sample, error) {
	if err := s.StartScheduler(ctx); err != nil {
		return nil, err
	}
	if err := s.WaitReady(ctx, nil); err != nil {
		return nil, err
	}
	status, err := s.Status(ctx)
	if err != nil {
		return nil, err
	}
	alone, err := agentAlone(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, settled); err != nil {
		return nil, err
	}
	first, begun := map[string]sample{}, time.Now()
	for _, node := range s.Nodes() {
		if first[node.Name], err = look(ctx, b, node); err != nil {
			return nil, err
		}
	}
	if err := pause(ctx, *restTime); err != nil {
		return nil, err
	}
	at := map[string]sample{}
	for _, node := range s.Nodes() {
		last, err := look(ctx, b, node)
		if err != nil {
			return nil, err
		}
		before := first[node.Name]
		last.growth = 100 * (last.rss - before.rss) / before.rss
		last.share = 100 * (last.ran - before.ran).Seconds() / time.Since(begun).Seconds()
		name := node.Name
		if node == alone {
			name += unjoined
		}
		for _, n := range status.Nodes {
			if n.Hostname == node.Name && n.Name == status.Leader {
				name += leads
			}
		}
		at[name] = last
	}
	return at, nil
}

// agentAlone is a node whose agent knows of no cluster.
func agentAlone(ctx context.Context, s *cases.Stand) (*nodes.Node, error) {
	node, err := s.AddNodeOf(ctx, nodes.Ubuntu, nodes.Empty)
	if err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(filepath.Join(build, "scaleio-agent"))
	if err != nil {
		return nil, err
	}
	if err := node.WriteFile("/opt/scaleio-agent/current/scaleio-agent", binary, 0o755); err != nil {
		return nil, err
	}
	if err := node.WriteFile("/etc/systemd/system/"+systemd.AgentUnit, []byte(systemd.AgentUnitText), 0o644); err != nil {
		return nil, err
	}
	if err := node.Start(ctx); err != nil {
		return nil, err
	}
	_, err = node.Output(ctx, "systemctl", "start", systemd.AgentUnit)
	return node, err
}

func look(ctx context.Context, b *testing.B, node *nodes.Node) (sample, error) {
	pid, err := node.Output(ctx, "systemctl", "show", "--property=MainPID", "--value", systemd.AgentUnit)
	if err != nil {
		return sample{}, err
	}
	dir := "/proc/" + strings.TrimSpace(pid)
	status, err := node.Output(ctx, "cat", dir+"/status")
	if err != nil {
		return sample{}, err
	}
	stat, err := node.Output(ctx, "cat", dir+"/stat")
	if err != nil {
		return sample{}, err
	}
	if !strings.Contains(status, "scaleio-agent") {
		return sample{}, fmt.Errorf("process %s of %s isn't the agent", strings.TrimSpace(pid), node.Name)
	}
	return sample{rss: resident(b, status, "VmRSS:"), anon: resident(b, status, "RssAnon:"), ran: ticks(b, stat)}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
