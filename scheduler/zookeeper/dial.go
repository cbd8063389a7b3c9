package zookeeper

import (
	"net"
	"sync"
	"time"
)

// hosts hands out the servers as they were configured, so that their names are looked up at each connection: the library's own looks once, and
// an ensemble that moved, or a name server that is away at our start, would be for ever.
type hosts struct {
	mu      sync.Mutex
	servers []string
	turn    int
	since   int // servers tried since one was good
}

func (h *hosts) Init(servers []string) error {
	h.servers = servers // shuffled by the library
	return nil
}

func (h *hosts) Len() int { return len(h.servers) }

// Next server; after a round without success the library waits a second.
func (h *hosts) Next() (server string, again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	server = h.servers[h.turn%len(h.servers)]
	again = h.since > 0 && h.since%len(h.servers) == 0
	h.turn++
	h.since++
	return server, again
}

func (h *hosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.since = 0
}

// A dialer leaves a server that hangs while the session can still be carried to another one. The library waits 6 sessions long for the answer to
// its greeting, and 2/3 of one for each answer later.
type dialer struct{ length func() Length } // of the session, as far as it is known

func (d dialer) dial(network, address string, timeout time.Duration) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, min(timeout, d.length()/4))
	if err != nil {
		return nil, err
	}
	return &impatient{conn, d.length}, nil
}

type impatient struct {
	net.Conn
	length func() Length
}

// SetReadDeadline is told "never" or a very long time while a greeting waits, and 2/3 of the session afterwards; pings go out every third.
func (c *impatient) SetReadDeadline(t time.Time) error {
	session := c.length()
	limit := 2 * session / 5
	if wait := time.Until(t); t.IsZero() || wait > session {
		limit = session / 4
	} else if wait < limit {
		limit = wait
	}
	return c.Conn.SetReadDeadline(time.Now().Add(limit))
}
