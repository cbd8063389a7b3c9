package agent

import (
	"time"

	"scaleio-framework/scheduler/api"
)

// Bounds of asking first: an answer of the last second is as good as a new one, and a scheduler that doesn't answer soon is gone on without.
const (
	askFresh = time.Second
	askLimit = 3 * time.Second
	askEvery = 20 * time.Millisecond
)

// mayBegin is the brake before a node's own act. At rest the scheduler was heard up to a minute ago, and a hold that was put on since would not be known:
// it is asked first. A node that keeps a request open has the hold at once.
func (a *Agent) mayBegin() (reason string, held bool) {
	if reason, held = a.brake.Held(); held {
		return reason, held
	}
	a.askFirst()
	if reason, held = a.brake.Held(); held {
		return reason, held
	}
	return a.isBare()
}

// isBare: a removed node only looks, until it is told otherwise.
func (a *Agent) isBare() (reason string, bare bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return "this node was removed from its cluster, and what is here now is none of its agent's: stop scaleio-agent.service, or have the node readmitted", a.kept.Bare
}

func (a *Agent) askFirst() {
	before, waits, away := a.heard()
	if before.IsZero() || waits || away || time.Since(before) < askFresh {
		return
	}
	signal(a.tell)
	limit := time.NewTimer(askLimit)
	defer limit.Stop()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-limit.C:
			return
		case <-tick.C:
		}
		if at, _, away := a.heard(); away || !at.Equal(before) {
			return
		}
	}
}

func (a *Agent) heard() (at time.Time, waits, away bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answer.at, a.answer.wait && time.Since(a.answer.at) < 2*api.LongPollLimit, a.answer.away != nil
}
