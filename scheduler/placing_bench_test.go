package scheduler_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/trust"
)

// flood offers many agents in events of 500, as a master with a full cluster would, and ends when each has its task running.
type flood struct {
	agents int
	took   chan time.Duration
}

func (f *flood) Frameworks(context.Context, string, string) ([]scheduler.KnownFramework, error) {
	return nil, nil
}
func (f *flood) Kill(context.Context, string, string) error { return nil }

func (f *flood) Run(ctx context.Context, _ scheduler.Framework, h scheduler.MesosHandler) error {
	if err := h.Subscribed(ctx, "framework-1", "master"); err != nil {
		return err
	}
	begun := time.Now()
	for first := 0; first < f.agents; first += 500 {
		var offers []scheduler.Offer
		for i := first; i < min(first+500, f.agents); i++ {
			offers = append(offers, scheduler.Offer{AgentID: fmt.Sprintf("agent-%d", i), Hostname: fmt.Sprintf("h%d", i), CPUs: 8, MemMB: 8192})
		}
		for _, a := range h.Offered(ctx, offers) {
			if a.Launch == nil {
				return fmt.Errorf("not launched")
			}
			if err := h.Updated(ctx, scheduler.TaskUpdate{TaskID: a.Launch.TaskID, AgentID: a.Launch.AgentID, State: scheduler.TaskRunning}); err != nil {
				return err
			}
		}
	}
	f.took <- time.Since(begun)
	<-ctx.Done()
	return nil
}

func BenchmarkPlace10000(b *testing.B) {
	for b.Loop() {
		state, err := store.OpenBolt(filepath.Join(b.TempDir(), "state.db"))
		require.NoError(b, err)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		f := &flood{agents: 10_000, took: make(chan time.Duration, 1)}
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() {
			done <- scheduler.Run(ctx, scheduler.Options{
				Settings: decide.Settings{Settle: time.Minute, Agent: &api.AgentBinary{SHA256: "00", URL: "http://mirror/scaleio-agent"}}, Store: state, Mesos: f, Listener: l, Servers: []string{"https://s:1"},
				People: trust.NewPeople("", ""), AdminPassword: api.NewSecret("x"), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
			})
		}()
		b.ReportMetric((<-f.took).Seconds(), "s/10000")
		cancel()
		require.NoError(b, <-done)
		require.NoError(b, state.Close())
	}
}
