package systemdtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"scaleio-framework/systemd"
)

// A Hook sees every call: it may let the effect happen, keep it from happening, or hide that it did. A nil Hook lets everything happen.
type Hook func(call string, effect func() error) error

func (h Hook) do(call string, effect func() error) error {
	if h == nil {
		return effect()
	}
	return h(call, effect)
}

// ErrSkipped of Starting is a condition of the unit that doesn't hold: it isn't started, and that is no failure.
var ErrSkipped = errors.New("a condition of the unit doesn't hold")

// Units of a machine.
type Units struct {
	Hook Hook

	// Starting is asked before a unit becomes active: an error makes it fail, but for ErrSkipped. It may also change other fakes, as a daemon would.
	Starting func(unit string) error
	// Stopping is told when a unit that was active stops.
	Stopping func(unit string)

	mu    sync.Mutex
	units map[string]*systemd.UnitState
	stale map[string]bool // written to disk, not read yet: absent until Reload
	pid   int
	count map[string]int
}

// Add a unit that PID 1 has read: loaded, inactive, disabled.
func (u *Units) Add(unit string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ensure()
	if u.units[unit] == nil {
		u.units[unit] = &systemd.UnitState{Load: "loaded", Active: "inactive", Sub: "dead", Enabled: "disabled", Result: "success"}
	}
}

// Lay a unit file, new or changed, that PID 1 reads only at the next Reload.
func (u *Units) Lay(unit string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ensure()
	u.stale[unit] = true
	if s := u.units[unit]; s != nil {
		s.NeedsReload = true
	}
}

// LayOver a unit a drop-in, which PID 1 reads only at the next Reload.
func (u *Units) LayOver(unit string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ensure()
	if s := u.units[unit]; s != nil {
		u.stale[unit], s.NeedsReload = true, true
	}
}

// Set the state of a unit, as found in place.
func (u *Units) Set(unit string, s systemd.UnitState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ensure()
	u.units[unit] = &s
}

// Kill makes an active unit fail, as a daemon that died and was not restarted.
func (u *Units) Kill(unit string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if s := u.units[unit]; s != nil {
		s.Active, s.Sub, s.Result, s.MainPID = "failed", "failed", "signal", 0
	}
}

// Reboot stops everything and starts what is enabled.
func (u *Units) Reboot() {
	u.mu.Lock()
	var enabled []string
	for name, s := range u.units {
		s.Active, s.Sub, s.Result, s.MainPID = "inactive", "dead", "success", 0
		if s.Enabled == "enabled" {
			enabled = append(enabled, name)
		}
	}
	u.mu.Unlock()
	for _, name := range enabled {
		_ = u.start(name, false)
	}
}

// Count how often a verb ("start", "restart", "stop", "enable") had an effect on a unit.
func (u *Units) Count(verb, unit string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.count[verb+" "+unit]
}

func (u *Units) ensure() {
	if u.units == nil {
		u.units, u.stale, u.count, u.pid = map[string]*systemd.UnitState{}, map[string]bool{}, map[string]int{}, 100
	}
}

// State of a unit; one that isn't there has Load "not-found".
func (u *Units) State(_ context.Context, unit string) (state systemd.UnitState, err error) {
	err = u.Hook.do("unit-state "+unit, func() error {
		u.mu.Lock()
		defer u.mu.Unlock()
		if s := u.units[unit]; s != nil {
			state = *s
		} else {
			state = systemd.UnitState{Load: "not-found", Active: "inactive", Sub: "dead"}
		}
		return nil
	})
	return state, err
}

// Reload reads the unit files that were laid.
func (u *Units) Reload(context.Context) error {
	return u.Hook.do("reload", func() error {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.ensure()
		for unit := range u.stale {
			if u.units[unit] == nil {
				u.units[unit] = &systemd.UnitState{Load: "loaded", Active: "inactive", Sub: "dead", Enabled: "disabled", Result: "success"}
			}
			u.units[unit].NeedsReload = false
		}
		clear(u.stale)
		return nil
	})
}

// Enable a unit for the next boot.
func (u *Units) Enable(_ context.Context, unit string) error {
	return u.Hook.do("enable "+unit, func() error {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.ensure()
		if u.units[unit] == nil && u.stale[unit] { // enabling reads the file itself
			u.units[unit] = &systemd.UnitState{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success"}
			delete(u.stale, unit)
		}
		s, err := u.usable("enabling", unit)
		if err != nil {
			return err
		}
		if s.Enabled != "enabled" {
			u.count["enable "+unit]++
		}
		s.Enabled = "enabled"
		return nil
	})
}

// Start a unit; an active one stays as it is.
func (u *Units) Start(_ context.Context, unit string) error {
	return u.Hook.do("start "+unit, func() error { return u.start(unit, false) })
}

// Restart a unit, active or not.
func (u *Units) Restart(_ context.Context, unit string) error {
	return u.Hook.do("restart "+unit, func() error { return u.start(unit, true) })
}

func (u *Units) start(unit string, restart bool) error {
	u.mu.Lock()
	s, err := u.usable("starting", unit)
	if err != nil {
		u.mu.Unlock()
		return err
	}
	active := s.Active == "active"
	u.mu.Unlock()

	if active && !restart {
		return nil
	}
	if active && u.Stopping != nil {
		u.Stopping(unit)
	}
	err = nil
	if u.Starting != nil {
		err = u.Starting(unit)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if errors.Is(err, ErrSkipped) {
		s.Active, s.Sub, s.Result, s.MainPID = "inactive", "dead", "success", 0
		return nil
	}
	verb := "start "
	if restart {
		verb = "restart "
	}
	u.count[verb+unit]++
	if err != nil {
		s.Active, s.Sub, s.Result, s.MainPID = "failed", "failed", "exit-code", 0
		return &systemd.UnitError{Unit: unit, Op: "starting", Result: "failed", State: *s}
	}
	u.pid++
	s.Active, s.Sub, s.Result, s.MainPID = "active", "running", "success", u.pid
	return nil
}

// Stop a unit.
func (u *Units) Stop(_ context.Context, unit string) error {
	return u.Hook.do("stop "+unit, func() error {
		u.mu.Lock()
		s := u.units[unit]
		active := s != nil && s.Active == "active"
		if active {
			s.Active, s.Sub, s.Result, s.MainPID = "inactive", "dead", "success", 0
			u.count["stop "+unit]++
		}
		u.mu.Unlock()
		if active && u.Stopping != nil {
			u.Stopping(unit)
		}
		return nil
	})
}

// ResetFailed forgets a failure.
func (u *Units) ResetFailed(_ context.Context, unit string) error {
	return u.Hook.do("reset-failed "+unit, func() error {
		u.mu.Lock()
		defer u.mu.Unlock()
		if s := u.units[unit]; s != nil && s.Active == "failed" {
			s.Active, s.Sub, s.Result = "inactive", "dead", "success"
		}
		return nil
	})
}

func (u *Units) usable(doing, unit string) (*systemd.UnitState, error) {
	s := u.units[unit]
	switch {
	case s == nil || s.Load == "not-found":
		return nil, fmt.Errorf("%s %s: %w", doing, unit, systemd.ErrNoSuchUnit)
	case s.Load == "masked" || s.Enabled == "masked":
		return nil, fmt.Errorf("%s %s: %w", doing, unit, systemd.ErrMasked)
	}
	return s, nil
}
