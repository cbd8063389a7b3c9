package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/zookeeper"
)

// A part of the journal is applied with our rights, so it changes records alone, each at a version. What we wrote is read as it was.
func FuzzJournalPart(f *testing.F) {
	z := &ZooKeeper{root: "/scaleio/state", request: 2000, acl: zookeeper.OpenACL()}
	f.Add([]byte(`[{"op":0,"path":"/records/reports/n1","data":"e30="},{"op":2,"path":"/records/cluster","version":3,"data":"e30="},{"op":3,"path":"/records/nodes/n1","version":1}]`))
	f.Add([]byte(`[{"op":3,"path":"/term","version":1}]`))
	f.Add([]byte(`[{"op":2,"path":"/records/cluster","version":-1}]`))
	f.Add([]byte(`[{"op":99,"path":"/records/cluster"},{"op":1,"path":"/lock"}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		ops, err := z.readPart(raw)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("a reason that nobody knows: %v", err)
			}
			return
		}
		for _, op := range ops {
			known := op.Kind == zookeeper.Create || op.Version >= 0 && (op.Kind == zookeeper.Set || op.Kind == zookeeper.Delete)
			if !known || !strings.HasPrefix(op.Path, "/scaleio/state/records/") {
				t.Errorf("%q does %+v", raw, op)
			}
		}
		if len(ops) == 0 {
			return
		}
		parts, err := z.parts(ops)
		require.NoError(t, err)
		var again []zookeeper.Op
		for _, part := range parts {
			some, err := z.readPart(part)
			require.NoError(t, err)
			if len(some) > 1 && (size(some) > z.request || len(part) > z.request+len(some)+2) {
				t.Errorf("a part of %d bytes, applied by a request of %d", len(part), size(some))
			}
			again = append(again, some...)
		}
		require.Len(t, again, len(ops))
		for i := range ops {
			assert.True(t, bytes.Equal(ops[i].Data, again[i].Data))
			ops[i].Data, again[i].Data = nil, nil
		}
		assert.Equal(t, ops, again)
	})
}

// Every key has one znode, below its kind, and its name is the key again.
func FuzzRecordNames(f *testing.F) {
	for _, key := range []string{"cluster", "nodes/i-1", "reports/../x", "a/b/c", ".", "%2E", "%", "\x00/é "} {
		f.Add(key)
	}
	z := &ZooKeeper{root: "/r"}
	f.Fuzz(func(t *testing.T, key string) {
		path, folder := z.record(key)
		names := strings.Split(strings.TrimPrefix(path, "/r/records/"), "/")
		kind, rest, two := strings.Cut(key, "/")
		want := []string{kind}
		if two {
			want = append(want, rest)
		}
		require.Equal(t, len(want), len(names), "%q is %s", key, path)
		require.Equal(t, two, folder != "")
		for i, name := range names {
			back, err := unescape(name)
			require.NoError(t, err)
			assert.Equal(t, want[i], back)
			if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "\x00\u007f") {
				t.Errorf("%q has a znode %q", key, name)
			}
		}
	})
}

// The journal of a scheduler that was robbed of its rights, or of a disk's damage: nothing of ours but records is changed by it.
func TestJournal_changesRecordsAlone(t *testing.T) {
	z := &ZooKeeper{root: "/r"}
	for what, e := range map[string]entry{
		"the term":            {Kind: zookeeper.Set, Path: "/term", Version: 1},
		"all records' folder": {Kind: zookeeper.Delete, Path: "/records"},
		"any version":         {Kind: zookeeper.Set, Path: "/records/cluster", Version: -1},
		"a lock":              {Kind: zookeeper.CreateEphemeral, Path: "/records/lock"},
		"an unknown op":       {Kind: 99, Path: "/records/cluster"},
	} {
		raw, err := json.Marshal([]entry{e})
		require.NoError(t, err)
		_, err = z.readPart(raw)
		require.ErrorIs(t, err, ErrCorrupt, what)
	}
}
