package cluster

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/offers"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/trust"
	"scaleio-framework/test/mesos"
)

// begin a whole scheduler on a store, against a master.
func begin(t *testing.T, s store.Store, master string) <-chan error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	need := scheduler.Resources{CPUs: 0.1, MemMB: 16}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- scheduler.Run(ctx, scheduler.Options{
			Settings: decide.Settings{ClusterName: "removed", Disks: api.DiskPolicy{Use: api.DiskUseNone}, Agent: &api.AgentBinary{URL: "http://127.0.0.1/scaleio-agent", SHA256: "00"}},
			Store:    s, Mesos: offers.New(offers.Config{Masters: []string{master}, Principal: "scaleio", Secret: "s3cret", Backoff: 10 * time.Millisecond, Log: log}),
			Framework: framework(), Listener: l, Servers: []string{"https://" + l.Addr().String()}, People: trust.NewPeople("read", "operate"),
			ReserveMDM: need, ReserveData: need, Log: log,
		})
	}()
	t.Cleanup(cancel)
	return ended
}

func told(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(soon):
		t.Fatal("the scheduler goes on")
		return nil
	}
}

// A framework that was torn down, or whose failover timeout passed: the scheduler stops each time it is started, and the master sees no other framework of ours until a
// person says so.
func TestScheduler_takesNoOtherFrameworkIDByItself(t *testing.T) {
	m := serveMaster(t, mesos.Config{Credentials: map[string]string{"scaleio": "s3cret"}})
	for _, host := range []string{"n0", "n1"} {
		m.AddAgent(mesos.AgentSpec{Hostname: host})
	}
	running := func(n int) func() bool { return func() bool { return m.Counts().Tasks == n } }
	s := &store.Memory{}
	ended := begin(t, s, m.server.URL)
	require.Eventually(t, running(2), soon, 5*time.Millisecond)
	first := m.FrameworkIDs()
	require.Len(t, first, 1)
	require.True(t, m.RemoveFramework(first[0]))
	err := told(t, ended)
	require.ErrorIs(t, err, scheduler.ErrRemoved)
	assert.ErrorContains(t, err, "adopt-framework --new")
	for range 2 { // as Marathon would start it
		require.ErrorIs(t, told(t, begin(t, s, m.server.URL)), scheduler.ErrRemoved)
		assert.Empty(t, m.FrameworkIDs(), "no framework was made up")
	}
	got, err := scheduler.AdoptFramework(t.Context(), s, "", time.Now())
	require.NoError(t, err)
	assert.Equal(t, first[0], got.Former)
	assert.Equal(t, 2, got.Tasks)
	begin(t, s, m.server.URL)
	require.Eventually(t, running(2), soon, 5*time.Millisecond, "launched again")
	second := m.FrameworkIDs()
	require.Len(t, second, 1)
	assert.NotEqual(t, first, second)
}
