package mesos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/recordio"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos"
)

// subscription is a bare scheduler over real HTTP.
type subscription struct {
	t        *testing.T
	url      string
	streamID string
	events   func() map[string]any
	id       string
}

func subscribe(t *testing.T, url string, info map[string]any) *subscription {
	t.Helper()
	body, err := json.Marshal(map[string]any{"type": "SUBSCRIBE", "subscribe": map[string]any{"framework_info": info}})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/v1/scheduler", bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	require.Equal(t, http.StatusOK, response.StatusCode)
	reader := recordio.NewReader(response.Body)
	s := &subscription{t: t, url: url, streamID: response.Header.Get("Mesos-Stream-Id")}
	s.events = func() map[string]any {
		frame, err := reader.ReadFrame()
		require.NoError(t, err)
		var event map[string]any
		require.NoError(t, json.Unmarshal(frame, &event))
		return event
	}
	s.id = dig(s.next("SUBSCRIBED"), "subscribed", "framework_id", "value").(string)
	return s
}

// next is the next event of the type; others are passed over.
func (s *subscription) next(kind string) map[string]any {
	for {
		if e := s.events(); e["type"] == kind {
			return e
		}
	}
}

func (s *subscription) call(call map[string]any) {
	s.t.Helper()
	call["framework_id"] = map[string]any{"value": s.id}
	body, err := json.Marshal(call)
	require.NoError(s.t, err)
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/api/v1/scheduler", bytes.NewReader(body))
	require.NoError(s.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Mesos-Stream-Id", s.streamID)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	require.Equal(s.t, http.StatusAccepted, response.StatusCode, string(text))
}

func dig(value any, path ...any) any {
	for _, step := range path {
		switch key := step.(type) {
		case string:
			value = value.(map[string]any)[key]
		case int:
			value = value.([]any)[key]
		}
	}
	return value
}

func startMaster(t *testing.T, cfg mesos.Config) (*mesos.Master, string) {
	t.Helper()
	master := mesos.NewMaster(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = master.Run(ctx)
	}()
	server := httptest.NewServer(master.Handler())
	t.Cleanup(func() {
		cancel()
		<-done
		server.Close()
	})
	return master, server.URL
}

func framework() map[string]any {
	return map[string]any{"user": "root", "name": "test", "role": "test", "checkpoint": true, "failover_timeout": 60}
}

func launchCall(offer map[string]any, task string) map[string]any {
	return map[string]any{"type": "ACCEPT", "accept": map[string]any{
		"offer_ids": []any{offer["id"]},
		"operations": []any{map[string]any{"type": "LAUNCH", "launch": map[string]any{"task_infos": []any{map[string]any{
			"name": task, "task_id": map[string]any{"value": task}, "agent_id": offer["agent_id"],
			"command": map[string]any{"value": "sleep 1"},
			"resources": []any{
				map[string]any{"name": "cpus", "type": "SCALAR", "scalar": map[string]any{"value": 0.1}},
				map[string]any{"name": "mem", "type": "SCALAR", "scalar": map[string]any{"value": 32}},
			},
		}}}}},
	}}
}

func TestMaster_launchesOnASimulatedAgent(t *testing.T) {
	master, url := startMaster(t, mesos.Config{AllocationInterval: 20 * time.Millisecond})
	agent := master.AddAgent(mesos.AgentSpec{Hostname: "n1", Attributes: "rack:r1"})
	s := subscribe(t, url, framework())

	offer := dig(s.next("OFFERS"), "offers", "offers", 0).(map[string]any)
	require.Equal(t, agent, dig(offer, "agent_id", "value"))
	s.call(launchCall(offer, "t1"))

	for _, state := range []string{"TASK_STARTING", "TASK_RUNNING"} {
		status := dig(s.next("UPDATE"), "update", "status").(map[string]any)
		require.Equal(t, state, status["state"])
		s.call(map[string]any{"type": "ACKNOWLEDGE", "acknowledge": map[string]any{
			"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]}})
	}
	require.Equal(t, 1, master.Counts().Running)

	s.call(map[string]any{"type": "KILL", "kill": map[string]any{"task_id": map[string]any{"value": "t1"}}})
	require.Equal(t, "TASK_KILLED", dig(s.next("UPDATE"), "update", "status", "state"))
}

func TestMaster_losesAnAgentAndGetsItBack(t *testing.T) {
	master, url := startMaster(t, mesos.Config{AllocationInterval: 20 * time.Millisecond})
	agent := master.AddAgent(mesos.AgentSpec{Hostname: "n1"})
	s := subscribe(t, url, framework())
	s.call(launchCall(dig(s.next("OFFERS"), "offers", "offers", 0).(map[string]any), "t1"))
	require.Equal(t, "TASK_STARTING", dig(s.next("UPDATE"), "update", "status", "state"))

	master.LoseAgent(agent)
	require.Equal(t, "TASK_LOST", dig(s.next("UPDATE"), "update", "status", "state"))
	require.Equal(t, agent, dig(s.next("FAILURE"), "failure", "agent_id", "value"))

	master.ReturnAgent(agent)
	back := dig(s.next("UPDATE"), "update", "status").(map[string]any)
	require.Equal(t, "REASON_AGENT_REREGISTERED", back["reason"])
	require.Equal(t, "TASK_RUNNING", back["state"])
}

func TestMaster_brokenStreamLeavesTheFramework(t *testing.T) {
	master, url := startMaster(t, mesos.Config{})
	s := subscribe(t, url, framework())
	master.DropStreams()
	require.Eventually(t, func() bool { return master.Counts().Connected == 0 }, 5*time.Second, time.Millisecond)
	require.Equal(t, []string{s.id}, master.FrameworkIDs())
}
