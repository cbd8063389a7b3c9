package aws

import (
	"fmt"
	"net/http"
)

// apiError is what EC2 answers instead of a result.
type apiError struct {
	Status  int
	Code    string
	Message string
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

func failed(status int, code, format string, args ...any) *apiError {
	return &apiError{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func fault400(code, format string, args ...any) *apiError {
	return failed(http.StatusBadRequest, code, format, args...)
}

func noVolume(id string) *apiError {
	return fault400("InvalidVolume.NotFound", "The volume '%s' does not exist.", id)
}

// statusOf the codes that aren't 400.
func statusOf(code string) int {
	switch code {
	case "RequestLimitExceeded", "Unavailable", "ServiceUnavailable":
		return http.StatusServiceUnavailable
	case "InternalError", "InternalFailure", "InsufficientVolumeCapacity", "InsufficientInstanceCapacity":
		return http.StatusInternalServerError
	case "UnauthorizedOperation", "SignatureDoesNotMatch", "OptInRequired":
		return http.StatusForbidden
	case "AuthFailure":
		return http.StatusUnauthorized
	case "DryRunOperation":
		return http.StatusPreconditionFailed
	default:
		return http.StatusBadRequest
	}
}
