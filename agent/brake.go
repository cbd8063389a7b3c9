package agent

import (
	"context"
	"errors"
	"time"

	"scaleio-framework/installer"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// brakeInterval bounds how long a running act may go on after the brake was put on (design: 1 s).
const brakeInterval = 500 * time.Millisecond

// A brake stops every mutation: the scheduler's hold (kept over restarts) or the file HoldFile, whoever made it.
type brake struct {
	files installer.Files
	hold  func() *api.Hold
	now   func() time.Time
	shown func() time.Time      // when the scheduler answered last; nil = never
	other func() (string, bool) // this machine isn't the node that it would act as; nil = it is
	ends  deadlines
}

// stillShown is how long after an answer that carried a hold the hold stands, whatever this machine's clock says of its end.
const stillShown = 3 * api.RestPoll

// Held says whether, and for what.
func (b *brake) Held() (reason string, held bool) {
	reason, _, held = b.heldBy()
	return reason, held
}

// heldBy says besides who put the hold, where the scheduler's is what holds.
func (b *brake) heldBy() (reason, author string, held bool) {
	if b.other != nil {
		if why, is := b.other(); is {
			return why, "", true
		}
	}
	if reason, held = b.heldHere(); held {
		return reason, "", held
	}
	if h := b.hold(); h != nil && (h.Until.IsZero() || !b.ends.over(h.Author, h.Until, b.now()) || b.isShown()) {
		return "by " + h.Author + ": " + h.Reason, h.Author, true
	}
	return "", "", false
}

// heldHere says whether somebody put the brake on this node itself.
func (b *brake) heldHere() (reason string, held bool) {
	text, err := b.files.Read(HoldFile)
	if errors.Is(err, platform.ErrNotFound) {
		return "", false
	}
	if err != nil {
		return "reading " + HoldFile + ": " + err.Error(), true // can't tell: safe before clever
	}
	h := parseHold(string(text))
	if !h.Until.IsZero() && b.ends.over(HoldFile, h.Until, b.now()) {
		return "", false
	}
	return h.String(), true
}

func (b *brake) isShown() bool {
	if b.shown == nil {
		return false
	}
	at := b.shown()
	return !at.IsZero() && time.Since(at) < stillShown
}

// guard gives a context that ends, with step.ErrHeld as its cause, when the brake is put on. Only acts run under it.
func (b *brake) guard(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(brakeInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if _, held := b.Held(); held {
					cancel(step.ErrHeld)
					return
				}
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
