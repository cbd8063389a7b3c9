package platform

import (
	"time"

	"golang.org/x/sys/unix"
)

// Uptime of the machine, as no setting of its clock changes it; 0 = the kernel doesn't say.
func Uptime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
