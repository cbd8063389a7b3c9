package agent

import (
	"context"
	"errors"
	"strings"
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
}

// stillShown is how long after an answer that carried a hold the hold stands, whatever this machine's clock says of its end.
const stillShown = 3 * api.RestPoll

// Held says whether, and for what.
func (b *brake) Held() (reason string, held bool) {
	if b.other != nil {
		if why, is := b.other(); is {
			return why, true
		}
	}
	text, err := b.files.Read(HoldFile)
	switch {
	case err == nil:
		if first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n"); first != "" {
			return HoldFile + ": " + first, true
		}
		return HoldFile + " exists", true
	case !errors.Is(err, platform.ErrNotFound):
		return "reading " + HoldFile + ": " + err.Error(), true // can't tell: safe before clever
	}
	if h := b.hold(); h != nil && (h.Until.IsZero() || b.now().Before(h.Until) || b.isShown()) {
		return "by " + h.Author + ": " + h.Reason, true
	}
	return "", false
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
