package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// process of an agent on the bench, as systemd would start it.
func (b *bench) process(binary string) *Agent {
	b.t.Helper()
	b.files.Set(ConfigFile, "cluster: c1\nservers: [https://s:1]\n", 0o644)
	a, err := New(Options{Version: binary, Identity: api.Identity{ID: "n1"}, Files: b.files, Steps: fakeSteps{}, Notify: func(string) {}, Reached: func(string) {},
		Log: b.replacer(binary).Log, Replacer: b.replacer(binary)})
	require.NoError(b.t, err)
	a.beginsChange(b.t.Context())
	return a
}

// told hands it an answer that wants another agent.
func (b *bench) told(a *Agent, generation int64, want api.AgentBinary) {
	b.t.Helper()
	answer := answerOf(generation)
	answer.Spec.Agent = &want
	_, err := a.take(answer, time.Now())
	require.NoError(b.t, err)
}

// looked: a pass came to its end.
func looked(a *Agent, ready bool, facts ...api.Condition) {
	a.note(func(s *seen) { s.passes++; s.result = step.Result{Ready: ready, Conditions: facts} })
}

func fact(name string, status api.Status) api.Condition {
	return api.Condition{Type: name, Status: status, Reason: "Seen"}
}

// fetched does what fetchesAgent does, once.
func (b *bench) fetched(a *Agent) {
	b.t.Helper()
	want, due := a.wantedAgent()
	require.True(b.t, due)
	unit, err := a.Replacer.fetch(b.t.Context(), want)
	require.NoError(b.t, err)
	a.changes(func(c *changing) { c.sha256, c.unit = want.SHA256, unit })
}

func (b *bench) replaces(a *Agent) bool {
	b.t.Helper()
	restart, err := a.replacesItself(b.t.Context())
	require.NoError(b.t, err)
	return restart
}

func TestAgent_replacesItselfAndKeepsItsPlace(t *testing.T) {
	b := newBench(t)
	old := b.process(oldAgent)
	b.told(old, 1, wantNew())
	looked(old, true, fact("run-sds", api.True))
	b.files.Set(HoldFile, "no", 0o644)
	_, due := old.wantedAgent()
	assert.False(t, due, "held")
	b.files.Delete(HoldFile)
	b.fetched(old)
	b.files.Set(HoldFile, "no", 0o644)
	assert.False(t, b.replaces(old), "held meanwhile")
	b.files.Delete(HoldFile)
	require.True(t, b.replaces(old))
	require.Equal(t, newAgent, b.current())

	next := b.process(newAgent)
	assert.True(t, next.report().Binary.Proving)
	looked(next, true, fact("run-sds", api.True))
	assert.False(t, b.replaces(next))
	assert.True(t, next.report().Binary.Proving, "its scheduler hasn't heard it yet")
	b.told(next, 2, wantNew())
	looked(next, false, fact("run-sds", api.False))
	assert.False(t, b.replaces(next))
	assert.True(t, b.armed(), "not as it was")
	looked(next, true, fact("run-sds", api.True))
	b.files.Set(HoldFile, "no", 0o644)
	assert.False(t, b.replaces(next), "proved, though held")
	b.files.Delete(HoldFile)
	assert.Equal(t, api.RunningBinary{SHA256: digestOf(newAgent)}, *next.report().Binary)
	assert.True(t, b.disarmed())

	again := b.process(newAgent)
	b.told(again, 2, wantNew())
	looked(again, true)
	before := b.files.Tree("/opt")
	assert.False(t, b.replaces(again), "the same again")
	assert.Equal(t, before, b.files.Tree("/opt"))
}

func TestAgent_saysThatItWentBackAndDoesntTryAgain(t *testing.T) {
	b := newBench(t)
	old := b.process(oldAgent)
	b.told(old, 1, wantNew())
	looked(old, true)
	b.fetched(old)
	require.True(t, b.replaces(old))
	require.NoError(t, b.replacer(oldAgent).GoBack(t.Context(), why))

	back := b.process(oldAgent)
	b.told(back, 2, wantNew())
	looked(back, true)
	_, due := back.wantedAgent()
	assert.False(t, due)
	assert.False(t, b.replaces(back))
	report := back.report()
	require.NotNil(t, report.Binary.RolledBack)
	assert.True(t, report.Binary.RolledBack.Refuses(wantNew()))
	assert.Equal(t, digestOf(oldAgent), report.Binary.SHA256)
	assert.Contains(t, kinds(report.Conditions), api.ConditionRolledBack)

	resumed := wantNew()
	resumed.Attempt++
	b.told(back, 3, resumed)
	b.fetched(back)
	require.True(t, b.replaces(back), "a person wants it tried again")
	assert.True(t, b.armed())
	rec, _, err := recallReplacement(b.files)
	require.NoError(t, err)
	assert.Equal(t, 1, rec.Attempt)
	assert.True(t, rec.proving())
}

// A node that wasn't Ready has to be as good as it was; facts that only the new agent knows aren't held against it.
func TestAgent_asBefore(t *testing.T) {
	for name, c := range map[string]struct {
		ready  bool
		held   []string
		now    []api.Condition
		whole  bool
		proved bool
	}{
		"Ready, and is again":                {true, []string{"a"}, []api.Condition{fact("a", api.True)}, true, true},
		"Ready, and isn't any more":          {true, []string{"a"}, []api.Condition{fact("a", api.True), fact("new", api.False)}, false, false},
		"not Ready, and no worse":            {false, []string{"a"}, []api.Condition{fact("a", api.True), fact("b", api.False)}, false, true},
		"not Ready, and worse":               {false, []string{"a", "b"}, []api.Condition{fact("a", api.True), fact("b", api.Unknown)}, false, false},
		"not Ready, and a step is gone":      {false, []string{"a", "b"}, []api.Condition{fact("a", api.True)}, false, true},
		"not Ready, and nothing is seen yet": {false, []string{"a"}, nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := newBench(t).process(newAgent)
			looked(a, c.whole, c.now...)
			assert.Equal(t, c.proved, a.asBeforeLocked(replacement{Ready: c.ready, Held: c.held}))
		})
	}
}
