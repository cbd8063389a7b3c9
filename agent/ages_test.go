package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/scheduler/api"
)

func observation(disks ...api.Disk) installer.Observation { return installer.Observation{Disks: disks} }

// A pass may take a quarter of an hour over an install: a disk that was verified before it isn't fresh because a report goes out after it.
func TestReport_agesWhatWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := leading(t, &fakeLeader{}, time.Hour)
		a.note(func(s *seen) {
			s.observe(observation(api.Disk{ID: "d1", State: api.DiskPrepared, PreparedAgeMS: 2_000}, api.Disk{ID: "d2", State: api.DiskOffered}), time.Now())
		})
		time.Sleep(10 * time.Second)
		r := a.report()
		assert.EqualValues(t, 12_000, r.Disks[0].PreparedAgeMS)
		assert.Zero(t, r.Disks[1].PreparedAgeMS)
		assert.EqualValues(t, 12_000, a.report().Disks[0].PreparedAgeMS, "aged once, not at each report")
		time.Sleep(api.PreparedTTL)
		assert.Equal(t, api.DiskClaimed, a.report().Disks[0].State, "too old to be added: not prepared any more")
	})
}

// An interruption of a node rests on a sample of at most ten seconds: the time that the look itself took counts.
func TestReport_agesTheViewFromWhenItWasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeLeader{viewAge: 7 * time.Second}
		a := leading(t, f, time.Hour)
		a.leadOnce(t.Context())
		time.Sleep(time.Second)
		report := a.report()
		require.NotNil(t, report.Cluster)
		assert.EqualValues(t, 8_000, report.Cluster.AgeMS)
	})
}

// One damaged intent, one failing look: the disks are still there.
func TestObserve_notSeeingDisksIsNotHavingNone(t *testing.T) {
	var s seen
	s.observe(observation(api.Disk{ID: "d1", State: api.DiskPrepared}, api.Disk{ID: "d2", State: api.DiskAdopted}), time.Now())
	s.observe(installer.Observation{DisksUnseen: true}, time.Now())
	require.Len(t, s.observed.Disks, 2)
	assert.Equal(t, api.DiskClaimed, s.observed.Disks[0].State, "but nothing is given on an old look")
	assert.Equal(t, api.DiskAdopted, s.observed.Disks[1].State)
	s.observe(installer.Observation{}, time.Now())
	assert.Empty(t, s.observed.Disks)
}
