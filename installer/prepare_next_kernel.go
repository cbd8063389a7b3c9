package installer

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform/kmod"
)

// nextKernelPrepared is the fact that the kernel which the next boot takes has its module. While it doesn't hold, reboots are held: ours wait for it, and those
// of others meet an inhibitor.
type nextKernelPrepared struct{ *orders }

func prepareNextKernel(o *orders) step.Step { return nextKernelPrepared{o} }

func (nextKernelPrepared) Name() string { return "prepare-next-kernel" }

const reasonNextKernel = "NextKernelWithoutModule"

// rebootHold is the inhibitor of this process.
type rebootHold struct {
	mu     sync.Mutex
	held   io.Closer
	tried  bool
	failed error // logind isn't there, or says no: it is said, and asked again later
	at     time.Time
}

// holdAgain is when logind is asked again after it didn't take the inhibitor.
const holdAgain = 5 * time.Minute

func (h *rebootHold) take(ctx context.Context, r Reboots, why string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held != nil {
		return
	}
	h.held, h.failed = r.Hold(ctx, why)
	h.tried, h.at = true, now
}

func (h *rebootHold) release() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := h.held
	h.held, h.tried, h.failed = nil, false, nil
	if held == nil {
		return nil
	}
	return held.Close()
}

func (h *rebootHold) state() (held, tried bool, failed error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held != nil, h.tried, h.failed
}

// due tells whether it failed, and long enough ago to try again.
func (h *rebootHold) due(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held == nil && h.failed != nil && now.Sub(h.at) >= holdAgain
}

// nextKernel that the boot loader takes, as far as can be seen here.
func (o *orders) nextKernel(ctx context.Context) (kmod.Next, error) {
	if o.sys.Facts.Container != "" {
		return kmod.Next{Release: o.sys.Facts.Kernel, From: "the host"}, nil
	}
	_, waits, err := o.updateWaiting(ctx)
	if err != nil {
		return kmod.Next{}, err
	}
	return kmod.NextKernel(o.sys.Files, o.sys.Facts, waits)
}

func (s nextKernelPrepared) Check(ctx context.Context) (step.Finding, error) {
	f, kernel, err := s.look(ctx)
	if err != nil {
		return step.Finding{}, err
	}
	held, tried, failed := s.modules.hold.state()
	reason := f.Reason // why one that is there doesn't fit says more
	if reason == reasonNoModule {
		reason = reasonNextKernel
	}
	switch {
	case f.Verdict == step.Satisfied && tried:
		return step.Need("HoldToEnd", "%s; reboots needn't be held any more", f.Message), nil
	case f.Verdict == step.Satisfied || f.Verdict == step.Needed || f.Verdict == step.Waiting:
		return f, nil
	case !tried || s.modules.hold.due(s.sys.Clock()):
		return step.Need("RebootToHold", "the next boot takes kernel %s, reboots have to be held: %s", kernel, f.Message), nil
	case !held:
		return step.Block(reason, "DON'T REBOOT: the next boot takes kernel %s, and reboots couldn't be held (%v): %s", kernel, failed, f.Message), nil
	}
	return step.Block(reason, "the next boot takes kernel %s, so reboots are held (root isn't kept from them by systemd before 257): %s", kernel, f.Message), nil
}

// look at the next kernel's module, apart from who holds what.
func (s nextKernelPrepared) look(ctx context.Context) (step.Finding, string, error) {
	if in := s.sys.Facts.Container; in != "" {
		return step.OK("this is a %s container: its kernel is its host's", in), "", nil
	}
	sdc, err := s.sdc(ctx)
	if err != nil {
		return step.Finding{}, "", err
	}
	if !sdc.here {
		return step.OK("no SDC is installed yet"), "", nil
	}
	next, err := s.nextKernel(ctx)
	if err != nil {
		return step.Block("NextKernelUnknown", "%v", err), "that isn't known", nil
	}
	if next.Release == s.sys.Facts.Kernel {
		return step.OK("the next boot takes the running kernel %s", next.Release), next.Release, nil
	}
	f, err := s.moduleFor(ctx, next.Release, sdc)
	if f.Verdict == step.Satisfied {
		f.Message = fmt.Sprintf("the next boot takes kernel %s (%s): %s", next.Release, next.From, f.Message)
	}
	return f, next.Release, err
}

func (s nextKernelPrepared) Apply(ctx context.Context) error {
	f, kernel, err := s.look(ctx)
	if err != nil {
		return err
	}
	if f.Verdict == step.Needed {
		s.hold(ctx, kernel) // also while it comes: a mirror may be slow
		sdc, err := s.sdc(ctx)
		if err != nil {
			return err
		}
		if err := s.provideModule(ctx, kernel, sdc); err != nil {
			return err
		}
		if f, kernel, err = s.look(ctx); err != nil {
			return err
		}
	}
	if f.Verdict == step.Satisfied {
		return s.modules.hold.release()
	}
	s.hold(ctx, kernel)
	return nil
}

func (s nextKernelPrepared) hold(ctx context.Context, kernel string) {
	s.modules.hold.take(ctx, s.sys.Reboots, fmt.Sprintf("there is no scini module for kernel %s: after a reboot this node would have no ScaleIO volumes", kernel), s.sys.Clock())
}
