package uevent

import (
	"context"
	"errors"
	"fmt"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"
)

// ErrLost says that the kernel had more to say than the socket could hold, or more than a message can: whoever listens has to look at everything.
var ErrLost = errors.New("events were lost")

const (
	groupKernel = 1       // the kernel's own; group 2 is what udev sends on
	queueBytes  = 4 << 20 // a shelf of disks that comes at once
	longest     = 8 << 10 // the kernel's limit is 2 KiB of variables and the path
)

// A Listener hears the events of all devices, from when it was made.
type Listener struct {
	conn    *socket.Conn
	message [longest]byte
	control [256]byte
}

// Listen begins to collect events. It needs no rights.
func Listen() (*Listener, error) {
	conn, err := socket.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM, unix.NETLINK_KOBJECT_UEVENT, "uevent", nil)
	if err != nil {
		return nil, fmt.Errorf("opening a socket for the kernel's device events: %w", err)
	}
	err = errors.Join(conn.SetsockoptInt(unix.SOL_SOCKET, unix.SO_PASSCRED, 1), conn.SetReadBuffer(queueBytes), // with CAP_NET_ADMIN beyond the system's limit
		conn.Bind(&unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groupKernel}))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening for the kernel's device events: %w", err), conn.Close())
	}
	return &Listener{conn: conn}, nil
}

// Next waits for an event that the kernel sent. After ErrLost it may be called again; after any other error it may not.
func (l *Listener) Next(ctx context.Context) (Event, error) {
	for {
		n, oobn, flags, from, err := l.conn.Recvmsg(ctx, l.message[:], l.control[:], 0)
		switch {
		case errors.Is(err, unix.ENOBUFS):
			return Event{}, ErrLost
		case err != nil:
			return Event{}, fmt.Errorf("waiting for the kernel's device events: %w", err)
		}
		if !fromKernel(from, l.control[:oobn]) {
			continue
		}
		if flags&unix.MSG_TRUNC != 0 {
			return Event{}, ErrLost
		}
		if e, ok := parse(l.message[:n]); ok {
			return e, nil
		}
	}
}

// Close ends a Next that waits, too.
func (l *Listener) Close() error { return l.conn.Close() }

// fromKernel: any process with the right to may send to the group, and only the kernel has no port of its own.
func fromKernel(from unix.Sockaddr, control []byte) bool {
	sender, ok := from.(*unix.SockaddrNetlink)
	if !ok || sender.Pid != 0 || sender.Groups != groupKernel {
		return false
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return false
	}
	for i := range messages {
		if credentials, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			return credentials.Uid == 0 && credentials.Pid == 0
		}
	}
	return false
}
