package explain_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/explain"
)

func TestNode(t *testing.T) {
	for name, c := range map[string]struct {
		node  api.NodeStatus
		says  []string
		waits string
	}{
		"Ready": {api.NodeStatus{Name: "n1", Role: api.RoleData, Ready: true}, []string{"gives its empty disks", "Ready: every fact"}, ""},
		"a person has to act": {api.NodeStatus{Name: "n1", Role: api.RoleManager, Step: "check-peers", Reason: "PortTaken", Message: "port 443 is taken by nginx"},
			[]string{"one of the two managers", "check-peers (PortTaken)", "Another program has a network port", "port 443 is taken by nginx", "Stop that program on n1"}, "you"},
		"others first":     {api.NodeStatus{Name: "n1", Step: "form-cluster", Reason: api.ReasonWaitingForGate}, []string{"other nodes have to get there first"}, "the cluster, which waits for an MDM on n3"},
		"it goes on":       {api.NodeStatus{Name: "n1", Step: "install-sds", Reason: api.ReasonApplying}, []string{"doing this right now"}, "nobody: the agent goes on by itself"},
		"held":             {api.NodeStatus{Name: "n1", Reason: api.ReasonHeld, Message: "held by ann"}, []string{"`scaleio-scheduler release n1`", "held by ann"}, "you"},
		"a word of others": {api.NodeStatus{Name: "n1", Step: "x", Reason: "FromTheFuture"}, []string{"no words for it"}, "nobody: the agent goes on by itself"},
		"disks": {api.NodeStatus{Name: "n1", Ready: true, Disks: []api.Disk{{ID: "wwn-1", State: api.DiskOffered, Reason: "WaitingForApproval", SizeBytes: 200_000_000_000}, {ID: "d2", State: api.DiskRefused, Reason: "HasSignature"}}},
			[]string{"`scaleio-scheduler approve n1 wwn-1`", "1 disk(s) aren't used: HasSignature", "may hold data"}, ""},
		"Ready, yet": {api.NodeStatus{Name: "n1", Ready: true, Conditions: []api.Condition{{Type: api.ConditionRebootNeeded, Status: api.True, Reason: "RebootNeeded"}}},
			[]string{"Ready, with something to know", "Reboot n1 when it suits"}, "you"},
	} {
		t.Run(name, func(t *testing.T) {
			e := explain.Node(c.node, "an MDM on n3")
			assert.Equal(t, c.waits, e.Waits)
			var out strings.Builder
			require.NoError(t, explain.Write(&out, e))
			for _, text := range c.says {
				assert.Contains(t, out.String(), text)
			}
			assert.NotContains(t, out.String(), "{node}")
		})
	}
}
