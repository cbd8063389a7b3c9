package leader_test

import (
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// The leader enters and leaves maintenance for the SDS that it is told, once, while the rest is there for its data; and touches no other's.
func TestService(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scaleio.Objects)
		leave  bool
		none   bool
		want   []string
		reason string
	}{
		"nobody asks":           {none: true},
		"enters":                {want: []string{"enter_maintenance_mode node-2"}},
		"it is there":           {change: in(1), reason: api.ReasonSatisfied},
		"leaves":                {change: in(1), leave: true, want: []string{"exit_maintenance_mode node-2"}},
		"it isn't there":        {leave: true, reason: api.ReasonSatisfied},
		"another is serviced":   {change: in(2), reason: leader.ReasonWaitingForNode},
		"leaves that alone":     {change: in(2), leave: true, reason: api.ReasonSatisfied},
		"another is away":       {change: func(o *scaleio.Objects) { o.SDSs[0].Connection = "Disconnected" }, reason: leader.ReasonWaitingForNode},
		"data is being rebuilt": {change: func(o *scaleio.Objects) { o.Pools[0].Figures.RebuildBytes = 1 }, reason: leader.ReasonWaitingForNode},
		"leaves all the same": {change: func(o *scaleio.Objects) { in(1)(o); o.Pools[0].Figures.RebuildBytes = 1 }, leave: true,
			want: []string{"exit_maintenance_mode node-2"}},
		"it is gone": {change: func(o *scaleio.Objects) { o.SDSs[1].ID = "other" }, leave: true, reason: api.ReasonSatisfied},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			in := w.input()
			w.converge(t, in)
			w.calls = nil
			if !c.none {
				in.Spec.Cluster.Service = &api.SDSService{SDS: w.objects.SDSs[1].ID, Name: "node-2", Leave: c.leave}
			}
			if c.change != nil {
				c.change(&w.objects)
			}
			l := w.leader()
			r := &step.Reconciler{Log: quiet}
			for range 2 {
				res := r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
				for _, cond := range res.Conditions {
					if cond.Type == leader.StepService && c.reason != "" {
						assert.Equal(t, c.reason, cond.Reason, cond.Message)
					}
				}
			}
			assert.Equal(t, c.want, w.calls, "once")
		})
	}
}

func in(i int) func(*scaleio.Objects) {
	return func(o *scaleio.Objects) { o.SDSs[i].Maintenance = "InMaintenance" }
}

// A lost answer is looked at again: done is done.
func TestService_lostAnswer(t *testing.T) {
	w := newWorld()
	in := w.input()
	w.converge(t, in)
	in.Spec.Cluster.Service = &api.SDSService{SDS: w.objects.SDSs[1].ID, Name: "node-2"}
	for n := 1; ; n++ {
		w.objects.SDSs[1].Maintenance = "NoMaintenance"
		w.Heal()
		w.CutAfter(n)
		r := &step.Reconciler{Log: quiet}
		r.Pass(t.Context(), w.leader().Plan(in), in.Spec.Gates, 1)
		cut := w.HasCut()
		w.Heal()
		r = &step.Reconciler{Log: quiet}
		r.Pass(t.Context(), w.leader().Plan(in), in.Spec.Gates, 1)
		assert.Equal(t, "InMaintenance", w.objects.SDSs[1].Maintenance, "cut after call %d", n)
		if !cut {
			assert.Greater(t, n, 3)
			return
		}
	}
}
