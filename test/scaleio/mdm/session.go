package mdm

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"
)

// sessions live in the master's memory: a new master knows none, so clients must log in again, as with the product.
type sessions struct {
	length time.Duration
	mu     sync.Mutex
	open   map[string]session
}

type session struct {
	user string // id
	used time.Time
}

func (s *sessions) begin(user string) string {
	var token [16]byte
	_, _ = rand.Read(token[:])
	id := hex.EncodeToString(token[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]session{}
	}
	for old, v := range s.open {
		if time.Since(v.used) > s.length {
			delete(s.open, old)
		}
	}
	s.open[id] = session{user, time.Now()}
	return id
}

// user of a session that is still good; using it prolongs it.
func (s *sessions) user(id string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.open[id]
	if !ok || time.Since(v.used) > s.length {
		return "", false
	}
	v.used = time.Now()
	s.open[id] = v
	return v.user, true
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, id)
}

func (s *sessions) endOf(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, v := range s.open {
		if v.user == user {
			delete(s.open, id)
		}
	}
}

func (s *sessions) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = nil
}
