package executor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/google/uuid"
	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

const (
	reconnectPause = 100 * time.Millisecond
	// lastWords is how long an executor waits for the agent to take the
	// terminal update, as Mesos' command executor does.
	lastWords = time.Second
)

// An Executor runs one task.
type Executor struct {
	spec      Spec
	task      v1.TaskInfo
	framework v1.FrameworkInfo
	log       *slog.Logger

	subscribed chan struct{} // closed at the first subscription
	kills      chan time.Duration

	mu      sync.Mutex
	conn    *Conn
	waiting []v1.TaskStatus // not yet received by the agent
	taken   chan struct{}   // signalled when the agent has received one
	healthy *bool
	check   *v1.CheckStatusInfo
	ended   bool
}

// New reads the spec's messages.
func New(spec Spec, log *slog.Logger) (*Executor, error) {
	e := &Executor{
		spec: spec, log: log, subscribed: make(chan struct{}),
		kills: make(chan time.Duration, 8), taken: make(chan struct{}, 1),
	}
	if err := proto.Unmarshal(spec.Task, &e.task); err != nil {
		return nil, fmt.Errorf("reading the task of container %s: %w", spec.ContainerID, err)
	}
	if err := proto.Unmarshal(spec.Framework, &e.framework); err != nil {
		return nil, fmt.Errorf("reading the framework of container %s: %w", spec.ContainerID, err)
	}
	e.check = emptyCheck(e.task.Check)
	return e, nil
}

// Run carries the task out and returns when it is over and reported.
func (e *Executor) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := e.bindMounts(); err != nil {
		return err
	}
	connected := make(chan error, 1)
	go func() { connected <- e.stayConnected(ctx) }()
	select {
	case <-e.subscribed:
	case err := <-connected:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
	e.log.Info("subscribed executor", "container", e.spec.ContainerID)
	e.update(v1.TASK_STARTING, "", nil)
	state, message := e.runCommand(ctx, connected)
	e.mu.Lock()
	e.ended = true
	e.mu.Unlock()
	e.update(state, message, nil)
	e.sayLastWords(ctx)
	return nil
}

// sayLastWords waits until the agent has everything, or is not there.
func (e *Executor) sayLastWords(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	for {
		e.mu.Lock()
		left := len(e.waiting)
		e.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-e.taken:
		case <-ctx.Done():
			return
		}
	}
}

// update reports a state with the latest results of checks.
func (e *Executor) update(state v1.TaskState, message string, reason *v1.TaskStatus_Reason) {
	id := uuid.New()
	executor := v1.ExecutorID{Value: e.task.TaskID.Value}
	now := float64(time.Now().UnixMicro()) / 1e6
	status := v1.TaskStatus{
		TaskID: e.task.TaskID, State: &state, Source: v1.SOURCE_EXECUTOR.Enum(), Reason: reason,
		ExecutorID: &executor, UUID: id[:], Timestamp: &now,
	}
	if message != "" {
		status.Message = &message
	}
	e.mu.Lock()
	if e.ended && state == v1.TASK_RUNNING {
		e.mu.Unlock()
		return // a check that ended after the task
	}
	status.Healthy, status.CheckStatus = e.healthy, e.check
	e.waiting = append(e.waiting, status)
	conn := e.conn
	e.mu.Unlock()
	if conn != nil {
		send(conn, status)
	}
}

func send(conn *Conn, status v1.TaskStatus) {
	data, err := proto.Marshal(&status)
	if err != nil {
		return
	}
	// A broken connection shows in its reader; the update goes out again then.
	_ = conn.Send(Message{Kind: Update, Status: data})
}

// stayConnected subscribes with the agent and again whenever it comes back. A
// task without checkpointing ends with its agent.
func (e *Executor) stayConnected(ctx context.Context) error {
	for {
		err := e.session(ctx)
		if !e.spec.Checkpoint {
			return fmt.Errorf("agent is gone and the framework doesn't checkpoint: %w", err)
		}
		pause := time.NewTimer(reconnectPause)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}

func (e *Executor) session(ctx context.Context) error {
	dialer := net.Dialer{Timeout: 2 * time.Second}
	raw, err := dialer.DialContext(ctx, "unix", e.spec.Socket)
	if err != nil {
		return err
	}
	conn := NewConn(raw)
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := conn.Send(Message{Kind: Subscribe, ContainerID: e.spec.ContainerID, PID: os.Getpid()}); err != nil {
		return err
	}
	defer func() {
		e.mu.Lock()
		e.conn = nil
		e.mu.Unlock()
	}()
	for {
		m, err := conn.Receive()
		if err != nil {
			return err
		}
		switch m.Kind {
		case Subscribed:
			e.resume(conn)
		case Received:
			e.received(m.UUID)
		case Kill:
			select {
			case e.kills <- m.Grace:
			default: // a kill is under way
			}
		}
	}
}

// resume sends what the agent hasn't confirmed.
func (e *Executor) resume(conn *Conn) {
	e.mu.Lock()
	e.conn = conn
	waiting := append([]v1.TaskStatus(nil), e.waiting...)
	e.mu.Unlock()
	for _, status := range waiting {
		send(conn, status)
	}
	select {
	case <-e.subscribed:
	default:
		close(e.subscribed)
	}
}

func (e *Executor) received(uuid []byte) {
	e.mu.Lock()
	for n, status := range e.waiting {
		if string(status.UUID) == string(uuid) {
			e.waiting = append(e.waiting[:n:n], e.waiting[n+1:]...)
			break
		}
	}
	e.mu.Unlock()
	select {
	case e.taken <- struct{}{}:
	default:
	}
}

var errNoCommand = errors.New("task has no command")
