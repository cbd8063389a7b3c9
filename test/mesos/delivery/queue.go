package delivery

import (
	"bytes"
	"sync"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

// The first retry and the longest pause between two, as recorded and as in
// Mesos' source (STATUS_UPDATE_RETRY_INTERVAL_MIN and _MAX).
const (
	DefaultRetry = 10 * time.Second
	longestRetry = 10 * time.Minute
)

// An Update is what goes to the master: the update whose turn it is, and the
// latest state that the agent knows, which may be further on.
type Update struct {
	FrameworkID string
	Status      v1.TaskStatus
	Latest      v1.TaskState
}

// A Queue holds the unacknowledged updates of all tasks of one agent.
type Queue struct {
	retry time.Duration
	send  func(Update)

	mu    sync.Mutex
	tasks map[taskKey]*pending
}

type taskKey struct{ framework, task string }

type pending struct {
	updates []v1.TaskStatus // the first is the one on its way
	pause   time.Duration
	timer   *time.Timer
}

// NewQueue returns an empty queue. send is called without locks held and must
// not block for long; retry 0 means DefaultRetry.
func NewQueue(retry time.Duration, send func(Update)) *Queue {
	if retry <= 0 {
		retry = DefaultRetry
	}
	return &Queue{retry: retry, send: send, tasks: map[taskKey]*pending{}}
}

// Add queues an update; it goes out at once unless another of the task is
// still unacknowledged.
func (q *Queue) Add(framework string, status v1.TaskStatus) {
	key := taskKey{framework, status.TaskID.Value}
	q.mu.Lock()
	p := q.tasks[key]
	if p == nil {
		p = &pending{}
		q.tasks[key] = p
	}
	p.updates = append(p.updates, status)
	first := len(p.updates) == 1
	q.mu.Unlock()
	if first {
		q.deliver(key, true)
	}
}

// Acknowledge takes the update with that uuid off the queue and sends the
// next. Stray and repeated acknowledgements are ignored: accepted is false.
func (q *Queue) Acknowledge(framework, task string, uuid []byte) (acknowledged v1.TaskStatus, accepted bool) {
	key := taskKey{framework, task}
	q.mu.Lock()
	p := q.tasks[key]
	if p == nil || len(p.updates) == 0 || !bytes.Equal(p.updates[0].UUID, uuid) {
		q.mu.Unlock()
		return v1.TaskStatus{}, false
	}
	acknowledged = p.updates[0]
	p.stop()
	p.updates = p.updates[1:]
	more := len(p.updates) > 0
	if !more {
		delete(q.tasks, key)
	}
	q.mu.Unlock()
	if more {
		q.deliver(key, true)
	}
	return acknowledged, true
}

// Resend sends what is unacknowledged at once: the master or the framework is
// back. An empty framework means all.
func (q *Queue) Resend(framework string) {
	q.mu.Lock()
	var keys []taskKey
	for key := range q.tasks {
		if framework == "" || key.framework == framework {
			keys = append(keys, key)
		}
	}
	q.mu.Unlock()
	for _, key := range keys {
		q.deliver(key, true)
	}
}

// Forget drops everything of a framework that is gone.
func (q *Queue) Forget(framework string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key, p := range q.tasks {
		if key.framework == framework {
			p.stop()
			delete(q.tasks, key)
		}
	}
}

// Unacknowledged lists the updates of a task that wait, the first being the
// one on its way.
func (q *Queue) Unacknowledged(framework, task string) []v1.TaskStatus {
	q.mu.Lock()
	defer q.mu.Unlock()
	if p := q.tasks[taskKey{framework, task}]; p != nil {
		return append([]v1.TaskStatus(nil), p.updates...)
	}
	return nil
}

// Close stops all retries.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range q.tasks {
		p.stop()
	}
	q.tasks = map[taskKey]*pending{}
}

func (q *Queue) deliver(key taskKey, fresh bool) {
	q.mu.Lock()
	p := q.tasks[key]
	if p == nil || len(p.updates) == 0 {
		q.mu.Unlock()
		return
	}
	p.stop()
	if fresh {
		p.pause = q.retry
	}
	update := Update{FrameworkID: key.framework, Status: p.updates[0], Latest: p.updates[len(p.updates)-1].GetState()}
	p.timer = time.AfterFunc(p.pause, func() { q.deliver(key, false) })
	p.pause = min(2*p.pause, longestRetry)
	q.mu.Unlock()
	q.send(update)
}

func (p *pending) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}
