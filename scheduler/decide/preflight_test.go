package decide

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/scheduler/api"
)

func TestPreflight(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	node := func(id string, change func(*Node)) *Node {
		n := &Node{ID: id, Name: id, Hostname: "host-" + id, Generation: 3, SeenAt: now,
			Report: &api.Report{Version: api.Version{Cluster: "c", Epoch: 1, Generation: 3}, Addresses: []string{"10.0.0." + id},
				Conditions: []api.Condition{{Type: api.StepCheckPeers, Status: api.False, Reason: api.ReasonPeersReached, Generation: 3}}}}
		change(n)
		return n
	}
	same := func(*Node) {}
	for name, c := range map[string]struct {
		change  func(*Node)
		reached bool
		refused string
	}{
		"all reach each other":     {same, true, ""},
		"one doesn't":              {func(n *Node) { n.Report.Conditions[0].Reason = "PortUnreachable" }, false, ""},
		"one looked before":        {func(n *Node) { n.Report.Conditions[0].Generation = 2 }, false, ""},
		"one is silent":            {func(n *Node) { n.SeenAt = now.Add(-time.Hour) }, false, ""},
		"one knows nothing of it":  {func(n *Node) { n.Report.Conditions[0].Type = "install-sds" }, true, ""},
		"one has just come":        {func(n *Node) { n.Report.Conditions = nil }, false, ""},
		"a clock is off":           {func(n *Node) { n.Skew = -time.Minute }, true, "ClockSkew"},
		"a host name twice":        {func(n *Node) { n.Hostname = "host-1" }, true, "NameConflict"},
		"an address twice":         {func(n *Node) { n.Report.Addresses[0] = "10.0.0.1" }, true, "AddressConflict"},
		"its second address twice": {func(n *Node) { n.Report.Addresses = append(n.Report.Addresses, "10.0.0.1") }, true, ""},
		"late, when it is installed": {func(n *Node) {
			n.Skew = time.Hour
			n.Report.Conditions = append(n.Report.Conditions, api.Condition{Type: "install-sdc", Status: api.True, Generation: 3})
		}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &State{Now: now, Settings: &Settings{}, Nodes: map[string]*Node{"1": node("1", same), "2": node("2", same), "3": node("3", c.change)},
				Cluster: Cluster{ID: "c", Epoch: 1, MDMs: []api.MDM{{Node: "1", Name: "1"}, {Node: "2", Name: "2"}, {Node: "3", Name: "3"}}}}
			assert.Equal(t, c.reached, peersReached(s, &s.Cluster))
			got := preflight(s, s.Nodes["3"])
			assert.False(t, got.Done)
			if c.refused == "" {
				assert.Empty(t, got.Refused)
			} else if assert.Len(t, got.Refused, 1) {
				assert.Equal(t, c.refused, got.Refused[0].Reason)
			}
			out, _ := Decide(s)
			assert.Equal(t, c.reached, out.PeersChecked)
		})
	}
}
