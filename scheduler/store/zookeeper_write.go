package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"scaleio-framework/scheduler/zookeeper"
)

// limit of a commit, and of a question: an ensemble whose disks take seconds is waited for while the session lives; nobody is told anything
// meanwhile.
const limit = 30 * time.Second

var errSlow = fmt.Errorf("not within %s", limit)

// Commit makes all changes or none.
func (z *ZooKeeper) Commit(ctx context.Context, changes ...Change) error {
	if err := check(changes); err != nil {
		return err
	}
	if len(changes) == 0 {
		return nil
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.broken != nil {
		return z.broken
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSlow)
	defer cancel()
	ops, folders, err := z.ops(changes)
	if err != nil {
		return err
	}
	if size(ops) > z.request {
		err = z.commitLarge(ctx, changes, ops)
	} else {
		err = z.write(ctx, ops, func(ctx context.Context) (bool, error) { return z.holds(ctx, ops[len(ops)-1]) })
	}
	switch {
	case err == nil:
		for folder := range folders {
			z.folders[folder] = true
		}
		return nil
	case errors.Is(err, zookeeper.ErrNodeExists), errors.Is(err, zookeeper.ErrNoNode), errors.Is(err, zookeeper.ErrBadVersion):
		return fmt.Errorf("storing: %w (%w)", ErrConflict, err)
	}
	z.broken = fmt.Errorf("storing in ZooKeeper: %w", err)
	return z.broken
}

// ops of the changes, and the folders that they make.
func (z *ZooKeeper) ops(changes []Change) ([]zookeeper.Op, map[string]bool, error) {
	var ops []zookeeper.Op
	folders := map[string]bool{}
	for _, c := range changes {
		path, folder := z.record(c.Key)
		if folder != "" && c.Revision == 0 && c.Value != nil && !z.folders[folder] && !folders[folder] {
			folders[folder] = true
			ops = append(ops, zookeeper.Op{Kind: zookeeper.Create, Path: folder, ACL: z.acl})
		}
		op, err := z.op(c, path)
		if err != nil {
			return nil, nil, err
		}
		ops = append(ops, op)
	}
	return ops, folders, nil
}

func (z *ZooKeeper) op(c Change, path string) (zookeeper.Op, error) {
	if c.Value == nil {
		if c.Revision == 0 {
			return zookeeper.Op{}, fmt.Errorf("removing %s, which isn't there: %w", c.Key, ErrConflict)
		}
		return zookeeper.Op{Kind: zookeeper.Delete, Path: path, Version: version(c.Revision)}, nil
	}
	sealed, err := seal(c.Key, c.Revision+1, c.Value)
	if c.Revision == 0 {
		return zookeeper.Op{Kind: zookeeper.Create, Path: path, Data: sealed, ACL: z.acl}, err
	}
	return zookeeper.Op{Kind: zookeeper.Set, Path: path, Data: sealed, Version: version(c.Revision)}, err
}

// version of a record's znode: ZooKeeper counts from 0, we from 1.
func version(revision uint64) int32 { return int32(revision - 1) }

// size of a request, by excess.
func size(ops []zookeeper.Op) (total int) {
	for _, op := range ops {
		total += len(op.Path) + len(op.Data) + 192
	}
	return total
}

// fence stands before every write: it is refused when the lock isn't there or a later holder began a term.
func (z *ZooKeeper) fence() []zookeeper.Op {
	return []zookeeper.Op{{Kind: zookeeper.Check, Path: z.path("lock")}, {Kind: zookeeper.Check, Path: z.path("term"), Version: z.term}}
}

// write ops in one request. One whose answer was lost is sent again: it was done if what it was to change is as it should become.
func (z *ZooKeeper) write(ctx context.Context, ops []zookeeper.Op, done func(context.Context) (bool, error)) error {
	unknown := false
	for {
		if err := z.Held(); err != nil {
			return err
		}
		attempt, end := context.WithTimeout(ctx, z.tenure.left())
		err := z.client.Multi(attempt, append(z.fence(), ops...)...)
		end()
		var refused *zookeeper.OpError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &refused) && refused.Index < len(z.fence()):
			return z.tenure.end(fmt.Errorf("a write was refused: %w", err))
		case errors.Is(err, zookeeper.ErrUnknown):
			unknown = true
		case unknown && refused != nil:
			was := false
			again := z.again(ctx, func(ctx context.Context) (err error) { was, err = done(ctx); return err })
			if again != nil || was {
				return again
			}
			return err
		default:
			return err
		}
		if ctx.Err() != nil {
			return err
		}
		pause(ctx, z.tenure.length/50)
	}
}

// holds says whether an op was done.
func (z *ZooKeeper) holds(ctx context.Context, op zookeeper.Op) (bool, error) {
	if err := z.client.Sync(ctx, z.root); err != nil {
		return false, err
	}
	data, stat, err := z.client.Get(ctx, op.Path)
	switch {
	case errors.Is(err, zookeeper.ErrNoNode):
		return op.Kind == zookeeper.Delete, nil
	case err != nil:
		return false, err
	}
	wanted := int32(0)
	if op.Kind == zookeeper.Set {
		wanted = op.Version + 1
	}
	return op.Kind != zookeeper.Delete && stat.Version == wanted && bytes.Equal(data, op.Data), nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
