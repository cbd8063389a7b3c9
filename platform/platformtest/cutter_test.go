package platformtest_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
)

func TestCutter(t *testing.T) {
	cutter := &platformtest.Cutter{}
	files := platformtest.NewFiles()
	files.Hook = cutter.Do
	write := func() error {
		for _, name := range []string{"/etc/a", "/etc/b", "/etc/c"} {
			if err := files.Write(name, []byte(name), 0o600); err != nil {
				return err
			}
		}
		return nil
	}

	cutter.CutBefore(2)
	require.ErrorIs(t, write(), platformtest.ErrCut)
	assert.Equal(t, map[string]string{"/etc/a": "/etc/a"}, files.Tree("/etc"))
	assert.True(t, cutter.HasCut())
	_, err := files.Read("/etc/a")
	require.ErrorIs(t, err, platformtest.ErrCut, "a process that is gone reads nothing either")

	cutter.CutAfter(2)
	require.ErrorIs(t, write(), platformtest.ErrCut)
	assert.Len(t, files.Tree("/etc"), 2, "the second call had its effect")

	cutter.Heal()
	require.NoError(t, write())
	assert.False(t, cutter.HasCut())
	assert.Equal(t, []string{"write /etc/a", "write /etc/b", "write /etc/c"}, cutter.Calls())
}

func TestPackages_failedScriptIsRecovered(t *testing.T) {
	broken := true
	p := &platformtest.Packages{}
	p.Provide("/x.deb", platformtest.Archive{Name: "x", Version: "1.0", Install: func(env map[string]string) error {
		if broken {
			return errors.New("postinst")
		}
		return nil
	}})
	_, err := p.State(t.Context(), "x")
	require.ErrorIs(t, err, platform.ErrNotFound)
	require.Error(t, p.Install(t.Context(), "/x.deb", nil))
	state, err := p.State(t.Context(), "x")
	require.NoError(t, err)
	assert.False(t, state.Configured)
	require.Error(t, p.Recover(t.Context()))

	broken = false
	require.NoError(t, p.Recover(t.Context()))
	state, err = p.State(t.Context(), "x")
	require.NoError(t, err)
	assert.Equal(t, platform.PackageState{Version: "1.0", Configured: true}, state)
	assert.Equal(t, 1, p.Installs("x"))

	require.ErrorIs(t, p.Require(t.Context(), "libaio1"), platform.ErrNotFound)
	p.Offer("libaio1")
	require.NoError(t, p.Require(t.Context(), "libaio1"))
	assert.Equal(t, []string{"libaio1", "x"}, p.Names())
}
