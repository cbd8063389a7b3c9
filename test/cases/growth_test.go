//go:build nodes

package cases_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/cases"
)

// TestGrowth: an app fills the pool of nodes that are instances, and the cluster grows by itself, while the app goes on writing.
func TestGrowth(t *testing.T) {
	s := up(t, "growth", cases.Growing(cases.Config{Scheduler: map[string]any{"growth-cooldown": "10s"}}, top+"/packaging"))
	require.NoError(t, s.WaitReady(within(t, 5*time.Minute), nil))
	require.NoError(t, s.GrowWithin(t.Context(), nil))
	require.NoError(t, s.WaitReady(within(t, 2*time.Minute), nil))
	require.NoError(t, s.BoughtAndPooled(t.Context()))
	require.NoError(t, s.PooledDisks(t.Context()))

	volumes, err := s.Volumes(t.Context())
	require.NoError(t, err)
	counts, err := s.Cloud().Counts(t.Context())
	require.NoError(t, err)
	t.Logf("%d volumes; calls: %v", len(volumes), counts)
	require.Equal(t, len(volumes), counts["CreateVolume"], "each was asked for once")
	require.Equal(t, len(volumes), counts["AttachVolume"])
	require.Zero(t, counts["DetachVolume"]+counts["DeleteVolume"])

	story, err := s.Story(t.Context())
	require.NoError(t, err)
	kinds := map[string]int{}
	var cost api.Cents
	var decided, usable time.Time
	for _, e := range story {
		t.Log(e.Time.Format(time.TimeOnly), e.Node, e.Kind, e.Message, e.Why, e.Cost)
		kinds[e.Kind]++
		switch e.Kind {
		case "GrowthStarted":
			decided = e.Time
		case "GrowthVolumeBought":
			cost += e.Cost
		case "GrowthInPool":
			usable = e.Time
		}
	}
	t.Logf("%v from the decision to all capacity; the cloud itself takes 2.6 s of it", usable.Sub(decided))
	require.Equal(t, len(volumes), kinds["GrowthVolumeBought"])
	require.Equal(t, len(volumes), kinds["GrowthInPool"])
	require.Positive(t, cost, "every dollar can be explained")
	growsWhileAllDie(t, s)
}
