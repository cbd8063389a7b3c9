package leader_test

import (
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/step"
	"scaleio-framework/installer/step/steptest"
)

// Every step of the leader keeps the contract of steps: each on a world where all steps before it are done.
func TestSteps_keepTheContract(t *testing.T) {
	names := newWorld().leader().Plan(newWorld().input()).Names()
	require.Len(t, names, 10)
	require.NotContains(t, names, leader.StepLeaving) // only while a node leaves: see TestLeaving_keepsTheContract
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			steptest.Run(t, steptest.Contract{New: func(t *testing.T) steptest.World {
				w := newWorld()
				in := w.input()
				before := w.leader().Plan(in)[:i]
				r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
				require.True(t, r.Pass(t.Context(), before, in.Spec.Gates, 1).Ready)
				w.Heal()
				return steptest.World{Cutter: w, Snapshot: w.snapshot, Step: func() step.Step { return w.leader().Plan(in)[i].Step }}
			}})
		})
	}
}
