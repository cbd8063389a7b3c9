package leader_test

import (
	"io"
	"log/slog"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/installer/step/steptest"
	"scaleio-framework/scheduler/api"
)

// leavingWorld is whole, and node-3 is to go.
func leavingWorld(t *testing.T) (*world, leader.Input) {
	w := newWorld()
	in := w.input()
	w.converge(t, in)
	in.Spec.Cluster.SDSs, in.Spec.Cluster.Disks = in.Spec.Cluster.SDSs[:2], in.Spec.Cluster.Disks[:2]
	in.Spec.Cluster.Leaving = []api.LeavingNode{{Node: "id-3", Name: "node-3", Drain: true}}
	w.calls = nil
	return w, in
}

func TestLeaving_theSDSIsRemovedOnceAndWaitedFor(t *testing.T) {
	w, in := leavingWorld(t)
	id := w.objects.SDSs[2].ID
	w.converge(t, in)
	assert.Equal(t, []string{"remove sds " + id}, w.calls)
	view, err := w.leader().View(t.Context(), in)
	require.NoError(t, err)
	assert.True(t, view.SDSs[2].Removing)
	w.converge(t, in)
	assert.Len(t, w.calls, 1, "what is under way is only waited for, by another process too")
	w.drained()
	w.converge(t, in)
	assert.Len(t, w.calls, 1)
	assert.Len(t, w.objects.SDSs, 2, "it isn't added again")
}

func TestLeaving_theSDSIsTheNodesByItsAddress(t *testing.T) {
	w, in := leavingWorld(t)
	in.Spec.Cluster.Leaving[0].IPs = w.objects.SDSs[2].IPs
	w.objects.SDSs[2].Name = "old"
	id := w.objects.SDSs[2].ID
	w.converge(t, in)
	assert.Equal(t, []string{"remove sds " + id}, w.calls)
}

func TestLeaving_nothingHappensWhileTheRestCannotSpareIt(t *testing.T) {
	for name, spoil := range map[string]func(*world, *leader.Input){
		"the scheduler says no":              func(_ *world, in *leader.Input) { in.Spec.Cluster.Leaving[0].Drain = false },
		"another is away":                    func(w *world, _ *leader.Input) { w.objects.SDSs[0].Connection = "Disconnected" },
		"another is serviced":                func(w *world, _ *leader.Input) { w.objects.SDSs[0].Maintenance = "InMaintenance" },
		"another is leaving":                 func(w *world, _ *leader.Input) { w.objects.SDSs[0].State = "RemovePending" },
		"data is degraded":                   func(w *world, _ *leader.Input) { w.objects.Pools[0].Figures.DegradedBytes = 1 },
		"another machine's SDS has its name": func(_ *world, in *leader.Input) { in.Spec.Cluster.Leaving[0].IPs = []string{"10.0.9.9"} },
		"its SDS is in another domain":       func(w *world, _ *leader.Input) { w.objects.SDSs[2].DomainID = "other" },
		"volumes are mapped": func(w *world, _ *leader.Input) {
			w.objects.SDCs = []api.SDCView{{ID: "c3", GUID: "G3", IP: "10.0.0.3", Connected: true, Volumes: 1}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, in := leavingWorld(t)
			spoil(w, &in)
			w.converge(t, in)
			assert.Empty(t, w.calls)
		})
	}
}

func TestLeaving_theEntryOfItsSDCGoesWhenItsDriverIsGone(t *testing.T) {
	w, in := leavingWorld(t)
	w.objects.SDSs = w.objects.SDSs[:2]
	w.objects.SDCs = []api.SDCView{{ID: "c2", GUID: "G2", IP: "10.0.0.2", Connected: true}, {ID: "c3", GUID: "G3", IP: "10.0.0.3", Connected: true}}
	in.Spec.Cluster.Leaving = []api.LeavingNode{{Node: "id-3", Name: "node-3", SDC: "G3"}}
	w.converge(t, in)
	assert.Empty(t, w.calls, "it is connected")
	w.objects.SDCs[1].Connected, w.objects.SDCs[1].Volumes = false, 1
	w.converge(t, in)
	assert.Empty(t, w.calls, "volumes are mapped to it")
	w.objects.SDCs[1].Volumes = 0
	w.converge(t, in)
	assert.Equal(t, []string{"remove sdc c3"}, w.calls)
	assert.Equal(t, "G2", w.objects.SDCs[0].GUID)
}

func TestLeaving_keepsTheContract(t *testing.T) {
	steptest.Run(t, steptest.Contract{New: func(t *testing.T) steptest.World {
		w, in := leavingWorld(t)
		w.Heal()
		i := slices.Index(w.leader().Plan(in).Names(), leader.StepLeaving)
		return steptest.World{Cutter: w, Snapshot: w.snapshot, Step: func() step.Step { return w.leader().Plan(in)[i].Step }}
	}})
}

func TestLeaving_aRefusalOfTheProductIsShown(t *testing.T) {
	w, in := leavingWorld(t)
	id := w.objects.SDSs[2].ID
	w.refuse["remove sds "+id] = []error{refused("This operation violates spare policy")}
	l := w.leader()
	r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
	view, err := l.View(t.Context(), in)
	require.NoError(t, err)
	require.NotEmpty(t, view.Conditions)
	assert.Equal(t, "remove-sds/node-3", view.Conditions[0].Type)
	assert.Contains(t, view.Conditions[0].Message, "violates spare policy")
	assert.False(t, scaleio.SDSObject{}.Removing())
}
