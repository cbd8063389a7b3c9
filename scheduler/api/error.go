package api

import (
	"errors"
	"fmt"
	"net/http"
)

// Code of an Error; few, and each with one HTTP status.
type Code string

// The codes.
const (
	CodeInvalid      Code = "invalid"
	CodeUnauthorized Code = "unauthorized"
	CodeForbidden    Code = "forbidden"
	CodeNotFound     Code = "not_found"
	CodeConflict     Code = "conflict"
	CodeUnavailable  Code = "unavailable"
	CodeTooMany      Code = "too_many"
	CodeInternal     Code = "internal"
	CodeRecovering   Code = "recovering" // the scheduler lost its store: report again, with what you remember; it gives no orders meanwhile
)

// An Error as the wire carries it.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Node    string `json:"node,omitempty"`
}

// Error names what failed.
func (e *Error) Error() string {
	if e.Node != "" {
		return fmt.Sprintf("%s: %s (node %s)", e.Code, e.Message, e.Node)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

var statuses = map[Code]int{
	CodeInvalid: http.StatusBadRequest, CodeUnauthorized: http.StatusUnauthorized, CodeForbidden: http.StatusForbidden,
	CodeNotFound: http.StatusNotFound, CodeConflict: http.StatusConflict, CodeUnavailable: http.StatusServiceUnavailable,
	CodeTooMany: http.StatusTooManyRequests, CodeInternal: http.StatusInternalServerError, CodeRecovering: http.StatusConflict,
}

// HTTPStatus of an error; anything that isn't an *Error is internal.
func HTTPStatus(err error) int {
	var e *Error
	if errors.As(err, &e) {
		if s, ok := statuses[e.Code]; ok {
			return s
		}
	}
	return http.StatusInternalServerError
}
