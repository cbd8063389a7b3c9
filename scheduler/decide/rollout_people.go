package decide

import (
	"errors"

	"scaleio-framework/scheduler/api"
)

// ResumeRollout tries again what failed, or what was taken back.
func ResumeRollout(s *State) (Rolling, error) {
	if s.Rollout == nil || s.Rollout.State == RolloutRunning || s.Rollout.State == RolloutDone && s.Rollout.Refused == "" {
		return Rolling{}, errors.New("no rollout is stopped")
	}
	r, turns := s.Rollout.clone(), map[string]Turn{}
	if r.Refused != "" {
		again := r.Refused
		r.begin(again)
		r.Refused, r.Attempt = "", 1
		return Rolling{Rollout: &r}, nil
	}
	for id, n := range s.Nodes { // who failed is still to be given it; a canary is found anew
		if r.failed(n) {
			turns[id] = Turn{}
		}
	}
	if r.Wave <= 0 {
		r.Wave = -1
	}
	r.State, r.Why = RolloutRunning, ""
	r.Attempt++
	return Rolling{Rollout: &r, Turns: turns}, nil
}

// AbortRollout takes back what the nodes were given, in waves too.
func AbortRollout(s *State) (Rolling, error) {
	if s.Rollout == nil || s.Rollout.State == RolloutDone {
		return Rolling{}, errors.New("no rollout is under way: to go back from what all nodes have, configure what was before")
	}
	if s.Rollout.Base == s.Rollout.Target {
		return Rolling{}, errors.New("nothing is known that nodes had before: configure it")
	}
	r := s.Rollout.clone()
	refused := r.Target
	r.begin(r.Base)
	r.Refused = refused
	return Rolling{Rollout: &r}, nil
}

// rolloutView for people; nil while every node has what the configuration says.
func rolloutView(s *State) *api.RolloutView {
	r := s.Rollout
	if r == nil || r.State == RolloutDone && r.Refused == "" {
		return nil
	}
	view := &api.RolloutView{State: string(r.State), Target: r.Target, Wave: max(0, r.Wave), Why: r.Why, Refused: r.Refused, Left: len(s.left())}
	if a := r.Versions[r.Target].Agent; a != nil {
		view.Agent = a.SHA256
	}
	for _, n := range byName(s.Nodes) {
		if n.Turn.Rollout != r.Number {
			continue
		}
		view.Given++
		if n.Turn.Failed != "" {
			view.Failed = append(view.Failed, api.RolloutFault{Node: n.Name, Why: n.Turn.Failed})
		} else if why, _ := s.onTarget(n); why != "" && s.onTrial(n) && view.Why == "" {
			view.Why = n.Name + " " + why
		}
	}
	if r.State == RolloutRunning && view.Why == "" && r.Wave >= 0 {
		view.Why = notSafe(s)
	}
	return view
}

// LaunchAgent is the agent that new tasks bring: what the configuration says, unless that was stopped or taken back.
func LaunchAgent(s *State) *api.AgentBinary {
	r := s.Rollout
	if r == nil || r.State != RolloutStopped && r.Refused == "" {
		return s.Settings.Agent
	}
	if before := r.Versions[r.Base].Agent; before != nil {
		return before
	}
	return s.Settings.Agent
}
