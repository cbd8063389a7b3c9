package installer_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
)

// Without any module there is nothing to load, and no unit that would: the node says which module is missing, not which unit.
func TestModule_imageBasedHasNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := flatcar()
		got := start(n).rest(t)
		none := got["provide-scini-module"]
		assert.Equal(t, "NoModule", none.Reason, none.Message)
		assert.Contains(t, none.Message, "for kernel "+n.Facts.Kernel)
		assert.Contains(t, none.Message, "list one under modules in the manifest")
		for name, c := range got {
			assert.NotContains(t, c.Message, "scaleio-scini-module.service", name)
		}
		require.NoError(t, stepOf(t, n, "load-scini").Apply(t.Context()))
	})
}

// The kernel's answer is what counts where the unit that loads the module fails.
func TestModule_imageBasedKernelRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := flatcar()
		inManifest(n, n.Facts.Kernel, n.Module(n.Facts.Kernel).File())
		p := start(n)
		require.Equal(t, api.True, p.rest(t)["load-scini"].Status)
		n.LoseModule()
		n.Units.Starting = func(unit string) error { // scini's own unit is active, and nothing was loaded
			if unit == "scaleio-scini-module.service" {
				return errors.New("exit status 1")
			}
			return nil
		}
		n.Jobs.Run = func(_ context.Context, job systemd.Job) error {
			if !slices.Contains(job.Argv, "/sbin/insmod") {
				return nil
			}
			return &systemd.JobError{Unit: job.Name, Result: "exit-code", Code: 1, Output: "insmod: ERROR: could not insert module " + job.Argv[1] + ": Unknown symbol in module\n"}
		}
		n.Units.Stopping(scaleio.UnitSDC)
		got := p.rest(t)["provide-scini-module"]
		assert.Equal(t, "UnknownSymbol", got.Reason, got.Message)
	})
}
