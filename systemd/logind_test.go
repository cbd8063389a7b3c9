package systemd

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"

	godbus "github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// login1 stands for logind on the other end.
type login1 struct {
	answers    map[string]*godbus.Call
	inhibitors [][]any
	calls      []string
}

func (l *login1) Close() error { return nil }

func (l *login1) call(_ context.Context, method string, _ ...any) *godbus.Call {
	l.calls = append(l.calls, method)
	if answer := l.answers[method]; answer != nil {
		return answer
	}
	if method == "ListInhibitors" {
		return &godbus.Call{Body: []any{l.inhibitors}}
	}
	return &godbus.Call{}
}

// inhibited by somebody, as it comes over the bus.
func inhibited(what, who, mode string, pid int) []any {
	return []any{what, who, "is at work", mode, uint32(0), uint32(pid)}
}

func (l *login1) logind() Logind {
	return Logind{connect: func(context.Context) (logindBus, error) { return l, nil }}
}

// Only an answer is a refusal: after a broken connection or a deadline the machine may be going down.
func TestLogind_refusedOrUnclear(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		refused bool
	}{
		"denied":              {godbus.Error{Name: "org.freedesktop.DBus.Error.AccessDenied"}, true},
		"inhibited":           {godbus.Error{Name: "org.freedesktop.login1.BlockedByInhibitorLock"}, true},
		"no logind":           {godbus.Error{Name: "org.freedesktop.DBus.Error.ServiceUnknown"}, true},
		"logind died":         {godbus.Error{Name: "org.freedesktop.DBus.Error.NoReply"}, false},
		"the bus was stopped": {godbus.ErrClosed, false},
		"cut off":             {io.ErrUnexpectedEOF, false},
		"late":                {context.DeadlineExceeded, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := &login1{answers: map[string]*godbus.Call{"Reboot": {Err: c.err}}}
			err := l.logind().Reboot(t.Context())
			require.Error(t, err)
			assert.Equal(t, c.refused, errors.Is(err, ErrRefused), err.Error())
		})
	}
	require.NoError(t, (&login1{}).logind().Reboot(t.Context()))
	l := &login1{answers: map[string]*godbus.Call{"ListInhibitors": {Err: io.EOF}}}
	require.ErrorIs(t, l.logind().Reboot(t.Context()), ErrRefused)
	assert.NotContains(t, l.calls, "Reboot", "it isn't known whether somebody holds it")
	nobody := Logind{connect: func(context.Context) (logindBus, error) { return nil, io.EOF }}
	assert.ErrorIs(t, nobody.Reboot(t.Context()), ErrRefused, "nothing was asked")
}

// Before systemd 257 logind lets root reboot in the middle of what a package manager holds reboots for: so we look ourselves.
func TestLogind_rebootsOfOthersHolds(t *testing.T) {
	for name, c := range map[string]struct {
		held [][]any
		by   []string
	}{
		"nobody":            {nil, nil},
		"our own":           {[][]any{inhibited("shutdown", "scaleio-agent", "block", os.Getpid())}, nil},
		"it will be waited": {[][]any{inhibited("shutdown:sleep", "Unattended Upgrades Shutdown", "delay", 1)}, nil},
		"other things":      {[][]any{inhibited("sleep:handle-lid-switch", "UPower", "block", 1)}, nil},
		"a package manager": {[][]any{inhibited("sleep", "UPower", "block", 1), inhibited("shutdown:idle", "APT", "block", 4711)}, []string{"APT (process 4711: is at work)"}},
		"weakly, and a namesake": {[][]any{inhibited("shutdown", "dnf", "block-weak", 7), inhibited("shutdown", "scaleio-agent", "block", os.Getpid()+1)},
			[]string{"dnf (process 7", "scaleio-agent (process"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &login1{inhibitors: c.held}
			names, err := l.logind().Inhibitors(t.Context())
			require.NoError(t, err)
			require.Len(t, names, len(c.by))
			err = l.logind().Reboot(t.Context())
			if len(c.by) == 0 {
				require.NoError(t, err)
				assert.Contains(t, l.calls, "Reboot")
				return
			}
			require.ErrorIs(t, err, ErrRefused)
			assert.NotContains(t, l.calls, "Reboot")
			for _, who := range c.by {
				assert.ErrorContains(t, err, who)
			}
		})
	}
}
