package mesos

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/mesos/mesos-go/api/v1/lib/recordio"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"scaleio-framework/test/mesos/wire"
)

// A stream is one subscription's connection. Events wait in a queue so that a
// scheduler that reads slowly delays nobody else.
type stream struct {
	id       string // Mesos-Stream-Id
	protobuf bool

	mu     sync.Mutex
	queue  []*scheduler.Event
	ended  bool
	broken bool // the connection is to be cut without a proper end
	silent bool // nothing is written, heartbeats neither
	wake   chan struct{}
}

func newStream(protobuf bool) *stream {
	return &stream{id: newUUID(), protobuf: protobuf, wake: make(chan struct{}, 1)}
}

func (s *stream) send(e *scheduler.Event) {
	s.change(func() {
		if !s.ended {
			s.queue = append(s.queue, e)
		}
	})
}

// close ends the stream properly after what is queued.
func (s *stream) close() { s.change(func() { s.ended = true }) }

// cut breaks the connection as a network failure or a killed master does.
func (s *stream) cut() { s.change(func() { s.ended, s.broken = true, true }) }

// fall into silence: the connection stays, nothing comes any more.
func (s *stream) goSilent() { s.change(func() { s.silent = true }) }

func (s *stream) change(apply func()) {
	s.mu.Lock()
	apply()
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *stream) take() (events []*scheduler.Event, ended, broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent && !s.ended {
		return nil, false, false
	}
	events, s.queue = s.queue, nil
	return events, s.ended, s.broken
}

// serve writes records until the stream ends or the client leaves. The first
// HEARTBEAT follows SUBSCRIBED at once, the others at every interval.
func (s *stream) serve(ctx context.Context, w http.ResponseWriter, heartbeat time.Duration) {
	w.Header().Set("Content-Type", s.mediaType())
	w.Header().Set("Mesos-Stream-Id", s.id)
	w.WriteHeader(http.StatusOK)
	controller := http.NewResponseController(w)
	if controller.Flush() != nil {
		return
	}
	out := recordWriter{to: recordio.NewWriter(w), flush: controller.Flush, protobuf: s.protobuf}
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-ticker.C:
			if !s.ends() {
				s.send(event(scheduler.Event_HEARTBEAT))
			}
		}
		events, ended, broken := s.take()
		if broken {
			panic(http.ErrAbortHandler)
		}
		for _, e := range events {
			if out.write(e) != nil {
				return
			}
		}
		if ended {
			return
		}
	}
}

func (s *stream) ends() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

func (s *stream) mediaType() string {
	if s.protobuf {
		return mediaProtobuf
	}
	return mediaJSON
}

// recordWriter sends one record per chunk, as Mesos does.
type recordWriter struct {
	to       *recordio.Writer
	flush    func() error
	protobuf bool
}

func (w recordWriter) write(e *scheduler.Event) error {
	encode := wire.Marshal
	if w.protobuf {
		encode = proto.Marshal
	}
	body, err := encode(e)
	if err != nil {
		return err
	}
	if err := w.to.WriteFrame(body); err != nil {
		return err
	}
	return w.flush()
}
