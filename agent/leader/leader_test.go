package leader_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

func TestLeader_makesTheWholeSystem(t *testing.T) {
	w := newWorld()
	w.converge(t, w.input())
	w.wholeIsRight(t)
	assert.Equal(t, []string{"set_password admin", "add_standby_mdm node-2", "add_standby_mdm node-3", "switch_cluster_mode 3_node", "rename_system alpha",
		"add domain pd1", "add pool sp1", "zero padding true", "spare 34", "add fault set az-1", "add fault set az-2", "add fault set az-3",
		"add_user rexray", "set_password rexray", "add sds node-1", "add sds node-2", "add sds node-3", "add device vol-1", "add device vol-2", "add device vol-3"}, w.calls)
}

func TestLeader_changesNothingTwice(t *testing.T) {
	w := newWorld()
	w.converge(t, w.input())
	w.calls = nil
	w.converge(t, w.input())
	assert.Empty(t, w.calls)
}

// Killed at any call, before it or after its work was done but unanswered, a new process goes on and nothing is made twice.
func TestLeader_cutAtEveryCallAndHealed(t *testing.T) {
	whole := newWorld()
	whole.converge(t, whole.input())
	require.Greater(t, whole.count, 50)
	for at := 1; at <= whole.count; at++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/%t", at, after), func(t *testing.T) {
				w := newWorld()
				in := w.input()
				ctx, kill := context.WithCancel(t.Context())
				defer kill()
				if after {
					w.cutAfter = at
				} else {
					w.cutBefore = at
				}
				w.before = func(string) { // dead from the call after the cut one on
					w.mu.Lock()
					defer w.mu.Unlock()
					if w.count >= at {
						kill()
					}
				}
				l := w.leader()
				r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
				r.Pass(ctx, l.Plan(in), in.Spec.Gates, 1)
				w.before = nil
				w.converge(t, in)
				w.wholeIsRight(t)
			})
		}
	}
}

// A lost answer within one life: the work was done, the leader sees it by looking, not by trying again.
func TestLeader_lostAnswersAreLookedUp(t *testing.T) {
	whole := newWorld()
	whole.converge(t, whole.input())
	for at := 1; at <= whole.count; at++ {
		w := newWorld()
		w.cutAfter = at
		in := w.input()
		l := w.leader()
		r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
		w.converge(t, in)
		w.wholeIsRight(t)
		seen := map[string]int{}
		for _, c := range w.calls {
			seen[c]++
			if !strings.Contains(c, "password") {
				require.LessOrEqual(t, seen[c], 1, "call %d cut: %s done twice", at, c)
			}
		}
	}
}

func TestLeader_masterMovesInTheMiddle(t *testing.T) {
	w := newWorld()
	in := w.input()
	moved := false
	w.before = func(call string) {
		if call == "add sds node-2" && !moved {
			moved = true
			w.mu.Lock()
			w.refuse[call] = []error{refused("This command is not supported on the Slave MDM. Please use the Master MDM IP to access the cluster")}
			w.cluster.Members[0].Place, w.cluster.Members[1].Place = scaleio.PlaceSlave, scaleio.PlaceMaster
			w.mu.Unlock()
		}
	}
	l := w.leader()
	r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	res := r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
	require.True(t, moved)
	assert.False(t, res.Ready)
	assert.Len(t, w.objects.SDSs, 1, "nothing was added after the master had moved")
	w.calls = nil
	res = r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
	assert.Empty(t, w.calls)
	assert.Equal(t, leader.ReasonNotMaster, res.Conditions[0].Reason)
	_, err := l.View(t.Context(), in)
	assert.ErrorIs(t, err, leader.ErrNotLeading)
}

func TestLeader_asksTheGuardBeforeEveryChange(t *testing.T) {
	w := newWorld()
	in := w.input()
	asked, since := 0, 0
	in.Guard = func(ctx context.Context, need time.Duration) error {
		asked++
		since = asked
		assert.Equal(t, scaleio.CallTimeout, need)
		return nil
	}
	changes := 0
	w.before = func(call string) {
		for _, read := range []string{"query_cluster", "query_users", "login", "GET"} {
			if strings.HasPrefix(call, read) {
				return
			}
		}
		changes++
		assert.Equal(t, changes, since, "before %s", call)
	}
	w.converge(t, in)
	assert.Equal(t, changes, asked)

	idle := newWorld()
	idle.lease = scaleio.CallTimeout // exactly the time a call may take isn't enough
	in = idle.input()
	l := idle.leader()
	r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	res := r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
	assert.Empty(t, idle.calls)
	assert.Contains(t, res.Conditions[0].Message, "the lease has 8s left")
}

func TestLeader_withoutGuardNothingIsChanged(t *testing.T) {
	w := newWorld()
	in := w.input()
	in.Guard = nil
	l := w.leader()
	r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
	assert.Empty(t, w.calls)
}

// One SDS that doesn't listen, is busy or slow holds up no other.
func TestLeader_oneNodesTroubleIsItsOwn(t *testing.T) {
	for _, text := range []string{
		"The SDS is not listening on the specified port. Please check the SDS port configuration and try again",
		"The system is busy. Retry later",
		"SDS is already attached to another MDM",
	} {
		w := newWorld()
		w.refuse["add sds node-1"] = []error{refused(text)}
		w.refuse["add device vol-2"] = []error{refused("Adding a device takes too long. This might indicate a problematic device")}
		in := w.input()
		l := w.leader()
		r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
		assert.Len(t, w.objects.SDSs, 2, text)
		assert.Len(t, w.objects.Devices, 1, text)
		v, err := l.View(t.Context(), in)
		require.NoError(t, err)
		assert.Contains(t, fmt.Sprint(v.Conditions), text)
		assert.NotContains(t, strings.Join(w.calls, ","), "force")

		w.converge(t, w.input()) // a new process has forgotten the pause
		w.wholeIsRight(t)
	}
}

// "Already exists" of something that then isn't what was wanted blocks; it is never taken for done.
func TestLeader_existsIsNotDone(t *testing.T) {
	w := newWorld()
	w.refuse["add domain pd1"] = []error{refused("Protection Domain name already in use. Please try a different name.")}
	in := w.input()
	l := w.leader()
	r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	res := r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
	assert.Equal(t, leader.ReasonConflict, find(t, res, leader.StepDomain).Reason)
}

func TestLeader_unknownDialectStopsEverything(t *testing.T) {
	for _, call := range []string{"query_cluster", "GET objects", "query_users", "login"} {
		w := newWorld()
		w.converge(t, w.input())
		w.objects.Devices = w.objects.Devices[:1] // something to do
		w.cluster.Name = "drifted"
		strange := &scaleio.UnknownDialectError{What: call, Line: "Quantum state: 7", Raw: "Cluster:\nQuantum state: 7"}
		for range 100 {
			w.refuse[call] = append(w.refuse[call], strange)
		}
		w.calls = nil
		in := w.input()
		l := w.leader()
		r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		res := r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
		blocked := 0
		for _, c := range res.Conditions {
			if c.Reason == leader.ReasonUnknownDialect {
				blocked++
				assert.Contains(t, c.Message, "Quantum state: 7")
			}
		}
		assert.NotZero(t, blocked, call)
		assert.False(t, res.Ready)
		if call == "query_cluster" {
			assert.Equal(t, len(res.Conditions), blocked)
		}
		if call != "query_users" && call != "GET objects" {
			assert.Empty(t, w.calls, call)
		}
		if call == "query_cluster" || call == "GET objects" {
			v, err := l.View(t.Context(), in)
			require.NoError(t, err)
			assert.Contains(t, fmt.Sprint(v.Conditions), "Quantum state: 7")
			assert.Empty(t, v.Claims)
		}
	}
}

func TestLeader_otherSystemIsBlocked(t *testing.T) {
	w := newWorld()
	in := w.input()
	in.Spec.SystemID = "ffffffffffffffff"
	l := w.leader()
	r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	res := r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
	assert.Equal(t, leader.ReasonOtherSystem, res.Conditions[0].Reason)
	assert.Empty(t, w.calls)
}

func TestLeader_unknownAdminPasswordIsForAPerson(t *testing.T) {
	w := newWorld()
	w.passwords["admin"] = "somebody's"
	in := w.input()
	l := w.leader()
	r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	res := r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
	assert.Equal(t, "AdminPasswordUnknown", res.Conditions[0].Reason)
	assert.Empty(t, w.calls)
	for _, c := range res.Conditions {
		assert.NotContains(t, c.Message, "Adm1n-secret")
	}
}

func find(t *testing.T, res step.Result, name string) api.Condition {
	t.Helper()
	for _, c := range res.Conditions {
		if c.Type == name {
			return c
		}
	}
	t.Fatalf("no condition %s", name)
	return api.Condition{}
}

func TestLeader_viewShowsTheSystemAndClaims(t *testing.T) {
	w := newWorld()
	in := w.input()
	for i := range in.Spec.Cluster.Disks {
		in.Spec.Cluster.Disks[i].State = api.DiskOffered
	}
	l := w.leader()
	r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	v, err := l.View(t.Context(), in)
	require.NoError(t, err)
	assert.False(t, v.PoolReady)
	assert.Empty(t, v.Claims, "no disk is claimed before the pool is ready")
	res := r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
	assert.Equal(t, leader.ReasonWaitingForNode, find(t, res, leader.StepDevices).Reason)
	assert.Empty(t, w.objects.Devices, "an offered disk isn't added")

	v, err = l.View(t.Context(), in)
	require.NoError(t, err)
	assert.True(t, v.PoolReady)
	assert.Equal(t, []api.DiskRef{{Node: "id-1", Disk: "vol-1"}, {Node: "id-2", Disk: "vol-2"}, {Node: "id-3", Disk: "vol-3"}}, v.Claims)
	assert.Equal(t, "3_node", v.Mode)
	assert.Equal(t, "node-1", v.Master)
	assert.Equal(t, systemID, v.SystemID)
	assert.Equal(t, []string{"az-1", "az-2", "az-3"}, v.FaultSets)
	require.Len(t, v.SDSs, 3)
	assert.Equal(t, "az-2", v.SDSs[1].FaultSet)

	w.dead = true
	v, err = w.leader().View(t.Context(), in)
	require.NoError(t, err)
	assert.Len(t, v.Members, 3, "without a gateway the MDMs alone")
	assert.Contains(t, fmt.Sprint(v.Conditions), "connection refused")
	assert.False(t, v.PoolReady)
}

// The verification of a disk is worth 30 s, the call's own time included.
func TestLeader_staleVerificationIsNotUsed(t *testing.T) {
	w := newWorld()
	in := w.input()
	ages := []time.Duration{api.PreparedTTL, api.PreparedTTL - scaleio.CallTimeout, api.PreparedTTL - scaleio.CallTimeout - time.Second}
	for i := range in.Spec.Cluster.Disks {
		in.Spec.Cluster.Disks[i].PreparedAgeMS = ages[i].Milliseconds()
	}
	l := w.leader()
	r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
	require.Len(t, w.objects.Devices, 1)
	assert.Equal(t, "vol-3", w.objects.Devices[0].Name)
}

func TestLeader_withoutAClusterSpecNothingIsWanted(t *testing.T) {
	w := newWorld()
	in := w.input()
	in.Spec.Cluster = nil
	assert.Empty(t, w.leader().Plan(in))
}

// While the first disks are added the others may be refused, held or renamed by their nodes: an act that nobody wants any more isn't done.
func TestLeader_readsWhatIsWantedBeforeEachChange(t *testing.T) {
	w := newWorld()
	w.converge(t, w.input())
	w.objects.Devices = nil
	in := w.input()
	latest := w.input()
	latest.Spec.Cluster.Disks[1].State = api.DiskClaimed
	latest.Spec.Cluster.Disks[2].Path = "/dev/xvdz"
	leading := true
	in.Latest = func() (leader.Input, bool) { return latest, leading }
	latest.Latest = in.Latest
	l := w.leader()
	r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1)
	var paths []string
	for _, d := range w.objects.Devices {
		paths = append(paths, d.Name+" "+d.CurrentPath)
	}
	assert.Equal(t, []string{"vol-1 /dev/xvdf", "vol-3 /dev/xvdz"}, paths)

	leading = false
	w.objects.Devices, w.calls = nil, nil
	l = w.leader()
	r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 2)
	assert.Empty(t, w.calls)
}
