package installer_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/payload"
	"scaleio-framework/platform/platformtest"
)

func recipeOf(t *testing.T, component string) payload.Recipe {
	t.Helper()
	r, err := installer.PayloadRecipe(scaleio.RPMName(component), "3.6-700.103.el9")
	require.NoError(t, err)
	return r
}

func TestPayloadRecipe_mdm(t *testing.T) {
	for env, want := range map[string]string{"1": "actor_role_is_manager=1\n", "0": "actor_role_is_manager=0\n", "": "actor_role_is_manager=0\n"} {
		files := platformtest.NewFiles()
		r := recipeOf(t, scaleio.MDM)
		require.NoError(t, files.MkdirAll(r.Dirs[0], 0o755))
		require.NoError(t, r.Configure(files, map[string]string{scaleio.EnvMDMRole: env}))
		conf, err := files.Read(scaleio.PathMDMConf)
		require.NoError(t, err)
		assert.Equal(t, want, string(conf))
		require.NoError(t, r.Configure(files, map[string]string{scaleio.EnvMDMRole: "1"}))
		again, err := files.Read(scaleio.PathMDMConf)
		require.NoError(t, err)
		assert.Equal(t, want, string(again), "a role is kept")
	}
}

func TestPayloadRecipe_sdc(t *testing.T) {
	guids := map[string]bool{}
	for range 2 {
		files := platformtest.NewFiles()
		r := recipeOf(t, scaleio.SDC)
		for _, dir := range r.Dirs {
			require.NoError(t, files.MkdirAll(dir, 0o755))
		}
		for _, managers := range []string{"", "10.0.0.1,10.0.0.2", "10.0.0.9"} {
			require.NoError(t, r.Configure(files, map[string]string{scaleio.EnvMDMIP: managers}))
		}
		data, err := files.Read(scaleio.PathDrvCfgText)
		require.NoError(t, err)
		text, err := scaleio.ParseDrvCfgText(data)
		require.NoError(t, err)
		assert.Equal(t, []string{"10.0.0.1", "10.0.0.2"}, text.Addresses())
		assert.Len(t, text.GUID, 36)
		assert.Equal(t, strings.ToUpper(text.GUID), text.GUID)
		assert.False(t, guids[text.GUID], "every installation has its own")
		guids[text.GUID] = true
	}
}

func TestPayloadRecipe_refuses(t *testing.T) {
	for pkg, version := range map[string]string{"EMC-ScaleIO-gateway": "3.6-1.1", "emc-scaleio-sdc": "3.6-1.1", "bash": "5.1-1", "EMC-ScaleIO-sdc": "2.6-11000.113.el7"} {
		_, err := installer.PayloadRecipe(pkg, version)
		require.ErrorIs(t, err, platform.ErrUnsupported, pkg)
	}
}

var _ installer.Packages = (*payload.Packages)(nil)
