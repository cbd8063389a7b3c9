package zookeeper

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"
)

// A Client reads znodes and changes them, several at a time or none. A Conn is one; so is zookeepertest's.
type Client interface {
	Get(ctx context.Context, path string) ([]byte, Stat, error)
	Children(ctx context.Context, path string) ([]string, error)
	// Sync returns once this session's server has caught up with the ensemble's leader, so that what is read next isn't old.
	Sync(ctx context.Context, path string) error
	Multi(ctx context.Context, ops ...Op) error
	// Watch tells once when the znode comes, goes or changes, or its children do, or when the session can no longer tell.
	Watch(ctx context.Context, path string) (<-chan struct{}, error)
	ACL(ctx context.Context, path string) ([]ACL, error)
	Session() Session
	Close()
}

// Stat of a znode, as far as it is used.
type Stat struct {
	Version int32 // 0 when it was made, and 1 more with each change
	Owner   int64 // session that it ends with; 0 = it stays
}

// ACL says who may do what.
type ACL = zk.ACL

// Session as the ensemble granted it.
type Session struct {
	ID     int64 // 0 = none yet, or none any more; one that comes after another has nothing that was the other's
	Length Length
}

// Op is one part of a Multi.
type Op struct {
	Kind    OpKind
	Path    string
	Data    []byte
	Version int32 // of Set, Delete and Check: what it has to be before
	ACL     []ACL
}

// OpKind of an Op.
type OpKind int

// The kinds.
const (
	Create OpKind = iota
	CreateEphemeral
	Set
	Delete
	Check
)

// What ZooKeeper answers, each matched with errors.Is.
var (
	ErrNoNode     = zk.ErrNoNode
	ErrNodeExists = zk.ErrNodeExists
	ErrBadVersion = zk.ErrBadVersion
	ErrNoAuth     = zk.ErrNoAuth
	// ErrUnknown: the call may have been done or not, or may yet be.
	ErrUnknown = errors.New("ZooKeeper didn't answer")
)

// An OpError is why a Multi did nothing.
type OpError struct {
	Index int // of the op that was refused
	Op    Op
	Err   error
}

func (e *OpError) Error() string { return fmt.Sprintf("%s %s: %v", e.Op.Kind, e.Op.Path, e.Err) }
func (e *OpError) Unwrap() error { return e.Err }

func (k OpKind) String() string {
	return [...]string{"making", "making", "changing", "removing", "checking"}[k]
}

// DigestACL lets whoever knows "user:password" do everything, and nobody else anything.
func DigestACL(user, password string) []ACL { return zk.DigestACL(zk.PermAll, user, password) }

// OpenACL lets everybody do everything.
func OpenACL() []ACL { return zk.WorldACL(zk.PermAll) }
