package agent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/platform/uevent"
	"scaleio-framework/scheduler/api"
)

// shelf is what is seen on this node now.
type shelf struct {
	fakeSteps
	disks []api.Disk
	looks int
}

func (s *shelf) Observe(context.Context, installer.Input) installer.Observation {
	s.looks++
	return installer.Observation{Disks: slices.Clone(s.disks)}
}

func (s *shelf) DiskSeen(name string) (api.Disk, bool) {
	for _, d := range s.disks {
		if d.Path == "/dev/"+name {
			d.State, d.Reason = "", ""
			return d, true
		}
	}
	return api.Disk{}, false
}

func (s *shelf) DisksSettled(names []string) {
	for i, d := range s.disks {
		if slices.Contains(names, strings.TrimPrefix(d.Path, "/dev/")) {
			s.disks[i].State, s.disks[i].Reason = api.DiskOffered, ""
		}
	}
}

// A disk that comes is in the report at once, and passes begin; when nothing is heard any more it is tried again.
func TestDiskChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, seen := testAgent(t), &shelf{}
		a.Steps = seen
		_, err := a.take(answerOf(1), time.Now())
		require.NoError(t, err)
		drain(a.wake)
		ear, disks := make(chan error), uevent.Told{}
		var listens atomic.Int32
		a.DiskChanges = func(ctx context.Context, told uevent.Told) error {
			listens.Add(1)
			disks = told
			select {
			case <-ctx.Done():
				return ctx.Err()
			case err := <-ear:
				return err
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { ended <- a.diskChanges(ctx) }()
		go func() { ended <- a.observes(ctx) }()
		synctest.Wait()
		seen.disks = []api.Disk{{ID: "wwn-1", Path: "/dev/sdb", State: api.DiskRefused, Reason: "Settling"}}
		disks.Seen("sdb")
		synctest.Wait()
		require.Len(t, a.report().Disks, 1, "no pass was needed, and nobody waited for udev")
		assert.Equal(t, "Settling", a.report().Disks[0].Reason)
		assert.Len(t, a.tell, 1, "and it is told")
		assert.Empty(t, a.wake, "nothing is to be done with it yet")
		looks := seen.looks
		disks.Seen("sdb")
		disks.Seen("sdc")
		synctest.Wait()
		assert.Equal(t, looks, seen.looks, "what is known, or isn't a disk, is no news")
		disks.Settled([]string{"sdb"})
		synctest.Wait()
		assert.Equal(t, api.DiskOffered, a.report().Disks[0].State)
		assert.Len(t, a.wake, 1, "a pass goes on from there")

		ear <- errors.New("the socket is gone")
		synctest.Wait()
		assert.EqualValues(t, 1, listens.Load())
		time.Sleep(deafFor)
		synctest.Wait()
		assert.EqualValues(t, 2, listens.Load())
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}
