package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
)

// RolloutState of a rollout.
type RolloutState string

// The states. A stopped one goes on when a person says so, or when the configuration says something else.
const (
	RolloutRunning RolloutState = "running"
	RolloutStopped RolloutState = "stopped"
	RolloutDone    RolloutState = "done"
)

// Rollout is the stored record of how what the configuration says comes to the nodes: to one, then to its failure domain, then to more and more.
type Rollout struct {
	Number  int          `json:"number"`
	First   int          `json:"first"` // number of the first since all nodes had the same; what older ones gave counts no more
	State   RolloutState `json:"state"`
	Base    string       `json:"base"`   // version of all nodes that were given no other
	Target  string       `json:"target"` // version that they are to have
	Refused string       `json:"refused,omitempty"`
	Wave    int          `json:"wave"`              // that is under way: 0 = the canary, 1 = its failure domain
	Attempt int          `json:"attempt,omitempty"` // how often a person had it tried again
	Why     string       `json:"why,omitempty"`     // it is stopped

	Versions map[string]NodeSettings `json:"-"` // stored as records of their own
	Calm     time.Time               `json:"-"` // since when all of the wave are well
	Begun    time.Time               `json:"-"` // when this process took it up
}

// A Turn is what the last rollout brought to a node.
type Turn struct {
	Version string    `json:"version,omitempty"` // empty = as all
	Rollout int       `json:"rollout,omitempty"`
	Wave    int       `json:"wave,omitempty"`
	Whole   bool      `json:"whole,omitempty"`  // it lacked nothing before
	Failed  string    `json:"failed,omitempty"` // why it couldn't be what it was to be
	Since   time.Time `json:"-"`                // by this process' clock
}

// A Rolling is what a look at the rollout brought.
type Rolling struct {
	Rollout *Rollout
	Turns   map[string]Turn // by node
	Events  []api.Event
	Again   time.Duration
}

// maxRolloutFailures stops a rollout. A canary that fails is enough: there is only one.
const maxRolloutFailures = 2

// Configured says what becomes of the rollout when a scheduler starts with these settings. The same ones again change nothing.
func Configured(s *State) (Rollout, []api.Event) {
	want := s.Settings.forNodes()
	version := want.Version()
	if s.Rollout == nil {
		r := Rollout{Begun: s.Now, State: RolloutDone, Base: version, Target: version, Versions: map[string]NodeSettings{version: want}}
		if len(s.Nodes) > 0 { // a store of before there were rollouts: nobody knows which agents run
			first := want
			first.Agent = nil
			r.Base = first.Version()
			r.Versions[r.Base] = first
			r.begin(version)
		}
		return r, nil
	}
	for _, n := range s.Nodes {
		n.Turn.Since = s.Now // what it needed before this process counts no more
	}
	r := s.Rollout.clone()
	r.Begun = s.Now
	if version == r.Refused {
		return r, nil
	}
	if r.Refused = ""; version == r.Target {
		r.Versions[version] = want // where things are fetched from may have changed
		return r, nil
	}
	r.begin(version)
	r.Versions[version] = want
	r.prune(s)
	return r, []api.Event{{Time: s.Now.UTC(), Kind: "RolloutStarted", Message: fmt.Sprintf("%s goes to the nodes in waves", r.Versions[version].describe(r.Versions[r.Base]))}}
}

func (r *Rollout) begin(target string) {
	if r.Number++; r.State == RolloutDone {
		r.First = r.Number
	}
	r.Target, r.State, r.Wave, r.Attempt, r.Why, r.Calm = target, RolloutRunning, -1, 0, "", time.Time{}
}

func (r *Rollout) clone() Rollout {
	c := *r
	c.Versions = maps.Clone(r.Versions)
	return c
}

// version that a node is told.
func (r *Rollout) version(n *Node) string {
	if _, known := r.Versions[n.Turn.Version]; known && n.Turn.Rollout >= r.First {
		return n.Turn.Version
	}
	return r.Base
}

// failed: it couldn't be what this rollout wanted.
func (r *Rollout) failed(n *Node) bool { return n.Turn.Rollout == r.Number && n.Turn.Failed != "" }

// prune versions that nobody has and nobody is to have.
func (r *Rollout) prune(s *State) {
	used := map[string]bool{r.Base: true, r.Target: true, r.Refused: true}
	for _, n := range s.Nodes {
		used[r.version(n)] = true
	}
	maps.DeleteFunc(r.Versions, func(v string, _ NodeSettings) bool { return !used[v] })
}

// describe for people what is new.
func (t NodeSettings) describe(before NodeSettings) string {
	agent := t.Agent != nil && (before.Agent == nil || before.Agent.SHA256 != t.Agent.SHA256)
	t.Agent, before.Agent = nil, nil
	rest := t.Version() != before.Version()
	switch {
	case agent && rest:
		return "a new agent with new settings"
	case agent:
		return "a new agent"
	}
	return "a change of manifest or settings"
}

// Roll takes the rollout one step on, if it may.
func Roll(s *State) Rolling {
	out := Rolling{Rollout: s.Rollout, Turns: map[string]Turn{}}
	if s.Rollout == nil || s.Rollout.State != RolloutRunning {
		return out
	}
	r := s.Rollout.clone()
	out.Rollout = &r
	failed, pending := s.judge(&out)
	switch {
	case s.Held(nil) != nil:
		return out
	case r.Wave <= 0 && failed > 0 || failed >= maxRolloutFailures:
		r.State, r.Why = RolloutStopped, failures(s, &out)
		out.tell(s, "", "RolloutStopped", r.Why+": no other node gets it. `rollout resume` tries again, `rollout abort` takes it back")
		return out
	case pending != "":
		r.Calm = time.Time{}
		out.Again = time.Second
		return out
	case !s.Cluster.Open(api.GatePoolReady): // without data there is nothing that a wave would protect
		r.end(s, &out)
		return out
	case s.unheard():
		out.Again = time.Second
		return out
	case r.Calm.IsZero():
		r.Calm = s.Now
	}
	left := slices.DeleteFunc(s.left(), func(n *Node) bool { return out.Turns[n.ID].Failed != "" })
	wait := r.Calm.Add(s.Settings.RolloutCalm).Sub(s.Now)
	switch {
	case len(left) == 0:
		r.end(s, &out)
	case r.Wave >= 0 && wait > 0:
		out.Again = wait
	case r.Wave >= 0 && notSafe(s) != "":
		out.Again = 5 * time.Second
	default:
		r.next(s, left, &out)
	}
	return out
}

// judge the nodes that were given the target: how many failed in all, and which is waited for.
func (s *State) judge(out *Rolling) (failed int, pending string) {
	r := out.Rollout
	for _, n := range those(s.Nodes, func(n *Node) bool { return n.Turn.Rollout == r.Number }) {
		t := n.Turn
		switch {
		case t.Failed != "":
			failed++
			continue
		case t.Wave != r.Wave:
			continue
		}
		if s.Held(n) != nil { // nothing goes on there, and the time isn't its fault
			t.Since = s.Now
			out.Turns[n.ID] = t
		}
		why, fault := s.onTarget(n)
		if fault {
			t.Failed, t.Version = short(why), ""
			out.Turns[n.ID] = t
			failed++
			out.tell(s, n.ID, "RolloutFailed", t.Failed)
		} else if why != "" {
			pending = n.Name + " " + why
		}
	}
	return failed, pending
}

// end: it holds for every node, also for those that come later or come back.
func (r *Rollout) end(s *State, out *Rolling) {
	r.State, r.Base, r.Why = RolloutDone, r.Target, ""
	maps.DeleteFunc(r.Versions, func(v string, _ NodeSettings) bool { return v != r.Base && v != r.Refused })
	if r.Wave >= 0 {
		out.tell(s, "", "RolledOut", "every node is told what the configuration says")
	}
}

func (o *Rolling) tell(s *State, node, kind, message string) {
	o.Events = append(o.Events, api.Event{Time: s.Now.UTC(), Node: nameOf(s, node), Kind: kind, Message: message})
}

func short(text string) string {
	const most = 300
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

func failures(s *State, out *Rolling) string {
	var all []string
	for _, n := range byName(s.Nodes) {
		t := n.Turn
		if changed, ok := out.Turns[n.ID]; ok {
			t = changed
		}
		if t.Rollout == out.Rollout.Number && t.Failed != "" {
			all = append(all, n.Name+" "+t.Failed)
		}
	}
	return short(strings.Join(all, "; "))
}
