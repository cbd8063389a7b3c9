package installer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"scaleio-framework/platform"
)

// Flatcar's update engine writes the other /usr, and the next boot takes that.
const (
	updateEngine     = "/usr/bin/update_engine_client"
	updateEngineUnit = "update-engine.service"
	updateNeedReboot = "UPDATE_STATUS_UPDATED_NEED_REBOOT"
)

// updateStates that the engine may be in. One that isn't known decides nothing.
var updateStates = []string{"UPDATE_STATUS_IDLE", "UPDATE_STATUS_CHECKING_FOR_UPDATE", "UPDATE_STATUS_UPDATE_AVAILABLE", "UPDATE_STATUS_DOWNLOADING",
	"UPDATE_STATUS_VERIFYING", "UPDATE_STATUS_FINALIZING", updateNeedReboot, "UPDATE_STATUS_REPORTING_ERROR_EVENT"}

// updateMemory keeps the answer for the steps of one pass, and no longer: the next one may be a person's "look now".
type updateMemory struct {
	mu      sync.Mutex
	version string
	waits   bool
	until   time.Time
}

// updateLife is how long an answer serves in a pass that takes long.
const updateLife = 5 * time.Second

// updateWaiting tells whether an update of an image-based system was written and waits for the next boot. Where no update engine is or runs, none does.
func (o *orders) updateWaiting(ctx context.Context) (version string, waits bool, err error) {
	if o.sys.Facts.Family != platform.FamilyFlatcar {
		return "", false, nil
	}
	m := &o.update
	m.mu.Lock()
	defer m.mu.Unlock()
	if o.sys.Clock().Before(m.until) {
		return m.version, m.waits, nil
	}
	m.version, m.waits, err = o.askUpdateEngine(ctx)
	if err == nil {
		m.until = o.sys.Clock().Add(updateLife)
	}
	return m.version, m.waits, err
}

func (o *orders) askUpdateEngine(ctx context.Context) (string, bool, error) {
	out, err := o.sys.Commands.Run(ctx, platform.Cmd{Path: updateEngine, Args: []string{"-status"}, Timeout: 15 * time.Second})
	if errors.Is(err, platform.ErrNotFound) {
		return "", false, nil
	}
	var exit *platform.ExitError
	if errors.As(err, &exit) { // it doesn't answer: a person may have stopped it
		state, stateErr := o.sys.Units.State(ctx, updateEngineUnit)
		if stateErr == nil && state.Active != "active" && state.Active != "activating" {
			return "", false, nil
		}
	}
	if err != nil {
		return "", false, fmt.Errorf("asking the update engine: %w", err)
	}
	return parseUpdateStatus(string(out.Stdout))
}

// parseUpdateStatus reads KEY=VALUE lines.
func parseUpdateStatus(text string) (version string, waits bool, err error) {
	values := map[string]string{}
	for _, l := range strings.Split(text, "\n") {
		if key, value, ok := strings.Cut(strings.TrimSpace(l), "="); ok {
			values[key] = value
		}
	}
	state := values["CURRENT_OP"]
	if !slices.Contains(updateStates, state) {
		return "", false, fmt.Errorf("asking the update engine: its state %q isn't known to this program", state)
	}
	return values["NEW_VERSION"], state == updateNeedReboot, nil
}
