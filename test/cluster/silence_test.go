package cluster

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/offers"
	"scaleio-framework/test/mesos"
)

// pipes is a listener without a network: in a bubble of virtual time nothing may wait for one.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error { return nil }

func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inBubble runs a driver against a master with its heartbeats of 15 s, under virtual time: however slow the machine is, nobody is late.
func inBubble(t *testing.T, h scheduler.MesosHandler, then func(*mesos.Master)) {
	synctest.Test(t, func(t *testing.T) {
		m, listener := mesos.NewMaster(mesos.Config{}), make(pipes)
		server := &http.Server{Handler: m.Handler()}
		transport := &http.Transport{DialContext: listener.dial}
		d := offers.New(offers.Config{Masters: []string{"http://master:5050"}, Principal: "scaleio", Transport: transport, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = server.Serve(listener) }()
		go func() { _ = m.Run(ctx) }()
		done := make(chan struct{})
		go func() { defer close(done); _ = d.Run(ctx, framework(), h) }()
		then(m)
		cancel()
		<-done
		transport.CloseIdleConnections()
		close(listener)
		_ = server.Close()
	})
}

// slowRecorder takes longer over an update than the master's heartbeats may be missing.
type slowRecorder struct {
	*recorder
	takes time.Duration
}

func (r slowRecorder) Updated(ctx context.Context, all ...scheduler.TaskUpdate) error {
	select {
	case <-time.After(r.takes):
	case <-ctx.Done():
	}
	return r.recorder.Updated(ctx, all...)
}

// mesos-go handles events in the loop that reads them, so a slow store looks like a silent master.
func TestDriver_aSlowHandlerIsNoSilentMaster(t *testing.T) {
	r := newRecorder()
	inBubble(t, slowRecorder{r, 5 * time.Minute}, func(m *mesos.Master) {
		m.AddAgent(mesos.AgentSpec{Hostname: "n0"})
		time.Sleep(time.Hour)
		r.mu.Lock()
		defer r.mu.Unlock()
		assert.True(t, r.running("place-n0"))
		assert.Len(t, r.ids, 1, "the subscription was given up while the handler was busy")
		assert.Zero(t, r.disconnected)
	})
}

// A master that says nothing for two heartbeats is left, neither sooner nor much later.
func TestDriver_leavesASilentMasterInTime(t *testing.T) {
	r := newRecorder()
	lost := func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.disconnected
	}
	inBubble(t, r, func(m *mesos.Master) {
		time.Sleep(65 * time.Second) // the last was heard 5 s ago
		m.GoSilent()
		time.Sleep(20 * time.Second)
		assert.Zero(t, lost())
		time.Sleep(10 * time.Second)
		assert.Equal(t, 1, lost())
	})
}
