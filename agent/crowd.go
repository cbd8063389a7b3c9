package agent

import (
	"net"
	"sync"
)

// maxCrowd is how many connections the health endpoint has at a time. Anybody on the network may open them, and the kernel's OOM killer spares us.
const maxCrowd = 64

// crowd closes what comes beyond that. This machine's own connections are counted apart, so that the network can't keep the Mesos agent's health
// check out.
type crowd struct {
	net.Listener
	mu     sync.Mutex
	inside map[bool]int // by whether they come from this machine
}

// Accept the next connection that there is room for.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		own := ownConnection(conn)
		if c.enter(own) {
			return &visitor{Conn: conn, leave: sync.OnceFunc(func() { c.left(own) })}, nil
		}
		_ = conn.Close()
	}
}

func (c *crowd) enter(own bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inside[own] >= maxCrowd {
		return false
	}
	c.inside[own]++
	return true
}

func (c *crowd) left(own bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside[own]--
}

// ownConnection has the same address at both ends, or loopback's.
func ownConnection(conn net.Conn) bool {
	from, ok1 := conn.RemoteAddr().(*net.TCPAddr)
	to, ok2 := conn.LocalAddr().(*net.TCPAddr)
	return ok1 && ok2 && (from.IP.IsLoopback() || from.IP.Equal(to.IP))
}

type visitor struct {
	net.Conn
	leave func()
}

func (v *visitor) Close() error {
	v.leave()
	return v.Conn.Close()
}
