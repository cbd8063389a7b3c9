package sdc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"scaleio-framework/test/scaleio/wire"
)

// The MDM answers one request after the other and may hold one back while it fences a volume, so silence alone isn't death.
const (
	pingEvery    = time.Second
	silentIdle   = 4 * time.Second // with nothing asked but the ping
	answerWithin = 20 * time.Second
)

var errSessionLost = errors.New("connection to the MDM lost")

// session is one connection to an MDM: requests by sequence number, and maps that the MDM pushes.
type session struct {
	conn   net.Conn
	onMaps func(a wire.SDCAnswer) // called in the order of arrival, before a request that caused it returns

	mu      sync.Mutex
	seq     int64
	waiting map[int64]chan wire.SDCAnswer

	lost chan struct{}
}

func newSession(c net.Conn, onMaps func(wire.SDCAnswer)) *session {
	return &session{conn: c, onMaps: onMaps, waiting: map[int64]chan wire.SDCAnswer{}, lost: make(chan struct{})}
}

// receive runs until the connection ends.
func (s *session) receive() {
	defer close(s.lost)
	in := json.NewDecoder(s.conn)
	for {
		var a wire.SDCAnswer
		if err := in.Decode(&a); err != nil {
			_ = s.conn.Close()
			return
		}
		if a.Error == "" {
			s.onMaps(a)
		}
		s.mu.Lock()
		if answer := s.waiting[a.Seq]; answer != nil {
			answer <- a
			delete(s.waiting, a.Seq)
		}
		s.mu.Unlock()
	}
}

// ask fails when the MDM refuses, doesn't answer in time or is lost.
func (s *session) ask(ctx context.Context, req wire.SDCRequest) (wire.SDCAnswer, error) {
	answer := make(chan wire.SDCAnswer, 1)
	if err := s.send(&req, answer); err != nil {
		return wire.SDCAnswer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	defer s.forget(req.Seq)
	select {
	case a := <-answer:
		if a.Error != "" {
			return a, fmt.Errorf("asking the MDM to %s: %s", req.Op, a.Error)
		}
		return a, nil
	case <-s.lost:
		return wire.SDCAnswer{}, fmt.Errorf("asking the MDM to %s: %w", req.Op, errSessionLost)
	case <-ctx.Done():
		return wire.SDCAnswer{}, fmt.Errorf("asking the MDM to %s: %w", req.Op, context.Cause(ctx))
	}
}

func (s *session) forget(seq int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, seq)
}

func (s *session) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

func (s *session) send(req *wire.SDCRequest, answer chan wire.SDCAnswer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	req.Seq = s.seq
	line, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", req.Op, err)
	}
	s.waiting[req.Seq] = answer
	if err := s.conn.SetWriteDeadline(time.Now().Add(answerWithin)); err == nil {
		_, err = s.conn.Write(append(line, '\n'))
		if err == nil {
			return nil
		}
	}
	delete(s.waiting, req.Seq)
	return fmt.Errorf("asking the MDM to %s: %w", req.Op, errSessionLost)
}

var errSilent = errors.New("the MDM is silent")

// keepAlive notices an MDM that went silent; it returns when the session is over.
func (s *session) keepAlive(ctx context.Context) {
	ticks := time.NewTicker(pingEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.lost:
			return
		case <-ticks.C:
		}
		if err := s.ping(ctx); err != nil {
			return
		}
	}
}

func (s *session) ping(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(silentIdle, func() {
		if s.asked() <= 1 {
			cancel(errSilent)
		}
	})
	defer idle.Stop()
	_, err := s.ask(ctx, wire.SDCRequest{Op: "ping"})
	return err
}
