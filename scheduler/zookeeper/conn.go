package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"scaleio-framework/scheduler/api"
)

// Length of a session.
type Length = time.Duration

// MaxRequest is what ZooKeeper takes in one request unless its jute.maxbuffer says otherwise (0xfffff bytes); a larger one makes it hang up.
const MaxRequest = 1<<20 - 1

// maxResponse bounds what is read at once: a list of 100,000 names of 80 characters.
const maxResponse = 16 << 20

// Options of a Conn.
type Options struct {
	Servers []string // host:port
	Session Length   // asked for; the ensemble may grant another
	Auth    api.Secret
	Log     *slog.Logger
}

// A Conn goes on connecting until it is closed. After an expired session it has a new one by itself, in which nothing of the old is left:
// Session tells.
type Conn struct {
	conn *zk.Conn
	log  *slog.Logger

	mu      sync.Mutex
	length  Length
	watches map[string]*watch // by path
}

var _ Client = (*Conn)(nil)

// Dial begins to connect; it waits for nothing.
func Dial(o Options) (*Conn, error) {
	c := &Conn{log: o.Log, length: o.Session, watches: map[string]*watch{}}
	servers := dialer{func() Length { c.mu.Lock(); defer c.mu.Unlock(); return c.length }}
	conn, _, err := zk.Connect(o.Servers, o.Session,
		zk.WithLogger(c), zk.WithMaxBufferSize(maxResponse),
		zk.WithDialer(servers.dial), zk.WithHostProvider(&hosts{}))
	if err != nil {
		return nil, fmt.Errorf("connecting to ZooKeeper: %w", err)
	}
	c.conn = conn
	return c, nil
}

// Authenticate shows "user:password" in this session, and in each connection that follows.
func (c *Conn) Authenticate(ctx context.Context, auth api.Secret) error {
	_, err := within(ctx, c, "authenticating", func() (struct{}, error) {
		return struct{}{}, c.conn.AddAuth("digest", []byte(auth.Reveal()))
	})
	return err
}

// Printf takes the library's log. Its line about a new connection is the one place where the length of the session is told that the ensemble
// granted.
func (c *Conn) Printf(format string, a ...any) {
	if format == "authenticated: id=%d, timeout=%d" && len(a) == 2 {
		if ms, ok := a[1].(int32); ok {
			c.mu.Lock()
			c.length = Length(ms) * time.Millisecond
			c.mu.Unlock()
		}
	}
	c.log.Debug("ZooKeeper", "said", fmt.Sprintf(format, a...))
}

// Session of now.
func (c *Conn) Session() Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Session{ID: c.conn.SessionID(), Length: c.length}
}

// Get a znode's data.
func (c *Conn) Get(ctx context.Context, path string) ([]byte, Stat, error) {
	type found struct {
		data []byte
		stat Stat
	}
	f, err := within(ctx, c, "reading "+path, func() (found, error) {
		data, stat, err := c.conn.Get(path)
		if err != nil {
			return found{}, err
		}
		return found{data, Stat{stat.Version, stat.EphemeralOwner}}, nil
	})
	return f.data, f.stat, err
}

// Children of a znode, in no order.
func (c *Conn) Children(ctx context.Context, path string) ([]string, error) {
	return within(ctx, c, "listing "+path, func() ([]string, error) {
		names, _, err := c.conn.Children(path)
		return names, err
	})
}

// ACL of a znode.
func (c *Conn) ACL(ctx context.Context, path string) ([]ACL, error) {
	return within(ctx, c, "reading the ACL of "+path, func() ([]ACL, error) {
		acl, _, err := c.conn.GetACL(path)
		return acl, err
	})
}

// Sync with the ensemble's leader.
func (c *Conn) Sync(ctx context.Context, path string) error {
	_, err := within(ctx, c, "catching up", func() (string, error) { return c.conn.Sync(path) })
	return err
}

// Watch a znode and its children. What is watched already isn't asked for again: the library keeps a channel for each time it is asked, until the znode changes.
func (c *Conn) Watch(ctx context.Context, path string) (<-chan struct{}, error) {
	return within(ctx, c, "watching "+path, func() (<-chan struct{}, error) {
		c.mu.Lock()
		w := c.watches[path]
		if w == nil {
			w = &watch{told: make(chan struct{})}
			c.watches[path] = w
		}
		told, node, list := w.told, w.node, w.list
		c.mu.Unlock()
		if !node {
			_, _, changed, err := c.conn.ExistsW(path)
			if err != nil {
				return nil, err
			}
			c.waits(w, &w.node, changed)
		}
		if !list {
			_, _, changed, err := c.conn.ChildrenW(path)
			if err != nil && !errors.Is(err, zk.ErrNoNode) {
				return nil, err
			}
			if err == nil {
				c.waits(w, &w.list, changed)
			}
		}
		return told, nil
	})
}

// watch of one path: what the library has yet to tell, and who waits for it.
type watch struct {
	told       chan struct{}
	node, list bool // the library watches the znode, its children
}

// waits for one event; it comes with the end of the session at the latest: then the library tells all.
func (c *Conn) waits(w *watch, outstanding *bool, event <-chan zk.Event) {
	c.mu.Lock()
	*outstanding = true
	c.mu.Unlock()
	go func() {
		<-event
		c.mu.Lock()
		defer c.mu.Unlock()
		*outstanding = false
		close(w.told)
		w.told = make(chan struct{})
	}()
}

// Multi makes all changes or none.
func (c *Conn) Multi(ctx context.Context, ops ...Op) error {
	raw := make([]any, len(ops))
	for i, op := range ops {
		switch op.Kind {
		case Create:
			raw[i] = &zk.CreateRequest{Path: op.Path, Data: op.Data, Acl: op.ACL}
		case CreateEphemeral:
			raw[i] = &zk.CreateRequest{Path: op.Path, Data: op.Data, Acl: op.ACL, Flags: zk.FlagEphemeral}
		case Set:
			raw[i] = &zk.SetDataRequest{Path: op.Path, Data: op.Data, Version: op.Version}
		case Delete:
			raw[i] = &zk.DeleteRequest{Path: op.Path, Version: op.Version}
		case Check:
			raw[i] = &zk.CheckVersionRequest{Path: op.Path, Version: op.Version}
		}
	}
	answers, err := within(ctx, c, "writing", func() ([]zk.MultiResponse, error) { return c.conn.Multi(raw...) })
	if errors.Is(err, ErrUnknown) {
		return err
	}
	for i, a := range answers { // the ops after the one that failed carry a "runtime inconsistency", those before it nothing
		for _, known := range []error{zk.ErrNoNode, zk.ErrNodeExists, zk.ErrBadVersion, zk.ErrNoAuth, zk.ErrNotEmpty, zk.ErrInvalidACL, zk.ErrNoChildrenForEphemerals} {
			if i < len(ops) && errors.Is(a.Error, known) {
				return &OpError{i, ops[i], known}
			}
		}
	}
	return err
}

// Close ends the session at once: what is ephemeral goes.
func (c *Conn) Close() { c.conn.Close() }

// within bounds a call of the library, which knows no deadlines. What it left behind ends when the connection does.
func within[T any](ctx context.Context, c *Conn, what string, call func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := call()
		done <- result{value, err}
	}()
	var none T
	select {
	case <-ctx.Done():
		return none, fmt.Errorf("%s: %w (%w; the connection is %s)", what, ErrUnknown, context.Cause(ctx), c.conn.State())
	case r := <-done:
		switch {
		case r.err == nil:
			return r.value, nil
		case cutOff(r.err):
			return none, fmt.Errorf("%s: %w (%w)", what, ErrUnknown, r.err)
		}
		return r.value, fmt.Errorf("%s: %w", what, r.err)
	}
}

// cutOff tells the errors of a connection from ZooKeeper's own answers.
func cutOff(err error) bool {
	for _, known := range []error{
		zk.ErrNoNode, zk.ErrNodeExists, zk.ErrBadVersion, zk.ErrNoAuth, zk.ErrNotEmpty, zk.ErrInvalidACL, zk.ErrNoChildrenForEphemerals,
		zk.ErrAuthFailed, zk.ErrInvalidPath, zk.ErrInvalidFlags, zk.ErrUnknown, zk.ErrAPIError,
	} {
		if errors.Is(err, known) {
			return false
		}
	}
	return true
}
