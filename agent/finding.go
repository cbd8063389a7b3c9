package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
)

// findAgain spares the Mesos masters, which every node of the cluster asks while no scheduler is there.
const findAgain = 10 * time.Second

// find asks Mesos where the scheduler is, after none was reached where it was known to be. It says whether there is a new place to try.
func (a *Agent) find(ctx context.Context, why error) bool {
	var answered *api.Error
	a.mu.Lock()
	hint, asked := a.kept.Mesos, a.asked
	a.mu.Unlock()
	if errors.As(why, &answered) && answered.Code != api.CodeUnavailable || a.Find == nil || hint == nil || time.Since(asked) < jitter(findAgain) {
		return false
	}
	url, err := a.Find(ctx, *hint)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = time.Now()
	if err != nil {
		a.Log.Debug("Mesos doesn't say where the scheduler is", "err", err)
		return false
	}
	if url == a.found || slices.Contains(a.kept.Servers, url) || slices.Contains(a.config.Servers, url) {
		return false // that one didn't answer
	}
	a.found = url
	a.Log.Info("Mesos names another place of the scheduler", "url", url)
	return true
}
