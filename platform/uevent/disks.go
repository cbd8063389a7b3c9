package uevent

import (
	"context"
	"errors"
	"time"
)

// quiet is how long changes are kept back after one was told: a disk with partitions, or a shelf of disks, is many events.
const quiet = time.Second

// Disks calls changed when a disk came, went or became another one, for the first as soon as udev has done with it and then at most once a second, until
// ctx ends. It calls changed once at the start, since nobody knows what was before. An error other than the end of ctx means that nothing is heard any more.
func Disks(ctx context.Context, changed func()) error {
	listener, err := Listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	return tell(ctx, listener.Next, exists, changed)
}

// tell without the socket.
func tell(ctx context.Context, next func(context.Context) (Event, error), exists func(path string) bool, changed func()) error {
	events := make(chan struct{}, 1)
	events <- struct{}{}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for {
			e, err := next(ctx)
			switch {
			case err != nil && !errors.Is(err, ErrLost):
				cancel(err)
				return
			case err == nil && e.Subsystem != "block":
				continue
			}
			select {
			case events <- struct{}{}:
			default:
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-events:
		}
		settled(ctx, exists)
		changed()
		rest := time.NewTimer(quiet)
		select {
		case <-ctx.Done():
			rest.Stop()
			return context.Cause(ctx)
		case <-rest.C:
		}
	}
}
