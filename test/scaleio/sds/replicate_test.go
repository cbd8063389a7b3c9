package sds

import (
	"bytes"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"scaleio-framework/test/scaleio/wire"
)

// pair is a source with data in slot 2 of d1, and a target with an empty d2.
func pair(t *testing.T, data []byte) (source, target *rig, path string) {
	source, target = newRig(t).member(), newRig(t)
	source.device("sdb", "d1")
	require.NoError(t, source.write(1, volume, 2, data))
	_, err := target.do(wire.SDSRequest{Op: "hello", SDS: "sds2"})
	require.NoError(t, err)
	path = target.disk("sdb")
	_, err = target.do(wire.SDSRequest{Op: "add-device", Path: path, Device: "d2"})
	require.NoError(t, err)
	return source, target, path
}

func (r *rig) copyFrom(generation int64, addr string) error {
	from := wire.Copy{SDS: sdsID, Addr: addr, Device: "d1", Slot: 2}
	_, err := r.do(wire.SDSRequest{Op: "copy-chunk", Volume: volume, Generation: generation, Device: "d2", Slot: 0, From: &from})
	return err
}

func TestCopyChunk_fromAnotherSDS(t *testing.T) {
	data := bytes.Repeat([]byte("copy"), 4096)
	source, target, path := pair(t, data)
	// What an older copy left between and behind the data must go.
	for _, at := range []int64{0, 10 << 20, wire.ChunkBytes - 3} {
		require.NoError(t, target.conn().Write(wire.SDSRequest{System: system, Volume: volume, Device: "d2", Offset: at}, []byte("old"), time.Second))
	}
	end := []byte("the end")
	require.NoError(t, source.conn().Write(wire.SDSRequest{System: system, Volume: volume, Generation: 1, Device: "d1", Slot: 2,
		Offset: wire.ChunkBytes - int64(len(end))}, end, time.Second))

	require.NoError(t, target.copyFrom(1, source.addr))
	const edge = 64 << 10
	first := append(make([]byte, 4096), data...)
	first = append(first, make([]byte, edge-len(first))...)
	last := append(make([]byte, edge-len(end)), end...)
	for at, want := range map[int64][]byte{0: first, 10 << 20: make([]byte, edge), wire.ChunkBytes - edge: last} {
		got := make([]byte, edge)
		require.NoError(t, target.conn().Read(wire.SDSRequest{System: system, Volume: volume, Device: "d2", Offset: at}, got, 5*time.Second))
		assert.True(t, bytes.Equal(want, got), "at %d", at)
	}
	var st unix.Stat_t
	require.NoError(t, unix.Stat(path, &st))
	assert.Less(t, st.Blocks*512, int64(8<<20), "zeros stay holes")

	source.stop()
	require.Error(t, target.copyFrom(1, source.addr))
}

// A rebuild of mostly empty chunks must cost what they hold: 64 MiB of zeros per chunk kept clients waiting.
func TestCopyChunk_sendsNoZeros(t *testing.T) {
	source, target, _ := pair(t, []byte("a little"))
	var received atomic.Int64
	target.hear(func(n int) { received.Add(int64(n)) })
	require.NoError(t, target.copyFrom(1, source.addr))
	assert.Less(t, received.Load(), int64(2<<20))
}

// A copy that its MDM gave up, but that still goes on, changes nothing once a newer map is in force.
func TestCopyChunk_staleOneEnds(t *testing.T) {
	source, target, _ := pair(t, bytes.Repeat([]byte("old"), 1000))
	answered, goOn := make(chan struct{}), make(chan struct{})
	stop := sync.OnceFunc(func() { close(answered); <-goOn })
	target.hear(func(int) { stop() })
	copied := make(chan error, 1)
	go func() { copied <- target.copyFrom(1, source.addr) }()
	<-answered
	require.NoError(t, target.conn().Write(wire.SDSRequest{System: system, Volume: volume, Generation: 2, Device: "d2", Offset: 4096}, []byte("new"), 5*time.Second))
	close(goOn)
	var refused *RefusedError
	require.ErrorAs(t, <-copied, &refused)
	assert.True(t, refused.Stale())
	assert.Equal(t, []byte("new"), target.read(volume, "d2", 0, 3))

	require.ErrorAs(t, target.copyFrom(1, source.addr), &refused)
	assert.True(t, refused.Stale(), "one that comes late doesn't begin")
}

// A request to empty a slot that comes late finds it given away.
func TestZeroChunk_onlyWhatIsStillIts(t *testing.T) {
	r := newRig(t).member()
	r.device("sdb", "d1")
	require.NoError(t, r.write(3, volume, 0, []byte("old")))
	empty := wire.SDSRequest{Op: "zero-chunk", Volume: volume, Generation: 4, Device: "d1", Slot: 0}
	_, err := r.do(empty)
	require.NoError(t, err)
	assert.Equal(t, make([]byte, 3), r.read("", "d1", 0, 3))

	require.NoError(t, r.write(5, volume, 0, []byte("new")))
	var refused *RefusedError
	_, err = r.do(empty)
	require.ErrorAs(t, err, &refused)
	assert.True(t, refused.Stale())
	assert.Equal(t, []byte("new"), r.read(volume, "d1", 0, 3))

	other := "2f93c3ab00000001"
	require.NoError(t, r.write(1, other, 0, []byte("its")))
	empty.Generation = 9
	_, err = r.do(empty)
	require.NoError(t, err)
	assert.Equal(t, []byte("its"), r.read(other, "d1", 0, 3))
}

func TestRead_olderMapRefused(t *testing.T) {
	r := newRig(t).member()
	r.device("sdb", "d1")
	require.NoError(t, r.write(3, volume, 0, []byte("now")))
	read := func(generation int64) error {
		return r.conn().Read(wire.SDSRequest{System: system, Volume: volume, Generation: generation, Device: "d1"}, make([]byte, 3), time.Second)
	}
	var refused *RefusedError
	require.ErrorAs(t, read(2), &refused)
	assert.True(t, refused.Stale())
	require.NoError(t, read(3))
	require.NoError(t, read(4))
	require.NoError(t, read(0), "not an SDC's")
}

// heard makes what an SDS hears from others pass through a function.
type heard struct {
	net.Conn
	hear func(n int)
}

func (c heard) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.hear(n)
	return n, err
}

func (r *rig) hear(hear func(n int)) {
	r.dial = func(ctx context.Context, addr string) (net.Conn, error) {
		c, err := dialTCP(ctx, addr)
		return heard{c, hear}, err
	}
	r.restart()
}
