package updateengine

import (
	"fmt"
	"slices"
	"strings"
)

// Status of update_engine, as its client prints it.
type Status struct {
	Operation string // UPDATE_STATUS_...
	Version   string // of the update that is looked at; "" = none
}

// needReboot: the other /usr is written, and the boot loader was told.
const needReboot = "UPDATE_STATUS_UPDATED_NEED_REBOOT"

// operations that are known; what another one would mean for a reboot can't be guessed.
var operations = []string{
	"UPDATE_STATUS_IDLE", "UPDATE_STATUS_CHECKING_FOR_UPDATE", "UPDATE_STATUS_UPDATE_AVAILABLE", "UPDATE_STATUS_DOWNLOADING", "UPDATE_STATUS_VERIFYING", "UPDATE_STATUS_FINALIZING",
	needReboot, "UPDATE_STATUS_REPORTING_ERROR_EVENT", "UPDATE_STATUS_ATTEMPTING_ROLLBACK", "UPDATE_STATUS_DISABLED",
}

// RebootWaits tells whether the next boot is into another version.
func (s Status) RebootWaits() bool { return s.Operation == needReboot }

// ParseStatus reads the lines KEY=value of `update_engine_client -status`. Others stand between them: its log goes to the same place on some versions.
func ParseStatus(text string) (Status, error) {
	var s Status
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch key {
		case "CURRENT_OP":
			if s.Operation != "" && s.Operation != value {
				return Status{}, fmt.Errorf("reading the update's status: it says both %q and %q", s.Operation, value)
			}
			s.Operation = value
		case "NEW_VERSION":
			if strings.Trim(value, "0.") != "" { // 0.0.0 and 0.0.0.0 stand for none
				s.Version = value
			}
		}
	}
	if !slices.Contains(operations, s.Operation) {
		return Status{}, fmt.Errorf("reading the update's status: CURRENT_OP is %q, which this version doesn't know", s.Operation)
	}
	return s, nil
}
