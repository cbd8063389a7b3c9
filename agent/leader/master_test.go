package leader_test

import (
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// The master hands its part over once, to the manager that it is told, while that one is in step; then it leads no more.
func TestHandOver(t *testing.T) {
	for name, c := range map[string]struct {
		to     string
		status string
		state  string
		want   []string
		reason string
	}{
		"nobody asks":            {"", "Normal", "Normal", nil, ""},
		"to the other manager":   {"node-2", "Normal", "Normal", []string{"switch_mdm_ownership node-2"}, ""},
		"it isn't in step":       {"node-2", "Not synchronized", "Normal", nil, leader.ReasonWaitingForNode},
		"the cluster lacks one":  {"node-2", "Normal", "Degraded", nil, leader.ReasonWaitingForNode},
		"to the tie-breaker":     {"node-3", "Normal", "Normal", nil, leader.ReasonWaitingForNode},
		"to one that isn't ours": {"node-9", "Normal", "Normal", nil, api.ReasonSatisfied},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			in := w.input()
			w.converge(t, in)
			w.cluster.State = c.state
			for i := range w.cluster.Members {
				if w.cluster.Members[i].Place == scaleio.PlaceSlave {
					w.cluster.Members[i].Status = c.status
				}
			}
			w.calls = nil
			in.Spec.Cluster.HandOver = c.to
			l := w.leader()
			r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
			res := r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
			assert.Equal(t, c.want, w.calls)
			for _, cond := range res.Conditions {
				if cond.Type == leader.StepMaster && c.reason != "" {
					assert.Equal(t, c.reason, cond.Reason, cond.Message)
				}
			}
			if c.want == nil {
				return
			}
			_, err := l.View(t.Context(), in)
			require.ErrorIs(t, err, leader.ErrNotLeading)
			r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
			assert.Equal(t, c.want, w.calls, "once")
		})
	}
}
