package decide_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// Whoever stole a join token may say anything of itself, the system's id too (every node is told it). It gets no lease and so no admin password.
func TestLeader_onlyChosenManagers(t *testing.T) {
	for name, id := range map[string]string{"tie-breaker": "id3", "data": "id4"} {
		t.Run(name, func(t *testing.T) {
			b := formed("a", "b", "c", "d").all(mdm(master))
			b.Leases = decide.Leases{}
			n := b.Nodes[id]
			b.Leases = decide.Leader(&b.State, n)
			assert.Empty(t, b.Leases.Leader)
			b.Leases = decide.Leases{Leader: id, LeaderUntil: now.Add(api.LeaderLeaseTTL)} // it was a manager once
			assert.False(t, b.Leads(n))
			assert.False(t, decide.SecretsFor(&b.State, n).Admin)
			assert.Nil(t, decide.Spec(&b.State, n).Cluster)
		})
	}
}

func TestSecretsFor_joiningAloneYieldsNone(t *testing.T) {
	b := pooled()
	b.Nodes["new"] = &decide.Node{ID: "new", Name: "new", Key: "key"}
	assert.Equal(t, decide.Needs{}, decide.SecretsFor(&b.State, b.Nodes["new"]), "joined, never reported")
	b.with(4, unsupported)
	assert.Equal(t, decide.Needs{}, decide.SecretsFor(&b.State, b.Nodes["id4"]), "it never mounts anything")
}
