package scheduler_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
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
