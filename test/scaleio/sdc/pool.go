package sdc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"scaleio-framework/test/scaleio/sds"
	"scaleio-framework/test/scaleio/wire"
)

const (
	idlePerSDS = 4
	ioWithin   = 20 * time.Second // one request to one SDS; a sync on a busy disk may take long
	avoidFor   = 3 * time.Second  // reads prefer the other copy that long after a failure
)

// pool keeps connections to SDSs.
type pool struct {
	dial func(ctx context.Context, addr string) (net.Conn, error)

	mu     sync.Mutex
	idle   map[string][]*sds.Conn
	failed map[string]time.Time
	closed bool
}

func newPool(dial func(ctx context.Context, addr string) (net.Conn, error)) *pool {
	return &pool{dial: dial, idle: map[string][]*sds.Conn{}, failed: map[string]time.Time{}}
}

// do runs one request. An idle connection that turns out to be closed by the SDS is replaced once: a closed one can't have a write
// under way any more. A timeout isn't repeated here: that write may still land, so only a new generation may follow it.
func (p *pool) do(ctx context.Context, addr string, request func(*sds.Conn) error) error {
	for {
		c, reused, err := p.take(ctx, addr)
		if err != nil {
			p.note(addr, err)
			return err
		}
		err = request(c)
		var refused *sds.RefusedError
		if err == nil || errors.As(err, &refused) {
			p.put(addr, c)
			p.note(addr, nil)
			return err
		}
		c.Close()
		var network net.Error
		if timeout := errors.As(err, &network) && network.Timeout(); !reused || timeout {
			p.note(addr, err)
			return err
		}
	}
}

func (p *pool) take(ctx context.Context, addr string) (c *sds.Conn, reused bool, err error) {
	p.mu.Lock()
	if n := len(p.idle[addr]); n > 0 {
		c, p.idle[addr] = p.idle[addr][n-1], p.idle[addr][:n-1]
	}
	p.mu.Unlock()
	if c != nil {
		return c, true, nil
	}
	conn, err := p.dial(ctx, addr)
	if err != nil {
		return nil, false, fmt.Errorf("connecting to sds %s: %w", addr, err)
	}
	return sds.NewConn(conn), false, nil
}

func (p *pool) put(addr string, c *sds.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle[addr]) >= idlePerSDS {
		c.Close()
		return
	}
	p.idle[addr] = append(p.idle[addr], c)
}

func (p *pool) note(addr string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		delete(p.failed, addr)
		return
	}
	p.failed[addr] = time.Now()
}

// order puts copies whose SDS failed a moment ago last.
func (p *pool) order(copies []wire.Copy) []wire.Copy {
	p.mu.Lock()
	defer p.mu.Unlock()
	avoid := func(c wire.Copy) int {
		if at, ok := p.failed[c.Addr]; ok && time.Since(at) < avoidFor {
			return 1
		}
		return 0
	}
	ordered := slices.Clone(copies)
	slices.SortStableFunc(ordered, func(a, b wire.Copy) int { return avoid(a) - avoid(b) })
	return ordered
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, idle := range p.idle {
		for _, c := range idle {
			c.Close()
		}
	}
	clear(p.idle)
}
