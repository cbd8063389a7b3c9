package scheduler

import (
	"context"
	"time"

	"scaleio-framework/scheduler/memory"
)

// smallEvery is how often what isn't in use is given back: most of the store and of the program is needed at the start alone.
const smallEvery = time.Minute

// staysSmall until ctx ends.
func (b *brain) staysSmall(ctx context.Context) error {
	file, _ := b.Store.(interface{ GiveBack() error }) // nil: its records lie elsewhere
	tick := time.NewTicker(smallEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := memory.GiveBack()
		if err == nil && file != nil {
			err = file.GiveBack()
		}
		if err != nil {
			b.log.Debug("memory that isn't in use stays", "err", err)
		}
	}
}
