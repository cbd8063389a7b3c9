package systemd

import (
	"context"
	"errors"
	"fmt"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// conn is what Manager uses of *dbus.Conn.
type conn interface {
	Connected() bool
	Close()
	GetAllPropertiesContext(ctx context.Context, unit string) (map[string]any, error)
	StartUnitContext(ctx context.Context, name, mode string, ch chan<- string) (int, error)
	RestartUnitContext(ctx context.Context, name, mode string, ch chan<- string) (int, error)
	StopUnitContext(ctx context.Context, name, mode string, ch chan<- string) (int, error)
	StartTransientUnitContext(ctx context.Context, name, mode string, properties []dbus.Property, ch chan<- string) (int, error)
	ResetFailedUnitContext(ctx context.Context, name string) error
	EnableUnitFilesContext(ctx context.Context, files []string, runtime, force bool) (bool, []dbus.EnableUnitFileChange, error)
	ReloadContext(ctx context.Context) error
}

var _ conn = (*dbus.Conn)(nil)

// connect opens a connection to the system bus, or for root to PID 1's own socket where no bus runs. The context of the constructor is the connection's
// lifetime, so the caller's deadline is kept away from it.
func connect(ctx context.Context) (conn, error) {
	c, err := dbus.NewWithContext(context.WithoutCancel(ctx))
	if err != nil {
		return nil, fmt.Errorf("connecting to systemd: %w", err)
	}
	return c, nil
}

// get gives the connection, a new one if the old broke: dbus-daemon was restarted or PID 1 executed itself anew.
func (m *Manager) get(ctx context.Context) (conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil && m.conn.Connected() {
		return m.conn, nil
	}
	if m.conn != nil {
		m.conn.Close()
		m.conn = nil
	}
	c, err := m.connect(ctx)
	if err != nil {
		return nil, err
	}
	m.conn = c
	return c, nil
}

// call does one request, once more on a new connection if the present one turns out to be closed. Only for requests that may be repeated.
func (m *Manager) call(ctx context.Context, request func(conn) error) error {
	for attempt := 0; ; attempt++ {
		c, err := m.get(ctx)
		if err != nil {
			return err
		}
		err = request(c)
		if attempt == 0 && (errors.Is(err, godbus.ErrClosed) || err != nil && !c.Connected()) {
			continue
		}
		return err
	}
}

// Names of D-Bus errors that PID 1 answers with.
const (
	errNameMasked     = "org.freedesktop.systemd1.UnitMasked"
	errNameNoSuchUnit = "org.freedesktop.systemd1.NoSuchUnit"
	errNameUnitExists = "org.freedesktop.systemd1.UnitExists"
	errNameNoFile     = "org.freedesktop.DBus.Error.FileNotFound"
	errNameNotLoaded  = "org.freedesktop.systemd1.LoadFailed"
	errNameNoProperty = "org.freedesktop.DBus.Error.PropertyReadOnly" // also what an unknown property of a transient unit gives
)

func errName(err error) string {
	var e godbus.Error
	if errors.As(err, &e) {
		return e.Name
	}
	return ""
}

// explain says what was done to which unit, with the errors that callers tell apart.
func explain(doing, unit string, err error) error {
	switch name := errName(err); {
	case err == nil:
		return nil
	case name == errNameMasked:
		return fmt.Errorf("%s %s: %w: %w", doing, unit, ErrMasked, err)
	case name == errNameNoSuchUnit || name == errNameNoFile || name == errNameNotLoaded:
		return fmt.Errorf("%s %s: %w: %w", doing, unit, ErrNoSuchUnit, err)
	}
	return fmt.Errorf("%s %s: %w", doing, unit, err)
}
