package systemd

import (
	"context"
	"errors"
	"io"
	"testing"

	godbus "github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// login1 stands for logind on the other end.
type login1 struct {
	answers map[string]*godbus.Call
	calls   []string
}

func (l *login1) Close() error { return nil }

func (l *login1) call(_ context.Context, method string, _ ...any) *godbus.Call {
	l.calls = append(l.calls, method)
	if answer := l.answers[method]; answer != nil {
		return answer
	}
	return &godbus.Call{}
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
	nobody := Logind{connect: func(context.Context) (logindBus, error) { return nil, io.EOF }}
	assert.ErrorIs(t, nobody.Reboot(t.Context()), ErrRefused, "nothing was asked")
}
