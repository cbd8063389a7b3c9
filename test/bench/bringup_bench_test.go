//go:build nodes

package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

func TestMain(m *testing.M) {
	nodes.RunHelper()
	os.Exit(m.Run())
}

const build = "../../build" // where `build/demo prepare` puts what the nodes run

// bare nodes, with Mesos and what their operator has beside them, but without the scheduler.
func bare(b *testing.B, name string) *cases.Stand {
	b.Helper()
	require.Zero(b, os.Getuid(), "needs root")
	ctx := context.WithoutCancel(b.Context())
	log := slog.New(slog.DiscardHandler)
	if left, err := cases.Open(name, log); err == nil {
		require.NoError(b, left.Close(ctx))
	}
	stand, err := cases.Up(ctx, cases.Config{Name: name, Build: build, Log: log, Nodes: 3, NoScheduler: true})
	require.NoError(b, err)
	return stand
}

// done with it; of a failed one the logs are kept.
func done(b *testing.B, s *cases.Stand, err error) {
	b.Helper()
	ctx := context.WithoutCancel(b.Context())
	if err != nil {
		dir := filepath.Join(os.TempDir(), "scaleio-bench-logs")
		b.Logf("the nodes' journals and all logs are in %s (%v)", dir, s.CollectLogs(ctx, dir))
	}
	require.NoError(b, s.Close(ctx))
	require.NoError(b, err)
}

// pairs of bring-ups: each by the product and by the script, which of them first in turns.
var pairs = flag.Int("pairs", 3, "bring-ups by the product, and as many by the script")

// How long three bare nodes take until they are a cluster that applications can use: by the product, from the start of its scheduler, and by a script that goes straight on.
// Each time on nodes that never saw either. Go's benchmark loop isn't used: the two have to alternate.
func BenchmarkBringUp(b *testing.B) {
	var ours, straight []time.Duration
	for i := range *pairs {
		both := []func(){
			func() { ours = append(ours, byProduct(b)) },
			func() { straight = append(straight, byScript(b)) },
		}
		if i%2 == 1 {
			slices.Reverse(both)
		}
		for _, bringUp := range both {
			bringUp()
		}
		b.Logf("pair %d: product %.1f s, script %.1f s", i+1, ours[i].Seconds(), straight[i].Seconds())
	}
	slices.Sort(ours)
	slices.Sort(straight)
	product, script := ours[*pairs/2].Seconds(), straight[*pairs/2].Seconds()
	b.ReportMetric(product, "product-s")
	b.ReportMetric(script, "script-s")
	b.ReportMetric(product/script, "x-script")
	b.ReportMetric(product-script, "own-s")
	b.ReportMetric(0, "ns/op")
}

var logs = flag.String("logs", "", "directory for the journals and logs of the product's last bring-up")

// usable fails unless a container can write to a new volume.
func usable(ctx context.Context, s *cases.Stand) error {
	if err := s.Quorum(ctx); err != nil {
		return err
	}
	return s.Write(ctx, cases.NewApp("after-bring-up", s.Nodes()[2]))
}

func byProduct(b *testing.B) time.Duration {
	s := bare(b, "bench")
	ctx, cancel := context.WithTimeout(b.Context(), 8*time.Minute)
	defer cancel()
	begun := time.Now()
	err := s.StartScheduler(ctx)
	var took time.Duration
	if err == nil {
		err = s.WaitReady(ctx, nil)
		took = time.Since(begun)
	}
	if err == nil {
		err = usable(ctx, s)
	}
	if err == nil {
		b.Log(timeline(ctx, s, begun))
		if *logs != "" {
			err = s.CollectLogs(ctx, *logs)
		}
	}
	done(b, s, err)
	return took
}

func byScript(b *testing.B) time.Duration {
	s := bare(b, "bench")
	ctx, cancel := context.WithTimeout(b.Context(), 8*time.Minute)
	defer cancel()
	script, err := newScript(s)
	require.NoError(b, err)
	begun := time.Now()
	err = script.run(ctx)
	took := time.Since(begun)
	if err == nil {
		err = usable(ctx, s)
	}
	done(b, s, err)
	return took
}

// timeline of the node that was last: when each step's work was done there, since the scheduler's start.
func timeline(ctx context.Context, s *cases.Stand, begun time.Time) string {
	text := ""
	for _, node := range s.Nodes() {
		journal, err := node.Journal(ctx, "-u", "scaleio-agent", "-o", "short-iso-precise", "--no-pager")
		if err != nil {
			return err.Error()
		}
		text += fmt.Sprintf("%s:\n%s", node.Name, acts(journal, begun))
	}
	return text
}
