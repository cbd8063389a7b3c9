package systemd

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"
)

const (
	unitDir          = "/etc/systemd/system"
	defaultOutputDir = "/run/scaleio-agent/jobs"
	// callTimeout bounds one request: PID 1 answers in milliseconds unless it is stuck.
	callTimeout = 30 * time.Second
	// pollInterval of a job's state: the signal of its end is lost when the bus restarts or PID 1 executes itself anew.
	pollInterval = 500 * time.Millisecond
)

// Manager talks to PID 1. The zero value isn't usable: call New.
type Manager struct {
	unitDir   string
	outputDir string
	connect   func(context.Context) (conn, error)

	mu   sync.Mutex
	conn conn
}

// New gives a Manager that connects when it is first used.
func New() *Manager {
	return &Manager{unitDir: unitDir, outputDir: defaultOutputDir, connect: connect}
}

// Close the connection; a later call opens another.
func (m *Manager) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil {
		m.conn.Close()
		m.conn = nil
	}
}

// State of a unit; one that isn't there has Load "not-found" and is no error.
func (m *Manager) State(ctx context.Context, unit string) (UnitState, error) {
	p, err := m.properties(ctx, unit)
	if err != nil {
		return UnitState{}, err
	}
	return p.state(), nil
}

// Reload makes PID 1 read the unit files again.
func (m *Manager) Reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := m.call(ctx, func(c conn) error { return c.ReloadContext(ctx) }); err != nil {
		return fmt.Errorf("reloading unit files: %w", err)
	}
	return nil
}

// Enable a unit for the next boot and let PID 1 see that. A unit without an [Install] section is an error: it would not come back.
func (m *Manager) Enable(ctx context.Context, unit string) error {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var installable bool
	err := m.call(call, func(c conn) (err error) {
		installable, _, err = c.EnableUnitFilesContext(call, []string{unit}, false, false)
		return err
	})
	if err != nil {
		return explain("enabling", unit, err)
	}
	if !installable {
		return fmt.Errorf("enabling %s: the unit has no [Install] section, so nothing would start it at boot", unit)
	}
	return m.Reload(ctx)
}

// ResetFailed forgets a failure, so that a start limit doesn't stand in the way of Start.
func (m *Manager) ResetFailed(ctx context.Context, unit string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := m.call(ctx, func(c conn) error { return c.ResetFailedUnitContext(ctx, unit) })
	if errName(err) == errNameNoSuchUnit { // not loaded, so there is nothing to forget
		return nil
	}
	return explain("resetting", unit, err)
}

// WriteUnit puts a unit file, or a drop-in "x.service.d/10-y.conf", in place and has PID 1 read it; the same text again changes nothing.
func (m *Manager) WriteUnit(ctx context.Context, name string, text []byte) (changed bool, err error) {
	path := filepath.Join(m.unitDir, name)
	now, err := os.ReadFile(path)
	if err == nil && bytes.Equal(now, text) {
		state, err := m.State(ctx, filepath.Base(name))
		if err != nil || !state.NeedsReload && state.Load != "not-found" {
			return false, err
		}
		return false, m.Reload(ctx) // written, then cut before PID 1 read it
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, fmt.Errorf("writing unit %s: %w", name, err)
	}
	if err := writeAtomic(path, text, 0o644); err != nil {
		return false, fmt.Errorf("writing unit %s: %w", name, err)
	}
	return true, m.Reload(ctx)
}

func writeAtomic(path string, text []byte, mode fs.FileMode) error {
	if err := renameio.WriteFile(path, text, mode, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(mode)); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
