package leader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
)

// errNotMaster: the MDM of this node isn't the master any more.
var errNotMaster = errors.New("this node's MDM isn't the master")

// mayAct asks the guard and then the MDM itself. ScaleIO can't check a lease's number: being master is what really keeps two leaders apart.
func (l *Leader) mayAct(ctx context.Context, in Input, need time.Duration) error {
	if in.Guard == nil {
		return errors.New("nobody guards this act")
	}
	self, _ := in.self()
	c, err := l.cli.QueryCluster(ctx, "")
	if err != nil {
		return fmt.Errorf("asking who is master: %w", classify(err))
	}
	if m, there := c.At(self.IPs...); !there || m.Place != scaleio.PlaceMaster {
		return errNotMaster
	}
	if err := in.Guard(ctx, need); err != nil { // last: the question above took some of the lease's time
		return fmt.Errorf("guarding the act: %w", err)
	}
	return ctx.Err()
}

// perform the act, bounded by the time that the guard was asked for.
func (l *Leader) perform(ctx context.Context, in Input, a Act) error {
	ctx, cancel := context.WithTimeout(ctx, scaleio.CallTimeout)
	defer cancel()
	switch a.Kind {
	case AddStandby, SwitchMode, NameSystem, HandOver, EnterService, LeaveService:
		return l.performByCLI(ctx, in, a)
	}
	gateway, err := l.open(in)
	if err != nil {
		return err
	}
	switch a.Kind {
	case AddDomain:
		return gateway.AddDomain(ctx, a.Subject)
	case AddPool:
		return gateway.AddPool(ctx, a.Pool)
	case SetZeroPadding:
		return gateway.SetZeroPadding(ctx, a.ID, a.On)
	case SetSpare:
		return gateway.SetSparePercent(ctx, a.ID, a.Number)
	case AddFaultSet:
		return gateway.AddFaultSet(ctx, a.ID, a.Subject)
	case AddSDS:
		return gateway.AddSDS(ctx, a.SDS)
	case RemoveSDS:
		return gateway.RemoveSDS(ctx, a.ID)
	case RemoveSDC:
		return gateway.RemoveSDC(ctx, a.ID)
	case AddDevice:
		if !time.Now().Before(a.Fresh) {
			return errors.New("the node's verification of the disk is too old by now")
		}
		return gateway.AddDevice(ctx, a.Device)
	}
	return fmt.Errorf("act %q isn't known", a.Kind)
}

func (l *Leader) performByCLI(ctx context.Context, in Input, a Act) error {
	return l.session(ctx, in, in.admin(), func(ctx context.Context, s Session) error {
		switch a.Kind {
		case AddStandby:
			return s.AddStandbyMDM(ctx, a.MDM)
		case SwitchMode:
			return s.SwitchClusterMode(ctx, a.Mode)
		case HandOver:
			return s.SwitchMaster(ctx, a.ID)
		case EnterService:
			return s.EnterMaintenance(ctx, a.Subject)
		case LeaveService:
			return s.ExitMaintenance(ctx, a.Subject)
		}
		return s.RenameSystem(ctx, a.Subject)
	})
}

// session of this node's scli, in the right system or not at all.
func (l *Leader) session(ctx context.Context, in Input, as scaleio.Credentials, do func(context.Context, Session) error) error {
	if as.Password.Empty() {
		return waitFor(ReasonNoSecret, "waits for the password of %s: the scheduler sends it with the lease", as.User)
	}
	return l.cli.Session(ctx, as, func(ctx context.Context, s Session) error {
		if want := in.Spec.SystemID; want != "" && s.SystemID() != want {
			return blocked(ReasonOtherSystem, "this node's MDM belongs to system %s, the cluster's is %s: nothing is changed", s.SystemID(), want)
		}
		l.mu.Lock()
		l.systemID = s.SystemID()
		l.mu.Unlock()
		return do(ctx, s)
	})
}

// classify says which refusals no further try will mend.
func classify(err error) error {
	if _, is := scaleio.UnknownDialect(err); is {
		return step.Permanent(ReasonUnknownDialect, err)
	}
	var s *stop
	if errors.As(err, &s) && s.finding.Verdict == step.Blocked {
		return step.Permanent(s.finding.Reason, err)
	}
	switch scaleio.KindOf(err) {
	case scaleio.KindExists, scaleio.KindDone:
		return step.Permanent(ReasonConflict, err) // it was looked for again and isn't what is wanted
	case scaleio.KindForeign:
		return step.Permanent(ReasonForeign, err) // never forced
	case scaleio.KindUsage:
		return step.Permanent(ReasonUnknownDialect, err)
	}
	return err
}

// deferrable failures are one node's own; the others would meet the next act just the same.
func deferrable(err error) bool {
	if _, is := scaleio.UnknownDialect(err); is {
		return false
	}
	switch scaleio.KindOf(err) {
	case scaleio.KindNotMaster, scaleio.KindNoCluster, scaleio.KindNotAuthenticated, scaleio.KindPasswordChange, scaleio.KindUsage, scaleio.KindUnreachable:
		return false
	case scaleio.KindUnrecognised:
		return errors.Is(err, context.DeadlineExceeded)
	}
	return true
}

// Pauses before an act that failed for one node is tried again.
const (
	soon  = 2 * time.Second
	later = time.Minute
)

func (l *Leader) deferAct(a Act, err error) {
	wait := later
	switch scaleio.KindOf(err) {
	case scaleio.KindBusy, scaleio.KindSlow, scaleio.KindUnrecognised:
		wait = soon
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deferred[a.key()] = deferral{time.Now().Add(wait), err}
}

func (l *Leader) isDeferred(a Act) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, ok := l.deferred[a.key()]
	if ok && !time.Now().Before(d.until) {
		delete(l.deferred, a.key())
		return nil
	}
	return d.err
}
