package scheduler_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

// What one node's MDM says and nobody understands holds every node, over a restart too, and no longer than it lasts.
func TestCluster_unknownDialectHoldsEveryNode(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	say := func(text string) {
		b.nodes[1].mu.Lock()
		defer b.nodes[1].mu.Unlock()
		b.nodes[1].garbled = text
	}
	held := func(want bool) func(api.ClusterStatus) bool {
		return func(s api.ClusterStatus) bool {
			for _, n := range b.nodes {
				if (n.answer().Hold != nil) != want {
					return false
				}
			}
			return (s.ReadOnly != "") == want
		}
	}
	say("Quantum state: 7")
	s := b.until("held", held(true))
	assert.Contains(t, s.ReadOnly, "Quantum state: 7")
	assert.Contains(t, b.nodes[4].answer().Hold.Reason, "n2")

	require.NoError(t, b.halt())
	b.nodes[1].kill()
	b.start()
	s = b.until("read-only after a restart", func(s api.ClusterStatus) bool { return s.ReadOnly != "" })
	assert.Contains(t, s.ReadOnly, "Quantum state: 7", "though the node hasn't been heard again")
	require.NoError(t, b.people("operate").Release(t.Context(), api.ReleaseRequest{What: api.ReleaseReadOnly}))
	b.until("released by a person", func(s api.ClusterStatus) bool { return s.ReadOnly == "" })

	b.nodes[1].place(b.nodes[1].env)
	b.until("held again", held(true))
	say("")
	b.until("released", held(false))
}
