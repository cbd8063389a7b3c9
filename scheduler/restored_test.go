package scheduler_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

// A scheduler whose store is older than what its nodes were told must not go on as if nothing had happened: its generations would overtake theirs.
func TestCluster_restoredStoreIsNoticed(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	n := b.nodes[3]
	n.mu.Lock()
	n.last.Spec.Version.Generation += 100
	newer := n.last.Spec.Version
	n.mu.Unlock()
	s := b.until("noticed", func(s api.ClusterStatus) bool { return hasEvent(s, "StoreIsOlder") })
	count := 0
	for _, e := range s.Events {
		if e.Kind == "StoreIsOlder" {
			count++
		}
	}
	assert.Equal(t, 1, count, "said once")
	assert.Equal(t, newer, n.answer().Spec.Version, "it follows what it was told last")

	require.NoError(t, b.halt())
	b.options.Adopt = true
	b.start()
	b.until("ready under a higher epoch", func(s api.ClusterStatus) bool { return ready(s) && n.answer().Spec.Version.Epoch > newer.Epoch })
}

// The same backup twice: what the first restoration told under its epoch the second knows nothing of, and gives no order in it.
func TestCluster_theSameBackupIsRestoredTwice(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	saved := b.backup(false)
	n := b.nodes[3]
	var told api.Version
	for range 2 {
		require.NoError(t, b.halt())
		b.options.Store = &store.Memory{}
		got, err := scheduler.Restore(t.Context(), b.options.Store, saved, time.Now())
		require.NoError(t, err)
		assert.EqualValues(t, 2, got.Epoch)
		b.start()
		s := b.until("ready above all that was told", func(s api.ClusterStatus) bool {
			is := n.answer().Spec.Version
			return ready(s) && is.Epoch > 1 && is.Epoch > told.Epoch
		})
		assert.False(t, hasEvent(s, "StoreIsOlder"))
		assert.Equal(t, told.Epoch > 0, hasEvent(s, "EpochSurpassed"))
		told = n.answer().Spec.Version
		for _, n := range b.nodes {
			assert.Equal(t, told.Epoch, n.answer().Spec.Version.Epoch)
		}
	}
	require.NoError(t, b.halt())
	b.start()
	s := b.until("ready after a restart", ready)
	assert.Equal(t, told.Epoch, n.answer().Spec.Version.Epoch, "it isn't raised again")
	assert.Empty(t, b.end(s).LowerSeen)
}

// A node that names an epoch that can't be gets no order, and the cluster's doesn't follow it.
func TestCluster_doesntFollowALiarsEpoch(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	liar := b.nodes[3]
	liar.mu.Lock()
	liar.last.Spec.Version.Epoch = 1 << 40
	liar.mu.Unlock()
	b.until("noticed", func(s api.ClusterStatus) bool { return hasEvent(s, "StoreIsOlder") })
	require.NoError(t, b.halt())
	b.options.Adopt = true
	b.start()
	b.until("the others follow", func(api.ClusterStatus) bool { return b.nodes[4].answer().Spec.Version.Epoch > 1 })
	assert.Less(t, b.clusterRecord().Epoch, int64(decide.MaxJump))
}
