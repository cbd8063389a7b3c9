package mdm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/mdm"
	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/scaleiotest"
	"scaleio-framework/test/scaleio/sdc"
	"scaleio-framework/test/scaleio/sds"
	"scaleio-framework/test/scaleio/wire"
)

// attached maps the volume to a real stand-in SDC and waits until it has it.
func attached(t *testing.T, op *operator) *sdc.Volume {
	t.Helper()
	const guid = "4B1C5F4E-0000-4000-8000-0000000000AA"
	var dialer net.Dialer
	changed := make(chan struct{}, 1)
	system := sdc.NewSystem(sdc.Options{GUID: guid, Build: mgmt.Version, IOTimeout: 10 * time.Second, Log: slog.New(slog.DiscardHandler),
		DialMDM: func(ctx context.Context, ip string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", mgmt.Address(ip, wire.PortMDMManagement))
		},
		DialSDS: func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		},
	}, op.hosts, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); system.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	op.soon("the SDC is known", func() error {
		return op.try(mgmt.CmdMapVolume, mgmt.MapVolume{Volume: mgmt.Ref{Name: "v"}, SDC: mgmt.Ref{GUID: guid}}, nil)
	})
	timeout := time.After(10 * time.Second)
	for len(system.Volumes()) == 0 {
		select {
		case <-changed:
		case <-timeout:
			t.Fatal("the volume wasn't mapped")
		}
	}
	return system.Volumes()[0]
}

// A workload reads and writes the first block of some chunks without pause, and knows what they must hold.
type workload struct {
	t      *testing.T
	op     *operator
	volume *sdc.Volume
	chunks int
	model  []byte
	stop   atomic.Bool
	writes atomic.Int64
	failed chan error
}

const blockBytes = 4096

func startWorkload(t *testing.T, op *operator, chunks int) *workload {
	w := &workload{t: t, op: op, volume: attached(t, op), chunks: chunks, model: make([]byte, chunks*blockBytes), failed: make(chan error, 1)}
	go func() { w.failed <- w.run() }()
	w.until("all chunks were written once and are protected", w.protected)
	return w
}

func (w *workload) run() error {
	random := rand.New(rand.NewPCG(1, 2))
	for !w.stop.Load() {
		n := w.writes.Add(1)
		chunk := int(n) % w.chunks
		if int(n) > w.chunks { // before, each is to be written once
			chunk = random.IntN(w.chunks)
		}
		if err := w.read(chunk); err != nil {
			return err
		}
		block := w.block(chunk)
		binary.LittleEndian.PutUint64(block, uint64(n))
		if _, err := w.volume.WriteAt(block, int64(chunk)*wire.ChunkBytes); err != nil {
			return err
		}
	}
	return nil
}

func (w *workload) block(chunk int) []byte { return w.model[chunk*blockBytes : (chunk+1)*blockBytes] }

func (w *workload) read(chunk int) error {
	got := make([]byte, blockBytes)
	if _, err := w.volume.ReadAt(got, int64(chunk)*wire.ChunkBytes); err != nil {
		return err
	}
	if !bytes.Equal(w.block(chunk), got) {
		return fmt.Errorf("chunk %d: read %x..., wrote %x...", chunk, got[:8], w.block(chunk)[:8])
	}
	return nil
}

// goesOn waits for writes that began after it was called.
func (w *workload) goesOn(what string) {
	w.t.Helper()
	before := w.writes.Load()
	w.op.soon(what, func() error {
		if w.writes.Load() < before+5 {
			return errors.New("no writes yet")
		}
		return nil
	})
}

func (w *workload) protected(v mgmt.View) bool {
	return v.Capacity.ProtectedKB == int64(2*w.chunks)*(wire.ChunkBytes>>10) && v.Capacity.DegradedHealthyKB+v.Capacity.PendingRebuildKB+v.Capacity.ActiveRebuildKB == 0
}

// until waits as long as the amount of protected data grows.
func (w *workload) until(what string, holds func(mgmt.View) bool) {
	w.t.Helper()
	for most, done := int64(-1), false; !done; {
		w.op.soon(what, func() error {
			var v mgmt.View
			if err := w.op.try(mgmt.CmdView, nil, &v); err != nil {
				return err
			}
			if done = holds(v); !done && v.Capacity.ProtectedKB <= most {
				return errors.New("not yet")
			}
			most = max(most, v.Capacity.ProtectedKB)
			return nil
		})
	}
}

// lose stops an SDS and waits until the MDM knows.
func (w *workload) lose(s *scaleiotest.SDS) {
	w.t.Helper()
	s.Stop()
	w.until("the loss is noticed", func(v mgmt.View) bool {
		return slices.ContainsFunc(v.SDSs, func(x mgmt.SDS) bool { return x.IPs[0].IP == s.IP && !x.Connected })
	})
	w.goesOn("writes without one SDS")
}

// end finds everything that was acknowledged, by the client's way and in both copies of each chunk.
func (w *workload) end() {
	w.t.Helper()
	w.stop.Store(true)
	require.NoError(w.t, <-w.failed)
	w.t.Log("writes", w.writes.Load())
	for chunk := range w.chunks {
		assert.NoError(w.t, w.read(chunk))
	}
	compareCopies(w.t, w.op)
}

// An SDS and then the master die and return: no write fails, what was acknowledged is read back, and in the end both copies of every chunk are alike.
func TestDataPath_survivesAnSDSAndTheMaster(t *testing.T) {
	t.Parallel()
	m, op, servers := stored(t)
	w := startWorkload(t, op, 4)
	loseAndReturn := func(s *scaleiotest.SDS) {
		t.Helper()
		w.lose(s)
		s.Start()
		w.until("all data protected again", w.protected)
	}
	loseAndReturn(servers[0])
	m[0].Kill()
	w.goesOn("writes while the master is away")
	m[0].Start()
	w.until("the SDC is with the next master", func(v mgmt.View) bool { return v.SDCs[0].Connected })
	loseAndReturn(servers[1])
	w.end()
}

// An SDS that stays away is given up: its data is made anew on the others, which bear the next loss, and it is given its share when it returns.
func TestDataPath_rebuiltElsewhereAndRebalanced(t *testing.T) {
	t.Parallel()
	_, op, servers := storedTuned(t, func(o *mdm.Options) { o.RebuildAfter, o.RebalanceEvery = time.Millisecond, 10*time.Millisecond })
	w := startWorkload(t, op, 6)
	used := func(v mgmt.View, s *scaleiotest.SDS) int64 {
		x := v.SDSs[slices.IndexFunc(v.SDSs, func(x mgmt.SDS) bool { return x.IPs[0].IP == s.IP })]
		return v.Devices[slices.IndexFunc(v.Devices, func(d mgmt.Device) bool { return d.SDS == x.ID })].UsedBytes / wire.ChunkBytes
	}
	w.lose(servers[0])
	w.until("made anew on the others", func(v mgmt.View) bool { return w.protected(v) && used(v, servers[0]) == 0 })
	w.lose(servers[1])
	servers[0].Start()
	w.until("made anew on the one that returned", func(v mgmt.View) bool { return w.protected(v) && used(v, servers[1]) == 0 })
	copies := watchCopies(t, op)
	servers[1].Start()
	w.until("its share is back", func(v mgmt.View) bool {
		shares := []int64{used(v, servers[0]), used(v, servers[1]), used(v, servers[2])}
		return w.protected(v) && v.Capacity.PendingRebalanceKB+v.Capacity.ActiveRebalanceKB == 0 && slices.Max(shares)-slices.Min(shares) < 4
	})
	assert.NoError(t, copies(), "while chunks moved")
	w.end()
}

// watchCopies follows the maps that a client is told; the function that it gives ends that and says what was wrong with one.
func watchCopies(t *testing.T, op *operator) func() error {
	c := newClient(t, op.master(), "4B1C5F4E-0000-4000-8000-0000000000CC")
	op.must(mgmt.CmdMapVolume, mgmt.MapVolume{Volume: mgmt.Ref{Name: "v"}, SDC: mgmt.Ref{GUID: "4B1C5F4E-0000-4000-8000-0000000000CC"}, AllowMulti: true}, nil)
	told, wrong := 0, error(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		decoder := json.NewDecoder(c.reader)
		for {
			var answer wire.SDCAnswer
			if decoder.Decode(&answer) != nil {
				return
			}
			for _, v := range answer.Volumes {
				told++
				for _, chunk := range v.Chunks {
					if len(chunk.Copies) != 2 || chunk.Copies[0].SDS == chunk.Copies[1].SDS {
						wrong = fmt.Errorf("chunk %d: %+v", chunk.Index, chunk.Copies)
					}
				}
			}
		}
	}()
	return func() error {
		_ = c.conn.Close()
		<-ended
		if told < 2 {
			return fmt.Errorf("only %d maps were told", told)
		}
		return wrong
	}
}

// compareCopies reads both places of every chunk from their SDSs.
func compareCopies(t *testing.T, op *operator) {
	t.Helper()
	var v mgmt.View
	op.must(mgmt.CmdView, nil, &v)
	c := newClient(t, op.master(), "4B1C5F4E-0000-4000-8000-0000000000BB")
	op.must(mgmt.CmdMapVolume, mgmt.MapVolume{Volume: mgmt.Ref{Name: "v"}, SDC: mgmt.Ref{GUID: "4B1C5F4E-0000-4000-8000-0000000000BB"}, AllowMulti: true}, nil)
	single := func(c wire.Chunk) bool { return len(c.Copies) < 2 }
	chunks := c.next().Volumes[0].Chunks
	for slices.ContainsFunc(chunks, single) { // the last word of a watch that was late
		chunks = c.next().Volumes[0].Chunks
	}
	for _, chunk := range chunks {
		first, second := content(t, v, chunk.Copies[0]), content(t, v, chunk.Copies[1])
		assert.NotEmpty(t, first, "chunk %d", chunk.Index)
		assert.True(t, maps.Equal(first, second), "chunk %d", chunk.Index)
	}
}

// content of a copy: its pages that aren't zero, by offset.
func content(t *testing.T, v mgmt.View, p wire.Copy) map[int64]string {
	t.Helper()
	raw, err := net.Dial("tcp", p.Addr)
	require.NoError(t, err)
	conn := sds.NewConn(raw)
	defer conn.Close()
	pages := map[int64]string{}
	page := make([]byte, 4096)
	for at := int64(0); at < wire.ChunkBytes; {
		offset, n, err := conn.ReadNext(wire.SDSRequest{System: v.System.ID, SDS: p.SDS, Volume: v.Volumes[0].ID, Device: p.Device, Slot: p.Slot, Offset: at}, page, 5*time.Second)
		require.NoError(t, err)
		if n == 0 {
			break
		}
		pages[offset] = string(page[:n])
		at = offset + int64(n)
	}
	return pages
}
