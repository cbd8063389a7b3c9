package systemdtest_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/systemd"
	"scaleio-framework/systemd/systemdtest"
)

func TestUnits(t *testing.T) {
	ctx := t.Context()
	broken := true
	u := &systemdtest.Units{Starting: func(string) error {
		if broken {
			return errors.New("no device")
		}
		return nil
	}}
	require.ErrorIs(t, u.Start(ctx, "sds.service"), systemd.ErrNoSuchUnit)
	u.Lay("sds.service")
	require.ErrorIs(t, u.Start(ctx, "sds.service"), systemd.ErrNoSuchUnit, "not read yet")
	require.NoError(t, u.Reload(ctx))

	var failed *systemd.UnitError
	require.ErrorAs(t, u.Start(ctx, "sds.service"), &failed)
	state, err := u.State(ctx, "sds.service")
	require.NoError(t, err)
	assert.Equal(t, "failed", state.Active)
	require.NoError(t, u.ResetFailed(ctx, "sds.service"))

	broken = false
	require.NoError(t, u.Enable(ctx, "sds.service"))
	require.NoError(t, u.Start(ctx, "sds.service"))
	require.NoError(t, u.Start(ctx, "sds.service"))
	assert.Equal(t, 2, u.Count("start", "sds.service"), "one that failed, one that worked; an active unit stays as it is")
	first, err := u.State(ctx, "sds.service")
	require.NoError(t, err)
	require.NoError(t, u.Restart(ctx, "sds.service"))
	second, err := u.State(ctx, "sds.service")
	require.NoError(t, err)
	assert.NotEqual(t, first.MainPID, second.MainPID)

	u.Add("off.service")
	require.NoError(t, u.Start(ctx, "off.service"))
	u.Reboot()
	state, err = u.State(ctx, "off.service")
	require.NoError(t, err)
	assert.Equal(t, "inactive", state.Active, "not enabled")
	state, err = u.State(ctx, "sds.service")
	require.NoError(t, err)
	assert.Equal(t, "active", state.Active)

	u.Set("scini.service", systemd.UnitState{Load: "masked", Active: "inactive", Enabled: "masked"})
	require.ErrorIs(t, u.Start(ctx, "scini.service"), systemd.ErrMasked)
	require.ErrorIs(t, u.Enable(ctx, "scini.service"), systemd.ErrMasked)
}
