package growth_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/aws"
	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	cloud "scaleio-framework/test/aws"
)

// Calls of EC2 for each volume, by the nodes that were ordered to buy: on one node, and spread over many. What was decided and the pool aren't part of it.
func BenchmarkCalls(b *testing.B) {
	for _, c := range []struct{ nodes, volumes int }{{1, 1}, {1, 10}, {1, 100}, {10, 10}, {10, 100}, {100, 100}} {
		b.Run(fmt.Sprintf("%d/on=%d", c.volumes, c.nodes), func(b *testing.B) {
			var calls callCount
			runs := 0
			for b.Loop() {
				inBubble(b, func(t *testing.T) { calls.add(buys(t, c.nodes, c.volumes)) })
				runs++
			}
			bought := float64(runs * c.volumes)
			b.ReportMetric(float64(calls.mutating)/bought, "mutating/volume")
			b.ReportMetric(float64(calls.describing)/bought, "describes/volume")
			b.ReportMetric(calls.took.Seconds()/float64(runs), "virtual-s")
		})
	}
}

type callCount struct {
	mutating, describing int
	took                 time.Duration
}

func (c *callCount) add(other callCount) {
	c.mutating, c.describing, c.took = c.mutating+other.mutating, c.describing+other.describing, c.took+other.took
}

// asInTheField is how EC2 is: creating takes 1.5 s, attaching 1 s, each call 50 ms, and reads are up to half a second old.
func asInTheField(_ *scheduler.Options, c *cloud.Config) {
	c.Reads = cloud.Reads{Lag: 500 * time.Millisecond, Jumpy: true}
	c.Takes = cloud.Takes{Create: 1500 * time.Millisecond, Attach: time.Second, Call: 50 * time.Millisecond}
}

// buys so many volumes on so many nodes, until all of them are there as disks.
func buys(t *testing.T, nodes, volumes int) callCount {
	s := newSite(t, newGaps(), asInTheField)
	defer s.close()
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range nodes {
		n := newNodeOf(s, 10+i, 1+i%3, "m7i.48xlarge")
		s.nodes = append(s.nodes, n)
		growth := s.options.Settings.Growth.Node
		n.spec = &api.NodeSpec{Version: api.Version{Cluster: s.cluster, Generation: 1}, Node: n.instance.ID, Role: api.RoleData, Gates: []api.Gate{api.GatePoolReady}, Growth: &growth}
		asked, err := n.cloud.Volumes(aws.Access{Endpoint: growth.Endpoint, CredentialsFile: growth.CredentialsFile})
		require.NoError(t, err)
		_, err = asked.(*aws.EC2).Slots(t.Context()) // as every node does twice an hour, ordered anything or not
		require.NoError(t, err)
		for order := i; order < volumes; order += nodes {
			growth.Orders = append(growth.Orders, api.VolumeOrder{Expansion: "e", Index: order, Attempt: 1, SizeGiB: diskBytes >> 30, Type: "gp3", Zone: n.instance.Zone})
		}
		all.Go(func() {
			<-begin
			for range 600 {
				n.answer.ETag, n.sent = "heard", time.Now()
				n.pass(t.Context())
				if n.present() == len(growth.Orders) {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	s.ec2.ForgetCalls()
	begun := time.Now()
	close(begin)
	all.Wait()
	took := time.Since(begun)
	require.Len(t, s.ours(), volumes)
	counts := callCount{took: took}
	for _, call := range s.ec2.Calls() {
		assert.Empty(t, call.Code, call.Action)
		if call.Mutating() {
			counts.mutating++
		} else {
			counts.describing++
		}
	}
	return counts
}

// present are the orders whose disk is there.
func (n *node) present() (count int) {
	for _, o := range n.steps.Observe(n.site.t.Context(), n.input()).Orders {
		if o.Stage == api.OrderPresent {
			count++
		}
	}
	return count
}
