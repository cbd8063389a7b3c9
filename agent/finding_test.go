package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/scheduler/api"
)

// The scheduler's host died; another one has it now. The node asks Mesos, seldom, and obeys there; then it knows that place by itself.
func TestLink_findsAMovedSchedulerThroughMesos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := testAgent(t)
		const old, moved = "https://old:1", "https://new:1"
		hint := api.MesosHint{Masters: []string{"http://m:5050"}, Framework: "f"}
		at, asked := old, 0
		scheduler := &fakeScheduler{answer: func(int, api.Report) (api.Answer, error) {
			return api.Answer{Spec: api.NodeSpec{Node: a.Identity.ID, Version: api.Version{Cluster: "c", Epoch: 1, Generation: 1}}, PollMS: 60_000, ETag: at, Servers: []string{at}, Mesos: &hint}, nil
		}}
		a.Connect = func(to Target, _ tls.Certificate) (Scheduler, error) {
			for _, server := range to.Servers {
				if server == at {
					return scheduler, nil
				}
			}
			return nil, errors.New("connection refused")
		}
		there := old
		a.Find = func(_ context.Context, h api.MesosHint) (string, error) {
			asked++
			assert.Equal(t, hint, h)
			return there, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.link(ctx) }()
		time.Sleep(5 * time.Minute)
		assert.Zero(t, asked)
		before := scheduler.count()
		assert.Positive(t, before)

		at = "nowhere"
		scheduler.mu.Lock()
		good := scheduler.answer
		scheduler.answer = func(n int, r api.Report) (api.Answer, error) {
			if at == "nowhere" {
				return api.Answer{}, errors.New("connection refused")
			}
			return good(n, r)
		}
		scheduler.mu.Unlock()
		time.Sleep(10 * time.Minute)
		assert.Positive(t, asked)
		assert.LessOrEqual(t, asked, 75, "not more often than every 8 seconds")

		at, there = moved, moved
		before = scheduler.count()
		time.Sleep(37 * time.Second) // the longest pause between tries, and its jitter
		assert.Greater(t, scheduler.count(), before)
		assert.Equal(t, []string{moved}, a.Servers()[:1])
		cancel()
		<-ended
	})
}
