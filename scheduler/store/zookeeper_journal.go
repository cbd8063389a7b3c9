package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"scaleio-framework/scheduler/zookeeper"
)

// A commit that no single request can carry (500 reports of a large cluster at once) goes to the journal in parts. Once the journal is sealed
// the commit counts: each part is applied together with its removal, by us or by the next holder.

// entry of a part: an op on a record.
type entry struct {
	Kind    zookeeper.OpKind `json:"op"`
	Path    string           `json:"path"` // below the root
	Version int32            `json:"version,omitempty"`
	Data    []byte           `json:"data,omitempty"`
}

const sealName = "sealed"

func (z *ZooKeeper) commitLarge(ctx context.Context, changes []Change, ops []zookeeper.Op) error {
	if err := z.verify(ctx, changes); err != nil {
		return err
	}
	parts, err := z.parts(ops)
	if err != nil {
		return err
	}
	for i, part := range parts {
		if err := z.put(ctx, partName(i), part); err != nil {
			return err
		}
	}
	if err := z.put(ctx, sealName, nil); err != nil {
		return err
	}
	return z.apply(ctx)
}

func partName(i int) string { return fmt.Sprintf("part-%06d", i) }

// verify what the ops will need: half of them can't be refused later.
func (z *ZooKeeper) verify(ctx context.Context, changes []Change) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for _, c := range changes {
		group.Go(func() error {
			path, _ := z.record(c.Key)
			rec, err := z.read(ctx, c.Key, path)
			if err == nil && rec.Revision != c.Revision {
				err = fmt.Errorf("storing %s at revision %d, found %d: %w", c.Key, c.Revision, rec.Revision, ErrConflict)
			}
			return err
		})
	}
	return group.Wait()
}

// parts such that each fits into a request, written as data and applied as ops.
func (z *ZooKeeper) parts(ops []zookeeper.Op) (parts [][]byte, err error) {
	var part []json.RawMessage
	written, applied := 0, 0
	flush := func() error {
		raw, err := json.Marshal(part)
		parts = append(parts, raw)
		part, written, applied = nil, 0, 0
		return err
	}
	for _, op := range ops {
		raw, err := json.Marshal(entry{op.Kind, strings.TrimPrefix(op.Path, z.root), op.Version, op.Data})
		if err != nil {
			return nil, fmt.Errorf("writing the journal: %w", err)
		}
		if len(part) > 0 && (written+len(raw) > z.request || applied+size([]zookeeper.Op{op}) > z.request) {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		part = append(part, raw)
		written, applied = written+len(raw)+1, applied+size([]zookeeper.Op{op})
	}
	return parts, flush()
}

// readPart gives the ops of a part. They change records and their folders alone, and by means that a commit has: whatever wrote the part, it is applied with our rights.
func (z *ZooKeeper) readPart(raw []byte) ([]zookeeper.Op, error) {
	var entries []entry
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrCorrupt, err)
	}
	ops := make([]zookeeper.Op, 0, len(entries)+2)
	for _, e := range entries {
		op := zookeeper.Op{Kind: e.Kind, Path: z.root + e.Path, Version: e.Version, Data: e.Data}
		switch {
		case !strings.HasPrefix(op.Path, z.path("records")+"/"):
			return nil, fmt.Errorf("%w (it would change %s, which is no record)", ErrCorrupt, op.Path)
		case e.Kind == zookeeper.Create:
			op.ACL = z.acl
		case e.Kind != zookeeper.Set && e.Kind != zookeeper.Delete || e.Version < 0: // ZooKeeper takes -1 for any version
			return nil, fmt.Errorf("%w (op %d on version %d of %s)", ErrCorrupt, int(e.Kind), e.Version, op.Path)
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// put a znode into the journal.
func (z *ZooKeeper) put(ctx context.Context, name string, data []byte) error {
	op := zookeeper.Op{Kind: zookeeper.Create, Path: z.path("journal/" + name), Data: data, ACL: z.acl}
	return z.write(ctx, []zookeeper.Op{op}, func(ctx context.Context) (bool, error) { return z.holds(ctx, op) })
}

// apply a sealed journal; the seal goes with the last part.
func (z *ZooKeeper) apply(ctx context.Context) error {
	names, err := z.names(ctx, z.path("journal"))
	if err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == sealName })
	slices.Sort(names)
	for i, name := range names {
		var raw []byte
		if err := z.again(ctx, func(ctx context.Context) (err error) {
			raw, _, err = z.client.Get(ctx, z.path("journal/"+name))
			return err
		}); err != nil {
			return fmt.Errorf("reading the journal: %w", err)
		}
		ops, err := z.readPart(raw)
		if err != nil {
			return fmt.Errorf("reading the journal's %s: %w", name, err)
		}
		gone := zookeeper.Op{Kind: zookeeper.Delete, Path: z.path("journal/" + name)}
		ops = append(ops, gone)
		if i == len(names)-1 {
			ops = append(ops, zookeeper.Op{Kind: zookeeper.Delete, Path: z.path("journal/" + sealName)})
		}
		if err := z.write(ctx, ops, func(ctx context.Context) (bool, error) { return z.holds(ctx, gone) }); err != nil {
			return fmt.Errorf("applying the journal's %s: %w", name, brokenBy(err))
		}
	}
	return nil
}

// brokenBy: after the seal a refusal isn't a caller's conflict, but damage.
func brokenBy(err error) error {
	var refused *zookeeper.OpError
	if errors.As(err, &refused) {
		return fmt.Errorf("%w (%s)", ErrCorrupt, err.Error())
	}
	return err
}

// finish what the last holder left: a sealed journal is applied, another one never counted.
func (z *ZooKeeper) finish(ctx context.Context) error {
	names, err := z.names(ctx, z.path("journal"))
	if err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	if slices.Contains(names, sealName) {
		z.log.Info("finishing the last scheduler's commit", "parts", len(names)-1)
		if err := z.apply(ctx); err != nil {
			return err
		}
	} else {
		for _, name := range names {
			op := zookeeper.Op{Kind: zookeeper.Delete, Path: z.path("journal/" + name)}
			if err := z.write(ctx, []zookeeper.Op{op}, func(ctx context.Context) (bool, error) { return z.holds(ctx, op) }); err != nil {
				return fmt.Errorf("clearing the journal: %w", err)
			}
		}
	}
	kinds, err := z.names(ctx, z.path("records"))
	for _, kind := range kinds {
		z.folders[z.path("records")+"/"+escape(kind)] = true
	}
	return err
}
