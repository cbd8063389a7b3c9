package scheduler_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/trust"
)

// sink is a log that many write to.
type sink struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestSecrets_areNowhereTheyMustNotBe brings a cluster to Ready over a restart and past every kind of refusal, and then looks for each secret in
// the log at its most talkative, in every stored record, in what people and probes are shown, and in what Mesos is told.
func TestSecrets_areNowhereTheyMustNotBe(t *testing.T) {
	b := newBench(t)
	log, memory := &sink{}, &store.Memory{}
	const read, operator, admin = "read-token-of-the-test", "operator-token-of-the-test", "Admin-Password-1-of-the-test"
	b.read = read
	b.options.People, b.options.AdminPassword, b.options.Store = trust.NewPeople(read, operator), api.NewSecret(admin), memory
	b.options.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.start()
	b.until("ready", ready)
	made, err := b.people(operator).CreateToken(t.Context(), request(1))
	require.NoError(t, err)
	ghost := ignited(newNode(9, b.scaleio), made)
	_, err = b.joinAs(ghost, ghost, ghost.key)
	require.NoError(t, err)
	_, err = b.joinAs(ghost, ghost, newKey(t))
	require.Error(t, err)
	require.NoError(t, b.halt())
	b.start()
	b.until("ready again", func(s api.ClusterStatus) bool { return s.Leader != "" && s.Nodes[0].Ready })
	b.refusals(operator)
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "TLS handshake error") }, 10*time.Second, time.Millisecond, "the log is at its most talkative")

	records, err := memory.List(t.Context(), "")
	require.NoError(t, err)
	secrets := map[string]string{"the read token": read, "the operator token": operator, "the admin password": admin, "an enrolment token": made.Token}
	places := map[string]string{"the log": log.String()}
	for _, r := range records {
		switch r.Key {
		case "secrets": // the one place for them, and the CA's key has its own
			var made map[string]string
			require.NoError(t, json.Unmarshal(r.Value, &made))
			for name, value := range made {
				secrets[name] = value
			}
		case "authority":
			var made trust.Record
			require.NoError(t, json.Unmarshal(r.Value, &made))
			secrets["the CA's key"] = strings.Split(made.Key, "\n")[1]
		default:
			places["record "+r.Key] = string(r.Value)
		}
	}
	require.Len(t, secrets, 7)
	c := b.browser()
	for _, path := range []string{api.PathStatus, api.PathPlan, api.PathEvents, api.PathTokens, api.PathMetrics, api.PathHealthz, api.PathReadyz, "/", "/nothing", "/assets/status.js"} {
		for _, token := range []string{read, operator, ""} {
			_, body := b.get(c, path, token)
			places[path] += body
		}
	}
	b.mesos.mu.Lock()
	launched := b.mesos.launched
	b.mesos.mu.Unlock()
	for i, l := range launched {
		l.Env = maps.Clone(l.Env)
		secrets[fmt.Sprintf("join token %d", i)] = l.Env[api.EnvToken]
		delete(l.Env, api.EnvToken) // its one place
		places[fmt.Sprintf("launch %d", i)] = fmt.Sprintf("%+v", l)
	}
	require.Greater(t, len(places), 20)
	for where, text := range places {
		for what, secret := range secrets {
			require.NotEmpty(t, secret, what)
			assert.False(t, strings.Contains(text, secret), "%s is in %s", what, where) // not shown here either
		}
	}
}

// refusals makes the scheduler say no in every way that a stranger, a node and a person can bring about.
func (b *bench) refusals(operator string) {
	n := b.nodes[0]
	_, _ = b.joinAs(n, b.nodes[1], newKey(b.t)) // revokes
	c := b.browser()
	for _, path := range []string{api.PathJoin, api.PathRenew, api.PathReport, api.PathHold, api.PathApprove, api.PathRelease, api.PathTokens, api.PathRevoke, "/login"} {
		body := fmt.Sprintf(`{"token":%q,"node":7,"csr":%q`, n.env[api.EnvToken], operator)
		req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, "https://"+b.address+path, strings.NewReader(body))
		require.NoError(b.t, err)
		req.Header.Set("Authorization", "Bearer "+operator)
		resp, err := c.Do(req)
		require.NoError(b.t, err)
		require.NoError(b.t, resp.Body.Close())
		assert.GreaterOrEqual(b.t, resp.StatusCode, 400, path)
	}
	old := &http.Client{Transport: http.DefaultTransport} // doesn't know the CA: the server logs the failed handshake
	if resp, err := old.Get("https://" + b.address + "/?token=" + operator); err == nil {
		_ = resp.Body.Close()
	}
}
