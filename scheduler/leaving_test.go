package scheduler_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

func wish(node string, w api.NodeWish) api.NodeRequest {
	return api.NodeRequest{Node: node, Wish: w, Author: "ann"}
}

// Five nodes: n4 is taken out, its machine is left alone until a person lets it in again, and a scheduler that dies on the way goes on.
func TestNodes_removeAndReadmit(t *testing.T) {
	b := newBench(t)
	b.scaleio.used = 50 << 30
	b.start()
	b.until("ready", ready)
	operator := b.people("operate")

	var refused *api.Error
	_, err := b.people("read").Node(t.Context(), wish("n4", api.NodeRemove))
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, api.CodeForbidden, refused.Code)
	_, err = operator.Node(t.Context(), wish("n1", api.NodeRemove))
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, api.CodeConflict, refused.Code)
	assert.Contains(t, refused.Message, "carries an MDM")
	_, err = operator.Node(t.Context(), wish("n4", api.NodeReadmit))
	require.ErrorAs(t, err, &refused)

	dry := wish("n4", api.NodeRemove)
	dry.DryRun = true
	var answer api.NodeAnswer
	require.Eventually(t, func() bool { // a fresh sample is there, now and then
		answer, err = operator.Node(t.Context(), dry)
		return err == nil
	}, 10*time.Second, 10*time.Millisecond, "%v", &err)
	assert.Len(t, answer.Acts, 3)
	assert.Contains(t, answer.Acts[0], "1 devices (200 GB)")
	assert.Empty(t, line(b.until("nothing happened", func(api.ClusterStatus) bool { return true }), "n4").Removal)

	b.scaleio.drain(false)
	require.Eventually(t, func() bool { _, err = operator.Node(t.Context(), wish("n4", api.NodeRemove)); return err == nil }, 10*time.Second, 10*time.Millisecond, "%v", &err)
	b.until("data moves", func(s api.ClusterStatus) bool {
		return line(s, "n4").Reason == "Draining" && line(s, "n4").SDS != nil && line(s, "n4").SDS.Removing
	})
	_, err = operator.Node(t.Context(), wish("n5", api.NodeRemove))
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, refused.Message, "one node at a time")

	require.NoError(t, b.halt())
	b.start()
	b.scaleio.drain(true)
	operator = b.people("operate")
	s := b.until("removed", func(s api.ClusterStatus) bool {
		return line(s, "n4").Removal == api.RemovalDone && len(b.scaleio.clients()) == 4 && s.Ready
	})
	assert.Equal(t, "Removed", line(s, "n4").Reason)
	assert.True(t, hasEvent(s, "Drained") && hasEvent(s, "Removed"))
	assert.Nil(t, b.scaleio.sds("n4"))
	b.ahead.Add(int64(time.Minute))
	b.until("its task ended", func(s api.ClusterStatus) bool { return line(s, "n4").Task != "TASK_RUNNING" })
	launches := b.mesos.count()
	b.ahead.Add(int64(time.Hour)) // offers come again and again
	b.until("offers were answered", func(s api.ClusterStatus) bool { return s.Cluster != "" })
	assert.Equal(t, launches, b.mesos.count(), "nothing is placed there")
	require.Eventually(t, func() bool { return b.nodes[3].failure() != nil }, 10*time.Second, 10*time.Millisecond)
	assert.ErrorContains(t, b.nodes[3].failure(), "was removed")

	b.nodes[3].wiped() // its machine is set up anew
	_, err = operator.Node(t.Context(), wish("n4", api.NodeReadmit))
	require.NoError(t, err)
	b.until("ready again", ready)
	assert.NotNil(t, b.scaleio.sds("n4"))
}

func TestNodes_keep(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	b.scaleio.drain(false)
	operator := b.people("operate")
	var err error
	require.Eventually(t, func() bool { _, err = operator.Node(t.Context(), wish("n5", api.NodeRemove)); return err == nil }, 10*time.Second, 10*time.Millisecond, "%v", &err)
	b.until("data moves", func(s api.ClusterStatus) bool { return line(s, "n5").SDS != nil && line(s, "n5").SDS.Removing })
	answer, err := operator.Node(t.Context(), wish("n5", api.NodeKeep))
	require.NoError(t, err)
	assert.Len(t, answer.Acts, 2, "what the product began it ends")
	b.scaleio.drain(true)
	s := b.until("its SDS is back with its disk", func(s api.ClusterStatus) bool {
		return ready(s) && line(s, "n5").SDS != nil && !line(s, "n5").SDS.Removing && len(line(s, "n5").SDS.Devices) == 1
	})
	assert.Empty(t, line(s, "n5").Removal)
	assert.True(t, hasEvent(s, "RemovalTakenBack"))
}
