package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/mesos"
)

// A fleet of nodes that speak as the agent does: its client, a key and a certificate of each, mTLS, a connection as long as the scheduler lets it be open. Each says
// what a node in the field says: its conditions, four disks; the three with MDMs form a cluster, and one leads it.
type fleet struct {
	nodes []*node

	mu     sync.Mutex
	master *node // of the MDM cluster, once it is formed
	led    bool  // it made the others members
}

const (
	atOnce   = 64 // nodes that speak at a time while all do
	systemID = "1a2b3c4d5e6f7081"
	mostSDSs = 1024 // that the product takes in a system

	formWithin = 10 * time.Minute // each look is a report of every node
)

func newFleet(size int) *fleet {
	f := &fleet{}
	for i := range size {
		f.nodes = append(f.nodes, newNode(f, i))
	}
	return f
}

// tasks of the Mesos agent with this number: each runs at once, and its node gets what the environment holds.
func (f *fleet) tasks(i int) mesos.TaskDriver { return placing{node: f.nodes[i]} }

type placing struct {
	mesos.RunAtOnce
	node *node
}

func (p placing) Launch(t *mesos.SimulatedTask) {
	for _, v := range t.Info.Command.Environment.Variables {
		p.node.env[v.Name] = v.GetValue()
	}
	p.RunAtOnce.Launch(t)
}

// each of these nodes does something, so many at a time.
func (f *fleet) each(b *testing.B, nodes []*node, what func(*node) error) {
	b.Helper()
	work := make(chan *node)
	errs := make([]error, atOnce)
	var working sync.WaitGroup
	for i := range atOnce {
		working.Go(func() {
			for n := range work {
				if err := what(n); err != nil && errs[i] == nil {
					errs[i] = fmt.Errorf("%s: %w", host(n.number), err)
				}
			}
		})
	}
	for _, n := range nodes {
		work <- n
	}
	close(work)
	working.Wait()
	for _, err := range errs {
		require.NoError(b, err)
	}
}

// form the cluster: roles, MDMs, grant, leader, pool. Who has a part in it is told by its own answers.
func (f *fleet) form(b *testing.B, p *process) {
	b.Helper()
	var mdms []*node
	p.until("roles are decided", formWithin, func() bool {
		f.each(b, f.nodes, (*node).report)
		mdms = nil
		for _, n := range f.nodes {
			if n.answer.Spec.Role.MDM() {
				mdms = append(mdms, n)
			}
		}
		return len(mdms) == 3
	})
	p.until("the pool is ready", formWithin, func() bool {
		f.each(b, mdms, (*node).report)
		return f.master != nil && f.master.has(api.GatePoolReady)
	})
	for range 3 { // what the leader sees goes to all, and what they then are goes to it
		f.each(b, f.nodes, (*node).report)
	}
}

// rest as long: each node reports once in the time that the scheduler asks for, the leader as often as its lease needs. It says how many reports got no answer: nodes try again.
func (f *fleet) rest(during time.Duration) (unanswered int64) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	var failed atomic.Int64
	for _, n := range f.nodes {
		all.Go(func() {
			for pause := rand.N(n.pause()); ; pause = n.pause() { // the first ones spread, as they are in the field
				timer := time.NewTimer(pause)
				select {
				case <-stop:
					timer.Stop()
					return
				case <-timer.C:
				}
				if n.report() != nil {
					failed.Add(1)
				}
			}
		})
	}
	end := time.NewTimer(during)
	<-end.C
	close(stop)
	all.Wait()
	return failed.Load()
}
