package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"scaleio-framework/scheduler/api"
)

// A Verdict is the answer of a look.
type Verdict int

// The verdicts. Unknown is the zero value on purpose: a forgotten answer never counts as satisfied.
const (
	Unknown   Verdict = iota // could not be seen: nothing is done, the reason says why
	Satisfied                // the fact holds
	Needed                   // Apply would make it hold
	Waiting                  // holds once somebody else has acted; nothing to do here but look again
	Blocked                  // a person has to act
)

// A Finding is what a Check saw.
type Finding struct {
	Verdict Verdict
	Reason  string // CamelCase, stable
	Message string // one line for people: what was seen, and what to do where a person has to
}

// OK, Need, Wait and Block make findings.
func OK(format string, a ...any) Finding {
	return Finding{Satisfied, api.ReasonSatisfied, fmt.Sprintf(format, a...)}
}

// Need says that Apply would make the fact hold.
func Need(reason, format string, a ...any) Finding {
	return Finding{Needed, reason, fmt.Sprintf(format, a...)}
}

// Wait says that somebody else has to act first.
func Wait(reason, format string, a ...any) Finding {
	return Finding{Waiting, reason, fmt.Sprintf(format, a...)}
}

// Block says that a person has to act.
func Block(reason, format string, a ...any) Finding {
	return Finding{Blocked, reason, fmt.Sprintf(format, a...)}
}

// A Step makes one fact true. Check only looks. Apply may run again after any interruption.
type Step interface {
	Name() string // verb-object in kebab case, the same in code, logs, status and docs
	Check(ctx context.Context) (Finding, error)
	Apply(ctx context.Context) error
}

// Watched is embedded by a step that only looks: a person or another node makes its fact true. It never says Needed.
type Watched struct{}

// Apply is never called by a pass.
func (Watched) Apply(context.Context) error {
	return errors.New("there is no act for this on this node")
}

func (Watched) watched() {}

func onlyWatched(s Step) bool {
	_, is := s.(interface{ watched() })
	return is
}

// An Item is one line of a Plan.
type Item struct {
	Step    Step
	After   api.Gate      // must be open before Apply; "" for none
	Timeout time.Duration // of one Check and of one Apply; 0 = DefaultTimeout
	Branch  string        // waits for the items before it that are of its own branch or of the trunk (""): a gateway that is down mustn't keep a disk server down
	Once    bool          // acts on one node of the cluster and on no other
	Later   bool          // acts only on what comes to a node after its bring-up
	Routine bool          // acts in the ordinary course of things (hands over a disk, follows a gateway), not only to mend: the repair limit doesn't count them
}

// DefaultTimeout of a look or an act that sets no other.
const DefaultTimeout = 2 * time.Minute

// A Plan is the ordered list of facts.
type Plan []Item

// Names of the steps, in order: what golden tests compare.
func (p Plan) Names() []string {
	names := make([]string, len(p))
	for i, item := range p {
		names[i] = item.Step.Name()
	}
	return names
}

// Op is the part of a step that failed.
type Op string

// The parts.
const (
	OpCheck   Op = "check"
	OpApply   Op = "apply"
	OpRecheck Op = "recheck"
)

// An Error names the step and the part of it that failed.
type Error struct {
	Step string
	Op   Op
	Err  error
}

// Error reads "apply install-sds: ...".
func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Step, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrHeld is returned by Apply's context cause when the brake is put on.
var ErrHeld = errors.New("held by the brake")

type permanentError struct {
	reason string
	err    error
}

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent marks an error that trying again can't mend: the step is Blocked with this reason until the spec changes or a look says otherwise.
func Permanent(reason string, err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{reason, err}
}
