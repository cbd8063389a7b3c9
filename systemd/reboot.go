package systemd

import (
	"context"
	"fmt"

	godbus "github.com/godbus/dbus/v5"
)

// Reboot asks logind, which obeys inhibitors. An error means that nothing happens; success only that it was accepted: compare boot ids.
func Reboot(ctx context.Context) error {
	bus, err := godbus.ConnectSystemBus(godbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("rebooting: connecting to the system bus: %w", err)
	}
	defer bus.Close()
	// go-systemd's login1.Reboot drops the answer, so it is called here.
	call := bus.Object("org.freedesktop.login1", "/org/freedesktop/login1").CallWithContext(ctx, "org.freedesktop.login1.Manager.Reboot", 0, false)
	if call.Err != nil {
		return fmt.Errorf("rebooting through logind: %w", call.Err)
	}
	return nil
}
