package agent

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

func get(t *testing.T, handler http.HandlerFunc) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	body, err := io.ReadAll(recorder.Body)
	require.NoError(t, err)
	return recorder.Code, string(body)
}

func TestReadyz_namesEveryUnmetConditionUntilReady(t *testing.T) {
	a := testAgent(t)
	code, body := get(t, a.readyz)
	assert.Equal(t, http.StatusServiceUnavailable, code)
	assert.Contains(t, body, api.ConditionNotJoined)

	_, err := a.take(answerOf(1), time.Now())
	require.NoError(t, err)
	a.note(func(s *seen) {
		s.result.Conditions = []api.Condition{
			{Type: "install-sds", Status: api.True, Reason: api.ReasonSatisfied},
			{Type: "run-sds", Status: api.False, Reason: "NotRunning", Message: "serial SECRET-SERIAL-1"},
			{Type: "connect-sdc", Status: api.Unknown, Reason: api.ReasonFailed},
		}
	})
	code, body = get(t, a.readyz)
	assert.Equal(t, http.StatusServiceUnavailable, code)
	var answer Readiness
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	assert.Equal(t, []Unmet{{"run-sds", api.False, "NotRunning"}, {"connect-sdc", api.Unknown, api.ReasonFailed}}, answer.Unmet)
	assert.NotContains(t, body, "SERIAL", "anybody on the network may read it")

	a.note(func(s *seen) { s.result.Ready, s.result.Conditions = true, nil })
	code, body = get(t, a.readyz)
	assert.Equal(t, http.StatusOK, code)
	assert.JSONEq(t, `{"ready":true}`, body)
}

func TestHealthz_failsWhenTheMainLoopHangs(t *testing.T) {
	a := testAgent(t)
	code, _ := get(t, a.healthz)
	assert.Equal(t, http.StatusOK, code)
	a.pulse.begin(-time.Second)
	code, _ = get(t, a.healthz)
	assert.Equal(t, http.StatusServiceUnavailable, code)
}

func TestMetrics_showConditions(t *testing.T) {
	a := testAgent(t)
	a.note(func(s *seen) {
		s.result.Conditions = []api.Condition{{Type: "run-sds", Status: api.True, Reason: api.ReasonSatisfied}}
	})
	code, body := get(t, a.metrics)
	assert.Equal(t, http.StatusOK, code)
	assert.Contains(t, body, `scaleio_agent_condition{type="run-sds",reason="Satisfied"} 1`)
	assert.Contains(t, body, "scaleio_agent_ready 0")
}

func TestSocket_answersStatusToItsOwner(t *testing.T) {
	a := testAgent(t)
	a.Socket = filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.serveSocket(ctx) }()
	var local Local
	require.Eventually(t, func() bool {
		var err error
		local, err = AskStatus(t.Context(), a.Socket)
		return err == nil
	}, 5*time.Second, 5*time.Millisecond)
	assert.Equal(t, "n1", local.Node.ID)
	cancel()
	assert.ErrorIs(t, <-done, context.Canceled)
}
