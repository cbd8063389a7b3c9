package scheduler_test

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/store"
)

func (m *mesos) running() map[string]scheduler.TaskRef {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.tasks)
}

// offered waits for n rounds of offers that were begun and answered from now on.
func (b *bench) offered(n int64) {
	b.t.Helper()
	from := b.mesos.rounds.Load()
	require.Eventually(b.t, func() bool { return b.mesos.rounds.Load() > from+n }, 10*time.Second, time.Millisecond)
}

// failed: a task ends, and another comes in its place.
func (b *bench) failed(agent string) {
	b.t.Helper()
	before := b.mesos.running()[agent]
	b.mesos.failing <- agent
	b.until("another runs", func(api.ClusterStatus) bool {
		now, runs := b.mesos.running()[agent]
		return runs && now != before
	})
}

// A master that was restarted as well tells nothing of a task whose Mesos agent isn't back, and nothing when it comes back: it only offers that agent. So the recovery ends
// without that task, and a second one would run beside it.
func TestRecovery_launchesNothingBesideATaskThatMesosToldLate(t *testing.T) {
	b := newBench(t)
	b.start()
	before := b.end(b.until("ready", ready))
	tasks := b.mesos.running()
	b.mesos.cut("agent-machine-5", true)
	b.lose()
	b.start()
	b.recoveredEnd("recovered, with four tasks")
	b.mesos.cut("agent-machine-5", false)
	b.offered(2)
	assert.Equal(t, tasks, b.mesos.running(), "before Mesos was asked")
	s := b.until("its task is known", func(s api.ClusterStatus) bool { return line(s, "n5").Task == "TASK_RUNNING" })
	b.ahead.Add(int64(time.Minute))
	b.offered(2)
	assert.Equal(t, before, b.end(s))
	assert.Equal(t, tasks, b.mesos.running())

	b.failed("agent-machine-5") // it is as any other
	assert.Empty(t, b.mesos.doubled)
}

// Where nothing runs Mesos tells nothing, and a task is launched.
func TestRecovery_launchesWhereMesosToldNothing(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	b.lose()
	b.mesos.mu.Lock()
	gone := b.mesos.tasks["agent-machine-5"]
	delete(b.mesos.tasks, "agent-machine-5") // it ended while no scheduler was there
	b.mesos.mu.Unlock()
	b.start()
	b.recoveredEnd("recovered, with four tasks")
	b.offered(2)
	assert.NotContains(t, b.mesos.running(), "agent-machine-5", "before Mesos was asked")
	b.ahead.Add(int64(20 * time.Second))
	b.until("another runs", func(s api.ClusterStatus) bool { return line(s, "n5").Task == "TASK_RUNNING" && ready(s) })
	assert.NotEqual(t, gone, b.mesos.running()["agent-machine-5"])
	assert.Empty(t, b.mesos.doubled)
}

// A backup knows neither of the task that came in place of its own, nor of a Mesos agent that was new: both run, and are found.
func TestCluster_restoredStoreDoublesNoTask(t *testing.T) {
	b := newBench(t)
	b.nodes[4].idle = true
	b.mesos.cut("agent-machine-5", true)
	b.start()
	b.until("four are there", func(s api.ClusterStatus) bool { return len(s.Nodes) == 4 && line(s, "n4").Ready })
	saved := b.backup(false)
	b.failed("agent-machine-4")
	b.mesos.cut("agent-machine-5", false)
	b.until("five run", func(api.ClusterStatus) bool { return len(b.mesos.running()) == 5 })
	tasks := b.mesos.running()

	require.NoError(t, b.halt())
	b.options.Store = &store.Memory{}
	_, err := scheduler.Restore(t.Context(), b.options.Store, saved, time.Now())
	require.NoError(t, err)
	b.start()
	b.until("known", func(s api.ClusterStatus) bool { return line(s, "n4").Task == "TASK_RUNNING" })
	b.ahead.Add(int64(time.Minute))
	b.offered(3)
	assert.Equal(t, tasks, b.mesos.running())
	assert.Empty(t, b.mesos.doubled)

	// Nobody knows the token of the fifth, whose node never joined: so it is ended, and the next brings one.
	b.fifthJoinsByItsNextTask(tasks["agent-machine-5"])
}

// A backup knows how a task ended, and not of the one that came in its place: where its Mesos agent is back later than the scheduler, Mesos is asked before another is launched.
func TestCluster_restoredStoreDoublesNoTaskInThePlaceOfOneThatEnded(t *testing.T) {
	const agent = "agent-machine-4"
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	b.mesos.cut(agent, true) // so that nothing comes in its place yet
	b.mesos.failing <- agent
	b.until("it ended", func(s api.ClusterStatus) bool { return line(s, "n4").Task == "TASK_FAILED" })
	saved := b.backup(false)
	b.ahead.Add(int64(time.Minute))
	b.mesos.cut(agent, false)
	b.until("another runs", func(s api.ClusterStatus) bool { return line(s, "n4").Task == "TASK_RUNNING" })
	tasks := b.mesos.running()

	require.NoError(t, b.halt())
	b.options.Store = &store.Memory{}
	_, err := scheduler.Restore(t.Context(), b.options.Store, saved, time.Now())
	require.NoError(t, err)
	b.mesos.cut(agent, true)
	b.start()
	b.offered(1)
	b.mesos.cut(agent, false)
	b.until("known", func(s api.ClusterStatus) bool { return line(s, "n4").Task == "TASK_RUNNING" })
	b.ahead.Add(int64(time.Minute))
	b.offered(2)
	assert.Equal(t, tasks, b.mesos.running())
	assert.Empty(t, b.mesos.doubled)
}

// A node had a task and hadn't joined when the store was lost, so nobody knows its token any more: the task is ended, and the next one brings another.
func TestRecovery_ofATaskWhoseNodeHadNotJoined(t *testing.T) {
	b := newBench(t)
	b.nodes[4].idle = true
	b.start()
	b.until("four are there", func(s api.ClusterStatus) bool {
		return line(s, "n1").Ready && line(s, "n2").Ready && line(s, "n3").Ready && line(s, "n4").Ready
	})
	tasks := b.mesos.running()
	require.Contains(t, tasks, "agent-machine-5")
	b.lose()
	b.start()
	b.until("its task is known", waits("missing: [mesos-agent agent-machine-5]"))
	require.NoError(t, b.people("operate").Recover(t.Context(), api.RecoverRequest{Author: "me", Without: []string{"agent-machine-5"}}))
	b.ahead.Add(int64(time.Minute))
	b.until("recovered", func(s api.ClusterStatus) bool { return hasEvent(s, "Recovered") })
	b.offered(2)
	assert.Equal(t, tasks, b.mesos.running(), "its node may have joined")
	b.fifthJoinsByItsNextTask(tasks["agent-machine-5"])
}

// fifthJoinsByItsNextTask: nobody knows the token of the task that it has, so that one is ended, and the next brings another.
func (b *bench) fifthJoinsByItsNextTask(has scheduler.TaskRef) {
	b.nodes[4].mu.Lock()
	b.nodes[4].idle = false
	b.nodes[4].mu.Unlock()
	b.ahead.Add(int64(11 * time.Minute))
	require.Eventually(b.t, func() bool { return b.mesos.running()["agent-machine-5"] != has }, 10*time.Second, time.Millisecond)
	b.ahead.Add(int64(time.Minute))
	b.until("ready", ready)
	assert.Empty(b.t, b.mesos.doubled)
}
