package systemd

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestManager_state(t *testing.T) {
	p, m := newPID1()
	state, err := m.State(t.Context(), "absent.service")
	require.NoError(t, err)
	assert.Equal(t, "not-found", state.Load)

	p.set("sds.service", properties{"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled", "Result": "success",
		"MainPID": uint32(42), "NeedDaemonReload": true, "ActiveEnterTimestamp": uint64(1_700_000_000_000_000), "ExecMainStatus": int32(3)})
	state, err = m.State(t.Context(), "sds.service")
	require.NoError(t, err)
	assert.Equal(t, UnitState{Load: "loaded", Active: "active", Sub: "running", Enabled: "enabled", Result: "success", MainPID: 42, NeedsReload: true,
		ActiveSince: time.UnixMicro(1_700_000_000_000_000), ExecMainCode: 3}, state)
}

func TestManager_reconnects(t *testing.T) {
	p, m := newPID1()
	require.NoError(t, m.Reload(t.Context()))
	p.mu.Lock()
	p.broken = true
	p.mu.Unlock()
	require.NoError(t, m.Reload(t.Context()))
	assert.Equal(t, 2, p.connects)
	m.Close()
	require.NoError(t, m.Reload(t.Context()))
	assert.Equal(t, 3, p.connects)
}

func TestManager_start(t *testing.T) {
	for _, row := range []struct {
		name   string
		result string
		after  properties
		silent bool
		want   string
	}{
		{"done", "done", unitIs("active", "running", "success"), false, ""},
		{"failed", "failed", unitIs("failed", "failed", "exit-code"), false, "starting x.service: failed (failed/failed, result exit-code"},
		{"a dependency failed", "dependency", unitIs("inactive", "dead", "success"), false, "starting x.service: dependency"},
		{"a condition wasn't met", "skipped", unitIs("inactive", "dead", "success"), false, "starting x.service: skipped"},
		{"an unknown result is a failure", "collected", unitIs("inactive", "dead", "success"), false, "starting x.service: collected"},
		{"the signal is lost: active", "", unitIs("active", "running", "success"), true, ""},
		{"the signal is lost: a oneshot ended", "", unitIs("inactive", "dead", "success"), true, ""},
		{"the signal is lost: failed", "", unitIs("failed", "failed", "signal"), true, "result signal"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, m := newPID1()
				p.silent = row.silent
				p.set("x.service", unitIs("inactive", "dead", "success"))
				done := make(chan error, 1)
				go func() { done <- m.Start(t.Context(), "x.service") }()
				synctest.Wait()
				p.finish("x.service", row.result, row.after)
				err := <-done
				if row.want == "" {
					require.NoError(t, err)
					return
				}
				var failed *UnitError
				require.ErrorAs(t, err, &failed)
				assert.Contains(t, err.Error(), row.want)
			})
		})
	}
}

func TestManager_startEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPID1()
		p.set("x.service", unitIs("inactive", "dead", "success"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, m.Start(ctx, "x.service"), context.DeadlineExceeded)
	})
}

func TestManager_maskedAndMissing(t *testing.T) {
	p, m := newPID1()
	p.refuse = godbus.Error{Name: errNameMasked, Body: []any{"Unit x.service is masked."}}
	require.ErrorIs(t, m.Start(t.Context(), "x.service"), ErrMasked)
	p.refuse = godbus.Error{Name: errNameNoSuchUnit, Body: []any{"Unit x.service not found."}}
	require.ErrorIs(t, m.Restart(t.Context(), "x.service"), ErrNoSuchUnit)
	require.NoError(t, m.Stop(t.Context(), "x.service"), "what isn't there doesn't run")
	require.NoError(t, m.ResetFailed(t.Context(), "x.service"))
}

func TestManager_enable(t *testing.T) {
	p, m := newPID1()
	require.ErrorIs(t, m.Enable(t.Context(), "x.service"), ErrNoSuchUnit)

	p.set("x.service", unitIs("inactive", "dead", "success"))
	require.NoError(t, m.Enable(t.Context(), "x.service"))
	assert.Equal(t, []string{"enable x.service", "reload"}, p.said(), "enabling alone isn't seen by PID 1")

	static := unitIs("inactive", "dead", "success")
	static["UnitFileState"] = "static"
	p.set("x.service", static)
	require.ErrorContains(t, m.Enable(t.Context(), "x.service"), "no [Install] section")

	masked := unitIs("inactive", "dead", "success")
	masked["UnitFileState"] = "masked"
	p.set("x.service", masked)
	require.ErrorIs(t, m.Enable(t.Context(), "x.service"), ErrMasked)
}

func TestManager_writeUnit(t *testing.T) {
	p, m := newPID1()
	m.unitDir = t.TempDir()
	p.set("x.service", unitIs("inactive", "dead", "success"))

	changed, err := m.WriteUnit(t.Context(), "x.service", []byte("[Service]\n"))
	require.NoError(t, err)
	assert.True(t, changed)
	info, err := os.Stat(filepath.Join(m.unitDir, "x.service"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o644), info.Mode())
	assert.Equal(t, []string{"reload"}, p.said())

	changed, err = m.WriteUnit(t.Context(), "x.service", []byte("[Service]\n"))
	require.NoError(t, err)
	assert.False(t, changed)
	assert.Len(t, p.said(), 1)

	stale := unitIs("inactive", "dead", "success")
	stale["NeedDaemonReload"] = true
	p.set("x.service", stale)
	changed, err = m.WriteUnit(t.Context(), "x.service", []byte("[Service]\n"))
	require.NoError(t, err)
	assert.False(t, changed)
	assert.Equal(t, []string{"reload", "reload"}, p.said(), "cut between writing and reading")
}
