package scheduler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"scaleio-framework/scheduler/store"
)

// removed says what a person can do when Mesos forgot the framework. Another id isn't taken by itself while nodes exist: whoever tore the framework down may have meant it.
func removed(err error) error {
	return fmt.Errorf("%w. Storage and the agents go on without it. To place agents again under a new framework, which adopt the daemons that run: stop the scheduler, "+
		"run `scaleio-scheduler adopt-framework --new` with its configuration, and start it", err)
}

// Adopted says what a new framework will find.
type Adopted struct {
	Former, Framework string
	Epoch             int64
	Tasks             int // that ended with the former one, and are launched anew
}

// AdoptFramework stores that the scheduler goes on as another framework: one that the master knows, or with "" a new one. The tasks of one that was removed have
// ended with it; those that are launched in their place adopt the daemons, so nothing restarts on a node.
func AdoptFramework(ctx context.Context, s store.Store, id string, now time.Time) (Adopted, error) {
	b, err := opened(ctx, s, now)
	if err != nil {
		return Adopted{}, err
	}
	out := Adopted{Former: b.framework.ID, Framework: id}
	if id != "" && id == b.framework.ID {
		return out, fmt.Errorf("adopting framework %s: it is the stored one already", id)
	}
	b.framework.ID = id
	b.touched[keyFramework] = true
	b.raiseEpoch()
	out.Epoch = b.state.Cluster.Epoch
	for _, key := range slices.Sorted(maps.Keys(b.agents)) {
		p := b.agents[key]
		if id != "" || p.State.Ended() { // of an adopted one the master says what runs
			continue
		}
		p.State, p.Reason, p.Message, p.NotBefore = "TASK_GONE", "REASON_FRAMEWORK_REMOVED", "", time.Time{}
		b.touched[kindAgent+key] = true
		out.Tasks++
	}
	what := "a new one"
	if id != "" {
		what = id
	}
	b.event(nil, "FrameworkAdopted", "%s instead of %s, under epoch %d", what, out.Former, out.Epoch)
	return out, b.store(ctx)
}
