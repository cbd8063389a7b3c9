package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/scheduler/api"
)

// The scheduler's host died; another one has it now. The node asks Mesos, seldom, and obeys there; then it knows that place by itself.
func TestLink_findsAMovedSchedulerThroughMesos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, files := bare(t)
		files.Set(ConfigFile, agentYAML(t, "c1", "t0ken"), 0o600)
		a.Join = newSigner(t).join
		const moved = "https://new:1"
		hint := api.MesosHint{Masters: []string{"http://m:5050"}, Framework: "f"}
		var at, there atomic.Value // where it is, and where Mesos says so
		var asked atomic.Int64
		at.Store("https://s:1")
		there.Store("https://s:1")
		scheduler := &fakeScheduler{answer: func(int, api.Report) (api.Answer, error) {
			if at.Load() == "nowhere" {
				return api.Answer{}, errors.New("connection refused")
			}
			answer := answerOf(1)
			answer.Servers, answer.Mesos = []string{at.Load().(string)}, &hint
			return answer, nil
		}}
		a.Connect = func(to Target, _ tls.Certificate) (Scheduler, error) {
			for _, server := range to.Servers {
				if server == at.Load() {
					return scheduler, nil
				}
			}
			return nil, errors.New("connection refused")
		}
		a.Find = func(_ context.Context, h api.MesosHint) (string, error) {
			asked.Add(1)
			assert.Equal(t, hint, h)
			return there.Load().(string), nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.link(ctx) }()
		time.Sleep(5 * time.Minute)
		assert.Zero(t, asked.Load())
		before := scheduler.count()
		assert.Positive(t, before)

		at.Store("nowhere")
		time.Sleep(10 * time.Minute)
		assert.Positive(t, asked.Load())
		assert.LessOrEqual(t, asked.Load(), int64(75), "not more often than every 8 seconds")

		at.Store(moved)
		there.Store(moved)
		before = scheduler.count()
		time.Sleep(50 * time.Second) // the longest pause between tries, its jitter, and the masters' peace
		assert.Greater(t, scheduler.count(), before)
		assert.Equal(t, []string{moved}, a.Servers()[:1])
		cancel()
		<-ended
	})
}
