package scheduler_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
)

// After "Framework has been removed" nothing is done by itself; when a person says so, tasks are launched again and adopt the daemons that run.
func TestCluster_goesOnAsANewFrameworkWhenAPersonSaysSo(t *testing.T) {
	b := newBench(t)
	b.start()
	before := b.end(b.until("ready", ready))
	epoch := b.nodes[0].answer().Spec.Version.Epoch
	b.mesos.fatal <- scheduler.ErrRemoved
	err := <-b.done
	require.ErrorIs(t, err, scheduler.ErrRemoved)
	assert.ErrorContains(t, err, "adopt-framework --new")
	b.mesos.mu.Lock()
	b.mesos.id = "framework-2"
	clear(b.mesos.tasks) // they end with their framework; the daemons don't
	b.mesos.mu.Unlock()
	running := b.nodes[3].done

	_, err = scheduler.AdoptFramework(t.Context(), b.options.Store, "framework-1", time.Now())
	require.Error(t, err, "it is the one that is gone")
	got, err := scheduler.AdoptFramework(t.Context(), b.options.Store, "", time.Now())
	require.NoError(t, err)
	assert.Equal(t, 5, got.Tasks)
	b.start()
	s := b.until("ready under the new framework", func(s api.ClusterStatus) bool {
		return ready(s) && s.Framework == "framework-2" && b.nodes[0].answer().Spec.Version.Epoch > epoch && b.mesos.count() == 5 && line(s, "n5").Task == "TASK_RUNNING"
	})
	assert.Equal(t, before, b.end(s))
	assert.Equal(t, running, b.nodes[3].done, "its daemon is the same")
	assert.True(t, hasEvent(s, "FrameworkAdopted"))
}
