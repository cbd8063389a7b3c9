package systemd

import (
	"context"
	"fmt"
	"io"
	"os"

	godbus "github.com/godbus/dbus/v5"
)

// Logind is asked for reboots, and to hold those of others.
type Logind struct{}

const (
	logindName = "org.freedesktop.login1"
	logindPath = "/org/freedesktop/login1"
)

// Reboot asks logind, which obeys inhibitors. An error means that nothing happens; success only that it was accepted: compare boot ids.
func (Logind) Reboot(ctx context.Context) error {
	bus, err := godbus.ConnectSystemBus(godbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("rebooting: connecting to the system bus: %w", err)
	}
	defer bus.Close()
	// go-systemd's login1.Reboot drops the answer, so it is called here.
	call := bus.Object(logindName, logindPath).CallWithContext(ctx, logindName+".Manager.Reboot", 0, false)
	if call.Err != nil {
		return fmt.Errorf("rebooting through logind: %w", call.Err)
	}
	return nil
}

// Hold keeps others from rebooting or powering off until it is closed or this process ends. Before systemd 257 root isn't kept from it, unless it asks in a way
// that obeys ("systemctl --check-inhibitors=yes reboot", a desktop, unattended-upgrades, locksmithd).
func (Logind) Hold(ctx context.Context, why string) (io.Closer, error) {
	bus, err := godbus.ConnectSystemBus(godbus.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("holding reboots: connecting to the system bus: %w", err)
	}
	defer bus.Close()
	var held godbus.UnixFD
	call := bus.Object(logindName, logindPath).CallWithContext(ctx, logindName+".Manager.Inhibit", 0, "shutdown", "scaleio-agent", why, "block")
	if err := call.Store(&held); err != nil {
		return nil, fmt.Errorf("holding reboots: asking logind: %w", err)
	}
	return os.NewFile(uintptr(held), "inhibitor"), nil
}
