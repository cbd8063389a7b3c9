package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/zookeeper/zookeepertest"
)

func stores(t *testing.T) map[string]store.Store {
	t.Helper()
	b, err := store.OpenBolt(filepath.Join(t.TempDir(), "deep", "state.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	z := take(t, zookeepertest.New().Client(sessionLength))
	t.Cleanup(func() { _ = z.Close() })
	return map[string]store.Store{"bolt": b, "memory": &store.Memory{}, "zookeeper": z}
}

func TestStore_comparesAndSwaps(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			_, err := s.Get(ctx, "cluster")
			require.ErrorIs(t, err, store.ErrNotFound)

			require.NoError(t, s.Commit(ctx, store.Change{Key: "cluster", Value: []byte(`{"a":1}`)}))
			require.ErrorIs(t, s.Commit(ctx, store.Change{Key: "cluster", Value: []byte(`{"a":2}`)}), store.ErrConflict)
			require.NoError(t, s.Commit(ctx, store.Change{Key: "cluster", Value: []byte(`{"a":2}`), Revision: 1}))

			rec, err := s.Get(ctx, "cluster")
			require.NoError(t, err)
			assert.JSONEq(t, `{"a":2}`, string(rec.Value))
			assert.EqualValues(t, 2, rec.Revision)

			require.ErrorIs(t, s.Commit(ctx, store.Change{Key: "cluster", Revision: 1}), store.ErrConflict)
			require.NoError(t, s.Commit(ctx, store.Change{Key: "cluster", Revision: 2}))
			_, err = s.Get(ctx, "cluster")
			require.ErrorIs(t, err, store.ErrNotFound)
		})
	}
}

func TestStore_commitsAllOrNothing(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			err := s.Commit(ctx, store.Change{Key: "nodes/a", Value: []byte(`1`)}, store.Change{Key: "nodes/b", Value: []byte(`2`), Revision: 7})
			require.ErrorIs(t, err, store.ErrConflict)
			all, err := s.List(ctx, "nodes/")
			require.NoError(t, err)
			assert.Empty(t, all)
			require.NoError(t, s.Commit(ctx, store.Change{Key: "nodes/b", Value: []byte(`2`)}, store.Change{Key: "nodes/a", Value: []byte(`1`)},
				store.Change{Key: "other", Value: []byte(`3`)}))
			all, err = s.List(ctx, "nodes/")
			require.NoError(t, err)
			require.Len(t, all, 2)
			assert.Equal(t, "nodes/a", all[0].Key)
		})
	}
}

func TestStore_refusesLargeRecords(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			big := append(append([]byte(`"`), make([]byte, store.MaxRecord)...), '"')
			require.ErrorIs(t, s.Commit(t.Context(), store.Change{Key: "reports/x", Value: big}), store.ErrTooLarge)
		})
	}
}

func TestBolt_survivesReopen_andIsClosedToOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	b, err := store.OpenBolt(path)
	require.NoError(t, err)
	require.NoError(t, b.Commit(t.Context(), store.Change{Key: "k", Value: []byte(`"v"`)}))
	require.NoError(t, b.Close())
	require.NoError(t, os.Chmod(path, 0o644))
	b, err = store.OpenBolt(path)
	require.NoError(t, err)
	defer b.Close()
	rec, err := b.Get(t.Context(), "k")
	require.NoError(t, err)
	assert.Equal(t, `"v"`, string(rec.Value))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
}

func TestBolt_refusesNewerAndDamagedRecords(t *testing.T) {
	rows := map[string]struct {
		raw  string
		want error
	}{
		"newer":          {`{"schema":99,"rev":1,"crc":0,"data":{}}`, store.ErrNewer},
		"no JSON":        {`{"schema":`, store.ErrCorrupt},
		"wrong checksum": {`{"schema":1,"rev":1,"crc":5,"data":{}}`, store.ErrCorrupt},
		"no schema":      {`{"rev":1}`, store.ErrCorrupt},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			db, err := bolt.Open(path, 0o600, nil)
			require.NoError(t, err)
			require.NoError(t, db.Update(func(tx *bolt.Tx) error {
				bucket, err := tx.CreateBucket([]byte("records"))
				if err != nil {
					return err
				}
				return bucket.Put([]byte("cluster"), []byte(row.raw))
			}))
			require.NoError(t, db.Close())
			b, err := store.OpenBolt(path)
			require.NoError(t, err)
			defer b.Close()
			_, err = b.Get(t.Context(), "cluster")
			require.ErrorIs(t, err, row.want)
			_, err = b.List(t.Context(), "")
			require.ErrorIs(t, err, row.want)
			require.ErrorIs(t, b.Commit(t.Context(), store.Change{Key: "cluster", Value: []byte(`{}`)}), row.want, "never overwritten")
		})
	}
}

func TestBolt_neverTakesADamagedFileForAFreshStore(t *testing.T) {
	for name, content := range map[string][]byte{"empty": {}, "garbage": make([]byte, 64<<10)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			require.NoError(t, os.WriteFile(path, content, 0o600))
			_, err := store.OpenBolt(path)
			require.ErrorIs(t, err, store.ErrCorrupt)
		})
	}
}

func TestAnnounced_diesBeforeAndAfter(t *testing.T) {
	dead := errors.New("dead")
	for _, at := range []string{"before:nodes", "after:nodes"} {
		t.Run(at, func(t *testing.T) {
			var mem store.Memory
			var seen []string
			s := store.Announced{Store: &mem, Reached: func(p string) error {
				seen = append(seen, p)
				if p == at {
					return dead
				}
				return nil
			}}
			err := s.Commit(t.Context(), store.Change{Key: "nodes/a", Value: []byte(`1`)}, store.Change{Key: "nodes/b", Value: []byte(`1`)})
			require.ErrorIs(t, err, dead)
			_, err = mem.Get(t.Context(), "nodes/a")
			if at == "before:nodes" {
				require.ErrorIs(t, err, store.ErrNotFound)
				assert.Equal(t, []string{"before:nodes"}, seen)
			} else {
				require.NoError(t, err)
				assert.Equal(t, []string{"before:nodes", "after:nodes"}, seen)
			}
		})
	}
}

// Wherever a file was cut off, it is told: never a crash, never a fresh store. A page that was overwritten is told when it is read.
func TestBolt_cutOffOrOverwrittenIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	b, err := store.OpenBolt(path)
	require.NoError(t, err)
	for i := range 40 {
		require.NoError(t, b.Commit(t.Context(), store.Change{Key: fmt.Sprintf("reports/%d", i), Value: fmt.Appendf(nil, `"%01000d"`, i)}))
	}
	require.NoError(t, b.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	read := func(content []byte) error {
		require.NoError(t, os.WriteFile(path, content, 0o600))
		b, err := store.OpenBolt(path)
		if err != nil {
			return err
		}
		defer b.Close()
		all, err := b.List(t.Context(), "")
		if err == nil {
			require.GreaterOrEqual(t, len(all), 39, "without its newer meta it is as it was one commit before")
		}
		return err
	}
	require.NoError(t, read(whole))
	page := os.Getpagesize()
	told := 0
	for at := 0; at < len(whole); at += page {
		cut, over := read(whole[:at]), bytes.Clone(whole)
		if cut != nil {
			require.ErrorIs(t, cut, store.ErrCorrupt, "cut off at %d", at)
			told++
		}
		copy(over[at:], make([]byte, page))
		if err := read(over); err != nil {
			require.ErrorIs(t, err, store.ErrCorrupt, "overwritten at %d", at)
			told++
		}
	}
	assert.Greater(t, told, 20)
}

// A file that the first version wrote is read, record by record, and written anew one by one.
func TestBolt_ofSchema1IsRead(t *testing.T) {
	raw, err := os.ReadFile("../testdata/schema-1.backup")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := bolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	count := 0
	require.NoError(t, db.Update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucket([]byte("records"))
		for line := range bytes.Lines(raw) {
			var l struct {
				Key    string
				Record json.RawMessage
			}
			if err = json.Unmarshal(line, &l); err == nil && l.Key != "" {
				count++
				err = bucket.Put([]byte(l.Key), l.Record)
			}
		}
		return err
	}))
	require.NoError(t, db.Close())
	b, err := store.OpenBolt(path)
	require.NoError(t, err)
	defer b.Close()
	all, err := b.List(t.Context(), "")
	require.NoError(t, err)
	assert.Len(t, all, count)
	assert.Greater(t, count, 20)
	for _, rec := range all {
		require.NoError(t, b.Commit(t.Context(), store.Change(rec)))
	}
	again, err := b.List(t.Context(), "")
	require.NoError(t, err)
	assert.Len(t, again, count)
}
