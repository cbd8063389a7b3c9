package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// dieWithUs: a test that is killed leaves no machine behind.
func dieWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// commandWithin bounds a command that says nothing else.
const commandWithin = 2 * time.Minute

// Result is how a command in the machine ended.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Run a command in the machine as root, without a shell. An exit status other than 0 is a Result.
func (m *Machine) Run(ctx context.Context, argv ...string) (Result, error) {
	return m.RunFor(ctx, commandWithin, argv...)
}

// RunFor is Run with another limit.
func (m *Machine) RunFor(ctx context.Context, limit time.Duration, argv ...string) (Result, error) {
	return m.run(ctx, limit, nil, argv...)
}

func (m *Machine) run(ctx context.Context, limit time.Duration, stdin []byte, argv ...string) (Result, error) {
	if m.power == nil || m.power.line == nil {
		return Result{}, errors.New("running a command: the machine is off")
	}
	r, err := m.power.line.Run(ctx, limit, stdin, argv...)
	return Result{Code: r.Code, Stdout: string(r.Stdout), Stderr: string(r.Stderr)}, err
}

// Output is Run for a command that must succeed.
func (m *Machine) Output(ctx context.Context, argv ...string) (string, error) {
	return m.outputFrom(ctx, nil, argv...)
}

func (m *Machine) outputFrom(ctx context.Context, stdin []byte, argv ...string) (string, error) {
	r, err := m.run(ctx, commandWithin, stdin, argv...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("running %q in the machine: exit status %d: %s", argv, r.Code, tail(r.Stderr+r.Stdout))
	}
	return r.Stdout, err
}

// Shell runs a script of several lines in the machine; it must succeed.
func (m *Machine) Shell(ctx context.Context, script string) (string, error) {
	return m.outputFrom(ctx, []byte(script), "sh", "-eu")
}

// WriteFile writes a small file in the machine.
func (m *Machine) WriteFile(ctx context.Context, path string, data []byte) error {
	if _, err := m.Output(ctx, "mkdir", "-p", filepath.Dir(path)); err != nil {
		return err
	}
	_, err := m.outputFrom(ctx, data, "tee", path)
	return err
}

// Until asks every second until done, or says what was missing at last. What it waits for shows itself to no event that reaches the host.
func Until(ctx context.Context, limit time.Duration, what string, done func(context.Context) (ok bool, seen string, err error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %v", limit))
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := ""
	for {
		ok, seen, err := done(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			return fmt.Errorf("waiting for %s: %w", what, err)
		case err == nil && ok:
			return nil
		case err == nil:
			last = seen
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; at last: %s", what, context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}

// Keep copies what tells why a test failed to dir: consoles, journals, qemu's words. It ends the machine.
func (m *Machine) Keep(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keeping the machine's logs: %w", err)
	}
	if m.Running() && m.greeted.BootID != "" {
		brief, cancel := context.WithTimeout(ctx, commandWithin)
		said, err := m.Output(brief, "journalctl", "--no-pager", "-b", "-o", "short-monotonic")
		cancel()
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "journal.txt"), []byte(said), 0o644)
		}
		if err != nil {
			m.log.Warn("the journal of this boot is on the disk alone", "err", err)
		}
	}
	errs := []error{m.Kill(ctx)}
	logs, _ := filepath.Glob(filepath.Join(m.Dir, "*.log"))
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o644)
		}
		errs = append(errs, err)
	}
	said, err := debugfs(ctx, m.RootDisk(), "rdump /var/log/journal "+dir)
	if err != nil {
		errs = append(errs, fmt.Errorf("%w: %s", err, strings.TrimSpace(said)))
	}
	return errors.Join(errs...)
}
