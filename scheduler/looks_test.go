package scheduler

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

// Where looks take long, what comes right after one is stored and waits for the next, together with all that comes meanwhile; a tenth of the time goes to looks.
func TestTurn_looksGetATenthOfTheTime(t *testing.T) {
	now := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	const took = 10 * time.Millisecond // between two questions for the time
	records := &store.Memory{}
	b := newBrain(Options{Log: slog.New(slog.DiscardHandler), Store: records, Now: func() time.Time { now = now.Add(took); return now }})
	require.NoError(t, b.create(t.Context(), 1, now))
	for _, id := range []string{"id1", "id2", "id3"} {
		b.state.Nodes[id] = &decide.Node{ID: id, Name: "n" + id, Key: "key"}
	}
	says := func(id string) (*event, *pending) {
		p := &pending{ctx: context.Background(), node: id, key: "key", received: now, reply: make(chan reply, 1)}
		return &event{report: p, done: make(chan struct{}), apply: func() error {
			r := &api.Report{Node: api.Identity{ID: id, Hostname: "host-" + id}}
			return b.heard(id, now, r, nil, []byte(`{"node":{"id":"`+id+`"}}`))
		}}, p
	}
	stored := func(id string) bool {
		all, err := records.List(t.Context(), kindReport+id)
		require.NoError(t, err)
		return len(all) == 1
	}
	e1, first := says("id1")
	_, err := b.turn(t.Context(), []*event{e1})
	require.NoError(t, err)
	require.Len(t, first.reply, 1, "nothing was looked at lately: it is answered at once")

	e2, second := says("id2")
	next, err := b.turn(t.Context(), []*event{e2})
	require.NoError(t, err)
	assert.Empty(t, second.reply)
	assert.True(t, stored("id2"), "what it said isn't lost")
	select {
	case <-e2.done:
	default:
		t.Fatal("who brought it waits for nothing but its answer")
	}
	assert.Positive(t, next)
	assert.LessOrEqual(t, next, lookWithin)

	e3, third := says("id3")
	now = now.Add(lookWithin)
	_, err = b.turn(t.Context(), []*event{e3})
	require.NoError(t, err)
	assert.Len(t, second.reply, 1)
	assert.Len(t, third.reply, 1, "both by the same look")
	assert.False(t, b.owed)
	assert.Positive(t, b.look.Sub(now)+took)
	assert.LessOrEqual(t, b.look.Sub(now), lookShare*3*took)
}

// A recovery that waits for nodes waits for them, or for a person: it doesn't look again and again meanwhile.
func TestTurn_aRecoveryWaitsWithoutLooking(t *testing.T) {
	now := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	b := newBrain(Options{Log: slog.New(slog.DiscardHandler), Store: &store.Memory{}, Now: func() time.Time { return now }})
	require.NoError(t, b.create(t.Context(), 1, now))
	b.recovery, b.connection = newRecovery(now), nil
	next, err := b.turn(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, quiet, next, "it may end then")
	now = now.Add(time.Hour)
	next, err = b.turn(t.Context(), nil)
	require.NoError(t, err)
	assert.Contains(t, b.waiting, "the first node")
	assert.GreaterOrEqual(t, next, time.Second)
}

// Whom a hold binds hears of it at once, however long looks take.
func TestTurn_aHoldWaitsForNoLook(t *testing.T) {
	now := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	took := time.Second // between two questions for the time
	b := newBrain(Options{Log: slog.New(slog.DiscardHandler), Store: &store.Memory{}, Now: func() time.Time { now = now.Add(took); return now }})
	require.NoError(t, b.create(t.Context(), 1, now))
	b.state.Nodes["id1"] = &decide.Node{ID: "id1", Name: "n1", Key: "key"}
	p := &pending{ctx: context.Background(), node: "id1", key: "key", until: now.Add(time.Hour), reply: make(chan reply, 1)}
	_, err := b.turn(t.Context(), []*event{{report: p, apply: func() error { return nil }, done: make(chan struct{})}})
	require.NoError(t, err)
	p.seen = (<-p.reply).ETag
	took = time.Millisecond
	b.stepped = &Stepped{brain: b}
	_, err = b.turn(t.Context(), []*event{{report: p, apply: func() error { return nil }, done: make(chan struct{})}})
	require.NoError(t, err)
	require.Empty(t, p.reply, "nothing is news to it, and no look is due")
	require.NoError(t, b.Hold(t.Context(), api.HoldRequest{Author: "ann", Reason: "disk swap"}))
	require.Len(t, p.reply, 1)
	assert.Equal(t, "ann", (<-p.reply).Hold.Author)
}

// Whose key was revoked or released while its report waited is told nothing more, secrets least of all.
func TestTurn_aReleasedIdentityGetsNoAnswer(t *testing.T) {
	for name, ends := range map[string]func(*decide.Node){
		"released": func(n *decide.Node) { n.Key = "" }, "revoked": func(n *decide.Node) { n.Revoked = true }, "joined anew": func(n *decide.Node) { n.Key = "another" },
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
			b := newBrain(Options{Log: slog.New(slog.DiscardHandler), Store: &store.Memory{}, Now: func() time.Time { return now }})
			require.NoError(t, b.create(t.Context(), 1, now))
			n := &decide.Node{ID: "id1", Name: "n1", Key: "key"}
			b.state.Nodes["id1"] = n
			p := &pending{ctx: context.Background(), node: "id1", key: "key", until: now.Add(time.Hour), reply: make(chan reply, 1)}
			_, err := b.turn(t.Context(), []*event{{report: p, apply: func() error { ends(n); return nil }, done: make(chan struct{})}})
			require.NoError(t, err)
			require.Len(t, p.reply, 1)
			got := <-p.reply
			assert.ErrorContains(t, got.err, "was revoked")
			assert.Zero(t, got.Spec)
			assert.Zero(t, got.Secrets)
		})
	}
}
