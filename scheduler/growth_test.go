package scheduler_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

// newCloud is a bench whose nodes are EC2 instances.
func newCloud(t *testing.T, mode api.GrowthMode) *bench {
	t.Helper()
	b := newBench(t)
	b.options.Settings.Disks.Use = api.DiskUseAllEmpty
	b.options.Settings.Growth = decide.GrowthSettings{
		Mode: mode, Threshold: 70, Takes: 5 * time.Minute, Safety: 3, Cooldown: 30 * time.Minute, Patience: 15 * time.Minute,
		MaxPerNode: 8, MaxPerCluster: 40, MaxPerDay: 20, Budget: 100_000, Prices: decide.ListPrices(), SpareSlots: 2, Volume: api.VolumeOrder{Type: "gp3"},
	}
	for _, n := range b.nodes {
		n.cloud = true
	}
	return b
}

// pass moves the scheduler's clock on until people see what is waited for.
func (b *bench) pass(what string, is func(api.ClusterStatus) bool) api.ClusterStatus {
	b.t.Helper()
	return b.until(what, func(s api.ClusterStatus) bool {
		if is(s) {
			return true
		}
		b.advance(s)
		return false
	})
}

// advance the clock by a sample once the leader has taken the last one: less than makes a sample old, or a lease run out.
func (b *bench) advance(s api.ClusterStatus) {
	const step = 12 * time.Second
	if s.Storage != nil && s.Storage.AgeMS < step.Milliseconds() {
		b.ahead.Add(int64(step))
	}
}

func (b *bench) fill(percent int64) {
	b.scaleio.mu.Lock()
	defer b.scaleio.mu.Unlock()
	p := b.scaleio.pool(34)
	b.scaleio.used = (p.RawBytes - p.SpareBytes) / 100 * percent
}

func expansion(s api.ClusterStatus, state api.ExpansionState) *api.ExpansionView {
	if s.Growth == nil {
		return nil
	}
	for i := range s.Growth.Expansions {
		if s.Growth.Expansions[i].State == state {
			return &s.Growth.Expansions[i]
		}
	}
	return nil
}

// bought are the volumes in the pool, each of which must be there once.
func (b *bench) bought() (inPool int) {
	b.scaleio.mu.Lock()
	defer b.scaleio.mu.Unlock()
	for disk := range b.scaleio.devices {
		if strings.HasPrefix(disk, "vol-") {
			inPool++
		}
	}
	assert.Empty(b.t, b.scaleio.twice)
	assert.Len(b.t, b.scaleio.volumes, inPool, "every volume that was bought is in the pool")
	return inPool
}

func TestCluster_growsAsAPersonApproves(t *testing.T) {
	b := newCloud(t, api.GrowthApprove)
	b.start()
	b.until("ready", ready)
	b.fill(80)
	s := b.pass("a proposal", func(s api.ClusterStatus) bool { return expansion(s, api.ExpansionProposed) != nil })
	id := expansion(s, api.ExpansionProposed).ID
	assert.Zero(t, b.bought())

	require.NoError(t, b.halt()) // it is remembered
	b.start()
	b.until("ready again", ready)
	b.pass("a listing", func(s api.ClusterStatus) bool { return s.Growth != nil && s.Growth.Waiting == "" })
	approve := func(token, id, author string) (api.ApproveAnswer, error) {
		return b.people(token).Approve(t.Context(), api.ApproveRequest{Expansion: id, Author: author})
	}
	_, err := approve("read", id, "ann@desk")
	require.Error(t, err)
	_, err = approve("operate", id, "")
	require.Error(t, err, "nobody approves")
	_, err = approve("operate", id[:1], "ann@desk")
	require.ErrorContains(t, err, "too short")
	answer, err := approve("operate", id[:13], "ann@desk")
	require.NoError(t, err)
	require.NotNil(t, answer.Expansion)
	assert.Equal(t, id, answer.Expansion.ID)
	assert.Positive(t, answer.Expansion.Cost)
	s = b.pass("the end", func(s api.ClusterStatus) bool { return expansion(s, api.ExpansionEnded) != nil })
	e := expansion(s, api.ExpansionEnded)
	assert.Equal(t, "ann@desk", e.Who)
	assert.Len(t, e.Orders, b.bought())
	assert.GreaterOrEqual(t, len(e.Orders), 3)
	b.until("ready, and larger", ready)

	list, err := b.people("read").Events(t.Context(), api.EventQuery{})
	require.NoError(t, err)
	story := map[string]api.Event{}
	for _, e := range list.Events {
		story[e.Kind] = e
	}
	for _, kind := range []string{"GrowthProposed", "GrowthStarted", "GrowthVolumeBought", "GrowthHandedOver", "GrowthInPool", "GrowthEnded", "GateOpened"} {
		assert.Contains(t, story, kind)
	}
	assert.Equal(t, "ann@desk", story["GrowthStarted"].Who)
	assert.Equal(t, e.Cost, story["GrowthStarted"].Cost)
	assert.Contains(t, story["GrowthStarted"].Why, "threshold 70 %")

	metrics := b.metrics()
	for _, line := range []string{"growth_volumes 3", "growth_monthly_dollars 48", `growth_expansions{state="ended"} 1`, "growth_fullness_ratio 0.", `events_total{kind="GrowthEnded"} 1`} {
		assert.Contains(t, metrics, "scaleio_scheduler_"+line)
	}

	plan, err := b.people("read").Plan(t.Context())
	require.NoError(t, err)
	require.NotNil(t, plan.Growth)
	assert.NotEmpty(t, plan.Growth.Next.What, "what the next growth would do")
	assert.Equal(t, e.Cost, plan.Growth.Monthly)
}

// The scheduler dies at each point at which the store is written while the pool grows, and starts again: the same volumes, once, all in the pool.
func TestCluster_growsThoughTheSchedulerDies(t *testing.T) {
	for _, point := range scheduler.GrowthPoints() {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			b := newCloud(t, api.GrowthAuto)
			dead := errors.New("died at " + point)
			var mu sync.Mutex
			armed := false
			b.options.Store = store.Announced{Store: b.options.Store, Reached: func(p string) (err error) {
				mu.Lock()
				defer mu.Unlock()
				if armed && p == point {
					armed, err = false, dead
				}
				return err
			}}
			b.start()
			b.until("ready", ready)
			b.fill(80)
			mu.Lock()
			armed = true
			mu.Unlock()
			people := b.people("read")
			deadline := time.After(time.Minute)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for died := false; !died; {
				select {
				case err := <-b.done:
					require.ErrorIs(t, err, dead)
					died = true
				case <-tick.C:
					if s, err := people.Status(t.Context()); err == nil {
						b.advance(s)
					}
				case <-deadline:
					t.Fatal("the point wasn't reached")
				}
			}
			b.start()
			s := b.pass("the end", func(s api.ClusterStatus) bool { return expansion(s, api.ExpansionEnded) != nil })
			e := expansion(s, api.ExpansionEnded)
			assert.Len(t, e.Orders, b.bought())
			for _, o := range e.Orders {
				assert.True(t, o.InPool, "%v", o)
			}
			b.until("ready", ready)
		})
	}
}

// A store that is older than what nodes were told has lost purchases: nothing is bought until somebody has looked at what there is.
func TestCluster_restoredStoreBuysNothing(t *testing.T) {
	b := newCloud(t, api.GrowthAuto)
	b.start()
	b.until("ready", ready)
	n := b.nodes[3]
	n.mu.Lock()
	n.last.Spec.Version.Generation += 100
	n.mu.Unlock()
	b.until("noticed", func(s api.ClusterStatus) bool { return hasEvent(s, "StoreIsOlder") })
	b.fill(90)
	s := b.pass("the reason", func(s api.ClusterStatus) bool {
		return s.Growth != nil && strings.Contains(s.Growth.Waiting, "isn't known yet")
	})
	assert.Empty(t, s.Growth.Expansions)
	assert.Zero(t, b.bought())
}
