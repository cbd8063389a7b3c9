package fetch

import (
	"fmt"
	"net/url"
)

// Kind says what went wrong, in CamelCase: it is a stable word for conditions.
type Kind string

// The kinds.
const (
	HTMLPage         Kind = "HTMLPage"         // a login or error page came with status 200
	Truncated        Kind = "Truncated"        // the body ended early
	WrongDigest      Kind = "WrongDigest"      // all of it came, and it is another file
	TooLarge         Kind = "TooLarge"         // more than the wanted size
	InsecureRedirect Kind = "InsecureRedirect" // https led to plain http
	Unvouched        Kind = "Unvouched"        // neither a digest nor TLS vouches for it
	NotFound         Kind = "NotFound"         // 404, 410
	Refused          Kind = "Refused"          // another 4xx
	ServerError      Kind = "ServerError"      // 5xx, after all tries
	Stalled          Kind = "Stalled"          // no progress
	Unreachable      Kind = "Unreachable"      // no connection, after all tries
	DiskFull         Kind = "DiskFull"
)

// An Error is a download that failed for a known reason.
type Error struct {
	Kind   Kind
	URL    string
	Detail string
	Err    error
}

// Error names the URL without what could be a secret in it.
func (e *Error) Error() string {
	text := fmt.Sprintf("fetching %s: %s", publicURL(e.URL), e.Kind)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// publicURL drops user, query and fragment: pre-signed URLs carry secrets there.
func publicURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(a URL that can't be parsed)"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
