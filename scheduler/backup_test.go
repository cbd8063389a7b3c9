package scheduler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

// backup of the running scheduler, as an operator takes it.
func (b *bench) backup(keysOnly bool) store.Backup {
	b.t.Helper()
	var file bytes.Buffer
	require.NoError(b.t, b.people("operate").Backup(b.t.Context(), &file, keysOnly))
	got, err := store.ReadBackup(&file)
	require.NoError(b.t, err)
	return got
}

// clusterRecord as it is stored now.
func (b *bench) clusterRecord() (c decide.Cluster) {
	b.t.Helper()
	rec, err := b.options.Store.Get(b.t.Context(), "cluster")
	require.NoError(b.t, err)
	require.NoError(b.t, json.Unmarshal(rec.Value, &c))
	return c
}

// A store that is brought back from a backup is older than what its nodes were told: they take its orders all the same, nothing is launched, and nothing is
// bought before the cluster's volumes were listed.
func TestCluster_restoredFromABackupGoesOn(t *testing.T) {
	b := newBench(t)
	b.start()
	before := b.end(b.until("ready", ready))
	var out bytes.Buffer
	var refused *api.Error
	require.ErrorAs(t, b.people("read").Backup(t.Context(), &out, false), &refused)
	assert.Equal(t, api.CodeForbidden, refused.Code, "the CA's key is in it")
	saved := b.backup(false)

	require.NoError(t, b.people("operate").Hold(t.Context(), api.HoldRequest{Node: "n4", Author: "me"}))
	b.until("n4 knows newer orders", func(s api.ClusterStatus) bool { return b.nodes[3].answer().Hold != nil })
	require.NoError(t, b.halt()) // before the node is made to know more, or the answers of this one are lower ones
	n := b.nodes[3]
	n.mu.Lock()
	n.last.Spec.Version.Generation += 100
	newer := n.last.Spec.Version
	n.mu.Unlock()

	_, err := scheduler.Restore(t.Context(), b.options.Store, saved, time.Now())
	require.ErrorIs(t, err, scheduler.ErrNotEmpty, "what is there is never overwritten")
	b.options.Store = &store.Memory{}
	got, err := scheduler.Restore(t.Context(), b.options.Store, saved, time.Now())
	require.NoError(t, err)
	assert.Equal(t, 5, got.Nodes)
	assert.Equal(t, "framework-1", got.Framework)
	assert.True(t, b.clusterRecord().Unchecked, "what was bought since isn't known")
	b.start()
	s := b.until("ready under a higher epoch", func(s api.ClusterStatus) bool {
		return ready(s) && n.answer().Spec.Version.Epoch > newer.Epoch
	})
	assert.Equal(t, before, b.end(s))
	assert.Equal(t, 5, b.mesos.count(), "nothing was launched")
	assert.False(t, hasEvent(s, "StoreIsOlder"))
	assert.True(t, hasEvent(s, "Restored"))
}

func TestRestore_refusesWhatIsntAWholeState(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	keys, whole := b.backup(true), b.backup(false)
	assert.Len(t, keys.Records, 2, "the CA and the passwords")
	rows := map[string]store.Backup{"keys alone": keys}
	for _, key := range []string{"authority", "cluster", "secrets"} {
		part := whole
		part.Records = nil
		for _, rec := range whole.Records {
			if rec.Key != key {
				part.Records = append(part.Records, rec)
			}
		}
		rows["without "+key] = part
	}
	strange := whole
	strange.Records = append([]store.Record{{Key: "novelty", Value: []byte(`{}`), Revision: 1}}, whole.Records...)
	rows["of a newer version"] = strange
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			memory := &store.Memory{}
			_, err := scheduler.Restore(t.Context(), memory, row, time.Now())
			require.Error(t, err)
			all, err := memory.List(context.Background(), "")
			require.NoError(t, err)
			assert.Empty(t, all, "nothing was written")
		})
	}
}

// The copy beside the store is of what was read whole, and a scheduler that can't read its store leaves it alone.
func TestCluster_keepsACopyOfItsStore(t *testing.T) {
	b := newBench(t)
	b.options.CopyFile = filepath.Join(t.TempDir(), "previous.backup")
	read := func() (store.Backup, error) {
		f, err := os.Open(b.options.CopyFile)
		if err != nil {
			return store.Backup{}, err
		}
		defer f.Close()
		return store.ReadBackup(f)
	}
	b.start()
	b.until("ready", ready)
	require.Eventually(t, func() bool { _, err := read(); return err == nil }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, b.halt())
	b.start()
	b.until("ready again", ready)
	require.Eventually(t, func() bool { got, err := read(); return err == nil && len(got.Records) > 10 }, 10*time.Second, 10*time.Millisecond)
	info, err := os.Stat(b.options.CopyFile)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
	require.NoError(t, b.halt())

	good, err := read()
	require.NoError(t, err)
	rec, err := b.options.Store.Get(t.Context(), "cluster")
	require.NoError(t, err)
	require.NoError(t, b.options.Store.Commit(t.Context(), store.Change{Key: "cluster", Value: []byte(`{}`), Revision: rec.Revision}))
	b.start()
	require.ErrorIs(t, <-b.done, store.ErrCorrupt, "a damaged store is never a fresh one")
	after, err := read()
	require.NoError(t, err)
	assert.Equal(t, good, after)
	b.options.Store = &store.Memory{}
	_, err = scheduler.Restore(t.Context(), b.options.Store, after, time.Now())
	require.NoError(t, err)
	b.start()
	b.until("ready from the copy", ready)
}

// What the first version wrote is read: the records of five nodes, Ready, as it left them.
func TestStore_ofSchema1IsRead(t *testing.T) {
	file, err := os.Open("testdata/schema-1.backup")
	require.NoError(t, err)
	defer file.Close()
	old, err := store.ReadBackup(file)
	require.NoError(t, err)
	b := newBench(t)
	got, err := scheduler.Restore(t.Context(), b.options.Store, old, time.Now())
	require.NoError(t, err)
	assert.Equal(t, 5, got.Nodes)
	assert.EqualValues(t, 2, got.Epoch)

	b.mesos.id = got.Framework
	for _, n := range b.nodes {
		n.idle = true
	}
	b.start()
	s := b.until("loaded", func(s api.ClusterStatus) bool { return len(s.Nodes) == 5 })
	assert.Equal(t, api.Gates, s.Gates)
	assert.Equal(t, got.Cluster, s.Cluster)
}
