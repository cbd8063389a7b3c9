package agent_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos/probe"
)

func quick(kind string, fields object) object {
	check := object{"type": kind, "delay_seconds": 0, "interval_seconds": 0.05, "timeout_seconds": 0.5}
	for key, value := range fields {
		check[key] = value
	}
	return check
}

// Recording 11: the first RUNNING has no health; the first result, changes and
// failures are reported; after consecutive_failures the task is killed, with
// healthy false and no reason.
func TestAgent_healthChecks(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	var sick atomic.Bool
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer endpoint.Close()
	port, err := strconv.Atoi(endpoint.URL[strings.LastIndex(endpoint.URL, ":")+1:])
	require.NoError(t, err)
	s := probe.Subscribe(t, c.url, probe.Framework())
	s.Launch(s.Offer(), "h1", "sleep 600", object{"health_check": quick("HTTP", object{
		"http": object{"port": port, "path": "/healthz", "scheme": "http"}, "consecutive_failures": 2, "grace_period_seconds": 0})})
	require.NotContains(t, s.Until("h1", "TASK_RUNNING"), "healthy")
	healthy := s.Status("h1")
	require.Equal(t, true, healthy["healthy"])
	require.Equal(t, "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED", healthy["reason"])
	sick.Store(true)
	for range 2 {
		failed := s.Status("h1")
		require.Equal(t, "TASK_RUNNING", failed["state"])
		require.Equal(t, false, failed["healthy"])
	}
	killed := s.Status("h1")
	require.Equal(t, "TASK_KILLED", killed["state"])
	require.Equal(t, false, killed["healthy"])
	require.NotContains(t, killed, "reason")
	require.Equal(t, "Command terminated with signal Terminated", killed["message"])

	// consecutive_failures 0 kills at the first failure.
	s.Launch(s.Offer(), "h4", "sleep 600", object{"health_check": quick("COMMAND", object{
		"command": object{"value": "false"}, "consecutive_failures": 0, "grace_period_seconds": 0})})
	require.NotContains(t, s.Until("h4", "TASK_RUNNING"), "healthy")
	require.Equal(t, false, s.Status("h4")["healthy"])
	require.Equal(t, "TASK_KILLED", s.Status("h4")["state"])

	// A command that hangs is a failure; one in the grace period isn't.
	s.Launch(s.Offer(), "h6", "sleep 600", object{"health_check": quick("COMMAND", object{
		"command": object{"value": "test -e seen || { touch seen; exit 1; }; sleep 30"}, "timeout_seconds": 0.2,
		"consecutive_failures": 1, "grace_period_seconds": 0.15})})
	require.NotContains(t, s.Until("h6", "TASK_RUNNING"), "healthy")
	require.Equal(t, false, s.Status("h6")["healthy"])
	require.Equal(t, "TASK_KILLED", s.Status("h6")["state"])
}

// Recording 11, task h5: a check's result is in every update and never kills.
func TestAgent_checks(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	s := probe.Subscribe(t, c.url, probe.Framework())
	s.Launch(s.Offer(), "h5", "sleep 600", object{"check": quick("COMMAND", object{
		"command": object{"command": object{"value": "test -e ready && exit 0; touch ready; exit 7"}}})})
	empty := object{"type": "COMMAND", "command": object{}}
	require.Equal(t, empty, s.Status("h5")["check_status"])
	require.Equal(t, empty, s.Status("h5")["check_status"])
	for _, code := range []float64{7, 0} {
		status := s.Status("h5")
		require.Equal(t, "TASK_RUNNING", status["state"])
		require.Equal(t, "REASON_TASK_CHECK_STATUS_UPDATED", status["reason"])
		require.Equal(t, code, dig(status, "check_status", "command", "exit_code"))
	}
}
