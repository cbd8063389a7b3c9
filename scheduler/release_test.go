package scheduler_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

// An operator takes the grant from a node that is out of reach: it may form a cluster yet, so nobody else may before it has heard.
func TestRelease_formationMovesOnlyAfterItsHolderHeard(t *testing.T) {
	b := newBench(t)
	b.options.Settings.Licence = false // granted, and never carried out
	b.start()
	granted := func(s api.ClusterStatus) int {
		n := 0
		for _, e := range s.Events {
			if e.Kind == "FormationGranted" {
				n++
			}
		}
		return n
	}
	b.until("granted", func(s api.ClusterStatus) bool { return granted(s) == 1 })
	b.until("told", func(api.ClusterStatus) bool { return b.nodes[0].answer().Spec.Formation != nil })
	b.nodes[0].kill()
	require.NoError(t, b.people("operate").Release(t.Context(), api.ReleaseRequest{What: api.ReleaseFormation}))
	s := b.until("released", func(s api.ClusterStatus) bool { return hasEvent(s, "FormationReleased") })
	assert.Equal(t, 1, granted(s), "its holder hasn't heard")
	assert.Contains(t, s.Waiting, "n1")

	b.nodes[0].place(b.nodes[0].env)
	b.until("granted to the next", func(s api.ClusterStatus) bool { return granted(s) == 2 })
	b.until("told", func(api.ClusterStatus) bool { return b.nodes[1].answer().Spec.Formation != nil })
	assert.Nil(t, b.nodes[0].answer().Spec.Formation)
}
