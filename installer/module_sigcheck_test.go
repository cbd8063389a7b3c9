package installer_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

func TestModule_vendorSignatureIsNotAskedForAPinnedModule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := installed(t, withoutModule(t))
		const file = scaleio.PathSciniSync + "/driver_sync.conf"
		n.Files.Set(file, "repo_password = secret\nmodule_sigcheck = 1\nlocal_dir = /var/cache/drivers/\n", 0o600)
		inManifest(n, runningKernel, n.Module(runningKernel).File())
		require.NoError(t, stepOf(t, n, "provide-scini-module").Apply(t.Context()))
		conf, err := scaleio.ParseDriverSync([]byte(n.Files.Tree("/etc")[file]))
		require.NoError(t, err)
		assert.Equal(t, "0", conf.SigCheck)
		assert.Equal(t, "secret", conf.RepoPassword)
		mode, _, err := n.Files.Stat(file)
		require.NoError(t, err)
		assert.EqualValues(t, 0o600, mode.Perm())
		assert.Contains(t, n.Files.Tree("/var/cache"), "/var/cache/drivers/Ubuntu22.04/3.6.700.103/"+runningKernel+"/scini.ko", "into the folder that it names")
	})
}

// The setting is for all that the vendor's scripts load: it ends with the module that it was for, and where they have a repository it isn't touched.
func TestModule_vendorSignatureIsAskedForAgain(t *testing.T) {
	const file = scaleio.PathSciniSync + "/driver_sync.conf"
	sigCheck := func(t *testing.T, n *installertest.Node) string {
		conf, err := scaleio.ParseDriverSync([]byte(n.Files.Tree("/etc")[file]))
		require.NoError(t, err)
		return conf.SigCheck
	}
	placed := func(t *testing.T) *installertest.Node {
		n := installed(t, withoutModule(t))
		n.Files.Set(file, "module_sigcheck = 1\nlocal_dir = /var/cache/drivers/\n", 0o600)
		inManifest(n, runningKernel, n.Module(runningKernel).File())
		require.NoError(t, stepOf(t, n, "provide-scini-module").Apply(t.Context()))
		require.Equal(t, "0", sigCheck(t, n))
		require.Equal(t, step.Satisfied, check(t, n, "provide-scini-module").Verdict)
		return n
	}
	t.Run("a repository", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := installed(t, withoutModule(t))
			n.Files.Set(file, "repo_address = ftp://mirror/\nmodule_sigcheck = 1\nlocal_dir = /var/cache/drivers/\n", 0o600)
			inManifest(n, runningKernel, n.Module(runningKernel).File())
			got := settle(t, n)["provide-scini-module"]
			assert.Equal(t, "VendorSignatureWanted", got.Reason, got.Message)
			assert.Contains(t, got.Message, "repo_address")
			assert.Equal(t, "1", sigCheck(t, n))
			assert.Empty(t, n.Files.Tree("/var/cache"))
		})
	})
	t.Run("a repository later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := placed(t)
			n.Files.Set(file, "repo_address = ftp://mirror/\nmodule_sigcheck = 0\nlocal_dir = /var/cache/drivers/\n", 0o600)
			got := settle(t, n)["provide-scini-module"]
			assert.Equal(t, "1", sigCheck(t, n))
			assert.Equal(t, "VendorSignatureWanted", got.Reason, got.Message)
		})
	})
	t.Run("the module is gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := placed(t)
			for _, name := range []string{"/var/cache/drivers/Ubuntu22.04/3.6.700.103/" + runningKernel + "/scini.ko", sciniDir + runningKernel + "/scini.json"} {
				n.Files.Delete(name)
			}
			n.Files.Set(n.CachedModule(runningKernel), string(n.Module(runningKernel).File()), 0o644)
			got := settle(t, n)["provide-scini-module"]
			assert.Equal(t, api.True, got.Status, got.Message)
			assert.Equal(t, "1", sigCheck(t, n))
		})
	})
	t.Run("a person's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := installed(t, one())
			n.Files.Set(file, "module_sigcheck = 0\n", 0o600)
			settle(t, n)
			assert.Equal(t, "0", sigCheck(t, n))
		})
	})
}

// Our copies in the vendor's cache go with the module, and at a removal; what another put in their place stays.
func TestModule_copiesAreRemoved(t *testing.T) {
	const copied = "/var/cache/drivers/Ubuntu22.04/3.6.700.103/"
	placed := func(t *testing.T) *installertest.Node {
		n := installed(t, withoutModule(t))
		n.Files.Set(scaleio.PathSciniSync+"/driver_sync.conf", "module_sigcheck = 1\nlocal_dir = /var/cache/drivers/\n", 0o600)
		inManifest(n, runningKernel, n.Module(runningKernel).File())
		require.NoError(t, stepOf(t, n, "provide-scini-module").Apply(t.Context()))
		require.Contains(t, n.Files.Tree("/var/cache"), copied+runningKernel+"/scini.ko")
		return n
	}
	for name, drop := range map[string]func(*testing.T, *installertest.Node){
		"with the kernel": func(t *testing.T, n *installertest.Node) {
			n.Facts.Kernel = newerKernel
			n.Files.Delete("/lib/modules/" + runningKernel)
			n.Files.Delete("/boot/vmlinuz-" + runningKernel)
			installKernel(n, newerKernel)
			require.Equal(t, "StaleModules", check(t, n, "clean-modules").Reason)
			require.NoError(t, stepOf(t, n, "clean-modules").Apply(t.Context()))
			assert.Equal(t, "SignatureCheckOff", check(t, n, "provide-scini-module").Reason)
		},
		"at a removal": func(t *testing.T, n *installertest.Node) {
			n.Spec.Remove, n.Spec.Role = true, api.RoleClient
			require.NoError(t, stepOf(t, n, "remove-leftovers").Apply(t.Context()))
		},
	} {
		for _, replaced := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, replaced %t", name, replaced), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := placed(t)
					if replaced {
						n.Files.Set(copied+runningKernel+"/scini.ko", "another's", 0o644)
					}
					drop(t, n)
					if replaced {
						assert.Equal(t, map[string]string{copied + runningKernel + "/scini.ko": "another's"}, n.Files.Tree("/var/cache"))
					} else {
						assert.Empty(t, n.Files.Tree("/var/cache"))
					}
					assert.Empty(t, n.Files.Tree(sciniDir))
				})
			})
		}
	}
}
