package decide_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// site is a cluster whose nodes do what their specs say, as far as they can.
type site struct {
	*builder
	t      *testing.T
	broken map[string]string // node -> agent that it goes back from
	sick   map[string]bool   // nodes that aren't Ready with the settings that are new
	events []string
}

// agentNamed stands for the SHA-256 of one.
func agentNamed(name string) *api.AgentBinary {
	return &api.AgentBinary{URL: "https://mirror/" + name, SHA256: name, ReadyWithinMS: 60_000}
}

// newSite has nine nodes in three racks, all Ready with the agent "one"; the MDMs are n1, n2 and n3.
func newSite(t *testing.T, racks ...string) *site {
	if len(racks) == 0 {
		racks = []string{"a", "b", "c", "a", "b", "c", "a", "b", "c"}
	}
	b := formed(racks...)
	b.Cluster.Gates = append(b.Cluster.Gates, api.GateClusterFormed, api.GateGatewayReady, api.GatePoolReady)
	b.Settings.Agent, b.Settings.RolloutCalm = agentNamed("one"), 10*time.Second
	s := &site{builder: b.view(healthy).with(2, mdm(slave)).with(3, mdm(slave)).all(ready), t: t, broken: map[string]string{}, sick: map[string]bool{}}
	r, _ := decide.Configured(&decide.State{Settings: b.Settings})
	b.Rollout = &r
	s.obey()
	return s
}

// obey: every node becomes what its spec says, and reports so.
func (s *site) obey() {
	for _, n := range s.Nodes {
		spec := decide.Spec(&s.State, n)
		was := n.Report.Binary
		if spec.Agent == nil {
			continue
		}
		n.Report.Binary = &api.RunningBinary{SHA256: spec.Agent.SHA256}
		if was != nil {
			n.Report.Binary.RolledBack = was.RolledBack
		}
		if back := n.Report.Binary.RolledBack; was != nil && (s.broken[n.Name] == spec.Agent.SHA256 || back.Refuses(*spec.Agent)) {
			n.Report.Binary = &api.RunningBinary{SHA256: was.SHA256, RolledBack: &api.RolledBack{SHA256: spec.Agent.SHA256, Attempt: spec.Agent.Attempt, Why: "it never was Ready"}}
		}
		n.Report.Ready = !s.sick[n.Name] || spec.Reboots != api.RebootsRolling
	}
}

// restart the scheduler with other settings.
func (s *site) restart(change func(*decide.Settings)) {
	set := *s.Settings
	s.Settings = &set
	change(s.Settings)
	for _, n := range s.Nodes {
		n.Turn.Since = time.Time{} // isn't stored
	}
	r, events := decide.Configured(&s.State)
	s.Rollout = &r
	s.hear(events)
}

func (s *site) hear(events []api.Event) {
	for _, e := range events {
		s.events = append(s.events, strings.TrimSpace(e.Kind+" "+e.Node))
	}
}

// look takes one step, stores it, and lets the nodes follow.
func (s *site) look() {
	out := decide.Roll(&s.State)
	s.Rollout = out.Rollout
	for id, turn := range out.Turns {
		s.Nodes[id].Turn = turn
	}
	s.hear(out.Events)
	s.obey()
}

// run until nothing is under way, and give what each wave was made of.
func (s *site) run() (waves []string) {
	s.t.Helper()
	before := s.agents()
	for range 400 {
		s.look()
		if now := s.agents(); !maps.Equal(now, before) {
			var changed []string
			for name := range now {
				if now[name] != before[name] {
					changed = append(changed, name)
				}
			}
			slices.Sort(changed)
			waves, before = append(waves, strings.Join(changed, " ")), now
		}
		if s.Rollout.State != decide.RolloutRunning {
			return waves
		}
		s.later(5 * time.Second)
	}
	require.Fail(s.t, "it doesn't end", "%+v", s.Rollout)
	return nil
}

func (s *site) agents() map[string]string {
	all := map[string]string{}
	for _, n := range s.Nodes {
		all[n.Name] = n.Report.Binary.SHA256
	}
	return all
}

func agent(name string) func(*decide.Settings) {
	return func(set *decide.Settings) { set.Agent = agentNamed(name) }
}

func reboots(set *decide.Settings) { set.Reboots = api.RebootsRolling }

func TestRollout_waves(t *testing.T) {
	s := newSite(t)
	s.restart(agent("two"))
	assert.Equal(t, []string{"n4", "n1 n7", "n5 n6 n8", "n2 n3 n9"}, s.run(), "a data node, its failure domain, then as many as have it; who carries an MDM comes late")
	assert.Equal(t, decide.RolloutDone, s.Rollout.State)
	assert.Len(t, s.Rollout.Versions, 1)
	assert.Equal(t, []string{"RolloutStarted", "RolloutWave", "RolloutWave", "RolloutWave", "RolloutWave", "RolledOut"}, s.events)
}

func TestRollout_theSameAgainChangesNothing(t *testing.T) {
	s := newSite(t)
	s.restart(agent("two"))
	s.run()
	s.events = nil
	specs := s.specs()
	s.restart(agent("two"))
	assert.Empty(t, s.run())
	s.restart(func(set *decide.Settings) { // another mirror has the same
		set.Agent = agentNamed("two")
		set.Agent.URL = "https://elsewhere/two"
	})
	assert.Empty(t, s.run())
	assert.Empty(t, s.events)
	s.restart(agent("two"))
	assert.Equal(t, specs, s.specs())
}

func (s *site) specs() (all []string) {
	for i := range len(s.Nodes) {
		all = append(all, decide.Hash(decide.Spec(&s.State, s.Nodes[fmt.Sprintf("id%d", i+1)])))
	}
	return all
}

func TestRollout_theFirstThatFailsStopsIt(t *testing.T) {
	s := newSite(t)
	s.broken["n4"] = "two"
	s.restart(agent("two"))
	s.run()
	assert.Equal(t, decide.RolloutStopped, s.Rollout.State)
	assert.Equal(t, []string{"RolloutStarted", "RolloutWave", "RolloutFailed n4", "RolloutStopped"}, s.events)
	for name, sha := range s.agents() {
		assert.Equal(t, "one", sha, name)
	}
	assert.Contains(t, s.Rollout.Why, "never was Ready")
	s.restart(agent("two"))
	assert.Equal(t, decide.RolloutStopped, s.Rollout.State, "nor does a restart try again")
	assert.Equal(t, "one", decide.LaunchAgent(&s.State).SHA256, "nor does a new task bring it")

	out, err := decide.ResumeRollout(&s.State)
	require.NoError(t, err)
	s.apply(out)
	delete(s.broken, "n4") // it was the machine's fault
	s.run()
	for name, sha := range s.agents() {
		assert.Equal(t, "two", sha, name)
	}
}

func (s *site) apply(out decide.Rolling) {
	s.Rollout = out.Rollout
	for id, turn := range out.Turns {
		s.Nodes[id].Turn = turn
	}
}

func TestRollout_stopsAtTwo(t *testing.T) {
	s := newSite(t)
	s.broken["n7"] = "two"
	s.restart(agent("two"))
	s.run()
	assert.Equal(t, decide.RolloutDone, s.Rollout.State, "one beside the canary is told of, and the others go on")
	assert.Equal(t, "one", s.agents()["n7"])
	assert.Contains(t, s.events, "RolloutFailed n7")

	s = newSite(t)
	s.broken["n7"], s.broken["n5"] = "two", "two"
	s.restart(agent("two"))
	s.run()
	assert.Equal(t, decide.RolloutStopped, s.Rollout.State)
	assert.Equal(t, map[string]string{"n1": "two", "n2": "one", "n3": "one", "n4": "two", "n5": "one", "n6": "one", "n7": "one", "n8": "two", "n9": "one"}, s.agents())

	out, err := decide.AbortRollout(&s.State)
	require.NoError(t, err)
	s.apply(out)
	s.events = nil
	assert.NotEmpty(t, s.run())
	for name, sha := range s.agents() {
		assert.Equal(t, "one", sha, name)
	}
	s.restart(agent("two"))
	assert.Empty(t, s.run(), "what was taken back isn't tried again")
	s.restart(agent("three"))
	assert.Len(t, s.run(), 4, "another one is")
}

func TestRollout_settingsGoInWavesToo(t *testing.T) {
	s := newSite(t)
	s.sick["n4"] = true
	s.restart(reboots)
	s.look()
	assert.Equal(t, "n4", strings.Join(s.withReboots(), " "))
	s.run()
	assert.Equal(t, decide.RolloutStopped, s.Rollout.State, "the canary wasn't Ready in time")
	assert.Empty(t, s.withReboots(), "it is told what the others are")
	s.restart(func(set *decide.Settings) { set.Reboots = api.RebootsNever })
	s.restart(func(set *decide.Settings) { set.Reboots = "" })
	assert.Equal(t, decide.RolloutDone, func() decide.RolloutState { s.run(); return s.Rollout.State }())
}

func (s *site) withReboots() (names []string) {
	for _, n := range s.Nodes {
		if decide.Spec(&s.State, n).Reboots == api.RebootsRolling {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Packages of MDM, SDS, SDC and gateway have an order of their own over the whole cluster: no wave of nodes turns it over. They come when everything else is everywhere.
func TestRollout_packagesInTheirOwnOrder(t *testing.T) {
	list := func(version string) []api.Package {
		return []api.Package{{Component: "sds", Version: version, OS: "ubuntu22.04", SHA256: "sds" + version}, {Component: "rexray", Version: version, OS: "ubuntu22.04", SHA256: "rexray" + version}}
	}
	s := newSite(t)
	s.restart(func(set *decide.Settings) { set.Packages = list("1") })
	s.run()
	versions := func(i int) string {
		var all []string
		for _, p := range decide.Spec(&s.State, s.Nodes[fmt.Sprintf("id%d", i)]).Packages {
			all = append(all, p.Component+" "+p.Version)
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	s.restart(func(set *decide.Settings) { set.Packages = list("2") })
	s.look()
	assert.Equal(t, "rexray 2, sds 1", versions(4), "the canary")
	assert.Equal(t, "rexray 1, sds 1", versions(5))
	s.run()
	assert.Equal(t, "rexray 2, sds 2", versions(4))
	assert.Equal(t, "rexray 2, sds 2", versions(5))

	s.events = nil
	s.restart(func(set *decide.Settings) { set.Packages[0].Version, set.Packages[0].SHA256 = "3", "sds3" })
	s.look()
	assert.Equal(t, "rexray 2, sds 3", versions(5), "upgraded one at a time, and stopped by the first that fails, anyway")
}

func TestRollout_waits(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*site)
		undo   func(*site)
	}{
		"the cluster is held": {func(s *site) { s.Cluster.Hold = &api.Hold{Author: "op"} }, func(s *site) { s.Cluster.Hold = nil }},
		"the canary is held": {func(s *site) {
			s.Nodes["id4"].Hold = &api.Hold{Author: "op"}
			s.Nodes["id4"].Report.Binary.SHA256 = "one"
		},
			func(s *site) { s.Nodes["id4"].Hold = nil }},
		"the storage isn't whole": {func(s *site) { s.View.Pool.DegradedBytes = 1 }, func(s *site) { s.View.Pool.DegradedBytes = 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.restart(agent("two"))
			s.look()
			for range 100 {
				s.later(10 * time.Second)
				c.change(s)
				out := decide.Roll(&s.State)
				s.apply(out)
				require.Equal(t, decide.RolloutRunning, s.Rollout.State)
			}
			assert.Equal(t, 0, s.Rollout.Wave)
			c.undo(s)
			s.obey()
			s.run()
			assert.Equal(t, decide.RolloutDone, s.Rollout.State)
		})
	}
}

// A node that is away is not waited for; it finds the new agent when it comes back.
func TestRollout_silentNodesComeLater(t *testing.T) {
	s := newSite(t)
	s.restart(agent("two"))
	gone := s.Nodes["id9"]
	delete(s.Nodes, "id9")
	s.run()
	s.Nodes["id9"] = gone
	s.obey()
	assert.Equal(t, "two", gone.Report.Binary.SHA256)
}

// Before there is data nothing has to be protected; and without a record of what runs an agent goes in waves too.
func TestRollout_atOnceWithoutData(t *testing.T) {
	s := newSite(t)
	s.Cluster.Gates = slices.DeleteFunc(s.Cluster.Gates, func(g api.Gate) bool { return g == api.GatePoolReady })
	s.restart(agent("two"))
	s.look()
	for name, sha := range s.agents() {
		assert.Equal(t, "two", sha, name)
	}

	s = newSite(t)
	s.Rollout = nil // as a version of before there were rollouts left it
	s.restart(agent("two"))
	assert.Len(t, s.run(), 4)
}

// A change while another is under way: nodes keep what they have until it is their turn.
func TestRollout_changedOnTheWay(t *testing.T) {
	s := newSite(t)
	s.restart(agent("two"))
	s.look()
	assert.Equal(t, "two", s.agents()["n4"])
	s.restart(agent("three"))
	s.obey()
	assert.Equal(t, "two", s.agents()["n4"])
	assert.Equal(t, "one", s.agents()["n5"])
	s.run()
	for name, sha := range s.agents() {
		assert.Equal(t, "three", sha, name)
	}
	s.restart(agent("four"))
	s.look()
	s.restart(agent("three")) // the configuration of before is the shortest way back
	s.run()
	for name, sha := range s.agents() {
		assert.Equal(t, "three", sha, name)
	}
}

// A new node's task brought the new agent; it isn't made to go back from it because its turn hasn't come.
func TestRollout_aNewNodeKeepsWhatItsTaskBrought(t *testing.T) {
	s := newSite(t)
	s.restart(agent("two"))
	s.look()
	s.with(9, func(n *decide.Node) { n.Report.Binary.SHA256 = "two" })
	assert.Equal(t, "two", decide.Spec(&s.State, s.Nodes["id9"]).Agent.SHA256)
}

// One that can't replace itself is of the version before: it is told, and doesn't hold up the others.
func TestRollout_anAgentOfBefore(t *testing.T) {
	s := newSite(t)
	s.restart(agent("two"))
	for range 100 {
		s.with(5, func(n *decide.Node) { n.Report.Binary = nil })
		out := decide.Roll(&s.State)
		s.apply(out)
		s.obey()
		s.later(5 * time.Second)
	}
	assert.Equal(t, decide.RolloutDone, s.Rollout.State)
}
