package preflight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Bounds of a meeting: what somebody who isn't expected, or sends much, can take.
const (
	meetingLife  = 10 * time.Minute // without being asked for again
	answerLimit  = 3 * time.Second  // for one conversation
	maxInside    = 16               // conversations at a time, of all ports together
	conversation = 16 << 10         // bytes that are sent back: a dozen full-size packets each way, and no more
)

// A TakenError is a port that somebody else listens on.
type TakenError struct {
	Port int
	By   string // its program; "" = can't be told
}

func (e *TakenError) Error() string {
	by := ""
	if e.By != "" {
		by = " by " + e.By
	}
	return fmt.Sprintf("port %d is taken%s", e.Port, by)
}

// A Meeting is the set of ports that one machine keeps open for its peers.
type Meeting struct {
	mu    sync.Mutex
	open  map[int]*net.TCPListener
	peers map[netip.Addr]bool
	all   sync.WaitGroup
	room  chan struct{}
}

// Meet opens the ports, or keeps them open, and answers these peers alone. Ports of an earlier call that aren't asked for any more are closed.
func (m *Meeting) Meet(ports []int, peers []netip.Addr) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open == nil {
		m.open, m.room = map[int]*net.TCPListener{}, make(chan struct{}, maxInside)
	}
	m.peers = map[netip.Addr]bool{}
	for _, p := range peers {
		m.peers[p.Unmap()] = true
	}
	for port, l := range m.open {
		if !slices.Contains(ports, port) {
			l.Close()
			delete(m.open, port)
		}
	}
	var errs []error
	for _, port := range ports {
		errs = append(errs, m.keep(port))
	}
	return errors.Join(errs...)
}

func (m *Meeting) keep(port int) error {
	if l := m.open[port]; l != nil && l.SetDeadline(time.Now().Add(meetingLife)) == nil {
		return nil
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{Port: port})
	if errors.Is(err, syscall.EADDRINUSE) {
		return &TakenError{port, holder(port)}
	}
	if err == nil {
		err = l.SetDeadline(time.Now().Add(meetingLife))
	}
	if err != nil {
		return fmt.Errorf("listening on port %d for the other nodes: %w", port, err)
	}
	m.open[port] = l
	m.all.Go(func() { m.answer(port, l) })
	return nil
}

// answer until the listener is closed, or its time is up.
func (m *Meeting) answer(port int, l *net.TCPListener) {
	defer func() {
		l.Close()
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.open[port] == l {
			delete(m.open, port)
		}
	}()
	for {
		conn, err := l.AcceptTCP()
		if err != nil {
			return
		}
		select {
		case m.room <- struct{}{}:
		default: // full
			conn.Close()
			continue
		}
		m.all.Go(func() {
			defer func() { <-m.room }()
			defer conn.Close()
			if m.expects(conn.RemoteAddr()) {
				_ = conn.SetDeadline(time.Now().Add(answerLimit))
				_, _ = io.CopyN(plainWriter{conn}, conn, conversation) // whoever left doesn't need the answer
			}
		})
	}
}

// plainWriter hides that a connection can splice: what is sent back goes through one small buffer.
type plainWriter struct{ io.Writer }

func (m *Meeting) expects(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	m.mu.Lock()
	defer m.mu.Unlock()
	return ok && m.peers[tcp.AddrPort().Addr().Unmap()]
}

// Part closes all ports and waits for the last conversation.
func (m *Meeting) Part() {
	m.mu.Lock()
	for port, l := range m.open {
		l.Close()
		delete(m.open, port)
	}
	m.mu.Unlock()
	m.all.Wait()
}

// Ways in which a peer isn't reached.
var (
	ErrRefused     = errors.New("nobody listens there")
	ErrUnreachable = errors.New("no answer: a firewall or a route stands between")
	ErrStranger    = errors.New("something listens there that isn't the peer's agent, or it doesn't expect us")
	ErrMTU         = errors.New("small packets come back, full-size ones don't: the path takes less than both ends' MTU and nobody says so")
)

const (
	connectLimit = 2 * time.Second
	nonceBytes   = 32
)

// Probe a peer's port at "host:port": connect, and have what is sent come back; then so much that full-size packets go both ways. TCP forbids routers to cut them up
// (DF), so that a path with a smaller MTU shows here and not under the first rebuild. With connect alone an open port, whoever has it, will do.
func Probe(ctx context.Context, addr string, nonce []byte, connectAlone bool) error {
	ctx, cancel := context.WithTimeout(ctx, connectLimit+2*answerLimit)
	defer cancel()
	conn, err := (&net.Dialer{Timeout: connectLimit}).DialContext(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return ErrRefused
	case err != nil:
		return fmt.Errorf("%w (%v)", ErrUnreachable, err)
	}
	defer conn.Close()
	if connectAlone {
		return nil
	}
	small := slices.Repeat(nonce, nonceBytes/max(len(nonce), 1)+1)[:nonceBytes]
	if err := echo(conn, small); err != nil {
		return ErrStranger
	}
	if err := echo(conn, slices.Repeat(small, conversation/nonceBytes-1)); err != nil {
		return ErrMTU
	}
	return nil
}

func echo(conn net.Conn, sent []byte) error {
	if err := conn.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return err
	}
	if _, err := conn.Write(sent); err != nil {
		return err
	}
	back := make([]byte, len(sent))
	if _, err := io.ReadFull(conn, back); err != nil {
		return err
	}
	if !slices.Equal(sent, back) {
		return errors.New("something else came back")
	}
	return nil
}
