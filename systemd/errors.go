package systemd

import (
	"errors"
	"fmt"
)

// Errors matched with errors.Is.
var (
	ErrNoSuchUnit = errors.New("no such unit")
	ErrMasked     = errors.New("unit is masked")
	ErrRefused    = errors.New("refused") // what was asked for isn't done
)

// A UnitError is a start, restart or stop that PID 1 carried out without success.
type UnitError struct {
	Unit   string
	Op     string // starting | restarting | stopping
	Result string // of the job: failed, timeout, dependency, canceled ...
	State  UnitState
}

// Error reads "starting scini.service: failed (failed/failed, exit-code, status 1)".
func (e *UnitError) Error() string {
	return fmt.Sprintf("%s %s: %s (%s/%s, result %s, status %d): see journalctl -u %s",
		e.Op, e.Unit, e.Result, e.State.Active, e.State.Sub, e.State.Result, e.State.ExecMainCode, e.Unit)
}

// Error shows result, code and the end of what the job printed.
func (e *JobError) Error() string {
	return fmt.Sprintf("job %s: %s, status %d: %s", e.Unit, e.Result, e.Code, e.Output)
}

// Said gives the exit code and the end of the output, for callers that know this error only by its methods.
func (e *JobError) Said() (code int, output string) { return e.Code, e.Output }
