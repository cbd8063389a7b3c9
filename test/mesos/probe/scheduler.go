// Package probe is a bare scheduler for tests of the dev master and
// the dev agent: it subscribes over HTTP and hands out events one by one. It
// knows JSON only and decides nothing. Used by test/mesos only.
package probe

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/recordio"
	"github.com/stretchr/testify/require"
)

// Object is a JSON object.
type Object = map[string]any

// patience is how long a subscription waits for everything that a test expects.
const patience = 30 * time.Second

// A Subscription is one framework's stream.
type Subscription struct {
	ID string // of the framework

	t        *testing.T
	url      string
	client   *http.Client
	streamID string
	frames   func() ([]byte, error)
	offers   []Object // received and not yet asked for
	// AutoAcknowledge answers every update that has a uuid.
	AutoAcknowledge bool
}

// Framework is a FrameworkInfo that survives its connection.
func Framework() Object {
	return Object{"user": "root", "name": "test", "role": "test", "checkpoint": true, "failover_timeout": 60}
}

// Subscribe registers the framework; an "id" in info re-registers it.
func Subscribe(t *testing.T, url string, info Object) *Subscription {
	t.Helper()
	call := Object{"type": "SUBSCRIBE", "subscribe": Object{"framework_info": info}}
	if id, ok := info["id"]; ok {
		call["framework_id"] = id
	}
	s := &Subscription{t: t, url: url, client: &http.Client{Transport: &http.Transport{}}, AutoAcknowledge: true}
	response := s.post(call)
	t.Cleanup(func() {
		_ = response.Body.Close()
		s.client.CloseIdleConnections()
	})
	require.Equal(t, http.StatusOK, response.StatusCode)
	giveUp := time.AfterFunc(patience, func() { _ = response.Body.Close() })
	t.Cleanup(func() { giveUp.Stop() })
	s.streamID, s.frames = response.Header.Get("Mesos-Stream-Id"), recordio.NewReader(response.Body).ReadFrame
	s.ID = Dig(s.Next("SUBSCRIBED"), "subscribed", "framework_id", "value").(string)
	return s
}

func (s *Subscription) post(call Object) *http.Response {
	s.t.Helper()
	body, err := json.Marshal(call)
	require.NoError(s.t, err)
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/api/v1/scheduler", bytes.NewReader(body))
	require.NoError(s.t, err)
	request.Header.Set("Content-Type", "application/json")
	if s.streamID != "" {
		request.Header.Set("Mesos-Stream-Id", s.streamID)
	}
	response, err := s.client.Do(request)
	require.NoError(s.t, err)
	return response
}

// Next is the next event of the type; others are passed over.
func (s *Subscription) Next(kind string) Object {
	s.t.Helper()
	for {
		frame, err := s.frames()
		require.NoError(s.t, err, "waiting for %s", kind)
		var event Object
		require.NoError(s.t, json.Unmarshal(frame, &event))
		s.note(event)
		if event["type"] == kind {
			return event
		}
	}
}

// note keeps offers that come while something else is waited for.
func (s *Subscription) note(event Object) {
	switch event["type"] {
	case "UPDATE":
		s.acknowledge(Dig(event, "update", "status").(Object))
	case "OFFERS":
		for _, offer := range Dig(event, "offers", "offers").([]any) {
			s.offers = append(s.offers, offer.(Object))
		}
	case "RESCIND":
		id := Dig(event, "rescind", "offer_id", "value")
		s.offers = slices.DeleteFunc(s.offers, func(o Object) bool { return Dig(o, "id", "value") == id })
	}
}

// Status is the next update of the task; those of others are passed over.
func (s *Subscription) Status(task string) Object {
	s.t.Helper()
	for {
		status := Dig(s.Next("UPDATE"), "update", "status").(Object)
		if Dig(status, "task_id", "value") == task {
			return status
		}
	}
}

// Until passes over updates of the task until it is in the state.
func (s *Subscription) Until(task, state string) Object {
	s.t.Helper()
	for {
		if status := s.Status(task); status["state"] == state {
			return status
		}
	}
}

func (s *Subscription) acknowledge(status Object) {
	if uuid, ok := status["uuid"]; ok && s.AutoAcknowledge {
		s.Call("ACKNOWLEDGE", "acknowledge", Object{"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": uuid})
	}
}

// Offer is an offer that hasn't been returned before, waiting for one if need be.
func (s *Subscription) Offer() Object {
	s.t.Helper()
	for len(s.offers) == 0 {
		s.Next("OFFERS")
	}
	offer := s.offers[0]
	s.offers = s.offers[1:]
	return offer
}

// Call makes a call of the type with its nested message ("" = none).
func (s *Subscription) Call(kind, field string, message Object) {
	s.t.Helper()
	call := Object{"type": kind, "framework_id": Object{"value": s.ID}}
	if field != "" {
		call[field] = message
	}
	response := s.post(call)
	text, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	require.Equal(s.t, http.StatusAccepted, response.StatusCode, string(text))
}

// Launch accepts the offer with one task; extra fields go into its TaskInfo.
func (s *Subscription) Launch(offer Object, task, command string, extra Object) {
	s.t.Helper()
	info := Object{
		"name": task, "task_id": Object{"value": task}, "agent_id": offer["agent_id"], "command": Object{"value": command},
		"resources": []any{
			Object{"name": "cpus", "type": "SCALAR", "scalar": Object{"value": 0.1}},
			Object{"name": "mem", "type": "SCALAR", "scalar": Object{"value": 32}},
		},
	}
	for key, value := range extra {
		info[key] = value
	}
	s.Call("ACCEPT", "accept", Object{
		"offer_ids": []any{offer["id"]}, "filters": Object{"refuse_seconds": 0},
		"operations": []any{Object{"type": "LAUNCH", "launch": Object{"task_infos": []any{info}}}},
	})
}

// Kill kills a task.
func (s *Subscription) Kill(task string) {
	s.t.Helper()
	s.Call("KILL", "kill", Object{"task_id": Object{"value": task}})
}

// Dig walks through objects (by string) and lists (by int).
func Dig(value any, path ...any) any {
	for _, step := range path {
		switch key := step.(type) {
		case string:
			value = value.(Object)[key]
		case int:
			value = value.([]any)[key]
		}
	}
	return value
}
