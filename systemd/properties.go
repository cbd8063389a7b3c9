package systemd

import (
	"context"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// properties of a unit as D-Bus hands them out.
type properties map[string]any

func (m *Manager) properties(ctx context.Context, unit string) (properties, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var p map[string]any
	err := m.call(ctx, func(c conn) (err error) {
		p, err = c.GetAllPropertiesContext(ctx, unit)
		return err
	})
	if err != nil {
		return nil, explain("asking for the state of", unit, err)
	}
	return p, nil
}

func (p properties) state() UnitState {
	return UnitState{
		Load:         p.text("LoadState"),
		Active:       p.text("ActiveState"),
		Sub:          p.text("SubState"),
		Enabled:      p.text("UnitFileState"),
		Result:       p.text("Result"),
		MainPID:      int(p.number("MainPID")),
		NeedsReload:  p.flag("NeedDaemonReload"),
		ActiveSince:  p.moment("ActiveEnterTimestamp"),
		ExecMainCode: int(p.number("ExecMainStatus")),
	}
}

// hasJob tells whether a start or stop of the unit is still queued or running.
func (p properties) hasJob() bool {
	job, ok := p["Job"].([]any) // (id, object path); id 0 = none
	if !ok || len(job) == 0 {
		return false
	}
	id, _ := job[0].(uint32)
	return id != 0
}

func (p properties) text(name string) string {
	switch v := p[name].(type) {
	case string:
		return v
	case godbus.ObjectPath:
		return string(v)
	}
	return ""
}

func (p properties) flag(name string) bool {
	v, _ := p[name].(bool)
	return v
}

func (p properties) number(name string) int64 {
	switch v := p[name].(type) {
	case int32:
		return int64(v)
	case uint32:
		return int64(v)
	case int64:
		return v
	case uint64:
		return int64(v) //nolint:gosec // microseconds and PIDs stay far below
	}
	return 0
}

func (p properties) moment(name string) time.Time {
	if usec := p.number(name); usec > 0 {
		return time.UnixMicro(usec)
	}
	return time.Time{}
}
