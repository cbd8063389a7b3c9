package server

import (
	"net"
	"sync"
)

// Connections at a time: in all, and of one address (many nodes may share one). A connection costs 50 kB before anybody said who he is.
const (
	maxConnections = 2048
	maxOfAddress   = 512
)

// limited closes what comes beyond the bounds; nodes try again. So whoever opens connections without end shuts out his own address first, and
// leaves file descriptors for the store and for Mesos.
type limited struct {
	net.Listener
	most, each int

	mu   sync.Mutex
	all  int
	from map[string]int
}

func limit(l net.Listener, most, each int) *limited {
	return &limited{Listener: l, most: most, each: each, from: map[string]int{}}
}

// Accept the next connection that is within the bounds.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := addressOf(conn.RemoteAddr().String())
		if l.take(address) {
			return &counted{Conn: conn, release: sync.OnceFunc(func() { l.release(address) })}, nil
		}
		_ = conn.Close()
	}
}

func (l *limited) take(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.most || l.from[address] >= l.each {
		return false
	}
	l.all++
	l.from[address]++
	return true
}

func (l *limited) release(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.from[address]--; l.from[address] == 0 {
		delete(l.from, address)
	}
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn
	release func()
}

func (c *counted) Close() error {
	c.release()
	return c.Conn.Close()
}

func addressOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
