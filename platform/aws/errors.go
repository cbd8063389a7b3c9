package aws

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"
)

// Kinds of failure, for errors.Is. An error has one of them; its text has EC2's code and words.
var (
	ErrThrottled   = errors.New("throttled")             // asked too often: wait
	ErrLimit       = errors.New("a limit is reached")    // the account's or the instance's: a person raises it, or another node buys
	ErrCapacity    = errors.New("no capacity")           // the zone has none of this kind now
	ErrDenied      = errors.New("denied")                // credentials are missing, expired or not enough
	ErrConflict    = errors.New("not in a state for it") // look again before anything else
	ErrGone        = errors.New("gone")                  // EC2 doesn't know it: not yet, or no more
	ErrBurnt       = errors.New("client token is used up")
	ErrInvalid     = errors.New("refused as invalid") // asking again is useless
	ErrUnavailable = errors.New("unavailable")        // no answer, or none that says whether it was done
	ErrTimeout     = errors.New("not there in time")
	ErrUnverified  = errors.New("the instance isn't verified") // nothing is asked of EC2 by a machine that doesn't know who it is
)

// kinds with the word that a condition shows as its reason.
var kinds = []struct {
	err    error
	reason string
}{
	{ErrThrottled, "Throttled"},
	{ErrLimit, "LimitReached"},
	{ErrCapacity, "NoCapacity"},
	{ErrDenied, "Denied"},
	{ErrConflict, "Conflict"},
	{ErrGone, "Gone"},
	{ErrBurnt, "TokenBurnt"},
	{ErrInvalid, "Invalid"},
	{ErrTimeout, "TimedOut"},
	{ErrUnverified, "InstanceUnverified"},
	{ErrUnavailable, "Unavailable"},
}

// Reason of a failure in one word, CamelCase; "Failed" for what is none of these.
func Reason(err error) string {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.reason
		}
	}
	return "Failed"
}

// An Error is EC2's answer, or that there was none. It unwraps to one of the kinds.
type Error struct {
	Op      string // AttachVolume ...
	Code    string // EC2's; "" = no answer
	Message string
	Kind    error
}

// Error names the call, the kind and what EC2 said.
func (e *Error) Error() string {
	said := strings.TrimSuffix(e.Code+": "+e.Message, ": ")
	return fmt.Sprintf("asking EC2 to %s: %v (%s)", e.Op, e.Kind, strings.TrimPrefix(said, ": "))
}

func (e *Error) Unwrap() error { return e.Kind }

// classify turns what the SDK gives into an Error.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	failed := &Error{Op: op, Message: shortened(err.Error()), Kind: ErrUnavailable}
	var answer smithy.APIError
	switch {
	case errors.Is(err, errCredentials):
		failed.Kind = ErrDenied
	case errors.As(err, &answer):
		failed.Code, failed.Message = answer.ErrorCode(), shortened(answer.ErrorMessage())
		failed.Kind = kindOf(failed.Code)
	case errors.Is(err, context.Canceled):
		failed.Message = "interrupted: " + failed.Message
	}
	return failed
}

// codes that no rule of kindOf covers. From EC2's table of client errors.
var codes = map[string]error{
	"RequestLimitExceeded": ErrThrottled, "EC2ThrottledException": ErrThrottled, "SlowDown": ErrThrottled, "TooManyRequestsException": ErrThrottled, "BandwidthLimitExceeded": ErrThrottled,

	"ResourceCountExceeded": ErrLimit,

	"IncorrectState": ErrConflict, "IncorrectInstanceState": ErrConflict, "IncorrectModificationState": ErrConflict, "VolumeInUse": ErrConflict, "OperationNotPermitted": ErrConflict,

	"IdempotentParameterMismatch": ErrBurnt,

	"UnauthorizedOperation": ErrDenied, "AuthFailure": ErrDenied, "AccessDenied": ErrDenied, "AccessDeniedException": ErrDenied, "ExpiredToken": ErrDenied, "ExpiredTokenException": ErrDenied,
	"InvalidClientTokenId": ErrDenied, "UnrecognizedClientException": ErrDenied, "InvalidAccessKeyId": ErrDenied, "MissingAuthenticationToken": ErrDenied, "IncompleteSignature": ErrDenied,
	"SignatureDoesNotMatch": ErrDenied, "InvalidSignatureException": ErrDenied, "RequestExpired": ErrDenied, "RequestTimeTooSkewed": ErrDenied, "OptInRequired": ErrDenied,
	"Blocked": ErrDenied, "PendingVerification": ErrDenied,

	"InternalError": ErrUnavailable, "InternalFailure": ErrUnavailable, "InternalServerError": ErrUnavailable, "Unavailable": ErrUnavailable, "ServiceUnavailable": ErrUnavailable,
	"RequestTimeout": ErrUnavailable, "GatewayTimeout": ErrUnavailable,
}

// clockCodes are how a wrong clock of this machine shows. The SDK takes EC2's time from the answer, so that the next request is signed rightly.
var clockCodes = map[string]bool{"RequestExpired": true, "RequestTimeTooSkewed": true, "AuthFailure": true, "SignatureDoesNotMatch": true, "InvalidSignatureException": true}

func kindOf(code string) error {
	if kind, ok := codes[code]; ok {
		return kind
	}
	switch {
	case strings.HasSuffix(code, ".NotFound"):
		return ErrGone
	case strings.HasPrefix(code, "Throttl"), strings.HasPrefix(code, "RequestThrottled"):
		return ErrThrottled
	case strings.HasSuffix(code, "LimitExceeded"):
		return ErrLimit
	case strings.HasPrefix(code, "Insufficient"):
		return ErrCapacity
	case code == "", code == "UnknownError": // an answer that isn't EC2's: a proxy's page, an empty body
		return ErrUnavailable
	}
	return ErrInvalid
}

// shortened: a refusal carries an encoded message of several kB.
func shortened(text string) string {
	const most = 300
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= most {
		return text
	}
	return text[:most] + " ..."
}
