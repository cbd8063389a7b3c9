package systemd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	godbus "github.com/godbus/dbus/v5"
)

// Logind is asked for reboots, and to hold those of others.
type Logind struct {
	connect func(context.Context) (logindBus, error) // nil = the system bus
}

// logindBus is what is used of a connection.
type logindBus interface {
	call(ctx context.Context, method string, args ...any) *godbus.Call
	Close() error
}

type systemBus struct{ *godbus.Conn }

func (b systemBus) call(ctx context.Context, method string, args ...any) *godbus.Call {
	return b.Object(logindName, logindPath).CallWithContext(ctx, logindName+".Manager."+method, 0, args...)
}

func (l Logind) bus(ctx context.Context) (logindBus, error) {
	if l.connect != nil {
		return l.connect(ctx)
	}
	bus, err := godbus.ConnectSystemBus(godbus.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("connecting to the system bus: %w", err)
	}
	return systemBus{bus}, nil
}

const (
	logindName = "org.freedesktop.login1"
	logindPath = "/org/freedesktop/login1"
)

// inhibitor as ListInhibitors gives it.
type inhibitor struct {
	What, Who, Why, Mode string
	UID, PID             uint32
}

// Inhibitors names those that keep this machine from rebooting, this process apart.
func (l Logind) Inhibitors(ctx context.Context) ([]string, error) {
	bus, err := l.bus(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking who holds reboots: %w", err)
	}
	defer bus.Close()
	return inhibitors(ctx, bus)
}

func inhibitors(ctx context.Context, bus logindBus) (names []string, err error) {
	var all []inhibitor
	if err := bus.call(ctx, "ListInhibitors").Store(&all); err != nil {
		return nil, fmt.Errorf("looking who holds reboots: asking logind: %w", err)
	}
	for _, i := range all {
		// A delay is waited for by logind itself.
		if slices.Contains(strings.Split(i.What, ":"), "shutdown") && i.Mode != "delay" && i.PID != uint32(os.Getpid()) {
			names = append(names, fmt.Sprintf("%s (process %d: %s)", i.Who, i.PID, i.Why))
		}
	}
	return names, nil
}

// Reboot asks logind, unless somebody holds reboots: before systemd 257 logind lets root through all the same, in the middle of a package manager's work too.
// Success means only that it was accepted: compare boot ids. ErrRefused means that nothing happens; after any other error it may.
func (l Logind) Reboot(ctx context.Context) error {
	bus, err := l.bus(ctx)
	if err != nil {
		return fmt.Errorf("rebooting: %w: %w", ErrRefused, err)
	}
	defer bus.Close()
	if others, err := inhibitors(ctx, bus); err != nil {
		return fmt.Errorf("rebooting: %w: %w", ErrRefused, err)
	} else if len(others) > 0 {
		return fmt.Errorf("rebooting: %w: held by %s", ErrRefused, strings.Join(others, ", "))
	}
	// go-systemd's login1.Reboot drops the answer, so it is called here.
	err = bus.call(ctx, "Reboot", false).Err
	if saidNo(err) {
		return fmt.Errorf("rebooting through logind: %w: %w", ErrRefused, err)
	} else if err != nil {
		return fmt.Errorf("rebooting through logind, which gave no clear answer: %w", err)
	}
	return nil
}

// noAnswer are errors that stand for an answer that didn't come: the bus makes them up when logind dies or is late, also after it has begun.
var noAnswer = []string{"org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Timeout", "org.freedesktop.DBus.Error.TimedOut",
	"org.freedesktop.DBus.Error.Disconnected"}

// saidNo tells whether an error is an answer. A connection that broke or a deadline says nothing about what was done.
func saidNo(err error) bool {
	var answer godbus.Error
	return errors.As(err, &answer) && !slices.Contains(noAnswer, answer.Name)
}

// Hold keeps others from rebooting or powering off until it is closed or this process ends. Before systemd 257 root isn't kept from it, unless it asks in a way
// that obeys ("systemctl --check-inhibitors=yes reboot", a desktop, unattended-upgrades, locksmithd).
func (l Logind) Hold(ctx context.Context, why string) (io.Closer, error) {
	bus, err := l.bus(ctx)
	if err != nil {
		return nil, fmt.Errorf("holding reboots: %w", err)
	}
	defer bus.Close()
	var held godbus.UnixFD
	if err := bus.call(ctx, "Inhibit", "shutdown", "scaleio-agent", why, "block").Store(&held); err != nil {
		return nil, fmt.Errorf("holding reboots: asking logind: %w", err)
	}
	return os.NewFile(uintptr(held), "inhibitor"), nil
}
