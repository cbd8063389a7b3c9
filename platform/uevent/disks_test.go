package uevent

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type said struct {
	event Event
	err   error
}

// hears tells what is sent, and when changed was called.
func hears(t *testing.T, exists func(string) bool) (send chan<- said, told *[]time.Duration, end func() error) {
	t.Helper()
	sent, begun, done := make(chan said), time.Now(), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	told = &[]time.Duration{}
	go func() {
		done <- tell(ctx, func(ctx context.Context) (Event, error) {
			select {
			case <-ctx.Done():
				return Event{}, ctx.Err()
			case s := <-sent:
				return s.event, s.err
			}
		}, exists, func() { *told = append(*told, time.Since(begun)) })
	}()
	return sent, told, func() error { cancel(); return <-done }
}

func TestTell_theFirstAtOnceThenOneASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, told, end := hears(t, noUdev)
		block := said{event: Event{Subsystem: "block"}}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.Equal(t, []time.Duration{0}, *told, "what was before is unknown")
		for range 500 { // a shelf of disks within half a second
			send <- block
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.Equal(t, []time.Duration{0, 10 * time.Second, 11 * time.Second}, *told, "at once, and once more for what came after")
		send <- block
		synctest.Wait()
		assert.Len(t, *told, 4, "after quiet at once again")
		require.ErrorIs(t, end(), context.Canceled)
	})
}

func TestTell_othersDontWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, told, end := hears(t, noUdev)
		time.Sleep(2 * time.Second)
		send <- said{event: Event{Subsystem: "net"}}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Len(t, *told, 1)
		require.ErrorIs(t, end(), context.Canceled)
	})
}

func TestTell_lostEventsAreAReasonToLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, told, end := hears(t, noUdev)
		time.Sleep(2 * time.Second)
		send <- said{err: ErrLost}
		synctest.Wait()
		assert.Len(t, *told, 2)
		broken := errors.New("broken")
		send <- said{err: broken}
		synctest.Wait()
		require.ErrorIs(t, end(), broken, "a socket that is no good ends it")
	})
}

func noUdev(string) bool { return false }

// A RAID that udev assembles of new disks needs them for itself.
func TestTell_waitsForUdev(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busyUntil atomic.Pointer[time.Time]
		busy := func(d time.Duration) { until := time.Now().Add(d); busyUntil.Store(&until) }
		busy(0)
		send, told, end := hears(t, func(path string) bool {
			return path == udevControl || path == udevQueue && time.Now().Before(*busyUntil.Load())
		})
		time.Sleep(5 * time.Second)
		busy(700 * time.Millisecond)
		send <- said{event: Event{Subsystem: "block"}}
		time.Sleep(5 * time.Second)
		busy(time.Hour) // a rule that hangs
		send <- said{event: Event{Subsystem: "block"}}
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []time.Duration{udevBegins, 5*time.Second + 800*time.Millisecond, 10*time.Second + udevLimit}, *told)
		require.ErrorIs(t, end(), context.Canceled)
	})
}
