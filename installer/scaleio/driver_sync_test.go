package scaleio_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
)

const driverSync = `###############################################
#driver_sync Configuration file
#Everything after a '#' until the end of the line is ignored
###############################################
repo_address   = sftp://localhost/path/to/repo/dir
repo_user = user
repo_password=secret=with=equals
local_dir  = /bin/emc/scaleio/scini_sync/driver_cache/
user_private_rsa_key = /bin/emc/scaleio/scini_sync/scini_key
repo_public_rsa_key = /bin/emc/scaleio/scini_sync/scini_repo_key.pub
module_sigcheck = 1
emc_public_gpg_key = /bin/emc/scaleio/scini_sync/emc_key.pub
sync_pattern = .*
retry_count = 3
`

func TestDriverSync(t *testing.T) {
	d, err := scaleio.ParseDriverSync([]byte(driverSync))
	require.NoError(t, err)
	assert.Equal(t, "/bin/emc/scaleio/scini_sync/driver_cache/", d.LocalDir)
	assert.Equal(t, "1", d.SigCheck)
	assert.Equal(t, "secret=with=equals", d.RepoPassword)
	assert.Equal(t, []scaleio.DriverSyncEntry{{Key: "retry_count", Value: "3"}}, d.Other, "keys that aren't known stay")

	d.SigCheck = "0"
	again, err := scaleio.ParseDriverSync(d.Text())
	require.NoError(t, err)
	assert.Equal(t, d, again)

	twice, err := scaleio.ParseDriverSync([]byte("local_dir = /a\nlocal_dir = /b\nx = 1\nx = 2\n"))
	require.NoError(t, err)
	assert.Equal(t, "/b", twice.LocalDir, "the last counts, as for a shell that reads it")
	assert.Equal(t, []scaleio.DriverSyncEntry{{Key: "x", Value: "2"}}, twice.Other)

	_, err = scaleio.ParseDriverSync([]byte("repo_user = u\nrepo password secret\n"))
	require.ErrorContains(t, err, "line 2")
	assert.NotContains(t, err.Error(), "secret")
}

func FuzzDriverSync(f *testing.F) {
	f.Add([]byte(driverSync))
	f.Add([]byte("a==b\n = x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := scaleio.ParseDriverSync(data)
		if err != nil {
			return
		}
		again, err := scaleio.ParseDriverSync(d.Text())
		if err != nil {
			t.Fatalf("what was written can't be read: %v\n%s", err, d.Text())
		}
		assert.Equal(t, d, again)
	})
}

func TestDrvCfgText(t *testing.T) {
	const text = "ini_guid 4b3e1f55-3d3c-4a35-b1ad-6d1b7c9f4a10\nmdm 10.0.0.1,10.0.0.2\n# by hand\nmdm 192.168.0.1\n"
	d, err := scaleio.ParseDrvCfgText([]byte(text))
	require.NoError(t, err)
	assert.Equal(t, "4B3E1F55-3D3C-4A35-B1AD-6D1B7C9F4A10", d.GUID)
	assert.Equal(t, []string{"10.0.0.1", "10.0.0.2", "192.168.0.1"}, d.Addresses())
	assert.Equal(t, "ini_guid AB\nmdm 10.0.0.1,10.0.0.2\n# by hand\nmdm 192.168.0.1\n", string(d.WithGUID("ab").Text()))

	none, err := scaleio.ParseDrvCfgText([]byte("mdm 10.0.0.1\n"))
	require.NoError(t, err)
	assert.Empty(t, none.GUID)
	assert.Equal(t, "ini_guid AB\nmdm 10.0.0.1\n", string(none.WithGUID("ab").Text()))

	for _, broken := range []string{"ini_guid\n", "ini_guid a b\n", "ini_guid a\nini_guid b\n"} {
		_, err := scaleio.ParseDrvCfgText([]byte(broken))
		assert.Error(t, err, broken)
	}
}

func FuzzDrvCfgText(f *testing.F) {
	f.Add([]byte("ini_guid 4b3e1f55-3d3c-4a35-b1ad-6d1b7c9f4a10\nmdm 10.0.0.1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := scaleio.ParseDrvCfgText(data)
		if err != nil {
			return
		}
		again, err := scaleio.ParseDrvCfgText(d.WithGUID("AB-CD").Text())
		if err != nil || again.GUID != "AB-CD" {
			t.Fatalf("%q: %v, GUID %q", data, err, again.GUID)
		}
	})
}

func TestModuleLayout(t *testing.T) {
	for version, want := range map[string]string{
		"3.6-700.103.Ubuntu.22.04": "3.6.700.103", "4.5-0.287": "4.5.0.287", "2.0-5014.0": "2.0.5014.0", "2.0-10000.2072.el7": "2.0.10000.2072", "3.6.700.103": "3.6.700.103", "": "", "x": "",
	} {
		assert.Equal(t, want, scaleio.ModuleVersion(version))
	}
	for _, c := range []struct {
		facts platform.Facts
		want  []string
	}{
		{platform.Facts{ID: "ubuntu", VersionID: "20.04", Family: platform.FamilyDeb}, []string{"Ubuntu20.04", "Ubuntu"}},
		{platform.Facts{ID: "rhel", VersionID: "9.4", Family: platform.FamilyRPM}, []string{"RHEL9", "RHEL9.4", "RHEL"}},
		{platform.Facts{ID: "centos", VersionID: "7", Family: platform.FamilyRPM}, []string{"CentOS7", "CentOS"}},
		{platform.Facts{ID: "flatcar", VersionID: "4459.0.0", Family: platform.FamilyFlatcar}, []string{"Flatcar4459.0.0", "Flatcar"}},
	} {
		assert.Equal(t, c.want, scaleio.ModuleOSes(c.facts))
	}
}
