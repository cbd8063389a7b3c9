package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/scheduler/api"
)

// owner makes a leader of a cluster that may grow, and counts how often it looks.
func owner(t *testing.T, fails func() error) (*Agent, *int) {
	t.Helper()
	a := leading(t, &fakeLeader{}, time.Hour)
	a.kept.Spec.Growth = &api.NodeGrowth{}
	looks := new(int)
	a.Owned = func(context.Context, installer.Input) ([]api.OwnedVolume, error) {
		*looks++
		return []api.OwnedVolume{{VolumeID: "vol-1"}}, fails()
	}
	a.leadOnce(t.Context())
	return a, looks
}

func fine() error { return nil }

func TestOwned_isListedByTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, looks := owner(t, fine)
		assert.Nil(t, a.report().Cluster.Owned, "not looked is not none")
		drain(a.tell)
		a.listOnce(t.Context())
		assert.Len(t, a.tell, 1, "it is told at once")
		require.NotNil(t, a.report().Cluster.Owned)
		assert.Equal(t, "vol-1", a.report().Cluster.Owned.Volumes[0].VolumeID)

		time.Sleep(time.Minute)
		a.listOnce(t.Context())
		assert.Equal(t, 1, *looks)
		assert.EqualValues(t, 60_000, a.report().Cluster.Owned.AgeMS)
		a.kept.Spec.Growth = &api.NodeGrowth{Listing: "wish"}
		a.listOnce(t.Context())
		assert.Equal(t, 2, *looks, "the scheduler wants to see it anew")
		assert.Zero(t, a.report().Cluster.Owned.AgeMS)
		time.Sleep(2 * listEvery)
		a.listOnce(t.Context())
		assert.Equal(t, 3, *looks)
	})
}

func TestOwned_aFailureIsNotNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failure error
		a, looks := owner(t, func() error { return failure })
		a.listOnce(t.Context())
		failure = errors.New("throttled")
		time.Sleep(2 * listEvery)
		a.listOnce(t.Context())
		a.listOnce(t.Context())
		assert.Equal(t, 2, *looks, "not at once again")
		view := a.report().Cluster
		assert.Len(t, view.Owned.Volumes, 1)
		assert.Equal(t, (2 * listEvery).Milliseconds(), view.Owned.AgeMS, "what it saw then is as old as it is")
		assert.Contains(t, view.Conditions[len(view.Conditions)-1].Message, "throttled")
		time.Sleep(2 * listAgain)
		a.listOnce(t.Context())
		assert.Equal(t, 3, *looks)
	})
}

func TestOwned_onlyWhileItLeadsAClusterThatGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, looks := owner(t, fine)
		a.listOnce(t.Context())
		time.Sleep(2 * time.Hour) // the lease ends
		a.listOnce(t.Context())
		assert.Equal(t, 1, *looks)
		assert.Zero(t, a.seen.owned)

		a, looks = owner(t, fine)
		a.kept.Spec.Growth = nil
		a.listOnce(t.Context())
		assert.Zero(t, *looks)
	})
}

// What a purchase came to is told when it is known, not when its pass ends.
func TestOrders_areToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := testAgent(t)
		state := api.OrderState{Stage: api.OrderCreating, VolumeID: "vol-1", Message: "being created"}
		a.note(func(s *seen) { s.observe(installer.Observation{Orders: []api.OrderState{state}}, time.Now()) })
		assert.Len(t, a.tell, 1)
		assert.Equal(t, []api.OrderState{state}, a.report().Orders)
		drain(a.tell)
		state.Message = "for 3 s"
		a.note(func(s *seen) { s.observe(installer.Observation{Orders: []api.OrderState{state}}, time.Now()) })
		assert.Empty(t, a.tell, "words alone can wait")
		a.Noticed()
		assert.Len(t, a.look, 1)
	})
}
