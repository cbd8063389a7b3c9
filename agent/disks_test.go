package agent

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/scheduler/api"
)

// shelf is what is seen on this node now.
type shelf struct {
	fakeSteps
	disks []api.Disk
}

func (s *shelf) Observe(context.Context, installer.Input) installer.Observation {
	return installer.Observation{Disks: s.disks}
}

// A disk that comes is in the report at once, and passes begin; when nothing is heard any more it is tried again.
func TestDiskChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, seen := testAgent(t), &shelf{}
		a.Steps = seen
		_, err := a.take(answerOf(1), time.Now())
		require.NoError(t, err)
		drain(a.wake)
		ear, changes := make(chan error), (func())(nil)
		var listens atomic.Int32
		a.DiskChanges = func(ctx context.Context, changed func()) error {
			listens.Add(1)
			changes = changed
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
		seen.disks = []api.Disk{{ID: "wwn-1", Path: "/dev/sdb", State: api.DiskOffered}}
		changes()
		synctest.Wait()
		assert.Equal(t, "wwn-1", a.report().Disks[0].ID, "no pass was needed")
		assert.Len(t, a.tell, 1, "and it is told")
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
