package sds

import (
	"errors"
	"fmt"

	"scaleio-framework/test/scaleio/wire"
)

// A refusal is an answer of the product: its error code with the text that goes with it (0: a text of this stand-in).
type refusal struct {
	code int
	text string
}

func (r refusal) Error() string { return r.text }

// The product's codes and texts, as far as an SDS is their source.
var (
	errCouldNotOpen = refusal{71, "Could not open SDS device"}
	errThisMDM      = refusal{75, "SDS is already attached to this MDM"}
	errAnotherMDM   = refusal{77, "SDS is already attached to another MDM"}
	errNoDevice     = refusal{126, "Could not find the SDS device"}
	errTooSmall     = refusal{207, "The SDS device size is too small"}
	errPartitioned  = refusal{340, "Unable to add a device that was already partitioned"}
	errMounted      = refusal{341, "Unable to add a device that is mounted"}
	errTaken        = refusal{626, "Device already added to another SDS. To override, add the specific sds device with force device takeover."}
	errSectorSize   = refusal{668, "Device sector size is not supported"}
	errPathExists   = refusal{673, "A device with the given path already exists in the SDS"}
	errStale        = refusal{0, "stale"}
)

func answerError(err error) wire.SDSAnswer {
	var r refusal
	if errors.As(err, &r) {
		return wire.SDSAnswer{Error: r.text, Code: r.code}
	}
	return wire.SDSAnswer{Error: err.Error()}
}

func refusef(format string, args ...any) error { return refusal{text: fmt.Sprintf(format, args...)} }
