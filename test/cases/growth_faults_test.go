//go:build nodes

package cases_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/aws"
	"scaleio-framework/test/cases"
)

// TestGrowthFaults: what befalls growth in the field, on one cluster, while an app fills the pool and none of its writes fails. Each expansion ends in volumes that
// are all in the pool, or told of with their cost. The rows of the list of faults, and where else they are shown:
//
//	25 samples missing, zero, impossible     here (no figure that can't be true); stale, of a former leader: decide.TestGrow_doubtfulSamples
//	26 filling at all rates                  decide.TestGrow_aYearOfFilling
//	27 throttled, 503, slow, clock, keys     here (what passes); a storm of an hour: aws.TestEC2_givesWayToAThrottlingStorm; a right that is missing: here (a node that may not buy)
//	28 capacity and limits                   here (what one node can't have); all codes: aws.TestEC2_namesItsFailures, growth.TestFault_aNodeThatCantBuy
//	29 made, and the answer lost; mismatch   here (what passes, a node that may not buy); a token that is used up for good: decide.TestOrders_burntTokens, installer.TestBuyVolumes_vanished
//	30 attach stuck, name in use             here (what one node can't have, what passes); busy, at another instance: installer.TestGiveUp, TestBuyVolumes_stuckOrElsewhere
//	31 deaths in every gap                   growth.TestExpansion_everyGapOfEveryActor; each process once, on nodes: TestGrowth
//	32 metadata                              here (an instance that can't be verified); of another instance, a copy: aws.TestMachine_*, agent.TestIdentity_ofACopy
//	33 devices late, or without a serial     here (what one node can't have; loop devices have none); renamed, swapped, NVMe: the tests of package vm, installer.TestBuyVolumes_onlyTheRightDisk
func TestGrowthFaults(t *testing.T) {
	s := up(t, "growthfaults", cases.Growing(cases.Config{Scheduler: map[string]any{"growth-threshold": 20, "growth-cooldown": "1s", "growth-patience": "100s",
		"growth-budget": 2000}}, top+"/packaging"))
	require.NoError(t, s.WaitReady(within(t, 5*time.Minute), nil))
	require.NoError(t, s.WaitGrowable(within(t, 2*time.Minute)))
	f := &faulted{Stand: s, t: t, instance: map[string]string{}}
	instances, err := s.Cloud().Instances(t.Context())
	require.NoError(t, err)
	for _, i := range instances {
		f.instance[i.Machine] = i.ID
	}
	passes := f.whatPasses()
	filler, err := s.StartFiller(t.Context(), s.Nodes()[2], 75)
	require.NoError(t, err)
	f.filler = filler

	for _, part := range []struct {
		name string
		run  func()
	}{
		{"what passes", passes},
		{"no figure that can't be true", f.samples},
		{"a node that may not buy", f.denied},
		{"what one node can't have", f.cantHave},
		{"an instance that can't be verified", f.unverified},
	} {
		if !t.Run(part.name, func(t *testing.T) { f.t = t; part.run() }) {
			break
		}
		require.NoError(t, filler.Ended(), "after %q", part.name)
	}
	story, err := s.Story(t.Context())
	require.NoError(t, err)
	for _, e := range story {
		t.Log(e.Time.Format(time.TimeOnly), e.Node, e.Kind, e.Message, e.Why, e.Cost)
	}
	require.NoError(t, filler.Stop(context.WithoutCancel(t.Context())), "no write fails")
	require.NoError(t, s.WaitReady(within(t, 2*time.Minute), nil))
}

// faulted is a cluster to which things happen.
type faulted struct {
	*cases.Stand
	t        *testing.T
	instance map[string]string // by node
	filler   *cases.Filler
}

func (f *faulted) node(i int) string { return f.Nodes()[i].Name }

// inject faults into what one node asks of EC2.
func (f *faulted) inject(node string, faults ...aws.Fault) {
	for _, one := range faults {
		one.Instance = f.instance[node]
		require.NoError(f.t, f.Cloud().Inject(f.t.Context(), one))
	}
}

// eventually something is so, within a limit.
func (f *faulted) eventually(limit time.Duration, is func(ctx context.Context) error) {
	f.t.Helper()
	require.NoError(f.t, cases.Eventually(within(f.t, limit), is))
}

func (f *faulted) story() []api.Event {
	story, err := f.Story(f.t.Context())
	require.NoError(f.t, err)
	return story
}

// ends waits for the end of expansion number so-and-so, gives its orders, and fails for a volume that is paid for, in no pool, and told to nobody.
func (f *faulted) ends(number int, limit time.Duration) []api.OrderView {
	f.t.Helper()
	var last api.ExpansionView
	f.eventually(limit, func(ctx context.Context) error {
		plan, err := f.Plan(ctx)
		if err != nil || plan.Growth == nil {
			return fmt.Errorf("no plan: %w", err)
		}
		all := slices.DeleteFunc(plan.Growth.Expansions, func(e api.ExpansionView) bool { return e.State != api.ExpansionEnded })
		slices.SortFunc(all, func(a, b api.ExpansionView) int { return a.Decided.Compare(b.Decided) })
		if len(all) < number {
			return fmt.Errorf("%d of %d expansions have ended: %+v", len(all), number, plan.Growth)
		}
		last = all[number-1]
		return nil
	})
	f.eventually(time.Minute, f.accounted)
	calls, err := f.Cloud().Counts(f.t.Context())
	require.NoError(f.t, err)
	assert.Zero(f.t, calls["DetachVolume"]+calls["DeleteVolume"], "nodes may not, and needn't")
	return last.Orders
}

// accounted: what is paid for is in the pool, once, or told of with what it costs.
func (f *faulted) accounted(ctx context.Context) error {
	volumes, err := f.Volumes(ctx)
	if err != nil {
		return err
	}
	pooled, kept := map[string]int{}, map[string]bool{}
	for _, e := range f.story() {
		id, _, _ := strings.Cut(e.Message, " ")
		switch e.Kind {
		case "GrowthInPool":
			pooled[id]++
		case "GrowthVolumeKept":
			kept[id] = e.Cost > 0
		}
	}
	for _, v := range volumes {
		if pooled[v.ID] != 1 && !kept[v.ID] {
			return fmt.Errorf("%s (%s) is paid for: %d times in the pool, and nobody was told of it with its cost", v.ID, v.State, pooled[v.ID])
		}
	}
	return nil
}

// answered fails unless EC2 answered a node in this way: a fault that nobody met shows nothing.
func (f *faulted) answered(node, code string) {
	f.t.Helper()
	calls, err := f.Cloud().Calls(f.t.Context())
	require.NoError(f.t, err)
	assert.True(f.t, slices.ContainsFunc(calls, func(c aws.Call) bool { return c.Instance == f.instance[node] && c.Code == code }), "EC2 never said %s to %s", code, node)
}

// inPool counts the orders that ended in the pool.
func inPool(orders []api.OrderView) (count int) {
	for _, o := range orders {
		if o.InPool {
			count++
		}
	}
	return count
}
