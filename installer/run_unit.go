package installer

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"scaleio-framework/installer/step"
)

// runUnit is the fact that a daemon is enabled, active and answers. A masked unit is a person's decision and left alone.
type runUnit struct {
	name    string
	unit    string
	units   Units
	now     func() time.Time
	grace   time.Duration                        // that an active unit may take until it answers
	answers func(ctx context.Context) error      // nil = being active is enough
	spared  func() (why string, leaveAlone bool) // nil = never
}

func (s runUnit) Name() string { return s.name }

func (s runUnit) Check(ctx context.Context) (step.Finding, error) {
	state, err := s.units.State(ctx, s.unit)
	if err != nil {
		return step.Finding{}, err
	}
	if state.Load == "masked" || state.Enabled == "masked" {
		return step.Block("Masked", "%s is masked and left alone: systemctl unmask %s to have it back", s.unit, s.unit), nil
	}
	switch state.Active {
	case "active":
	case "activating", "reloading", "deactivating", "refreshing":
		return step.Wait("Starting", "%s is %s", s.unit, state.Active), nil
	default:
		if s.spared != nil {
			if why, leave := s.spared(); leave {
				return step.Block("InMaintenance", "%s is %s and left alone: %s", s.unit, state.Active, why), nil
			}
		}
		if state.Load == "not-found" {
			return step.Need("NoUnit", "systemd doesn't know %s", s.unit), nil
		}
		return step.Need("NotRunning", "%s is %s (%s)", s.unit, state.Active, state.Result), nil
	}
	if state.Enabled == "disabled" || state.Enabled == "enabled-runtime" {
		return step.Need("NotEnabled", "%s is %s: it would not come back after a reboot", s.unit, state.Enabled), nil
	}
	if s.answers == nil {
		return step.OK("%s is active", s.unit), nil
	}
	if err := s.answers(ctx); err != nil {
		if up := s.now().Sub(state.ActiveSince); up < s.grace {
			return step.Wait("Starting", "%s is active since %s and doesn't answer yet: %v", s.unit, up.Round(time.Second), err), nil
		}
		return step.Need("NotAnswering", "%s is active and doesn't answer: %v", s.unit, err), nil
	}
	return step.OK("%s is active and answers", s.unit), nil
}

func (s runUnit) Apply(ctx context.Context) error {
	state, err := s.units.State(ctx, s.unit)
	if err != nil {
		return err
	}
	if state.Load == "not-found" || state.NeedsReload {
		if err := s.units.Reload(ctx); err != nil {
			return err
		}
	}
	if err := s.units.Enable(ctx, s.unit); err != nil {
		return err
	}
	if state.Active == "failed" { // else a start limit that was hit refuses this one too
		if err := s.units.ResetFailed(ctx, s.unit); err != nil {
			return err
		}
	}
	act := s.units.Start
	if state.Active == "active" && s.answers != nil && s.answers(ctx) != nil {
		act = s.units.Restart
	}
	if err := act(ctx, s.unit); err != nil {
		return err
	}
	if s.answers != nil {
		until(ctx, answerTime, func() bool { return s.answers(ctx) == nil }) // whether it does is for Check to say
	}
	return nil
}

// stopActive stops a unit that runs and tells whether it did; one that systemd doesn't know isn't an error.
func stopActive(ctx context.Context, units Units, unit string) (ran bool, err error) {
	state, err := units.State(ctx, unit)
	if err != nil || state.Active != "active" && state.Active != "activating" {
		return false, err
	}
	return true, units.Stop(ctx, unit)
}

// answerTime is how long Apply stays with a daemon that it started; then the next passes look.
const answerTime = 15 * time.Second

// pollEvery is the pace of a look that costs next to nothing.
const pollEvery = 100 * time.Millisecond

// until looks again and again until cond holds, at most for so long. It tells whether it held.
func until(ctx context.Context, atMost time.Duration, cond func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// listens makes an answer of a TCP port, on loopback or on any address of this machine.
func listens(network Network, port int) func(context.Context) error {
	return func(ctx context.Context) error {
		hosts := []string{"127.0.0.1"}
		addrs, err := network.Addresses()
		if err != nil {
			return err
		}
		for _, a := range addrs {
			hosts = append(hosts, a.String())
		}
		for _, h := range hosts {
			if network.Listening(ctx, net.JoinHostPort(h, strconv.Itoa(port))) {
				return nil
			}
		}
		return fmt.Errorf("nobody listens on port %d", port)
	}
}

func newRunUnit(o *orders, name, unit string, grace time.Duration, answers func(context.Context) error) runUnit {
	return runUnit{name: name, unit: unit, units: o.sys.Units, now: o.sys.Clock, grace: grace, answers: answers}
}
