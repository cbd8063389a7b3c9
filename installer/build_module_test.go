package installer_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// A module that nobody has is built by the SDC's own start, where a person lets compiler and headers be installed; nothing of it is done by us.
func TestModule_built(t *testing.T) {
	const newSDC, oldSDC = "3.6-3000.118.Ubuntu.22.04", "3.6-700.103.Ubuntu.22.04"
	for name, c := range map[string]struct {
		sdc     string
		allowed bool
		headers bool // the distribution has them
		want    step.Verdict
		says    string
	}{
		"allowed":                {newSDC, true, true, step.Satisfied, "scini is loaded for kernel"},
		"not allowed":            {newSDC, false, true, step.Blocked, "allow build-modules"},
		"the headers are gone":   {newSDC, true, false, step.Blocked, "no such package"},
		"the SDC builds nothing": {oldSDC, true, true, step.Blocked, "there is no scini 3.6.700.103"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := installed(t, withoutModule(t))
				n.Packages.Set(scaleio.DebName(scaleio.SDC), platform.PackageState{Version: c.sdc, Configured: true})
				n.Spec.BuildModules = c.allowed
				n.Packages.Offer("gcc", "make")
				if c.headers {
					n.Packages.Offer("linux-headers-" + runningKernel)
				}
				start := n.Units.Starting
				n.Units.Starting = func(unit string) error { // the start of scini builds
					if _, on := n.Files.Tree("/etc")[scaleio.PathSciniSync+"/.build_scini"]; on && unit == scaleio.UnitSDC {
						n.Files.Set(n.CachedModule(runningKernel), string(n.Module(runningKernel).File()), 0o644)
					}
					return start(unit)
				}
				n.Packages.Hook = func(call string, effect func() error) error {
					err := effect()
					if err == nil && strings.HasPrefix(call, "require ") {
						for _, file := range []string{"/usr/bin/gcc", "/usr/bin/make", "/lib/modules/" + runningKernel + "/build/Makefile"} {
							n.Files.Set(file, "", 0o755)
						}
					}
					return err
				}
				got := settle(t, n)["provide-scini-module"]
				assert.Contains(t, got.Message, c.says)
				assert.Equal(t, c.want == step.Satisfied, got.Status == api.True, got.Message)
				_, switched := n.Files.Tree("/etc")[scaleio.PathSciniSync+"/.build_scini"]
				assert.Equal(t, c.want == step.Satisfied, switched)
			})
		})
	}
}

// What the SDC builds isn't signed: where the kernel asks for signatures nothing is prepared for it, and nothing hoped for.
func TestModule_builtIsNotSigned(t *testing.T) {
	for name, c := range map[string]struct {
		enforce func(*platform.Facts)
		reason  string
	}{
		"Secure Boot": {func(f *platform.Facts) { f.SecureBoot, f.Lockdown = "enabled", "integrity" }, "UnsignedSecureBoot"},
		"lockdown":    {func(f *platform.Facts) { f.Lockdown = "integrity" }, "UnsignedLockdown"},
		"sig_enforce": {func(f *platform.Facts) { f.SigEnforce = true }, "UnsignedEnforced"},
	} {
		for _, prepared := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, prepared %t", name, prepared), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := installed(t, withoutModule(t))
					n.Packages.Set(scaleio.DebName(scaleio.SDC), platform.PackageState{Version: "3.6-3000.118.Ubuntu.22.04", Configured: true})
					n.Spec.BuildModules = true
					c.enforce(&n.Facts)
					if prepared {
						buildPrepared(n, runningKernel)
					}
					f := check(t, n, "provide-scini-module")
					assert.Equal(t, step.Blocked, f.Verdict, f.Message)
					assert.Equal(t, c.reason, f.Reason)
					assert.Contains(t, f.Message, "one that is built here would be refused")
				})
			})
		}
	}
}

// buildPrepared is a machine where the start of scini can build.
func buildPrepared(n *installertest.Node, kernel string) {
	for _, file := range []string{"/usr/bin/gcc", "/usr/bin/make", "/lib/modules/" + kernel + "/build/Makefile", scaleio.PathSciniSync + "/.build_scini"} {
		n.Files.Set(file, "", 0o755)
	}
}
