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

// heard is what was told, and when.
type heard struct {
	seen    []string
	seenAt  []time.Duration
	settled [][]string
	at      []time.Duration
}

// hears tells what is sent. What was told is to be read when nothing goes on any more.
func hears(t *testing.T, exists func(string) bool) (send chan<- said, h *heard, end func() error) {
	t.Helper()
	sent, begun, done := make(chan said), time.Now(), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	h = &heard{}
	go func() {
		done <- tell(ctx, func(ctx context.Context) (Event, error) {
			select {
			case <-ctx.Done():
				return Event{}, ctx.Err()
			case s := <-sent:
				return s.event, s.err
			}
		}, exists, Told{
			Seen:    func(name string) { h.seen, h.seenAt = append(h.seen, name), append(h.seenAt, time.Since(begun)) },
			Settled: func(names []string) { h.settled, h.at = append(h.settled, names), append(h.at, time.Since(begun)) },
		})
	}()
	return sent, h, func() error { cancel(); return <-done }
}

func blockEvent(device, kind string) said {
	return said{event: Event{Subsystem: "block", Device: "/devices/virtual/block/" + device, Type: kind}}
}

func TestTell_theFirstAtOnceThenOneASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, h, end := hears(t, noUdev)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.Equal(t, []time.Duration{0}, h.at, "what was before is unknown")
		assert.Empty(t, h.settled[0])
		for range 500 { // a shelf of disks within half a second
			send <- blockEvent("loop3", "disk")
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.Equal(t, []time.Duration{0, 10 * time.Second, 11 * time.Second}, h.at, "at once, and once more for what came after")
		assert.Len(t, h.seen, 500, "each is seen")
		send <- blockEvent("loop4", "disk")
		synctest.Wait()
		assert.Len(t, h.at, 4, "after quiet at once again")
		assert.Equal(t, []string{"loop4"}, h.settled[3])
		require.ErrorIs(t, end(), context.Canceled)
	})
}

func TestTell_whichDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, h, end := hears(t, noUdev)
		synctest.Wait()
		for _, e := range []said{blockEvent("nvme1n1", "disk"), blockEvent("nvme2n1/nvme2n1p1", "partition"), blockEvent("cciss!c0d0", "disk"), {err: ErrLost}} {
			send <- e
		}
		synctest.Wait()
		assert.Equal(t, []string{"nvme1n1", "nvme2n1", "cciss!c0d0", ""}, h.seen)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		assert.Equal(t, []string{"", "cciss!c0d0", "nvme1n1", "nvme2n1"}, h.settled[len(h.settled)-1])
		require.ErrorIs(t, end(), context.Canceled)
	})
}

func TestTell_othersDontWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, h, end := hears(t, noUdev)
		time.Sleep(2 * time.Second)
		send <- said{event: Event{Subsystem: "net", Device: "/devices/virtual/net/lo"}}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Len(t, h.at, 1)
		assert.Empty(t, h.seen)
		require.ErrorIs(t, end(), context.Canceled)
	})
}

func TestTell_lostEventsAreAReasonToLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, h, end := hears(t, noUdev)
		time.Sleep(2 * time.Second)
		send <- said{err: ErrLost}
		synctest.Wait()
		assert.Len(t, h.at, 2)
		broken := errors.New("broken")
		send <- said{err: broken}
		synctest.Wait()
		require.ErrorIs(t, end(), broken, "a socket that is no good ends it")
	})
}

func noUdev(string) bool { return false }

// A RAID that udev assembles of new disks needs them for itself: they are seen at once, and settled when it is done.
func TestTell_waitsForUdev(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busyUntil atomic.Pointer[time.Time]
		busy := func(d time.Duration) { until := time.Now().Add(d); busyUntil.Store(&until) }
		busy(0)
		send, h, end := hears(t, func(path string) bool {
			return path == udevControl || path == udevQueue && time.Now().Before(*busyUntil.Load())
		})
		time.Sleep(5 * time.Second)
		busy(700 * time.Millisecond)
		send <- blockEvent("sda", "disk")
		time.Sleep(5 * time.Second)
		busy(time.Hour) // a rule that hangs
		send <- blockEvent("sdb", "disk")
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []time.Duration{udevBegins, 5*time.Second + 800*time.Millisecond, 10*time.Second + udevLimit}, h.at)
		assert.Equal(t, []time.Duration{5 * time.Second, 10 * time.Second}, h.seenAt, "nobody waits for udev to know which disk it is")
		require.ErrorIs(t, end(), context.Canceled)
	})
}

// A disk that changes while udev is at it has settled when udev is done with the last change.
func TestTell_seenAgainMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, h, end := hears(t, func(path string) bool { return path == udevControl })
		time.Sleep(5 * time.Second)
		send <- blockEvent("sdz", "disk")
		time.Sleep(udevBegins + quiet/2)
		send <- blockEvent("sda", "disk")
		send <- blockEvent("sdb", "disk")
		time.Sleep(quiet/2 + udevBegins/2)
		send <- blockEvent("sda", "disk")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Equal(t, [][]string{nil, {"sdz"}, {"sdb"}, {"sda"}}, h.settled)

		send <- blockEvent("sda", "disk")
		time.Sleep(udevBegins / 2)
		send <- said{err: ErrLost} // it may have been about that one
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Equal(t, [][]string{{}, {"", "sda"}}, h.settled[4:])
		require.ErrorIs(t, end(), context.Canceled)
	})
}
