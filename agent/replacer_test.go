package agent

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
	"scaleio-framework/systemd/systemdtest"
)

const (
	oldAgent, newAgent = "the agent that runs", "another agent"
	oldUnit            = "[Service]\nExecStart=/opt/scaleio-agent/current/scaleio-agent run\n"
	newUnit            = "[Service]\nExecStart=/opt/scaleio-agent/current/scaleio-agent run\nNice=1\n"
	newURL             = "https://mirror/scaleio-agent"
)

// bench is a machine with an agent, whose calls can be cut.
type bench struct {
	t      *testing.T
	files  *platformtest.Files
	units  *systemdtest.Units
	pages  *platformtest.Download
	tools  *platformtest.Commands
	cutter *platformtest.Cutter
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, files: platformtest.NewFiles(), units: &systemdtest.Units{}, cutter: &platformtest.Cutter{}}
	b.files.Set(binaryOf(digestOf(oldAgent)), oldAgent, 0o755)
	require.NoError(t, b.files.Symlink(binaryDir(digestOf(oldAgent)), InstallDir+"/current"))
	b.files.Set(UnitFile, oldUnit, 0o644)
	b.units.Add(Unit)
	require.NoError(t, b.units.Enable(t.Context(), Unit))
	require.NoError(t, b.units.Start(t.Context(), Unit))
	b.files.Hook = func(call string, effect func() error) error {
		return b.cutter.Do(call, func() error {
			err := effect()
			if unit, laid := strings.CutPrefix(call, "write "+unitDir); laid && err == nil {
				b.units.Lay(unit)
			}
			return err
		})
	}
	b.units.Hook = b.cutter.Do
	b.pages = &platformtest.Download{Files: b.files, Hook: b.cutter.Do}
	b.pages.Serve(newURL, []byte(newAgent))
	b.tools = &platformtest.Commands{Hook: b.cutter.Do}
	b.tools.Handle(binaryOf(digestOf(newAgent)), platformtest.Say(newUnit))
	return b
}

// agent that would run now, as one of the two.
func (b *bench) replacer(binary string) *Replacer {
	unit := oldUnit
	if binary == newAgent {
		unit = newUnit
	}
	return &Replacer{Files: b.files, Units: b.units, Download: b.pages, Commands: b.tools, Chmod: func(string, os.FileMode) error { return nil },
		SHA256: digestOf(binary), Unit: unit, Log: slog.New(slog.DiscardHandler)}
}

func (b *bench) current() string {
	data, err := b.files.Read(InstallDir + "/current/scaleio-agent")
	require.NoError(b.t, err)
	return string(data)
}

func (b *bench) state(unit string) systemd.UnitState {
	state, err := b.units.State(b.t.Context(), unit)
	require.NoError(b.t, err)
	return state
}

// armed: whatever happens to everything of ours, PID 1 brings the old agent back.
func (b *bench) armed() bool {
	timer := b.state(rollbackTimer)
	text, err := b.files.Read(unitDir + rollbackService)
	return err == nil && strings.Contains(string(text), binaryOf(digestOf(oldAgent))+" rollback") && timer.Active == "active" && timer.Enabled == "enabled"
}

func (b *bench) disarmed() bool {
	left, err := b.files.Glob(unitDir + "scaleio-agent-rollback*")
	return err == nil && len(left) == 0 && b.state(rollbackTimer).Active != "active"
}

func wantNew() api.AgentBinary {
	return api.AgentBinary{URL: newURL, SHA256: digestOf(newAgent), ReadyWithinMS: 20_000}
}

func begun() replacement {
	return replacement{From: digestOf(oldAgent), To: digestOf(newAgent), Ready: true}
}

func (b *bench) change(ctx context.Context) error {
	r := b.replacer(oldAgent)
	unit, err := r.fetch(ctx, wantNew())
	if err != nil {
		return err
	}
	return r.change(ctx, begun(), unit, wantNew().ReadyWithin())
}

func TestReplacer_changesOverWithTheWayBackArmed(t *testing.T) {
	b := newBench(t)
	require.NoError(t, b.change(t.Context()))
	assert.Equal(t, newAgent, b.current())
	assert.True(t, b.armed())
	unit, err := b.files.Read(UnitFile)
	require.NoError(t, err)
	assert.Equal(t, newUnit, string(unit), "a version brings its own unit")
	timer, err := b.files.Read(unitDir + rollbackTimer)
	require.NoError(t, err)
	assert.Contains(t, string(timer), "OnActiveSec=20\n")
	assert.Zero(t, b.units.Count("stop", Unit)+b.units.Count("restart", Unit), "the process ends itself")

	require.NoError(t, b.replacer(newAgent).proved(t.Context(), begun()))
	assert.True(t, b.disarmed())
	assert.Equal(t, newAgent, b.current())
	_, ok, err := recallReplacement(b.files)
	require.NoError(t, err)
	assert.False(t, ok)
	assert.Contains(t, b.files.Tree(InstallDir), binaryOf(digestOf(oldAgent)), "the one before stays")
}

// Cut before and after each of its calls, there is never a new agent without a way back, and it is done again to its end.
func TestReplacer_changeIsCutAnywhere(t *testing.T) {
	for n := 1; ; n++ {
		cuts := 0
		for _, arm := range []func(*platformtest.Cutter, int){(*platformtest.Cutter).CutBefore, (*platformtest.Cutter).CutAfter} {
			b := newBench(t)
			arm(b.cutter, n)
			err := b.change(t.Context())
			if b.cutter.HasCut() {
				cuts++
			}
			b.cutter.Heal()
			if b.current() == oldAgent {
				require.Error(t, err)
				require.NoError(t, b.replacer(oldAgent).abandonIfBegun(t.Context()))
				assert.True(t, b.disarmed(), "call %d", n)
				require.NoError(t, b.change(t.Context()))
			}
			assert.Equal(t, newAgent, b.current())
			assert.True(t, b.armed(), "call %d", n)
		}
		if cuts == 0 {
			assert.Greater(t, n, 8)
			return
		}
	}
}

// abandonIfBegun is what an agent does at its start with what an earlier one left.
func (r *Replacer) abandonIfBegun(ctx context.Context) error {
	a := &Agent{Options: Options{Files: r.Files, Replacer: r, Log: r.Log}, tell: make(chan struct{}, 1)}
	a.beginsChange(ctx)
	return nil
}

func TestReplacer_refusesWhatIsNoAgent(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*bench)
		says    string
	}{
		"another binary than announced": {func(b *bench) { b.pages.Serve(newURL, []byte("x")) }, "WrongDigest"},
		"one that can't run": {func(b *bench) {
			b.tools.Handle(binaryOf(digestOf(newAgent)), func(context.Context, platform.Cmd) (platform.Output, error) {
				return platform.Output{}, platformtest.Exit("x", 1, "exec format error")
			})
		}, "exec format"},
		"one that says something else": {func(b *bench) { b.tools.Handle(binaryOf(digestOf(newAgent)), platformtest.Say("hello")) }, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			c.prepare(b)
			require.ErrorContains(t, b.change(t.Context()), c.says)
			assert.Equal(t, oldAgent, b.current())
			assert.True(t, b.disarmed())
		})
	}
}

func why(context.Context) (why, held string) { return "this node isn't Ready: run-sds", "" }

func TestGoBack_isCutAnywhere(t *testing.T) {
	for n := 1; ; n++ {
		cuts := 0
		for _, arm := range []func(*platformtest.Cutter, int){(*platformtest.Cutter).CutBefore, (*platformtest.Cutter).CutAfter} {
			b := newBench(t)
			require.NoError(t, b.change(t.Context()))
			b.units.Kill(Unit) // the new agent ended at once, again and again
			arm(b.cutter, n)
			err := b.replacer(oldAgent).GoBack(t.Context(), why)
			if b.cutter.HasCut() {
				cuts++
				require.Error(t, err)
			}
			b.cutter.Heal()
			require.NoError(t, b.replacer(oldAgent).GoBack(t.Context(), why), "Restart=on-failure")
			assert.Equal(t, oldAgent, b.current())
			assert.True(t, b.disarmed(), "call %d", n)
			unit, err := b.files.Read(UnitFile)
			require.NoError(t, err)
			assert.Equal(t, oldUnit, string(unit))
			assert.Equal(t, "active", b.state(Unit).Active)
			rec, ok, err := recallReplacement(b.files)
			require.NoError(t, err)
			require.True(t, ok)
			assert.Equal(t, "this node isn't Ready: run-sds", rec.Back)
			assert.True(t, rec.rolledBack().Refuses(wantNew()), "it isn't tried again")
			again := wantNew()
			again.Attempt++
			assert.False(t, rec.rolledBack().Refuses(again), "but when a person wants it")
		}
		if cuts == 0 {
			assert.Greater(t, n, 8)
			return
		}
	}
}

func TestGoBack_leavesAnAgentThatProvedItself(t *testing.T) {
	b := newBench(t)
	require.NoError(t, b.change(t.Context()))
	require.NoError(t, b.replacer(oldAgent).GoBack(t.Context(), func() Look {
		looks := 0
		return func(ctx context.Context) (why, held string) { // between the look and the stop
			if looks++; looks == 2 {
				require.NoError(t, b.replacer(newAgent).Files.Remove(replacementFile))
			}
			return "", ""
		}
	}()))
	assert.Equal(t, newAgent, b.current())
	assert.True(t, b.disarmed())
	assert.Equal(t, "active", b.state(Unit).Active)

	before := b.files.Tree("/")
	require.NoError(t, b.replacer(oldAgent).GoBack(t.Context(), why), "a timer that was late")
	assert.Equal(t, before, b.files.Tree("/"))
}

// Under a hold nothing may change, and the new agent can't show its node Ready either: the way back waits, and then gives it its time once more.
func TestGoBack_waitsForAHoldToEnd(t *testing.T) {
	byFile := func(b *bench, held bool) {
		if held {
			b.files.Set(HoldFile, "disk swap\n", 0o644)
		} else {
			require.NoError(b.t, b.files.Remove(HoldFile))
		}
	}
	for name, hold := range map[string]func(*bench, bool){"by file": byFile, "by the scheduler": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				require.NoError(t, b.change(t.Context()))
				var shown atomic.Value
				shown.Store("")
				if hold == nil {
					hold = func(_ *bench, held bool) { shown.Store(map[bool]string{true: "by ann: window"}[held]) }
				}
				look := func(context.Context) (string, string) { return "not Ready", shown.Load().(string) }
				hold(b, true)
				before, began := b.files.Tree("/"), time.Now()
				done := make(chan error, 1)
				go func() { done <- b.replacer(oldAgent).GoBack(t.Context(), look) }()
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				assert.Equal(t, before, b.files.Tree("/"))
				assert.Equal(t, "active", b.state(Unit).Active)
				restarts := b.units.Count("restart", rollbackTimer)
				hold(b, false)
				require.NoError(t, <-done)
				assert.LessOrEqual(t, time.Since(began), 24*time.Hour+2*time.Second)
				assert.Equal(t, newAgent, b.current(), "its time begins anew")
				assert.Equal(t, restarts+1, b.units.Count("restart", rollbackTimer))
				assert.True(t, b.armed())
				require.NoError(t, b.replacer(oldAgent).GoBack(t.Context(), look))
				assert.Equal(t, oldAgent, b.current())
			})
		})
	}
}

// A new agent that misreads an answer of the product brings the read-only state over all: the way back, which ends that, doesn't wait for its end.
func TestGoBack_waitsForAPersonsHoldAlone(t *testing.T) {
	for author, waits := range map[string]bool{"ann": true, api.AuthorScheduler: false} {
		t.Run(author, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, a := newBench(t), testAgent(t)
				require.NoError(t, b.change(t.Context()))
				answer := answerOf(1)
				answer.Hold = &api.Hold{Author: author, Reason: "an answer isn't understood"}
				_, err := a.take(answer, time.Now())
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				err = b.replacer(oldAgent).GoBack(ctx, func(context.Context) (why, held string) { return WhyBack(a.local()) })
				if waits {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					assert.Equal(t, newAgent, b.current())
					return
				}
				require.NoError(t, err)
				assert.Equal(t, oldAgent, b.current())
			})
		})
	}
}

// It shows itself as it should while the way back waits: that is closed.
func TestGoBack_endsWhenTheNewAgentProvesItselfUnderAHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		require.NoError(t, b.change(t.Context()))
		b.files.Set(HoldFile, "", 0o644)
		done := make(chan error, 1)
		go func() { done <- b.replacer(oldAgent).GoBack(t.Context(), why) }()
		time.Sleep(time.Hour)
		require.NoError(t, b.replacer(newAgent).proved(t.Context(), begun()))
		require.NoError(t, <-done)
		assert.Equal(t, newAgent, b.current())
		assert.True(t, b.disarmed())
	})
}

// A record that can't be read any more keeps nobody from going back.
func TestGoBack_withADamagedRecord(t *testing.T) {
	b := newBench(t)
	require.NoError(t, b.change(t.Context()))
	b.files.Set(replacementFile, "{", 0o600)
	require.NoError(t, b.replacer(oldAgent).GoBack(t.Context(), why))
	assert.Equal(t, oldAgent, b.current())
	assert.Equal(t, "active", b.state(Unit).Active)
	assert.True(t, b.disarmed())
	rec, ok, err := recallReplacement(b.files)
	require.NoError(t, err)
	assert.True(t, ok && rec.rolledBack().Refuses(wantNew()))
}

// A task whose binary is another than what runs leaves it, in either direction, and while one proves itself.
func TestPlace_leavesAnAgentThatReplacesItself(t *testing.T) {
	for name, prepare := range map[string]func(*platformtest.Files){
		"another agent runs":          func(f *platformtest.Files) { f.Set(runningFile, digestOf(newAgent)+"\n", 0o644) },
		"one has yet to prove itself": func(f *platformtest.Files) { require.NoError(t, begun().save(f)) },
	} {
		t.Run(name, func(t *testing.T) {
			p, files, units := placer()
			require.NoError(t, p.Place(t.Context(), placement(t)))
			prepare(files)
			before := units.Count("restart", Unit)
			newer := "brought by a task"
			p.Read = func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(newer)), nil }
			require.NoError(t, p.Place(t.Context(), placement(t, func(env map[string]string) { env[api.EnvSHA256], env[api.EnvToken] = digestOf(newer), "new" })))
			data, err := files.Read(path.Join(InstallDir, "current", "scaleio-agent"))
			require.NoError(t, err)
			assert.Equal(t, binary, string(data))
			assert.Equal(t, before, units.Count("restart", Unit))
			token, err := files.Read(TokenFile)
			require.NoError(t, err)
			assert.Equal(t, "new\n", string(token), "what else the task brings arrives")
		})
	}
}

// While a new agent proves itself its unit may be down for longer than a task bears otherwise.
func TestMirror_bearsWithAnAgentThatIsGoneBackFrom(t *testing.T) {
	p, files, units := placer()
	require.NoError(t, p.Place(t.Context(), placement(t)))
	require.NoError(t, begun().save(files))
	units.Kill(Unit)
	assert.True(t, p.proving())
	back := begun()
	back.Back = "it ended"
	require.NoError(t, back.save(files))
	assert.False(t, p.proving())
}
