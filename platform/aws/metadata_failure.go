package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Reasons for which the metadata service doesn't confirm the identity.
const (
	ReasonUnreachable    = "MetadataUnreachable"      // no connection
	ReasonHopLimit       = "MetadataHopLimit"         // it takes the request for a token, and its answer never comes
	ReasonSlow           = "MetadataSlow"             // connected, and too late
	ReasonUnauthorized   = "MetadataUnauthorized"     // 401: our token isn't taken
	ReasonForbidden      = "MetadataForbidden"        // 403: turned off for this instance, or filtered
	ReasonNotFound       = "MetadataNotFound"         // 404
	ReasonNoVersion2     = "MetadataWithoutTokens"    // gives no token: not EC2's, or something in between
	ReasonBlank          = "MetadataBlank"            // answers, and says nothing
	ReasonUnreadable     = "MetadataUnreadable"       // answers with what isn't an identity document
	ReasonFailing        = "MetadataFailing"          // 5xx
	ReasonWrongInstance  = "MetadataOfAnother"        // contradicts the firmware
	ReasonMetadataTurned = "MetadataOffByEnvironment" // AWS_EC2_METADATA_DISABLED
	ReasonNotAsked       = "MetadataNotAsked"
)

// A MetadataError says why there is no confirmed identity.
type MetadataError struct{ Reason, Message string }

func (e *MetadataError) Error() string { return "asking the metadata service: " + e.Message }

// passes says whether a second try at once may help.
func (e *MetadataError) passes() bool {
	switch e.Reason {
	case ReasonUnauthorized, ReasonFailing, ReasonSlow, ReasonUnreachable, ReasonBlank:
		return true
	}
	return false
}

// absent says that this instance doesn't have the path.
func absent(err error) bool {
	var because *MetadataError
	return errors.As(err, &because) && because.Reason == ReasonNotFound
}

// A trace is how far one question came: the SDK's errors don't tell a lost token from a lost answer, and lose the cause of the first.
type trace struct {
	token     bool // the failure is the token's
	connected bool
	late      bool // the answer didn't begin in time
	failure   error
	status    int
	empty     bool
}

type traceKey struct{}

// traced notes it for each request.
type traced struct{ *http.Client }

func (t traced) Do(r *http.Request) (*http.Response, error) {
	how, _ := r.Context().Value(traceKey{}).(*trace)
	if how == nil {
		return t.Client.Do(r)
	}
	*how = trace{token: r.Method == http.MethodPut}
	response, err := t.Client.Do(r)
	how.connected, how.late, how.failure = err == nil || !isDial(err), isLate(err), err
	if response != nil {
		how.status, how.empty = response.StatusCode, response.ContentLength == 0
	}
	return response, err
}

func isLate(err error) bool {
	var waited interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &waited) && waited.Timeout()
}

func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// cause without the layers above it.
func (t *trace) cause(err error) error {
	var request *url.Error
	if errors.As(t.failure, &request) {
		return request.Err
	}
	return err
}

// explain a failure by how far it came.
func (t *trace) explain(err error) error {
	fail := func(reason, format string, a ...any) error { return &MetadataError{reason, fmt.Sprintf(format, a...)} }
	late := t.late || isLate(err)
	switch {
	case t.status == 0 && strings.Contains(err.Error(), "AWS_EC2_METADATA_DISABLED"):
		return fail(ReasonMetadataTurned, "AWS_EC2_METADATA_DISABLED is set in the agent's environment")
	case t.status == 0 && !t.connected:
		return fail(ReasonUnreachable, "no connection: %v", t.cause(err))
	case t.status == 0 && t.token && late:
		return fail(ReasonHopLimit, "it takes the request for a token and no answer comes within %s: in a container raise the instance's metadata hop limit to 2, or the service is slow", headerLimit)
	case t.status == 0 && late:
		return fail(ReasonSlow, "no answer within %s", headerLimit)
	case t.status == 0:
		return fail(ReasonUnreachable, "the connection broke: %v", t.cause(err))
	case t.status == http.StatusUnauthorized:
		return fail(ReasonUnauthorized, "it refuses our token (401)")
	case t.status == http.StatusForbidden:
		return fail(ReasonForbidden, "forbidden (403): the service is turned off for this instance, or a filter stands before it")
	case t.token && t.status/100 != 2, t.status/100 == 3:
		return fail(ReasonNoVersion2, "it gives no token (%d): not EC2's, or something stands between", t.status)
	case t.status == http.StatusNotFound:
		return fail(ReasonNotFound, "not found (404)")
	case t.status >= 500:
		return fail(ReasonFailing, "it fails (%d)", t.status)
	case late:
		return fail(ReasonSlow, "the answer doesn't end within %s", metadataLimit)
	case t.token:
		return fail(ReasonNoVersion2, "its token can't be read: %v", err)
	case t.empty, errors.Is(err, io.EOF):
		return fail(ReasonBlank, "an empty answer")
	}
	return fail(ReasonUnreadable, "its answer isn't understood: %s", shortened(err.Error()))
}
