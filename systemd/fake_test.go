package systemd

import (
	"context"
	"sync"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// pid1 stands for PID 1 on the other end of a connection.
type pid1 struct {
	mu        sync.Mutex
	units     map[string]properties
	calls     []string
	transient []dbus.Property
	connects  int
	broken    bool  // the present connection is closed
	silent    bool  // signals of finished jobs are lost
	refuse    error // answer to the next start
	pending   map[string]chan<- string
}

func newPID1() (*pid1, *Manager) {
	p := &pid1{units: map[string]properties{}, pending: map[string]chan<- string{}}
	m := New()
	m.connect = func(context.Context) (conn, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.connects++
		p.broken = false
		return p, nil
	}
	return p, m
}

func unitIs(active, sub, result string) properties {
	return properties{"LoadState": "loaded", "ActiveState": active, "SubState": sub, "Result": result, "UnitFileState": "disabled",
		"ExecMainStatus": int32(0), "MainPID": uint32(0), "Job": []any{uint32(0), godbus.ObjectPath("/")}}
}

func (p *pid1) set(unit string, state properties) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.units[unit] = state
}

func (p *pid1) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.calls...)
}

// finish ends the pending job of a unit.
func (p *pid1) finish(unit, result string, state properties) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.units[unit] = state
	if end := p.pending[unit]; end != nil && !p.silent {
		end <- result
	}
	delete(p.pending, unit)
}

func (p *pid1) Connected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.broken
}

func (p *pid1) Close() {}

func (p *pid1) note(call string) error {
	p.calls = append(p.calls, call)
	if p.broken {
		return godbus.ErrClosed
	}
	return nil
}

func (p *pid1) GetAllPropertiesContext(_ context.Context, unit string) (map[string]any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken {
		return nil, godbus.ErrClosed
	}
	if state := p.units[unit]; state != nil {
		return state, nil
	}
	return map[string]any{"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"}, nil
}

func (p *pid1) queue(call, unit string, end chan<- string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.note(call + " " + unit); err != nil {
		return 0, err
	}
	if err := p.refuse; err != nil {
		p.refuse = nil
		return 0, err
	}
	state := properties{}
	for k, v := range p.units[unit] {
		state[k] = v
	}
	state["LoadState"], state["ActiveState"], state["Job"] = "loaded", "activating", []any{uint32(7), godbus.ObjectPath("/job/7")}
	p.units[unit] = state
	p.pending[unit] = end
	return 7, nil
}

func (p *pid1) StartUnitContext(_ context.Context, unit, _ string, end chan<- string) (int, error) {
	return p.queue("start", unit, end)
}

func (p *pid1) RestartUnitContext(_ context.Context, unit, _ string, end chan<- string) (int, error) {
	return p.queue("restart", unit, end)
}

// StopUnitContext stops at once.
func (p *pid1) StopUnitContext(_ context.Context, unit, _ string, end chan<- string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.note("stop " + unit); err != nil {
		return 0, err
	}
	if p.units[unit] == nil {
		return 0, godbus.Error{Name: errNameNoSuchUnit}
	}
	p.units[unit] = unitIs("inactive", "dead", "success")
	if !p.silent {
		end <- "done"
	}
	return 8, nil
}

func (p *pid1) StartTransientUnitContext(_ context.Context, unit, _ string, props []dbus.Property, end chan<- string) (int, error) {
	p.mu.Lock()
	p.transient = props
	p.mu.Unlock()
	return p.queue("transient", unit, end)
}

func (p *pid1) ResetFailedUnitContext(_ context.Context, unit string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.units[unit] == nil {
		return godbus.Error{Name: errNameNoSuchUnit}
	}
	p.units[unit] = unitIs("inactive", "dead", "success")
	return p.note("reset-failed " + unit)
}

func (p *pid1) EnableUnitFilesContext(_ context.Context, files []string, _, _ bool) (bool, []dbus.EnableUnitFileChange, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	unit := p.units[files[0]]
	switch {
	case unit == nil:
		return false, nil, godbus.Error{Name: errNameNoFile}
	case unit["UnitFileState"] == "masked":
		return false, nil, godbus.Error{Name: errNameMasked, Body: []any{"Unit file is masked."}}
	}
	return unit["UnitFileState"] != "static", nil, p.note("enable " + files[0])
}

func (p *pid1) ReloadContext(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.note("reload")
}
