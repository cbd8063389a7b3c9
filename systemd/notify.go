package systemd

import (
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready tells PID 1 that the service has started; from here on the watchdog counts. Outside a Type=notify unit it does nothing, as all of these.
func Ready(status string) error { return notify(daemon.SdNotifyReady, status) }

// Status is the line that systemctl status shows.
func Status(status string) error { return notify("", status) }

// Stopping tells PID 1 that the service is on its way out.
func Stopping(status string) error { return notify(daemon.SdNotifyStopping, status) }

// Alive feeds the watchdog. Call it from the progress of the main loop, never from a bare ticker: that would hide a hung loop.
func Alive() error { return notify(daemon.SdNotifyWatchdog, "") }

// StillStarting asks PID 1 for more time before READY (systemd 236 and later; earlier ones ignore it).
func StillStarting(more time.Duration) error {
	return notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", more.Microseconds()), "")
}

// WatchdogInterval is how often Alive must be called at least: half of what the unit allows; ok is false without a watchdog.
func WatchdogInterval() (interval time.Duration, ok bool) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil || limit <= 0 {
		return 0, false
	}
	return limit / 2, true
}

func notify(state, status string) error {
	lines := []string{}
	if state != "" {
		lines = append(lines, state)
	}
	if status != "" {
		lines = append(lines, "STATUS="+strings.ReplaceAll(status, "\n", " "))
	}
	if _, err := daemon.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	return nil
}
