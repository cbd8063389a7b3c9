// Package cluster holds the tests that run several of our programs' parts in one process.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/offers"
	"scaleio-framework/test/mesos"
)

const soon = 10 * time.Second

// recorder is a MesosHandler that launches one task per agent and remembers what it was told.
type recorder struct {
	mu           sync.Mutex
	ids          []string
	updates      []scheduler.TaskUpdate
	launched     map[string]bool
	lost         []string
	disconnected int
	failStore    int // so many updates fail to be stored
	changed      chan struct{}
}

func newRecorder() *recorder {
	return &recorder{launched: map[string]bool{}, changed: make(chan struct{}, 1)}
}

func (r *recorder) note(change func()) {
	r.mu.Lock()
	change()
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *recorder) Subscribed(_ context.Context, id, _ string) error {
	r.note(func() { r.ids = append(r.ids, id) })
	return nil
}
func (r *recorder) Disconnected(error) { r.note(func() { r.disconnected++ }) }
func (r *recorder) AgentLost(_ context.Context, id string) {
	r.note(func() { r.lost = append(r.lost, id) })
}

func (r *recorder) Offered(_ context.Context, all []scheduler.Offer) []scheduler.OfferAnswer {
	answers := make([]scheduler.OfferAnswer, len(all))
	r.note(func() {
		for i, o := range all {
			answers[i].Refuse = time.Hour
			if !r.launched[o.AgentID] {
				r.launched[o.AgentID] = true
				answers[i].Launch = &scheduler.Launch{TaskID: "place-" + o.Hostname, Name: "scaleio-agent", AgentID: o.AgentID, CPUs: 0.5, MemMB: 64, Command: "true",
					Health: scheduler.HTTPHealth{Port: 9780, Path: "/healthz", Failures: 5}, Check: scheduler.CommandCheck{Command: "true", Interval: time.Second}}
			}
		}
	})
	return answers
}

func (r *recorder) Updated(_ context.Context, all ...scheduler.TaskUpdate) (err error) {
	r.note(func() {
		if r.failStore > 0 {
			r.failStore--
			err = errors.New("the store is away")
			return
		}
		r.updates = append(r.updates, all...)
	})
	return err
}

func (r *recorder) Tasks() []scheduler.TaskRef {
	r.mu.Lock()
	defer r.mu.Unlock()
	var refs []scheduler.TaskRef
	for agent := range r.launched {
		refs = append(refs, scheduler.TaskRef{TaskID: "place-" + strings.TrimSpace(agent), AgentID: agent})
	}
	return refs
}

// until waits for a condition on what was told.
func (r *recorder) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(soon)
	for {
		r.mu.Lock()
		done := ok()
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-r.changed:
		case <-deadline:
			t.Fatalf("not within %s: %s", soon, what)
		}
	}
}

func (r *recorder) running(task string) bool {
	for _, u := range r.updates {
		if u.TaskID == task && u.State == scheduler.TaskRunning {
			return true
		}
	}
	return false
}

// A master served over real HTTP; calls counts what arrived.
type served struct {
	*mesos.Master
	server *httptest.Server
	mu     sync.Mutex
	calls  int
	refuse func(*http.Request) bool // answers 400 instead
}

func serveMaster(t *testing.T, config mesos.Config) *served {
	t.Helper()
	config.AllocationInterval = 20 * time.Millisecond
	s := &served{Master: mesos.NewMaster(config)}
	inner := s.Handler()
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.calls++
		refuse := s.refuse
		s.mu.Unlock()
		if refuse != nil && refuse(r) {
			http.Error(w, "Failed to validate scheduler::Call", http.StatusBadRequest)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; s.server.CloseClientConnections(); s.server.Close() })
	return s
}

func (s *served) hostPort() string { return strings.TrimPrefix(s.server.URL, "http://") }

func framework() scheduler.Framework {
	return scheduler.Framework{Name: "scaleio", User: "root", Principal: "scaleio", Roles: []string{"scaleio"}, FailoverTimeout: 4 * 7 * 24 * time.Hour}
}

// drive runs a driver until the test ends and gives what Run returned.
func drive(t *testing.T, f scheduler.Framework, r *recorder, masters ...string) <-chan error {
	t.Helper()
	d := offers.New(offers.Config{Masters: masters, Principal: "scaleio", Secret: "s3cret", Backoff: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, f, r) }()
	t.Cleanup(cancel)
	return ended
}

func TestDriver_launchesOnEveryAgentAndHoldsNoOffer(t *testing.T) {
	m := serveMaster(t, mesos.Config{Credentials: map[string]string{"scaleio": "s3cret"}})
	for i := range 3 {
		m.AddAgent(mesos.AgentSpec{Hostname: fmt.Sprintf("n%d", i), Attributes: fmt.Sprintf("rack:r%d;level:10", i)})
	}
	r := newRecorder()
	drive(t, framework(), r, m.server.URL)
	r.until(t, "three running tasks", func() bool { return r.running("place-n0") && r.running("place-n1") && r.running("place-n2") })
	m.AddAgent(mesos.AgentSpec{Hostname: "n3"}) // long filters must not hide new agents
	r.until(t, "the new agent's task", func() bool { return r.running("place-n3") })
	assert.Eventually(t, func() bool { return m.Counts().Offers == 0 }, soon, 5*time.Millisecond, "an offer is held")
}

// mesos-go sends SUBSCRIBE to the leader after a redirect, but later calls to the configured master.
func TestDriver_followsRedirectsForEveryCall(t *testing.T) {
	leader := serveMaster(t, mesos.Config{})
	leader.AddAgent(mesos.AgentSpec{Hostname: "n0"})
	follower := serveMaster(t, mesos.Config{Leader: leader.hostPort()})
	r := newRecorder()
	drive(t, framework(), r, follower.server.URL)
	r.until(t, "a running task through the follower", func() bool { return r.running("place-n0") })
	r.mu.Lock()
	defer r.mu.Unlock()
	assert.Len(t, r.ids, 1, "one subscription is enough")
}

// mesos-go drops the subscription on any failed call.
func TestDriver_survivesARefusedCall(t *testing.T) {
	m := serveMaster(t, mesos.Config{})
	refused := 0
	m.mu.Lock()
	m.refuse = func(r *http.Request) bool { // the first call with a stream id is the first one after SUBSCRIBE
		if r.Header.Get("Mesos-Stream-Id") != "" && refused == 0 {
			refused++
			return true
		}
		return false
	}
	m.mu.Unlock()
	m.AddAgent(mesos.AgentSpec{Hostname: "n0"})
	m.AddAgent(mesos.AgentSpec{Hostname: "n1"})
	r := newRecorder()
	drive(t, framework(), r, m.server.URL)
	r.until(t, "tasks although a call was refused", func() bool { return r.running("place-n0") || r.running("place-n1") })
	r.mu.Lock()
	defer r.mu.Unlock()
	assert.Len(t, r.ids, 1, "the subscription was given up for one refused call")
}

// mesos-go never notices a master that has gone silent.
func TestDriver_noticesASilentMaster(t *testing.T) {
	m := serveMaster(t, mesos.Config{HeartbeatInterval: 50 * time.Millisecond})
	r := newRecorder()
	drive(t, framework(), r, m.server.URL)
	r.until(t, "subscribed", func() bool { return len(r.ids) == 1 })
	m.GoSilent()
	r.until(t, "subscribed again", func() bool { return len(r.ids) >= 2 })
	r.mu.Lock()
	defer r.mu.Unlock()
	assert.Equal(t, r.ids[0], r.ids[1], "the same framework id")
}

func TestDriver_resubscribesWithItsIDAfterADroppedStream(t *testing.T) {
	m := serveMaster(t, mesos.Config{})
	m.AddAgent(mesos.AgentSpec{Hostname: "n0"})
	r := newRecorder()
	drive(t, framework(), r, m.server.URL)
	r.until(t, "running", func() bool { return r.running("place-n0") })
	m.DropStreams()
	r.until(t, "subscribed again", func() bool { return len(r.ids) == 2 })
	r.mu.Lock()
	assert.Equal(t, r.ids[0], r.ids[1])
	r.mu.Unlock()
	assert.Equal(t, 1, m.Counts().Tasks, "a task was launched twice")
}

// An update is acknowledged only after it was stored: one that couldn't be comes again.
func TestDriver_acknowledgesAfterStoring(t *testing.T) {
	m := serveMaster(t, mesos.Config{UpdateRetry: 20 * time.Millisecond})
	m.AddAgent(mesos.AgentSpec{Hostname: "n0"})
	r := newRecorder()
	r.failStore = 2
	drive(t, framework(), r, m.server.URL)
	r.until(t, "the update that was sent again", func() bool { return r.running("place-n0") })
	r.mu.Lock()
	defer r.mu.Unlock()
	assert.Equal(t, scheduler.TaskState("TASK_STARTING"), r.updates[0].State, "nothing may be lost or overtaken")
}

func TestDriver_stopsWhenItWasFailedOver(t *testing.T) {
	m := serveMaster(t, mesos.Config{})
	first, second := newRecorder(), newRecorder()
	ended := drive(t, framework(), first, m.server.URL)
	first.until(t, "subscribed", func() bool { return len(first.ids) == 1 })
	f := framework()
	f.ID = first.ids[0]
	drive(t, f, second, m.server.URL)
	select {
	case err := <-ended:
		assert.ErrorIs(t, err, scheduler.ErrFailedOver)
	case <-time.After(soon):
		t.Fatal("the first scheduler goes on beside the second")
	}
	second.until(t, "the second is subscribed", func() bool { return len(second.ids) == 1 && second.ids[0] == f.ID })
}

func TestDriver_refusesToInventAnIDAfterRemoval(t *testing.T) {
	m := serveMaster(t, mesos.Config{})
	r := newRecorder()
	ended := drive(t, framework(), r, m.server.URL)
	r.until(t, "subscribed", func() bool { return len(r.ids) == 1 })
	require.True(t, m.RemoveFramework(r.ids[0]))
	select {
	case err := <-ended:
		assert.ErrorIs(t, err, scheduler.ErrRemoved)
	case <-time.After(soon):
		t.Fatal("goes on as another framework")
	}
}

func TestDriver_listsFrameworksOfOurName(t *testing.T) {
	m := serveMaster(t, mesos.Config{})
	d := offers.New(offers.Config{Masters: []string{m.server.URL}, Log: slog.New(slog.DiscardHandler)})
	known, err := d.Frameworks(t.Context(), "scaleio", "scaleio")
	require.NoError(t, err)
	assert.Empty(t, known)
	r := newRecorder()
	drive(t, framework(), r, m.server.URL)
	r.until(t, "subscribed", func() bool { return len(r.ids) == 1 })
	known, err = d.Frameworks(t.Context(), "scaleio", "scaleio")
	require.NoError(t, err)
	require.Len(t, known, 1)
	assert.Equal(t, r.ids[0], known[0].ID)
	known, err = d.Frameworks(t.Context(), "scaleio", "somebody-else")
	require.NoError(t, err)
	assert.Empty(t, known)
}

func TestDriver_reportsALostAgentAndItsReturn(t *testing.T) {
	m := serveMaster(t, mesos.Config{})
	id := m.AddAgent(mesos.AgentSpec{Hostname: "n0"})
	r := newRecorder()
	drive(t, framework(), r, m.server.URL)
	r.until(t, "running", func() bool { return r.running("place-n0") })
	m.LoseAgent(id)
	r.until(t, "unreachable, and the agent's loss", func() bool {
		return r.updates[len(r.updates)-1].State == scheduler.TaskUnreachable && len(r.lost) == 1
	})
	m.ReturnAgent(id)
	r.until(t, "running again", func() bool { return r.updates[len(r.updates)-1].State == scheduler.TaskRunning })
}

// An agent that was declined for an hour is offered again at once after a revival.
func TestDriver_revives(t *testing.T) {
	m := serveMaster(t, mesos.Config{})
	m.AddAgent(mesos.AgentSpec{Hostname: "n0"})
	r := newRecorder()
	d := offers.New(offers.Config{Masters: []string{m.server.URL}, Principal: "scaleio", Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, d.Revive(t.Context()), "not subscribed")
	go func() { _ = d.Run(t.Context(), framework(), r) }()
	r.until(t, "running", func() bool { return r.running("place-n0") })
	assert.Eventually(t, func() bool { return m.Counts().Offers == 0 }, soon, 5*time.Millisecond)
	made := m.Counts().OffersMade
	require.NoError(t, d.Revive(t.Context()))
	assert.Eventually(t, func() bool { return m.Counts().OffersMade > made }, soon, 5*time.Millisecond, "what was declined isn't offered again")
}

// Asked what runs, the master tells each task once more, as an answer that nobody acknowledges.
func TestDriver_asksWhatRuns(t *testing.T) {
	m := serveMaster(t, mesos.Config{})
	m.AddAgent(mesos.AgentSpec{Hostname: "n0"})
	r := newRecorder()
	d := offers.New(offers.Config{Masters: []string{m.server.URL}, Principal: "scaleio", Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, d.Reconcile(t.Context()), "not subscribed")
	go func() { _ = d.Run(t.Context(), framework(), r) }()
	r.until(t, "running", func() bool { return r.running("place-n0") })
	require.NoError(t, d.Reconcile(t.Context()))
	r.until(t, "told", func() bool {
		u := r.updates[len(r.updates)-1]
		return u.TaskID == "place-n0" && u.State == scheduler.TaskRunning && u.Reconciliation && u.Reason == "REASON_RECONCILIATION"
	})
}
