package offers

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	mesosgo "github.com/mesos/mesos-go/api/v1/lib"
	mesos "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
)

// heard is a MesosHandler that notes how updates come.
type heard struct {
	scheduler.MesosHandler
	updates [][]scheduler.TaskUpdate
	lost    []string
}

func (h *heard) Updated(_ context.Context, all ...scheduler.TaskUpdate) error {
	h.updates = append(h.updates, all)
	return nil
}

func (h *heard) AgentLost(_ context.Context, id string) { h.lost = append(h.lost, id) }

func update(task string) *mesos.Event {
	state := mesosgo.TASK_RUNNING
	return &mesos.Event{Type: mesos.Event_UPDATE, Update: &mesos.Event_Update{Status: mesosgo.TaskStatus{
		TaskID: mesosgo.TaskID{Value: task}, State: &state, AgentID: &mesosgo.AgentID{Value: "S1"}, UUID: []byte("0123456789abcdef"),
	}}}
}

// Updates that wait are handed on together: each alone would be a commit of its own, and ten thousand tasks begin to run at the same time. Each is acknowledged, and what
// came after them isn't lost.
func TestSession_handsOnTogetherWhatWaits(t *testing.T) {
	acknowledged := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		acknowledged++
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	h := &heard{}
	s := &session{driver: New(Config{Masters: []string{server.URL}, Log: slog.New(slog.DiscardHandler)}), sub: &subscription{stream: "1"}, handler: h,
		framework: &scheduler.Framework{ID: "F1"}, pending: map[string]scheduler.TaskRef{}}
	behind := make(chan *mesos.Event, 4)
	behind <- update("t2")
	behind <- update("t3")
	behind <- &mesos.Event{Type: mesos.Event_FAILURE, Failure: &mesos.Event_Failure{AgentID: &mesosgo.AgentID{Value: "S2"}}}
	behind <- update("t4")

	require.NoError(t, s.handle(t.Context(), update("t1"), behind))
	require.Len(t, h.updates, 1, "one commit")
	var tasks []string
	for _, u := range h.updates[0] {
		tasks = append(tasks, u.TaskID)
	}
	assert.Equal(t, []string{"t1", "t2", "t3"}, tasks, "in their order")
	assert.Equal(t, 3, acknowledged)
	assert.Equal(t, []string{"S2"}, h.lost)
	assert.Len(t, behind, 1, "what comes later has its own turn")
}

func TestSession_aClosedStreamEndsNoUpdates(t *testing.T) {
	behind := make(chan *mesos.Event)
	close(behind)
	all, next := gather(update("t1"), behind)
	assert.Len(t, all, 1)
	assert.Nil(t, next)
}
