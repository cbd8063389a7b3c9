package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"scaleio-framework/scheduler/zookeeper"
)

// readers ask at the same time: a scheduler of 10,000 nodes reads 30,000 records before it does anything, and each is one question.
const readers = 32

// Get one record.
func (z *ZooKeeper) Get(ctx context.Context, key string) (Record, error) {
	path, _ := z.record(key)
	rec, err := z.read(ctx, key, path)
	if err == nil && rec.Revision == 0 {
		err = fmt.Errorf("reading %s: %w", key, ErrNotFound)
	}
	return rec, err
}

// List the records whose keys begin with prefix.
func (z *ZooKeeper) List(ctx context.Context, prefix string) ([]Record, error) {
	keys, err := z.keys(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("listing the records: %w", err)
	}
	all := make([]Record, len(keys))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, key := range keys {
		group.Go(func() (err error) {
			path, _ := z.record(key)
			all[i], err = z.read(ctx, key, path)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(r Record) bool { return r.Revision == 0 }), nil
}

// keys that begin with prefix, in order; those of folders, which hold nothing themselves, are among them.
func (z *ZooKeeper) keys(ctx context.Context, prefix string) ([]string, error) {
	kinds, err := z.names(ctx, z.path("records"))
	if err != nil {
		return nil, err
	}
	of, _, below := strings.Cut(prefix, "/")
	var keys []string
	for _, kind := range kinds {
		if below && kind != of || !below && !strings.HasPrefix(kind, of) {
			continue
		}
		names, err := z.names(ctx, z.path("records")+"/"+escape(kind))
		if err != nil {
			return nil, err
		}
		keys = append(keys, kind)
		for _, name := range names {
			keys = append(keys, kind+"/"+name)
		}
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return !strings.HasPrefix(key, prefix) })
	slices.Sort(keys)
	return keys, nil
}

func (z *ZooKeeper) names(ctx context.Context, path string) (names []string, err error) {
	err = z.again(ctx, func(ctx context.Context) (err error) {
		names, err = z.client.Children(ctx, path)
		return err
	})
	for i := range names {
		if err == nil {
			names[i], err = unescape(names[i])
		}
	}
	return names, err
}

// read one znode; revision 0 = there is none, or it is a folder.
func (z *ZooKeeper) read(ctx context.Context, key, path string) (rec Record, err error) {
	var raw []byte
	var stat zookeeper.Stat
	err = z.again(ctx, func(ctx context.Context) (err error) {
		raw, stat, err = z.client.Get(ctx, path)
		return err
	})
	switch {
	case errors.Is(err, zookeeper.ErrNoNode), err == nil && len(raw) == 0:
		return rec, nil
	case err != nil:
		return rec, fmt.Errorf("reading %s: %w", key, err)
	}
	if rec, err = open(key, raw); err == nil && rec.Revision != uint64(stat.Version)+1 {
		err = fmt.Errorf("reading %s: %w (its znode was changed by another hand)", key, ErrCorrupt)
	}
	return rec, err
}

// again asks until there is an answer or the store is lost.
func (z *ZooKeeper) again(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSlow)
	defer cancel()
	for {
		if err := z.Held(); err != nil {
			return err
		}
		attempt, end := context.WithTimeout(ctx, z.tenure.left())
		err := ask(attempt)
		end()
		if !errors.Is(err, zookeeper.ErrUnknown) || ctx.Err() != nil {
			return err
		}
		pause(ctx, z.tenure.length/50)
	}
}
