package uevent

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"scaleio-framework/platform/machinetest"
)

// until waits for an event of this device; the machine's others go by.
func until(t *testing.T, l *Listener, name string) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		e, err := l.Next(ctx)
		if errors.Is(err, ErrLost) {
			continue
		}
		require.NoError(t, err)
		if e.Name == name {
			return e
		}
	}
}

func TestListener_aRealDisk(t *testing.T) {
	l, err := Listen()
	require.NoError(t, err)
	defer l.Close()
	device := machinetest.Loop(t, machinetest.Image(t, 1<<20), machinetest.LoopOptions{})
	e := until(t, l, path.Base(device))
	assert.Equal(t, "block", e.Subsystem)
	assert.Equal(t, "disk", e.Type)
	assert.Equal(t, "/devices/virtual/block/"+path.Base(device), e.Device)
}

// A program with enough rights may send to the kernel's group; what it says is no event.
func TestListener_aForgedEvent(t *testing.T) {
	if os.Geteuid() != 0 {
		machinetest.Lacks(t, "root, to send to the kernel's group")
	}
	l, err := Listen()
	require.NoError(t, err)
	defer l.Close()
	forger, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	require.NoError(t, err)
	defer unix.Close(forger)
	forged := text("add@/devices/virtual/block/forged|ACTION=add|DEVPATH=/devices/virtual/block/forged|SUBSYSTEM=block|DEVNAME=forged|")
	require.NoError(t, unix.Sendto(forger, forged, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groupKernel}))
	// A real one that comes later is the next that is heard.
	device := path.Base(machinetest.Loop(t, machinetest.Image(t, 1<<20), machinetest.LoopOptions{}))
	for ctx := t.Context(); ; {
		e, err := l.Next(ctx)
		require.NoError(t, err)
		require.NotEqual(t, "forged", e.Name)
		if e.Name == device {
			return
		}
	}
}

// What the socket can't hold is said, and hearing goes on.
func TestListener_overflow(t *testing.T) {
	l, err := Listen()
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, l.conn.SetsockoptInt(unix.SOL_SOCKET, unix.SO_RCVBUF, 1)) // the kernel makes it its least
	file := machinetest.Image(t, 1<<20)
	for range 8 {
		require.NoError(t, machinetest.Detach(machinetest.Loop(t, file, machinetest.LoopOptions{})))
	}
	for err = nil; !errors.Is(err, ErrLost); {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		_, err = l.Next(ctx)
		cancel()
		require.True(t, err == nil || errors.Is(err, ErrLost), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	machinetest.Loop(t, file, machinetest.LoopOptions{})
	_, err = l.Next(ctx)
	require.NoError(t, err)
}

func TestListener_endsWithItsContext(t *testing.T) {
	l, err := Listen()
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		for {
			if _, err := l.Next(ctx); err != nil && !errors.Is(err, ErrLost) {
				done <- err
				return
			}
		}
	}()
	cancel()
	select {
	case err := <-done:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(20 * time.Second):
		t.Fatal("still waiting")
	}
}

// All of it, on this machine: once for what was before, once for a disk that came.
func TestDisks_aRealDisk(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	names, settled, done := make(chan string, 1000), make(chan []string), make(chan error, 1)
	go func() {
		done <- Disks(ctx, Told{
			Seen: func(name string) { names <- name },
			Settled: func(names []string) {
				select {
				case settled <- names:
				case <-ctx.Done():
				}
			},
		})
	}()
	<-settled
	device := path.Base(machinetest.Loop(t, machinetest.Image(t, 1<<20), machinetest.LoopOptions{}))
	for seen := ""; seen != device; { // the machine's others go by
		select {
		case seen = <-names:
		case <-ctx.Done():
			require.Fail(t, "the disk wasn't noticed")
		}
	}
	for came := []string(nil); !slices.Contains(came, device); {
		select {
		case came = <-settled:
		case <-ctx.Done():
			require.Fail(t, "it never settled")
		}
	}
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}
