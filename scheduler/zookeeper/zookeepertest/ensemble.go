// Package zookeepertest is an ensemble in memory, with sessions and the faults that real ones have: for tests of what is built on package
// zookeeper.
package zookeepertest

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"scaleio-framework/scheduler/zookeeper"
)

type znode struct {
	data    []byte
	version int32
	owner   int64
	acl     []zookeeper.ACL
}

// An Ensemble holds the znodes of all its sessions.
type Ensemble struct {
	mu       sync.Mutex
	znodes   map[string]*znode
	sessions int64
	changed  chan struct{} // closed and replaced at each change
}

// New makes an empty one.
func New() *Ensemble {
	return &Ensemble{znodes: map[string]*znode{"/": {}}, changed: make(chan struct{})}
}

// Client opens a session.
func (e *Ensemble) Client(length time.Duration) *Client {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sessions++
	return &Client{ensemble: e, id: e.sessions, length: length}
}

// Put changes a znode as somebody else's hand would; nil data removes it.
func (e *Ensemble) Put(name string, data []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if data == nil {
		delete(e.znodes, name)
	} else if z := e.znodes[name]; z != nil {
		z.data, z.version = data, z.version+1
	} else {
		e.znodes[name] = &znode{data: data}
	}
	e.tell()
}

// Data of all znodes that have some.
func (e *Ensemble) Data() map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := map[string]string{}
	for name, z := range e.znodes {
		if len(z.data) > 0 {
			all[name] = string(z.data)
		}
	}
	return all
}

func (e *Ensemble) tell() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// A Client is one session.
type Client struct {
	ensemble *Ensemble
	length   time.Duration

	mu    sync.Mutex
	id    int64
	cut   bool
	fault func(call string) Answer
}

// Fault is asked before each call, by its name ("get /x", "multi"), what is to become of it; nil = nothing is wrong.
func (c *Client) Fault(fault func(call string) Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = fault
}

// Answer says what becomes of a call.
type Answer int

// The fates of a call.
const (
	Given Answer = iota
	Lost         // it was done, and the connection broke before the answer
	Never        // it wasn't even sent
)

var _ zookeeper.Client = (*Client)(nil)

// Cut the connection, or mend it. Calls block meanwhile.
func (c *Client) Cut(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
}

// Expire the session, as the ensemble does when it heard nothing for its length: the client has another one when it comes back.
func (c *Client) Expire() {
	c.ensemble.end(c.Session().ID)
	next := c.ensemble.Client(c.length)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = next.id
}

func (e *Ensemble) end(session int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.znodes, func(_ string, z *znode) bool { return z.owner == session && session != 0 })
	e.tell()
}

// Close the session.
func (c *Client) Close() { c.ensemble.end(c.Session().ID) }

// Session of now.
func (c *Client) Session() zookeeper.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return zookeeper.Session{ID: c.id, Length: c.length}
}

// call the ensemble, if it can be.
func (c *Client) call(ctx context.Context, name string, do func(e *Ensemble, session int64) error) error {
	c.mu.Lock()
	cut, id, fault := c.cut, c.id, c.fault
	c.mu.Unlock()
	if cut {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w (%w)", name, zookeeper.ErrUnknown, ctx.Err())
	}
	answer := Given
	if fault != nil {
		answer = fault(name)
	}
	if answer == Never {
		return fmt.Errorf("%s: %w", name, zookeeper.ErrUnknown)
	}
	c.ensemble.mu.Lock()
	err := do(c.ensemble, id)
	c.ensemble.mu.Unlock()
	if answer == Lost {
		return fmt.Errorf("%s: %w", name, zookeeper.ErrUnknown)
	}
	return err
}

// Get a znode's data.
func (c *Client) Get(ctx context.Context, name string) (data []byte, stat zookeeper.Stat, err error) {
	err = c.call(ctx, "get "+name, func(e *Ensemble, _ int64) error {
		z := e.znodes[name]
		if z == nil {
			return fmt.Errorf("reading %s: %w", name, zookeeper.ErrNoNode)
		}
		data, stat = slices.Clone(z.data), zookeeper.Stat{Version: z.version, Owner: z.owner}
		return nil
	})
	return data, stat, err
}

// ACL of a znode.
func (c *Client) ACL(ctx context.Context, name string) (acl []zookeeper.ACL, err error) {
	err = c.call(ctx, "acl "+name, func(e *Ensemble, _ int64) error {
		if z := e.znodes[name]; z != nil {
			acl = z.acl
			return nil
		}
		return zookeeper.ErrNoNode
	})
	return acl, err
}

// Children of a znode.
func (c *Client) Children(ctx context.Context, name string) (names []string, err error) {
	err = c.call(ctx, "children "+name, func(e *Ensemble, _ int64) error {
		if e.znodes[name] == nil {
			return fmt.Errorf("listing %s: %w", name, zookeeper.ErrNoNode)
		}
		for child := range e.znodes {
			if child != "/" && path.Dir(child) == name {
				names = append(names, path.Base(child))
			}
		}
		return nil
	})
	return names, err
}

// Sync does nothing: nobody is behind here.
func (c *Client) Sync(ctx context.Context, name string) error {
	return c.call(ctx, "sync", func(*Ensemble, int64) error { return nil })
}

// Watch is told of every change.
func (c *Client) Watch(ctx context.Context, name string) (changed <-chan struct{}, err error) {
	err = c.call(ctx, "watch "+name, func(e *Ensemble, _ int64) error { changed = e.changed; return nil })
	return changed, err
}

// Multi makes all changes or none.
func (c *Client) Multi(ctx context.Context, ops ...zookeeper.Op) error {
	return c.call(ctx, "multi", func(e *Ensemble, session int64) error {
		size := 0
		was, next := e.znodes, maps.Clone(e.znodes)
		e.znodes = next
		for i, op := range ops {
			size += len(op.Path) + len(op.Data)
			if err := e.do(op, session); err != nil {
				e.znodes = was
				return &zookeeper.OpError{Index: i, Op: op, Err: err}
			}
		}
		if size > zookeeper.MaxRequest { // the real one hangs up
			e.znodes = was
			return fmt.Errorf("writing %d bytes: %w", size, zookeeper.ErrUnknown)
		}
		e.tell()
		return nil
	})
}

func (e *Ensemble) do(op zookeeper.Op, session int64) error {
	z := e.znodes[op.Path]
	if op.Kind == zookeeper.Create || op.Kind == zookeeper.CreateEphemeral {
		made := &znode{data: slices.Clone(op.Data), acl: op.ACL}
		if op.Kind == zookeeper.CreateEphemeral {
			made.owner = session
		}
		switch {
		case z != nil:
			return zookeeper.ErrNodeExists
		case e.znodes[path.Dir(op.Path)] == nil:
			return zookeeper.ErrNoNode
		}
		e.znodes[op.Path] = made
		return nil
	}
	switch {
	case z == nil:
		return zookeeper.ErrNoNode
	case z.version != op.Version:
		return zookeeper.ErrBadVersion
	case op.Kind == zookeeper.Set:
		e.znodes[op.Path] = &znode{slices.Clone(op.Data), z.version + 1, z.owner, z.acl}
	case op.Kind == zookeeper.Delete:
		for child := range e.znodes {
			if strings.HasPrefix(child, op.Path+"/") {
				return fmt.Errorf("%s has children", op.Path)
			}
		}
		delete(e.znodes, op.Path)
	}
	return nil
}
