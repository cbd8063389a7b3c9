package faults_test

import (
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
)

// clock is what time.Now gives on a machine whose wall clock somebody set: it shows another time, while the monotonic clock goes on. No call of package time makes such a value,
// and in a bubble of virtual time there is no monotonic clock at all.
func clock(ahead time.Duration) time.Time {
	const (
		hasMonotonic = 1 << 63
		nanoseconds  = 30 // bits
		from1885     = (1969*365+1969/4-1969/100+1969/400)*86400 - (1884*365+1884/4-1884/100+1884/400)*86400
	)
	now := time.Now()
	shown := now.Add(ahead)
	t := struct {
		wall uint64
		ext  int64
		loc  *time.Location
	}{hasMonotonic | uint64(shown.Unix()+from1885)<<nanoseconds | uint64(shown.Nanosecond()), now.UnixNano(), time.Local}
	return *(*time.Time)(unsafe.Pointer(&t))
}

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := clock(0)
		assert.True(t, before.Equal(time.Now()), "%s", before)
		time.Sleep(time.Minute)
		for _, by := range []time.Duration{time.Hour, -time.Hour, 365 * 24 * time.Hour, 1500 * time.Millisecond} {
			now := clock(by)
			assert.Equal(t, time.Minute, now.Sub(before), "the monotonic clock goes on")
			assert.Equal(t, time.Minute+by, now.Round(0).Sub(before.Round(0)))
			assert.Equal(t, time.Now().Add(by).String(), now.Round(0).String())
		}
	})
}
