package sdc

import (
	"bytes"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/wire"
)

func write(t *testing.T, v *Volume, off int64, data []byte) {
	t.Helper()
	n, err := v.WriteAt(data, off)
	require.NoError(t, err)
	require.Equal(t, len(data), n)
}

func read(t *testing.T, v *Volume, off int64, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	_, err := v.ReadAt(p, off)
	require.NoError(t, err)
	return p
}

func TestVolume_bothCopiesAcrossChunks(t *testing.T) {
	c := newCluster(t, nil)
	v := c.volume(t)
	assert.Equal(t, make([]byte, 4096), read(t, v, 0, 4096), "unallocated is zero")
	assert.Zero(t, c.mdm.count("allocate"), "reading allocates nothing")
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB over the border of two chunks
	off := int64(wire.ChunkBytes - 300)
	write(t, v, off, data)
	assert.Equal(t, data, read(t, v, off, len(data)))
	assert.Equal(t, 2, c.mdm.count("allocate"))
	for _, s := range []*fakeSDS{c.sds1, c.sds2} {
		assert.Equal(t, data[:300], s.onDisk(0, off, 300))
		assert.Equal(t, data[300:], s.onDisk(1, 0, len(data)-300))
	}
	_, err := v.WriteAt([]byte("xx"), v.SizeBytes()-1)
	require.Error(t, err, "beyond the end")
	n, err := v.ReadAt(make([]byte, 10), v.SizeBytes()-4)
	assert.Equal(t, 4, n)
	require.ErrorIs(t, err, io.EOF)
}

func TestVolume_goesOnWithOneCopyAndFencesTheOther(t *testing.T) {
	c := newCluster(t, nil)
	v := c.volume(t)
	write(t, v, 0, []byte("before"))
	c.sds2.stop()
	write(t, v, 0, []byte("during"))
	assert.Equal(t, 1, c.mdm.count("report-failed"))
	assert.Equal(t, []byte("during"), read(t, v, 0, 6))
	assert.Equal(t, []byte("during"), c.sds1.onDisk(0, 0, 6))
	assert.Equal(t, []byte("before"), c.sds2.onDisk(0, 0, 6))
	c.sds2.start()
	write(t, v, 0, []byte("after1"))
	assert.Equal(t, []byte("before"), c.sds2.onDisk(0, 0, 6), "only copies of the map are written")
}

func TestVolume_readsFromTheOtherCopy(t *testing.T) {
	c := newCluster(t, nil)
	v := c.volume(t)
	write(t, v, 0, []byte("twice"))
	c.sds1.stop()
	assert.Equal(t, []byte("twice"), read(t, v, 0, 5))
	c.sds1.start()
	c.sds2.stop()
	assert.Equal(t, []byte("twice"), read(t, v, 0, 5))
	assert.Zero(t, c.mdm.count("report-failed"), "a read decides nothing")
}

func TestVolume_staleMapIsRefreshed(t *testing.T) {
	c := newCluster(t, nil)
	v := c.volume(t)
	write(t, v, 0, []byte("one"))
	c.mdm.mu.Lock() // the generation rises and the push is lost
	c.mdm.volumes[volumeID].Generation = 7
	for _, s := range c.mdm.sdss {
		s.do(wire.SDSRequest{Op: "set-generation", System: systemID, Volume: volumeID, Generation: 7})
	}
	c.mdm.mu.Unlock()
	write(t, v, 0, []byte("two"))
	assert.Equal(t, []byte("two"), c.sds1.onDisk(0, 0, 3))
	assert.Equal(t, []byte("two"), c.sds2.onDisk(0, 0, 3))
	assert.Zero(t, c.mdm.count("report-failed"), "stale isn't a failed copy")
}

// The chunk was moved and its old slot emptied, while the push of the new map was lost: no zeros.
func TestVolume_readWithAnOldMapIsRefreshed(t *testing.T) {
	c := newCluster(t, nil)
	v := c.volume(t)
	write(t, v, 0, []byte("one"))
	c.mdm.mu.Lock()
	moved := c.mdm.volumes[volumeID]
	moved.Generation = 7
	moved.Chunks = []wire.Chunk{{Index: 0, Copies: []wire.Copy{c.sds2.copyAt(0)}}}
	for _, s := range c.mdm.sdss {
		s.do(wire.SDSRequest{Op: "set-generation", System: systemID, Volume: volumeID, Generation: 7})
	}
	c.sds1.do(wire.SDSRequest{Op: "zero-chunk", System: systemID, Volume: volumeID, Generation: 7, Device: "dev-sds1", Slot: 0})
	c.mdm.mu.Unlock()
	got := make([]byte, 3)
	_, err := v.ReadAt(got, 0)
	require.NoError(t, err)
	assert.Equal(t, []byte("one"), got)
}

func TestVolume_waitsWhileFencedWithoutANewMap(t *testing.T) {
	c := newCluster(t, nil)
	v := c.volume(t)
	write(t, v, 0, []byte("one"))
	for _, s := range c.mdm.sdss {
		s.do(wire.SDSRequest{Op: "set-generation", System: systemID, Volume: volumeID, Generation: 2})
	}
	asked := c.mdm.count("allocate")
	done := make(chan error, 1)
	go func() {
		_, err := v.WriteAt([]byte("two"), 0)
		done <- err
	}()
	require.Eventually(t, func() bool { return c.mdm.count("allocate") > asked+1 }, 5*time.Second, time.Millisecond)
	select {
	case err := <-done:
		require.FailNow(t, "acknowledged with an old map", "%v", err)
	default:
	}
	assert.Equal(t, []byte("one"), c.sds1.onDisk(0, 0, 3))
	c.mdm.change(func(vs map[string]*wire.Volume) { vs[volumeID].Generation = 2 })
	require.NoError(t, <-done)
	assert.Equal(t, []byte("two"), c.sds1.onDisk(0, 0, 3))
}

func TestVolume_mdmThatDisagreesIsAskedAgain(t *testing.T) {
	c := newCluster(t, nil)
	v := c.volume(t)
	write(t, v, 0, []byte("one"))
	c.mdm.mu.Lock()
	c.mdm.refuse = true
	c.mdm.mu.Unlock()
	c.sds2.stop()
	done := make(chan error, 1)
	go func() {
		_, err := v.WriteAt([]byte("two"), 0)
		done <- err
	}()
	require.Eventually(t, func() bool { return c.mdm.count("report-failed") > 2 }, 5*time.Second, time.Millisecond)
	c.sds2.start()
	require.NoError(t, <-done)
	assert.Equal(t, []byte("two"), c.sds2.onDisk(0, 0, 3), "acknowledged means both copies of the map")
}

func TestVolume_neverZerosWhereDataIsOutOfReach(t *testing.T) {
	c := newCluster(t, func(o *Options) { o.IOTimeout = 100 * time.Millisecond })
	v := c.volume(t)
	write(t, v, 0, []byte("data"))
	c.mdm.change(func(vs map[string]*wire.Volume) {
		vs[volumeID].Generation++
		vs[volumeID].Chunks = []wire.Chunk{{Index: 0}}
	})
	require.Eventually(t, func() bool { return len(v.place(0).copies) == 0 }, 5*time.Second, time.Millisecond)
	_, err := v.ReadAt(make([]byte, 4), 0)
	require.Error(t, err)
}

func TestVolume_unmappedFailsAtOnce(t *testing.T) {
	c := newCluster(t, nil)
	v := c.volume(t)
	write(t, v, 0, []byte("x"))
	c.mdm.change(func(vs map[string]*wire.Volume) { delete(vs, volumeID) })
	<-v.ctx.Done()
	_, err := v.WriteAt([]byte("y"), 0)
	require.ErrorIs(t, err, ErrUnmapped)
	_, err = v.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, ErrUnmapped)
	assert.Nil(t, c.system.volume(volumeID))
}

func TestSystem_followsTheMaster(t *testing.T) {
	c := newCluster(t, nil)
	second := c.mdm.listen()
	c.system.setAddresses([]string{c.addr, second})
	v := c.volume(t)
	write(t, v, 0, []byte("one"))
	c.mdm.setMaster(second)
	write(t, v, wire.ChunkBytes, []byte("two")) // needs an allocation, so it waits for the new master
	assert.Equal(t, []byte("two"), c.sds1.onDisk(1, 0, 3))
	_, sdcID, _ := c.system.identity()
	assert.Equal(t, "6b18479c00000003", sdcID)
}

func TestSystem_ioNeedsNoMDMOnceAllocated(t *testing.T) {
	c := newCluster(t, nil)
	v := c.volume(t)
	write(t, v, 0, []byte("one"))
	c.mdm.setMaster("nobody")
	write(t, v, 0, []byte("two"))
	assert.Equal(t, []byte("two"), read(t, v, 0, 3))
	require.Eventually(t, func() bool {
		_, sdcID, _ := c.system.identity()
		return sdcID == noID
	}, 5*time.Second, time.Millisecond)
	done := make(chan error, 1)
	go func() {
		_, err := v.WriteAt([]byte("three"), wire.ChunkBytes)
		done <- err
	}()
	c.mdm.setMaster(c.addr)
	require.NoError(t, <-done)
}

// A writer numbers its writes while SDSs come and go; what is read back afterwards is the last acknowledged number, on both copies.
func TestVolume_acknowledgedWritesSurvive(t *testing.T) {
	c := newCluster(t, nil)
	v := c.volume(t)
	var writers sync.WaitGroup
	for lane := range 3 {
		writers.Go(func() {
			for n := range 60 {
				block := bytes.Repeat([]byte{byte(n + 1)}, 4096)
				if _, err := v.WriteAt(block, int64(lane)*8192); err != nil {
					t.Errorf("lane %d write %d: %v", lane, n, err)
					return
				}
				got := make([]byte, 4096)
				if _, err := v.ReadAt(got, int64(lane)*8192); err != nil || !bytes.Equal(block, got) {
					t.Errorf("lane %d write %d: acknowledged, but read %d: %v", lane, n, got[0], err)
					return
				}
			}
		})
	}
	c.sds1.stop()
	c.mdm.setMaster("nobody")
	c.mdm.setMaster(c.addr)
	writers.Wait()
	for lane := range 3 {
		assert.Equal(t, byte(60), c.sds2.onDisk(0, int64(lane)*8192, 1)[0])
	}
}
