package platform

import (
	"errors"
	"fmt"
)

// Errors matched with errors.Is.
var (
	ErrNotFound    = errors.New("not found")
	ErrUnsupported = errors.New("not supported")
)

// An ExitError is a command that ran and failed.
type ExitError struct {
	Path   string
	Code   int
	Stdout string // cut to a few kB
	Stderr string
}

// Error shows command, code and the end of what it said.
func (e *ExitError) Error() string {
	said := e.Stderr
	if said == "" {
		said = e.Stdout
	}
	return fmt.Sprintf("%s: exit status %d: %s", e.Path, e.Code, said)
}
