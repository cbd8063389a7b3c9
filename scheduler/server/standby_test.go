package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/server"
	"scaleio-framework/scheduler/trust"
)

// Marathon must not kill a scheduler that waits for its turn; and nothing else may take it for one that serves.
func TestStandby_livesAndIsNotReady(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	const read = "read-token-of-the-test"
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	people := trust.NewPeople(read, "operator-token-of-the-test")
	go func() {
		ended <- server.Standby(ctx, l, people, func() string { return "standby: the scheduler on h1" }, slog.New(slog.DiscardHandler))
	}()
	ask := func(path, token string) (int, string) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // as Marathon's check does
		defer transport.CloseIdleConnections()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+l.Addr().String()+path, nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+token)
		answer, err := (&http.Client{Transport: transport}).Do(request)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}
	status, _ := ask(api.PathHealthz, "")
	assert.Equal(t, http.StatusOK, status)
	status, body := ask(api.PathReadyz, read)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, body, "standby: the scheduler on h1")
	status, body = ask(api.PathStatus, "")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.NotContains(t, body, "h1")
	stop()
	require.NoError(t, <-ended)
	again, err := net.Listen("tcp", l.Addr().String())
	require.NoError(t, err, "the port is free for the scheduler itself")
	require.NoError(t, again.Close())
}
