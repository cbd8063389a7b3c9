package mesos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos"
)

// The recorded agents took this long to register, or to recover and come back.
const (
	agentStart    = 900 * time.Millisecond
	agentRecovery = 2980 * time.Millisecond
	// tolerance is what the speed of the recorded machine can make of a time.
	tolerance = 700 * time.Millisecond
)

// allocationPhase is the fraction of a second at which the recorded master
// made its rounds of offers, where it matters.
var allocationPhase = map[string]time.Duration{
	"05-decline-suppress-revive":  543 * time.Millisecond,
	"06-invalid-launches":         570 * time.Millisecond,
	"07-reconcile":                78 * time.Millisecond,
	"08-resubscribe-failover":     147 * time.Millisecond,
	"13-agent-killed-unreachable": 78 * time.Millisecond,
	"14-agent-restart-recover":    77 * time.Millisecond,
	"17-operator-api":             200 * time.Millisecond,
	"23-unacked-retry-backoff":    166 * time.Millisecond,
	"24-offer-timeout-reserved":   28 * time.Millisecond,
}

// A replay drives the dev master with a recording, in the recording's time.
// It runs in a synctest bubble: no real time passes.
type replay struct {
	t       *testing.T
	name    string
	entries []entry
	start   time.Time
	shift   time.Duration // how far behind the recording the replay is

	ids       identities
	master    *mesos.Master
	cancel    context.CancelFunc
	listener  *pipeListener
	client    *http.Client
	sessions  map[string]*session
	responses map[int]*http.Response
	bodies    map[int][]byte
	agents    map[string]*replayAgent
	skipped   map[int]bool
}

func newReplay(t *testing.T, name string, entries []entry) *replay {
	return &replay{
		t: t, name: name, entries: entries, start: time.Now(), ids: identities{map[string]string{}},
		sessions: map[string]*session{}, responses: map[int]*http.Response{}, bodies: map[int][]byte{},
		agents: map[string]*replayAgent{}, skipped: map[int]bool{},
	}
}

func (r *replay) run() {
	defer r.stop()
	for n, e := range r.entries {
		r.wait(e)
		switch e.Kind {
		case "note":
			r.note(e)
		case "request":
			r.request(n, e)
		case "response":
			r.response(e)
		case "event":
			r.event(e)
		case "closed":
			r.closed(e)
		}
	}
	for _, s := range r.sessions {
		s.nothingLeft(r.t)
	}
}

func (r *replay) wait(e entry) {
	if e.Kind == "event" || e.Kind == "closed" || e.Kind == "response" {
		return // these wait by themselves
	}
	time.Sleep(time.Until(r.start.Add(e.at() + r.shift)))
	synctest.Wait()
}

func (r *replay) stop() {
	for _, s := range r.sessions {
		s.close()
	}
	if r.cancel != nil {
		r.cancel()
		r.listener.close()
		r.client.CloseIdleConnections()
	}
	for _, a := range r.agents {
		a.stop()
	}
	synctest.Wait()
}

// note carries out what the recorder did to processes.
func (r *replay) note(e entry) {
	switch {
	case strings.HasPrefix(e.Text, "started mesos-master"):
		r.startMaster(e.Text)
	case strings.HasPrefix(e.Text, "started mesos-agent"):
		r.startAgent(e.Text)
	case strings.HasPrefix(e.Text, "sending signal 9 (killed) to mesos-agent"):
		r.agent(e.Text).down(r.master)
	case strings.HasPrefix(e.Text, "sending signal 10"):
		a := r.agent(e.Text)
		a.removed = true
		r.master.RemoveAgent(a.id())
	}
}

func (r *replay) agent(text string) *replayAgent {
	for _, word := range strings.Fields(text) {
		if a := r.agents[word]; a != nil {
			return a
		}
	}
	r.t.Fatalf("no agent in %q", text)
	return nil
}

func (r *replay) startMaster(command string) {
	cfg := mesos.Config{}
	if roles := flag(command, "roles"); roles != "" {
		cfg.Roles = strings.Split(roles, ",")
	}
	cfg.OfferTimeout = mesosDuration(flag(command, "offer_timeout"))
	if flag(command, "agent_ping_timeout") == "2secs" {
		cfg.AgentPingTimeout = 5400 * time.Millisecond // recorded: between 2 and 3 pings of 2 s
	}
	if strings.Contains(command, "--authenticate_http_frameworks") {
		cfg.Credentials = map[string]string{"scaleio": "s3cret"}
	}
	r.master = mesos.NewMaster(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	time.AfterFunc(allocationPhase[r.name], func() { _ = r.master.Run(ctx) })
	r.listener = newPipeListener()
	server := &http.Server{Handler: r.master.Handler()}
	go func() { _ = server.Serve(r.listener) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	r.client = &http.Client{
		Transport:     &http.Transport{DialContext: r.listener.dial, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func mesosDuration(text string) time.Duration {
	d, _ := time.ParseDuration(strings.TrimSuffix(text, "ecs"))
	return d
}

func (r *replay) startAgent(command string) {
	name := strings.Fields(command)[1]
	if known := r.agents[name]; known != nil && !known.removed {
		time.AfterFunc(agentRecovery, func() { known.up(r.master) })
		return
	} else if known != nil { // the same work_dir: the same id, and no tasks left
		known.spec.ID = known.id()
		time.AfterFunc(agentStart, func() { known.register(r.master) })
		return
	}
	a := newReplayAgent(command)
	r.agents[name] = a
	time.AfterFunc(agentStart, func() { a.register(r.master) })
}

func (r *replay) request(n int, e entry) {
	if why := r.skip(e); why != "" {
		r.skipped[n] = true
		r.skipped[-e.N] = true
		return
	}
	body := []byte(r.ids.translate(e.Text))
	if e.Body != nil {
		body = []byte(r.ids.translate(string(e.Body)))
		body = r.translateUUIDs(body)
	}
	request, err := http.NewRequest(e.Method, "http://master"+e.Path, bytes.NewReader(body))
	require.NoError(r.t, err)
	for key, value := range e.Headers {
		if key != "Host" && key != "Content-Length" {
			request.Header.Set(key, r.ids.translate(value))
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	response, err := r.client.Do(request.WithContext(ctx))
	require.NoError(r.t, err, e.String())
	r.responses[e.N] = response
	if response.Header.Get("Mesos-Stream-Id") != "" {
		r.sessions[e.Conn] = newSession(response, cancel)
		return
	}
	data, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	_ = response.Body.Close()
	cancel()
	r.bodies[e.N] = data
}

// skip: requests with a reason not to be replayed.
func (r *replay) skip(e entry) string {
	var call struct{ Type string }
	_ = json.Unmarshal(e.Body, &call)
	for _, what := range []string{"conn " + e.Conn, call.Type, e.Path} {
		if why := requestsNotReplayed[r.name+" "+what]; what != "" && why != "" && (what != call.Type || e.Conn == "oper") {
			return why
		}
	}
	return ""
}

// translateUUIDs replaces recorded update uuids (base64) in an acknowledgement.
func (r *replay) translateUUIDs(body []byte) []byte {
	var call struct {
		Acknowledge struct{ UUID string }
	}
	if json.Unmarshal(body, &call) != nil || call.Acknowledge.UUID == "" {
		return body
	}
	if actual, ok := r.ids.actual[call.Acknowledge.UUID]; ok {
		return bytes.ReplaceAll(body, []byte(call.Acknowledge.UUID), []byte(actual))
	}
	return body
}

func (r *replay) response(e entry) {
	if r.skipped[-e.N] || (e.N == 0 && r.skippedConn(e)) {
		return
	}
	actual := r.responses[e.N]
	require.NotNil(r.t, actual, e.String())
	require.Equal(r.t, e.Status, actual.Status, e.String())
	for key, value := range e.Headers {
		switch key {
		case "Date", "Transfer-Encoding":
		case "Mesos-Stream-Id":
			require.True(r.t, r.ids.pair(value, actual.Header.Get(key)), e.String())
		case "Content-Length":
			if e.Body == nil {
				require.Equal(r.t, value, actual.Header.Get(key), "%s: %s, body %s", e, key, r.bodies[e.N])
			}
		default:
			require.Equal(r.t, r.ids.translate(value), actual.Header.Get(key), "%s: %s", e, key)
		}
	}
	if e.Headers["Mesos-Stream-Id"] != "" {
		return
	}
	if e.Body != nil {
		var want, have any
		require.NoError(r.t, json.Unmarshal(e.Body, &want))
		require.NoError(r.t, json.Unmarshal(r.bodies[e.N], &have), "%s: %s", e, r.bodies[e.N])
		require.Empty(r.t, r.ids.compare("", want, have), e.String())
		return
	}
	require.Equal(r.t, r.ids.translate(e.Text), string(r.bodies[e.N]), e.String())
}

func (r *replay) skippedConn(e entry) bool {
	return requestsNotReplayed[r.name+" conn "+e.Conn] != ""
}

// event waits for the recorded event; it may come a little earlier or later.
func (r *replay) event(e entry) {
	s := r.sessions[e.Conn]
	if s == nil && r.skippedConn(e) {
		return
	}
	require.NotNil(r.t, s, "%s: no session", e)
	var want any
	require.NoError(r.t, json.Unmarshal(e.Body, &want))
	due := r.start.Add(e.at() + r.shift)
	deadline, doubled := due.Add(tolerance), r.doubled(e, want)
	if doubled {
		deadline = time.Now()
	}
	got, ok := s.take(eventKey(want), deadline)
	if !ok && doubled {
		return
	}
	require.True(r.t, ok, "%s: not received: %s\nwaiting: %s", e, e.Body, s.waiting())
	require.WithinDuration(r.t, due, got.at, tolerance, "%s: %s", e, e.Body)
	require.Empty(r.t, r.ids.compare("", want, got.body), e.String())
	if behind := time.Since(r.start) - e.at(); behind > r.shift {
		r.shift = behind
	}
}

// doubled: after an agent's return the recorded one sent the same update twice
// within a few milliseconds; once is enough.
func (r *replay) doubled(e entry, event any) bool {
	for _, earlier := range r.entries {
		if earlier.Kind == "event" && earlier.T < e.T && e.T-earlier.T < 0.05 && string(earlier.Body) == string(e.Body) {
			return eventKey(event) != "OFFERS"
		}
	}
	return false
}

func (r *replay) closed(e entry) {
	s := r.sessions[e.Conn]
	switch {
	case s == nil:
	case strings.Contains(e.Text, "closed network connection"):
		s.nothingLeft(r.t)
		s.close()
		synctest.Wait()
	case e.Text == "stream ended: EOF":
		require.True(r.t, s.endsBefore(time.Now().Add(tolerance)), "%s: stream still open", e)
	}
}

// eventKey is what makes a received event the counterpart of a recorded one.
func eventKey(event any) string {
	kind := fmt.Sprint(dig(event, "type"))
	if kind == "UPDATE" {
		return kind + " " + fmt.Sprint(dig(event, "update", "status", "task_id", "value"))
	}
	return kind
}
