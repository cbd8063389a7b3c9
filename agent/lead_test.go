package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
)

// fakeLeader has one step, which is needed until it was applied.
type fakeLeader struct {
	applied int
	guard   func(context.Context, time.Duration) error
	viewErr error
	viewAge time.Duration
}

func (f *fakeLeader) Name() string { return "add-storage-pool" }
func (f *fakeLeader) Check(context.Context) (step.Finding, error) {
	if f.applied > 0 {
		return step.OK("there"), nil
	}
	return step.Need("Missing", "no pool"), nil
}
func (f *fakeLeader) Apply(ctx context.Context) error {
	if err := f.guard(ctx, 8*time.Second); err != nil {
		return err
	}
	f.applied++
	return nil
}
func (f *fakeLeader) Plan(in leader.Input) step.Plan {
	f.guard = in.Guard
	return step.Plan{{Step: f}}
}
func (f *fakeLeader) View(context.Context, leader.Input) (*api.ClusterView, error) {
	return &api.ClusterView{SystemID: "7366e3583838ca64", State: "Normal", AgeMS: f.viewAge.Milliseconds()}, f.viewErr
}

// leading makes an agent that holds the lease for so long.
func leading(t *testing.T, f *fakeLeader, ttl time.Duration) *Agent {
	t.Helper()
	a := testAgent(t)
	a.Leader = f
	answer := answerOf(1)
	answer.Spec.Cluster = &api.ClusterSpec{}
	answer.Secrets.Admin = api.NewSecret("x")
	answer.Leases = []api.Lease{{Name: api.LeaseLeader, TTLMS: ttl.Milliseconds()}}
	_, err := a.take(answer, time.Now())
	require.NoError(t, err)
	return a
}

func TestLead_actsAndReportsItsView(t *testing.T) {
	f := &fakeLeader{}
	a := leading(t, f, api.LeaderLeaseTTL)
	a.leadOnce(t.Context())
	assert.Equal(t, 1, f.applied)
	report := a.report()
	require.NotNil(t, report.Cluster)
	assert.Equal(t, "Normal", report.Cluster.State)
}

func TestLead_nothingWithoutTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeLeader{}
		a := leading(t, f, api.LeaderLeaseTTL)
		time.Sleep(api.LeaderLeaseTTL)
		a.leadOnce(t.Context())
		assert.Zero(t, f.applied)
		assert.Nil(t, a.report().Cluster, "a former leader's view is nobody's")
	})
}

// No act may outlive the right to it.
func TestLead_noCallThatIsLongerThanTheLease(t *testing.T) {
	f := &fakeLeader{}
	a := leading(t, f, 5*time.Second)
	a.leadOnce(t.Context())
	assert.Zero(t, f.applied)
}

func TestLead_heldByTheBrake(t *testing.T) {
	f := &fakeLeader{}
	a := leading(t, f, api.LeaderLeaseTTL)
	a.Files.(*platformtest.Files).Set(HoldFile, "", 0o644)
	a.leadOnce(t.Context())
	assert.Zero(t, f.applied)
	require.NotNil(t, a.report().Cluster, "looking goes on")
	assert.ErrorIs(t, f.guard(t.Context(), time.Second), step.ErrHeld, "also in the middle of a step of many calls")
}

func TestLead_withoutAViewNothingIsReported(t *testing.T) {
	f := &fakeLeader{viewErr: errors.New("not leading")}
	a := leading(t, f, api.LeaderLeaseTTL)
	a.leadOnce(t.Context())
	assert.Nil(t, a.report().Cluster)
}

// The spec in hand may be minutes old by the time of a call: what is wanted is read again before each.
func TestLead_wantedStateIsReadAgain(t *testing.T) {
	a := leading(t, &fakeLeader{}, api.LeaderLeaseTTL)
	in, ok := a.duty()
	require.True(t, ok)
	answer := answerOf(2)
	answer.Spec.Cluster = &api.ClusterSpec{StoragePool: "other"}
	answer.Secrets.Admin = api.NewSecret("x")
	answer.Leases = []api.Lease{{Name: api.LeaseLeader, TTLMS: 15_000}}
	_, err := a.take(answer, time.Now())
	require.NoError(t, err)
	now, ok := in.Latest()
	require.True(t, ok)
	assert.Equal(t, "other", now.Spec.Cluster.StoragePool)
	answer.Leases = nil
	_, err = a.take(answer, time.Now())
	require.NoError(t, err)
	_, ok = in.Latest()
	assert.False(t, ok)
}

// An unknown role, step or gate: nothing is done, also not for the cluster.
func TestLead_notByASpecItDoesntUnderstand(t *testing.T) {
	f := &fakeLeader{}
	a := leading(t, f, api.LeaderLeaseTTL)
	answer := answerOf(2)
	answer.Spec.Role, answer.Spec.Cluster = "conductor", &api.ClusterSpec{}
	answer.Secrets.Admin = api.NewSecret("x")
	answer.Leases = []api.Lease{{Name: api.LeaseLeader, TTLMS: 15_000}}
	_, err := a.take(answer, time.Now())
	require.NoError(t, err)
	a.leadOnce(t.Context())
	assert.Zero(t, f.applied)
}
