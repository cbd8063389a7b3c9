package scheduler_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

// Five nodes ask for newer packages: the scheduler gives each its turns over the wire, has the master hand over, and a scheduler that is started anew in the middle
// goes on where it was.
func TestUpgrade_turnsOverTheWire(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	require.NoError(t, b.halt()) // a newer manifest comes with a start
	for i, n := range b.nodes {
		n.mu.Lock()
		n.older = []string{"mdm", "sds"}
		if i >= 3 { // data nodes
			n.older = []string{"sds"}
		}
		n.mu.Unlock()
	}
	b.start()
	done := func(k int) func(api.ClusterStatus) bool {
		return func(api.ClusterStatus) bool {
			b.ahead.Add(int64(time.Second)) // samples grow older than the last interruption's end
			return len(b.scaleio.upgrades()) >= k
		}
	}
	b.until("the first", done(1))
	require.NoError(t, b.halt())
	b.start()
	b.until("all", done(9))
	b.until("the right to interrupt is back", func(s api.ClusterStatus) bool {
		return s.Ready && slices.ContainsFunc(s.Events, func(e api.Event) bool { return e.Kind == "DisruptionEnded" })
	})
	order := b.scaleio.upgrades()
	assert.ElementsMatch(t, []string{"n3 mdm", "n2 mdm", "master is n2", "n1 mdm", "n4 sds", "n5 sds", "n3 sds", "n1 sds", "n2 sds"}, order)
	at := func(what string) int { return slices.Index(order, what) }
	assert.Equal(t, at("master is n2")+1, at("n1 mdm"), "handed over right before: %v", order)
	assert.Equal(t, 8, at("n2 sds"), "the master's node last: %v", order)
	assert.Less(t, at("n1 mdm"), at("n4 sds"), "all MDMs before any SDS: %v", order)
}
