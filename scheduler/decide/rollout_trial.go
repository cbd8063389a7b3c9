package decide

import (
	"cmp"
	"time"

	"scaleio-framework/scheduler/api"
)

// onTrial: the node is in the wave that is under way, and others wait for it.
func (s *State) onTrial(n *Node) bool {
	r := s.Rollout
	return r != nil && r.State == RolloutRunning && n.Turn.Rollout == r.Number && n.Turn.Wave == r.Wave && n.Turn.Failed == ""
}

// onTarget says what a node lacks to be what it was to be; fault = it won't be.
func (s *State) onTarget(n *Node) (why string, fault bool) {
	agent := s.settings(n).Agent
	if b := binary(n); agent != nil && b != nil {
		if back := b.RolledBack; back.Refuses(*agent) {
			return "went back to the agent before: " + back.Why, true
		}
	}
	why = s.lacks(n, agent)
	return why, why != "" && s.Held(n) == nil && s.Now.Sub(n.Turn.Since) > s.trialLimit()
}

func (s *State) lacks(n *Node, agent *api.AgentBinary) string {
	b := binary(n)
	switch {
	case !s.live(n):
		return "isn't heard"
	case agent != nil && b != nil && (b.SHA256 != agent.SHA256 || b.Proving):
		return cmp.Or(b.Waiting, "hasn't changed its agent yet")
	case !s.current(n) || !passed(n):
		return "hasn't looked at its newest orders yet"
	case n.Turn.Whole && !whole(n):
		text := "isn't Ready: " + n.Report.Step
		if c := condition(n, n.Report.Step); c != nil {
			text += ": " + c.Message
		}
		return text
	}
	return ""
}

// trialLimit is how long a node may take. Its agent gives up before that and says why.
func (s *State) trialLimit() time.Duration {
	limit := api.DefaultReadyWithin
	if a := s.Settings.Agent; a != nil {
		limit = a.ReadyWithin()
	}
	return 2*limit + 2*api.RestPoll
}

func binary(n *Node) *api.RunningBinary {
	if n.Report == nil {
		return nil
	}
	return n.Report.Binary
}
