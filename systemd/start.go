package systemd

import (
	"context"
	"fmt"
	"time"
)

// Start a unit and wait until PID 1 says how it went. For Type=notify that means READY, for Type=simple only that it was forked.
func (m *Manager) Start(ctx context.Context, unit string) error {
	return m.carryOut(ctx, "starting", unit, func(c conn, end chan<- string) error {
		_, err := c.StartUnitContext(ctx, unit, "replace", end)
		return err
	})
}

// Restart a unit and wait. A unit that restarts itself must not wait: its job outlives it.
func (m *Manager) Restart(ctx context.Context, unit string) error {
	return m.carryOut(ctx, "restarting", unit, func(c conn, end chan<- string) error {
		_, err := c.RestartUnitContext(ctx, unit, "replace", end)
		return err
	})
}

// Stop a unit and wait.
func (m *Manager) Stop(ctx context.Context, unit string) error {
	return m.carryOut(ctx, "stopping", unit, func(c conn, end chan<- string) error {
		_, err := c.StopUnitContext(ctx, unit, "replace", end)
		return err
	})
}

// carryOut queues a job and waits for its end: by the signal, and by looking now and then, as the signal can be lost.
func (m *Manager) carryOut(ctx context.Context, doing, unit string, queue func(conn, chan<- string) error) error {
	end := make(chan string, 1) // go-systemd blocks all jobs on a channel that nobody reads
	err := m.call(ctx, func(c conn) error { return queue(c, end) })
	if doing == "stopping" && errName(err) == errNameNoSuchUnit {
		return nil // not loaded, so it doesn't run
	}
	if err != nil {
		return explain(doing, unit, err)
	}
	result, err := m.await(ctx, unit, end, func(p properties) (string, bool) {
		return verdict(doing, p.state()), !p.hasJob()
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", doing, unit, err)
	}
	if result == "done" {
		return nil
	}
	state, err := m.State(ctx, unit)
	if err != nil {
		return err
	}
	return &UnitError{Unit: unit, Op: doing, Result: result, State: state}
}

// verdict of a job whose signal was lost, from the unit's state after it.
func verdict(doing string, s UnitState) string {
	inactive := s.Active == "inactive"
	switch {
	case doing == "stopping" && (inactive || s.Active == "failed"):
		return "done"
	case doing != "stopping" && (s.Active == "active" || s.Active == "reloading"):
		return "done"
	case doing != "stopping" && inactive && s.Result == "success": // a oneshot that ended
		return "done"
	}
	return "failed"
}

// await the job's result from the channel, or from looking at the unit, until ctx ends.
func (m *Manager) await(ctx context.Context, unit string, end <-chan string, look func(properties) (result string, ended bool)) (string, error) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case result := <-end:
			return result, nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-ticker.C:
		}
		p, err := m.properties(ctx, unit)
		if err != nil {
			continue // PID 1 is executing itself anew, or the bus restarts: ctx bounds this
		}
		if result, ended := look(p); ended {
			select {
			case result = <-end: // said in the meantime, and it knows better
			default:
			}
			return result, nil
		}
	}
}
