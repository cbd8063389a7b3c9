package scaleio

import (
	"errors"
	"fmt"
	"strings"
)

// ErrorKind is what a refusal of the product means to us. It is read from the text: numbers of the published table are off by up to 13.
type ErrorKind string

// The kinds. KindUnrecognised decides nothing: the act failed, look again.
const (
	KindUnrecognised     ErrorKind = ""
	KindExists           ErrorKind = "exists"         // look again and compare
	KindDone             ErrorKind = "done"           // already so: look again
	KindNotFound         ErrorKind = "not-found"      //
	KindBusy             ErrorKind = "busy"           // try later; so is an SDS that doesn't listen yet
	KindSlow             ErrorKind = "slow"           // takes too long, may still succeed
	KindNotMaster        ErrorKind = "not-master"     //
	KindNoCluster        ErrorKind = "no-cluster"     //
	KindNotAuthenticated ErrorKind = "not-authentic"  // wrong password, expired session
	KindPasswordChange   ErrorKind = "change-needed"  // nothing else is allowed before
	KindPasswordRules    ErrorKind = "password-rules" // too short, too plain
	KindDegraded         ErrorKind = "degraded"
	KindRule             ErrorKind = "rule"     // the request violates a rule of the product
	KindDevice           ErrorKind = "device"   // the device can't be used
	KindForeign          ErrorKind = "foreign"  // belongs or belonged to another cluster or SDS: never forced
	KindUsage            ErrorKind = "usage"    // scli didn't know the command
	KindUnreachable      ErrorKind = "no-reach" // no answer of an MDM or gateway
)

// A CommandError is a command that scli or the gateway refused. Text is the product's own sentence, without prefix.
type CommandError struct {
	Command string // without arguments
	Code    int    // exit status of scli, errorCode of the gateway: never decided upon
	Text    string
	Known   ErrorKind
}

// Error shows command and text.
func (e *CommandError) Error() string {
	return fmt.Sprintf("%s: %s (status %d)", e.Command, e.Text, e.Code)
}

// KindOf an error; KindUnrecognised for what the product didn't say.
func KindOf(err error) ErrorKind {
	var c *CommandError
	if errors.As(err, &c) {
		return c.Known
	}
	return KindUnrecognised
}

// An UnknownDialectError is an answer that its parser doesn't fully recognise. The cluster becomes read-only, and Raw is shown to people.
type UnknownDialectError struct {
	What string // the parser
	Line string // the first line that isn't recognised
	Raw  string // all of it, cut
}

// MaxRaw bytes of an unrecognised answer are kept.
const MaxRaw = 16 << 10

// Error shows the line.
func (e *UnknownDialectError) Error() string {
	return fmt.Sprintf("reading %s: line %q is not one that this program knows", e.What, e.Line)
}

// UnknownDialect gives the raw text if err is an answer that wasn't recognised.
func UnknownDialect(err error) (raw string, is bool) {
	var u *UnknownDialectError
	if errors.As(err, &u) {
		return u.Raw, true
	}
	return "", false
}

func unknown(what, line, raw string) error {
	if len(raw) > MaxRaw {
		raw = raw[:MaxRaw]
	}
	if len(line) > 200 {
		line = line[:200]
	}
	return &UnknownDialectError{What: what, Line: line, Raw: raw}
}

// Texts of the product, in the order in which they are tried; each is a part of one or several refusals that mean the same to us.
var texts = []struct {
	kind ErrorKind
	re   pattern
}{
	{KindUsage, lazily(`(?m)^Usage: scli|Wrong command parameters`)},
	{KindUnreachable, lazily(`Failed to connect|Could not connect to MDM|Connection to the MDM was lost`)},
	{KindNotMaster, lazily(`not supported on the (Slave|Standby|Secondary) MDM`)},
	{KindNoCluster, lazily(`The MDM cluster state is incorrect|This MDM is not attached to a system|MDM is not configured`)},
	{KindForeign, lazily(`(previously )?part of (this|another) cluster (and|or) was not properly removed|already attached to another MDM|actively attached` +
		`|already attached to this MDM|configured to a different cluster|Device already added to another SDS`)},
	{KindPasswordChange, lazily(`Password change required`)},
	{KindPasswordRules, lazily(`password is too short|lacks character diversity`)},
	{KindNotAuthenticated, lazily(`Permission denied\.|Invalid session|does not match the one stored|Unauthorized|usage of --password to login was disabled`)},
	{KindBusy, lazily(`The system is busy|SDS is being configured|not listening on the specified port|SDS is being removed|maximum number of sessions|blocked during the MDM cluster upgrade`)},
	{KindSlow, lazily(`Adding a device takes too long`)},
	{KindDone, lazily(`already in this cluster mode|already mapped to this SDC|not mapped to SDC|SDC is already approved|already the Master|already in the cluster`)},
	{KindExists, lazily(`(name|port) (is )?already in use|already exists|Storage Pool already exists|Fault Set exists|The Master MDM is already configured`)},
	{KindNotFound, lazily(`(?i)could ?n.t find|could not find|\bnot found\b|could not be found`)},
	{KindDegraded, lazily(`when a cluster is degraded|degraded or failed capacity|degraded or failed data`)},
	{KindDevice, lazily(`Could not open SDS device|device size is (too|out of)|already partitioned|that was already mounted|512-byte|sector size|device path has changed`)},
	{KindRule, lazily(`violates spare policy|Less than three devices|unbalanced|license capacity|no devices in the Storage Pool|at least three Fault Sets` +
		`|Too many IP addresses|exceeds the|invalid characters|percentage value|Wrong (number of MDMs|MDM role)|should not be specified|media type|not in the specified Protection Domain`)},
}

// KindOfText reads the kind from the product's words.
func KindOfText(text string) ErrorKind {
	for _, t := range texts {
		if t.re().MatchString(text) {
			return t.kind
		}
	}
	return KindUnrecognised
}

// The prefix of a refusal has two blanks before "Status"; a text that comes without it is taken whole.
var refusal = lazily(`(?s)Error: MDM failed command\. {1,2}Status: (.*)`)

func commandError(command string, code int, stdout, stderr string) *CommandError {
	text := strings.TrimSpace(stderr)
	if text == "" || strings.HasPrefix(strings.TrimSpace(stdout), "Usage: scli") {
		text = strings.TrimSpace(stdout)
	}
	if m := refusal().FindStringSubmatch(text); m != nil {
		text = strings.TrimSpace(m[1])
	}
	text = strings.TrimPrefix(text, "Error: ")
	if len(text) > 500 {
		text = text[:500]
	}
	return &CommandError{Command: command, Code: code, Text: text, Known: KindOfText(text)}
}
