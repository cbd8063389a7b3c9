package uevent

import (
	"context"
	"time"
)

// Where udev says that it runs, and that it has work.
const (
	udevControl = "/run/udev/control"
	udevQueue   = "/run/udev/queue"
)

const (
	udevBegins = 200 * time.Millisecond // it hears of an event when we do
	udevLimit  = 10 * time.Second       // one rule that hangs must not hide every disk
)

// settled waits until udev has done with what came: its rules open a new disk for themselves alone, to assemble a RAID or to activate a volume group, and
// fail for good if somebody else reads it so at that moment. Where there is no udev nobody is in the way.
func settled(ctx context.Context, exists func(path string) bool) {
	if !exists(udevControl) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, udevLimit)
	defer cancel()
	tick := time.NewTicker(udevBegins)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !exists(udevQueue) {
			return
		}
	}
}
