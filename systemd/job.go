package systemd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

const (
	defaultJobTimeout = 15 * time.Minute
	maxJobOutput      = 4 << 10
)

// RunJob runs a command as a transient service and waits for its end. A running job of the same name is adopted: its end is waited for instead, whoever
// started it. When ctx ends the job goes on, bounded by its own Timeout, so that a package manager is never killed with its caller.
func (m *Manager) RunJob(ctx context.Context, job Job) error {
	unit := job.Name + ".service"
	state, err := m.State(ctx, unit)
	if err != nil {
		return err
	}
	end := make(chan string, 1)
	if !running(state) {
		if err := m.startJob(ctx, job, unit, state, end); err != nil {
			return err
		}
	}

	_, err = m.await(ctx, unit, end, func(p properties) (string, bool) {
		return "", !running(p.state()) && !p.hasJob()
	})
	if err != nil {
		return fmt.Errorf("waiting for job %s, which goes on: %w", unit, err)
	}
	// The job stays active after a success (RemainAfterExit), so that its result can be read also where the signal of its end was lost.
	if state, err = m.State(ctx, unit); err != nil {
		return err
	}
	output := m.takeOutput(job.Name)
	switch {
	case state.Active == "active" && state.Result == "success":
		return m.Stop(ctx, unit)
	case state.Active == "failed":
		failed := &JobError{Unit: unit, Result: state.Result, Code: state.ExecMainCode, Output: output}
		return errors.Join(failed, m.ResetFailed(ctx, unit))
	}
	return fmt.Errorf("running job %s: somebody stopped it (%s/%s): its result isn't known", unit, state.Active, state.Sub)
}

func running(s UnitState) bool {
	return s.Active == "activating" || s.Active == "deactivating" || s.Active == "reloading"
}

// startJob clears away what a former job of this name left and starts the new one.
func (m *Manager) startJob(ctx context.Context, job Job, unit string, state UnitState, end chan<- string) error {
	if state.Active == "active" { // it ended while nobody waited
		if err := m.Stop(ctx, unit); err != nil {
			return err
		}
	}
	if state.Active == "failed" {
		if err := m.ResetFailed(ctx, unit); err != nil {
			return err
		}
	}
	if err := m.prepareOutput(job.Name); err != nil {
		return err
	}
	props := append(jobProperties(job), property("StandardOutputFile", m.outputPath(job.Name)))
	err := m.transient(ctx, unit, props, end)
	if errName(err) == errNameNoProperty { // before systemd 236 a service can't print to a file: its output is in the journal only
		err = m.transient(ctx, unit, jobProperties(job), end)
	}
	if errName(err) == errNameUnitExists {
		return nil // somebody else started the same work just now: adopted
	}
	return explain("starting job", unit, err)
}

func (m *Manager) transient(ctx context.Context, unit string, props []dbus.Property, end chan<- string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c, err := m.get(ctx)
	if err != nil {
		return err
	}
	_, err = c.StartTransientUnitContext(ctx, unit, "fail", props, end)
	return err
}

func jobProperties(job Job) []dbus.Property {
	timeout := job.Timeout
	if timeout <= 0 {
		timeout = defaultJobTimeout
	}
	props := []dbus.Property{
		dbus.PropDescription("scaleio-agent: " + job.Name),
		dbus.PropType("oneshot"),
		dbus.PropRemainAfterExit(true),
		dbus.PropExecStart(job.Argv, false),                          // true would have PID 1 ignore a failure, whatever go-systemd calls it
		property("TimeoutStartUSec", uint64(timeout.Microseconds())), //nolint:gosec // positive
		property("StandardInput", "null"),
	}
	if job.Dir != "" {
		props = append(props, property("WorkingDirectory", job.Dir))
	}
	if len(job.Env) > 0 {
		props = append(props, property("Environment", job.Env))
	}
	if job.EnvFile != "" {
		type file struct {
			Path     string
			Optional bool
		}
		props = append(props, property("EnvironmentFiles", []file{{job.EnvFile, false}}))
	}
	return props
}

func property(name string, value any) dbus.Property {
	return dbus.Property{Name: name, Value: godbus.MakeVariant(value)}
}

func (m *Manager) outputPath(job string) string { return filepath.Join(m.outputDir, job+".log") }

// prepareOutput removes the old file: PID 1 opens without cutting it. What a package's scripts print may be secret, so the folder is ours alone.
func (m *Manager) prepareOutput(job string) error {
	if err := os.MkdirAll(m.outputDir, 0o700); err != nil {
		return fmt.Errorf("preparing output of job %s: %w", job, err)
	}
	if err := os.Remove(m.outputPath(job)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("preparing output of job %s: %w", job, err)
	}
	return nil
}

// takeOutput reads the end of what the job printed and removes the file.
func (m *Manager) takeOutput(job string) string {
	file, err := os.Open(m.outputPath(job))
	if err != nil {
		return "see journalctl -u " + job
	}
	defer file.Close()
	defer os.Remove(file.Name())
	if size, err := file.Seek(0, io.SeekEnd); err == nil {
		_, _ = file.Seek(max(0, size-maxJobOutput), io.SeekStart)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxJobOutput))
	if err != nil {
		return "see journalctl -u " + job
	}
	return strings.ToValidUTF8(string(bytes.TrimSpace(text)), "?")
}
