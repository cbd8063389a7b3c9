package scheduler

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

// written is a store whose leases are these.
func written(t *testing.T, l decide.Leases, now time.Time) *store.Memory {
	t.Helper()
	s := &store.Memory{}
	b := newBrain(Options{Store: s, Now: func() time.Time { return now }})
	require.NoError(t, b.create(t.Context(), 1, now))
	raw, err := json.Marshal(l)
	require.NoError(t, err)
	require.NoError(t, b.records.commit(t.Context(), map[string][]byte{keyLeases: raw}))
	return s
}

var moved = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A clock that ran ahead and was put right: what was stored meanwhile doesn't lie in the future, or nothing would come of it until then.
func TestLeases_areNotOfTheFuture(t *testing.T) {
	ahead := moved.Add(24 * time.Hour)
	s := written(t, decide.Leases{Disruption: "n", For: decide.ForReboot, Since: ahead, Service: &decide.Service{SDS: "1", Since: ahead, Leave: true}}, moved)
	b, err := opened(t.Context(), s, moved)
	require.NoError(t, err)
	assert.Equal(t, moved, b.state.Leases.Since.UTC())
	assert.Equal(t, moved, b.state.Leases.Service.Since.UTC())
}

// A backup may be days old: the SDS that was in maintenance for us then may be in a person's now.
func TestRestore_takesNobodysMaintenanceForOurs(t *testing.T) {
	from := written(t, decide.Leases{Disruption: "n", For: decide.ForReboot, Since: moved, Service: &decide.Service{SDS: "1", Name: "disk-1", Node: "n", Since: moved}}, moved)
	all, err := from.List(t.Context(), "")
	require.NoError(t, err)
	into := &store.Memory{}
	_, err = Restore(t.Context(), into, store.Backup{Kind: store.BackupState, Made: moved, Records: all}, moved)
	require.NoError(t, err)
	b, err := opened(t.Context(), into, moved)
	require.NoError(t, err)
	assert.Nil(t, b.state.Leases.Service)
	assert.Equal(t, "n", b.state.Leases.Disruption, "what is down may be down still")
	told := ""
	for _, e := range b.journal.events {
		told += e.Kind + " " + e.Message + "; "
	}
	assert.Contains(t, told, "MaintenanceForgotten its SDS disk-1 was in maintenance")
}

// What nodes remember of expansions comes by their ids; people see the newest, and what growing took lately counts.
func TestRecovery_ledgerIsByAge(t *testing.T) {
	b := newBrain(Options{Log: slog.New(slog.DiscardHandler), Store: &store.Memory{}, Now: func() time.Time { return moved }})
	require.NoError(t, b.create(t.Context(), 1, moved))
	b.recovery = newRecovery(moved)
	older, newer := &decide.Expansion{ID: "f", Decided: moved.Add(-time.Hour)}, &decide.Expansion{ID: "a", Decided: moved}
	b.begin(decide.Recovered{Cluster: b.state.Cluster, Ledger: []*decide.Expansion{newer, older}})
	assert.Equal(t, []*decide.Expansion{older, newer}, b.state.Ledger)
}
