package scheduler_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

// All nodes want a reboot at the same moment. Over the wire each is put into maintenance, reboots and leaves it before the next, the master after it handed over; and
// a scheduler that begins while an SDS is in maintenance knows that it is ours to end.
func TestReboot_rollingOverTheWire(t *testing.T) {
	b := newBench(t)
	b.options.Settings.RebootWithin = 24 * time.Hour
	b.start()
	b.until("ready", ready)
	for _, n := range b.nodes {
		n.mu.Lock()
		n.reboot = true
		n.mu.Unlock()
	}
	told := func(k int, suffix string) func(api.ClusterStatus) bool {
		return func(api.ClusterStatus) bool {
			b.ahead.Add(int64(time.Second)) // samples grow older than the last interruption's end
			count := 0
			for _, act := range b.scaleio.upgrades() {
				if act[:len(suffix)] == suffix {
					count++
				}
			}
			return count >= k
		}
	}
	b.until("the first enters", told(1, "enter"))
	require.NoError(t, b.halt())
	b.start()
	b.until("all leave", told(5, "leave"))
	status := b.until("the right to interrupt is back", func(s api.ClusterStatus) bool {
		b.ahead.Add(int64(time.Second))
		return s.Ready && s.Interruption == nil
	})
	var order []string
	for _, act := range b.scaleio.upgrades() {
		if act[:6] != "master" {
			order = append(order, act)
		}
	}
	for _, e := range status.Events {
		t.Log(e.Node, e.Kind, e.Message)
	}
	require.Len(t, order, 15, "%v", order)
	seen := map[string]bool{}
	for i := 0; i < len(order); i += 3 {
		name := order[i][len("enter "):]
		assert.Equal(t, []string{"enter " + name, name + " reboots", "leave " + name}, order[i:i+3])
		seen[name] = true
	}
	assert.Len(t, seen, 5)
	all := b.scaleio.upgrades()
	assert.Contains(t, all, "master is n2")
	assert.Less(t, slices.Index(all, "master is n2"), slices.Index(all, "n1 reboots"), "handed over before: %v", all)
	for _, kind := range []string{"DisruptionGranted", "MaintenanceWanted", "MaintenanceToEnd", "MaintenanceEnded", "NodeRebooted", "DisruptionEnded"} {
		assert.True(t, slices.ContainsFunc(status.Events, func(e api.Event) bool { return e.Kind == kind }), kind)
	}
}

// A node that may reboot and doesn't return in time is told of once, in events and status; nobody else is interrupted until a person releases it.
func TestReboot_lateIsTold(t *testing.T) {
	b := newBench(t)
	b.options.Settings.RebootWithin = 10 * time.Minute
	b.start()
	b.until("ready", ready)
	n5 := b.nodes[4]
	n5.mu.Lock()
	n5.reboot = true
	n5.mu.Unlock()
	b.until("it may", func(s api.ClusterStatus) bool { return slices.Contains(b.scaleio.upgrades(), "n5 reboots") })
	n5.kill()
	n4 := b.nodes[3]
	n4.mu.Lock()
	n4.reboot = true
	n4.mu.Unlock()
	b.ahead.Add(int64(11 * time.Minute))
	late := func(s api.ClusterStatus) (count int) {
		for _, e := range s.Events {
			if e.Kind == "RebootLate" {
				assert.Contains(t, e.Message, "scaleio-scheduler release --what=disruption")
				count++
			}
		}
		return count
	}
	status := b.until("told", func(s api.ClusterStatus) bool { return late(s) > 0 && s.Interruption != nil && s.Interruption.Late })
	assert.Equal(t, "n5", status.Interruption.Node)
	status = b.until("its SDS left maintenance", func(s api.ClusterStatus) bool {
		b.ahead.Add(int64(time.Second))
		return slices.Contains(b.scaleio.upgrades(), "leave n5")
	})
	require.NoError(t, b.halt())
	b.start()
	status = b.until("a new scheduler knows", func(s api.ClusterStatus) bool { return s.Interruption != nil && s.Interruption.Late })
	assert.Contains(t, b.metrics(), "scaleio_scheduler_reboot_late 1\n")
	assert.Equal(t, 1, late(status), "told once")
	assert.NotContains(t, b.scaleio.upgrades(), "n4 reboots")
	require.NoError(t, b.people("operate").Release(t.Context(), api.ReleaseRequest{What: api.ReleaseDisruption, Author: "me"}))
	b.until("the next", func(api.ClusterStatus) bool {
		b.ahead.Add(int64(time.Second))
		return slices.Contains(b.scaleio.upgrades(), "n4 reboots")
	})
}
