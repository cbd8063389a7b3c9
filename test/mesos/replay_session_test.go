package mesos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/recordio"

	"scaleio-framework/test/mesos"
)

// received is one event of a stream and when it came.
type received struct {
	at   time.Time
	key  string
	body any
}

// A session reads one subscription's stream.
type session struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	events []received
	news   chan struct{}
}

func newSession(response *http.Response, cancel context.CancelFunc) *session {
	s := &session{cancel: cancel, done: make(chan struct{}), news: make(chan struct{}, 1)}
	go func() {
		defer close(s.done)
		defer func() { _ = response.Body.Close() }()
		reader := recordio.NewReader(response.Body)
		for {
			frame, err := reader.ReadFrame()
			if err != nil {
				return
			}
			var body any
			if json.Unmarshal(frame, &body) != nil {
				return
			}
			s.mu.Lock()
			s.events = append(s.events, received{time.Now(), eventKey(body), body})
			s.mu.Unlock()
			select {
			case s.news <- struct{}{}:
			default:
			}
		}
	}()
	return s
}

func (s *session) close() {
	s.cancel()
	<-s.done
}

// take removes the first event with the key, waiting until the deadline.
func (s *session) take(key string, deadline time.Time) (received, bool) {
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	for {
		s.mu.Lock()
		for n, e := range s.events {
			if e.key == key {
				s.events = append(s.events[:n:n], s.events[n+1:]...)
				s.mu.Unlock()
				return e, true
			}
		}
		s.mu.Unlock()
		select {
		case <-s.news:
		case <-timeout.C:
			return received{}, false
		}
	}
}

func (s *session) endsBefore(deadline time.Time) bool {
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	select {
	case <-s.done:
		return true
	case <-timeout.C:
		return false
	}
}

func (s *session) waiting() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, e := range s.events {
		lines = append(lines, fmt.Sprintf("%s %v", e.key, e.body))
	}
	return strings.Join(lines, "\n")
}

// nothingLeft: whatever came was recorded too. Offers and heartbeats may come
// just before the end without having been recorded.
func (s *session) nothingLeft(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if (e.key == "OFFERS" || e.key == "HEARTBEAT") && time.Since(e.at) <= tolerance {
			continue
		}
		t.Errorf("not recorded: %s %v", e.at, e.body)
	}
}

// pipeListener connects client and server in memory, so that both can live in
// a synctest bubble.
type pipeListener struct {
	conns chan net.Conn
	ended chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), ended: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.ended:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) close() { l.once.Do(func() { close(l.ended) }) }

func (l *pipeListener) Close() error {
	l.close()
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// A replayAgent plays a recorded agent: its commands are "sleep N".
type replayAgent struct {
	spec    mesos.AgentSpec
	removed bool // unregistered

	mu     sync.Mutex
	agent  string
	isDown bool
	timers map[string]*time.Timer
	missed []*mesos.SimulatedTask // ended while the agent was down
}

func newReplayAgent(command string) *replayAgent {
	port, _ := strconv.Atoi(flag(command, "port"))
	a := &replayAgent{timers: map[string]*time.Timer{}}
	a.spec = mesos.AgentSpec{
		Port: port, Attributes: flag(command, "attributes"), Resources: flag(command, "resources"), Tasks: a,
	}
	return a
}

func (a *replayAgent) register(master *mesos.Master) {
	id := master.AddAgent(a.spec)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.agent = id
}

func (a *replayAgent) id() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.agent
}

func (a *replayAgent) down(master *mesos.Master) {
	a.mu.Lock()
	a.isDown = true
	a.mu.Unlock()
	master.DisconnectAgent(a.id())
}

func (a *replayAgent) up(master *mesos.Master) {
	a.mu.Lock()
	a.isDown = false
	missed := a.missed
	a.missed = nil
	a.mu.Unlock()
	for _, t := range missed {
		reason, source := v1.REASON_EXECUTOR_TERMINATED, v1.SOURCE_AGENT
		t.Update(mesos.TaskUpdate{State: v1.TASK_FAILED, Message: "Executor terminated", Reason: &reason, Source: &source})
	}
	master.ReturnAgent(a.id())
}

func (a *replayAgent) Launch(t *mesos.SimulatedTask) {
	t.Update(mesos.TaskUpdate{State: v1.TASK_STARTING})
	t.Update(mesos.TaskUpdate{State: v1.TASK_RUNNING})
	seconds, err := strconv.Atoi(strings.TrimPrefix(t.Info.GetCommand().GetValue(), "sleep "))
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timers[t.ID()] = time.AfterFunc(time.Duration(seconds)*time.Second, func() { a.end(t) })
}

func (a *replayAgent) end(t *mesos.SimulatedTask) {
	a.mu.Lock()
	if a.isDown {
		a.missed = append(a.missed, t)
		a.mu.Unlock()
		return
	}
	a.mu.Unlock()
	t.Update(mesos.TaskUpdate{State: v1.TASK_FINISHED, Message: "Command exited with status 0"})
}

func (a *replayAgent) Kill(t *mesos.SimulatedTask) {
	a.mu.Lock()
	if timer := a.timers[t.ID()]; timer != nil {
		timer.Stop()
	}
	a.mu.Unlock()
	for _, c := range t.Framework.Capabilities {
		if c.Type == v1.FrameworkInfo_Capability_TASK_KILLING_STATE {
			t.Update(mesos.TaskUpdate{State: v1.TASK_KILLING})
		}
	}
	t.Update(mesos.TaskUpdate{State: v1.TASK_KILLED, Message: "Command terminated with signal Terminated"})
}

func (a *replayAgent) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, timer := range a.timers {
		timer.Stop()
	}
}
