package agent

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
)

func specOf(cluster string, epoch, generation int64) api.NodeSpec {
	return api.NodeSpec{Node: "n1", Version: api.Version{Cluster: cluster, Epoch: epoch, Generation: generation}}
}

func TestAccept(t *testing.T) {
	known := specOf("c1", 2, 5)
	kept := remembered{Spec: &known}
	for name, c := range map[string]struct {
		spec api.NodeSpec
		says string
	}{
		"the same again":      {spec: specOf("c1", 2, 5)},
		"a newer generation":  {spec: specOf("c1", 2, 6)},
		"a newer epoch":       {spec: specOf("c1", 3, 1)},
		"an older generation": {spec: specOf("c1", 2, 4), says: "older"},
		"an older epoch":      {spec: specOf("c1", 1, 9), says: "older"},
		"another cluster":     {spec: specOf("c2", 9, 9), says: "belongs to c1"},
		"another node":        {spec: api.NodeSpec{Node: "n2", Version: known.Version}, says: `made for node "n2"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := kept.accept(c.spec, "n1")
			if c.says == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, c.says)
		})
	}
}

func TestRemember_refusesWhatItCantRead(t *testing.T) {
	files := platformtest.NewFiles()
	first, err := remember(files, "n1", quiet)
	require.NoError(t, err)
	again, err := remember(files, "n1", quiet)
	require.NoError(t, err)
	assert.Equal(t, first.AgentUUID, again.AgentUUID, "an identity is minted once")

	files.Set(stateFile, `{"schema": 2, "agentUuid": "x"}`, 0o600)
	_, err = remember(files, "n1", quiet)
	assert.ErrorContains(t, err, "newer")
	files.Set(stateFile, `{"schema"`, 0o600)
	_, err = remember(files, "n1", quiet)
	assert.ErrorContains(t, err, "damaged")
}

// A copy of a machine has its own machine-id, and the other one's orders, key and certificate on its disk.
func TestRemember_ofAnotherMachine(t *testing.T) {
	orders := specOf("c1", 2, 5)
	for name, c := range map[string]struct {
		kept  remembered
		stays bool
	}{
		"its own":                      {remembered{Schema: 1, AgentUUID: "u", Node: "n1", Spec: &orders}, true},
		"another's that never joined":  {remembered{Schema: 1, AgentUUID: "u", Node: "n2"}, false},
		"another's":                    {remembered{Schema: 1, AgentUUID: "u", Node: "n2", Spec: &api.NodeSpec{Node: "n2"}}, false},
		"another's, known by its spec": {remembered{Schema: 1, AgentUUID: "u", Spec: &api.NodeSpec{Node: "n2"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			files := platformtest.NewFiles()
			require.NoError(t, c.kept.save(files))
			files.Set(keyFile, "key", 0o600)
			files.Set(certFile, "certificate", 0o600)
			st, err := remember(files, "n1", quiet)
			require.NoError(t, err)
			assert.Equal(t, c.stays, st.AgentUUID == "u")
			assert.Equal(t, c.stays, st.Spec != nil)
			_, err = files.Read(keyFile)
			assert.Equal(t, c.stays, err == nil)
			_, err = files.Read(certFile)
			assert.Equal(t, c.stays, err == nil)
			again, err := remember(files, "n1", quiet)
			require.NoError(t, err)
			assert.Equal(t, st.AgentUUID, again.AgentUUID)
		})
	}
}

var quiet = slog.New(slog.DiscardHandler)

func TestLeases_endOnTheHoldersClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Leases{}
		sent := time.Now()
		time.Sleep(5 * time.Second) // the answer took so long: that time is lost to the holder, not to the scheduler
		l.Granted(sent, []api.Lease{{Name: api.LeaseLeader, TTLMS: 15_000}})
		left, held := l.Left(api.LeaseLeader)
		assert.True(t, held)
		assert.Equal(t, 10*time.Second, left)
		time.Sleep(10 * time.Second)
		_, held = l.Left(api.LeaseLeader)
		assert.False(t, held)
		l.Granted(time.Now(), nil)
		_, held = l.Left(api.LeaseDisruption)
		assert.False(t, held, "what an answer doesn't grant is lost")

		l.Granted(time.Now(), []api.Lease{{Name: api.LeaseDisruption}})
		_, held = l.Left(api.LeaseDisruption)
		assert.True(t, held)
		time.Sleep(time.Minute)
		_, held = l.Left(api.LeaseDisruption)
		assert.False(t, held, "the scheduler is away: nobody says any more that the storage can do without this node")
	})
}

func TestBrake(t *testing.T) {
	files := platformtest.NewFiles()
	var hold *api.Hold
	now := time.Now()
	b := &brake{files: files, hold: func() *api.Hold { return hold }, now: func() time.Time { return now }}
	_, held := b.Held()
	assert.False(t, held)

	hold = &api.Hold{Author: "ann", Reason: "looking", Until: now.Add(time.Minute)}
	reason, held := b.Held()
	assert.True(t, held)
	assert.Contains(t, reason, "ann")
	now = now.Add(2 * time.Minute)
	_, held = b.Held()
	assert.False(t, held, "a hold with an expiry expires")

	files.Set(HoldFile, "disk swap\n", 0o644)
	reason, held = b.Held()
	assert.True(t, held)
	assert.Contains(t, reason, "disk swap")
}

func TestBrake_stopsARunningActWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := platformtest.NewFiles()
		b := &brake{files: files, hold: func() *api.Hold { return nil }, now: time.Now}
		ctx, release := b.guard(t.Context())
		defer release()
		files.Set(HoldFile, "", 0o644)
		begun := time.Now()
		<-ctx.Done()
		assert.LessOrEqual(t, time.Since(begun), time.Second)
		assert.ErrorIs(t, context.Cause(ctx), step.ErrHeld)
	})
}

// A report from the middle of a pass says what the pass before wanted, too: the scheduler takes a lease back from who wants it no more.
func TestLeases_wantsOfAWholePass(t *testing.T) {
	l := &Leases{}
	l.PassBegins()
	l.Want(api.UpgradeLease("sds"))
	l.PassEnded()
	assert.Equal(t, []api.LeaseName{"upgrade-sds"}, l.Wants())

	l.PassBegins()
	assert.Equal(t, []api.LeaseName{"upgrade-sds"}, l.Wants(), "its step hasn't been looked at yet")
	l.Want(api.LeaseDisruption)
	assert.Equal(t, []api.LeaseName{"disruption", "upgrade-sds"}, l.Wants())
	assert.True(t, l.PassEnded(), "that is worth a report")
	assert.Equal(t, []api.LeaseName{"disruption"}, l.Wants())
	l.PassBegins()
	l.PassEnded()
	assert.Empty(t, l.Wants())
}
