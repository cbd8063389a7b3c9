package aws

import "errors"

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
