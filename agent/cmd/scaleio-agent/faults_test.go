package main

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

// What one node does for all is in no role's list, and a node without an MDM has no point that one with an MDM doesn't have: whoever brings up managers and a
// tie-breaker has seen all.
func TestPoints(t *testing.T) {
	list := func(of string) []string {
		points, err := points(of)
		require.NoError(t, err)
		require.NotEmpty(t, points)
		return points
	}
	manager, tieBreaker, data, cluster := list(string(api.RoleManager)), list(string(api.RoleTieBreaker)), list(string(api.RoleData)), list(ofCluster)
	assert.Subset(t, manager, tieBreaker)
	assert.Subset(t, tieBreaker, data)
	assert.NotContains(t, tieBreaker, "apply:run-gateway")
	assert.Contains(t, cluster, "applied:form-cluster")
	assert.Contains(t, cluster, "apply:add-devices")
	for _, point := range cluster {
		assert.NotContains(t, manager, point)
	}
	for _, only := range []string{"accept-platform", "serve-storage"} {
		assert.NotContains(t, manager, "apply:"+only, "it only looks")
	}
}

func TestDieAt_actsTakeTurns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "points")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	reached := dieAt(file)
	var acting atomic.Int32
	var walks sync.WaitGroup
	for range 2 {
		walks.Go(func() {
			for range 100 {
				reached("apply:run-sds")
				assert.EqualValues(t, 1, acting.Add(1))
				runtime.Gosched()
				acting.Add(-1)
				reached("applied:run-sds")
			}
		})
	}
	walks.Wait()
}
