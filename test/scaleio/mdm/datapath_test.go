package mdm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
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

// A client writes without pause while an SDS and then the master die and return: no write fails, what was acknowledged is read back, and in
// the end both copies of every chunk are alike.
func TestDataPath_survivesAnSDSAndTheMaster(t *testing.T) {
	t.Parallel()
	m, op, servers := stored(t)
	volume := attached(t, op)

	const chunks, block = 4, 4096
	model := make([]byte, chunks*block) // the first block of each chunk
	var stop atomic.Bool
	var writes atomic.Int64
	failed := make(chan error, 1)
	go func() {
		random := rand.New(rand.NewPCG(1, 2))
		data := make([]byte, block)
		for !stop.Load() {
			chunk := random.IntN(chunks)
			binary.LittleEndian.PutUint64(data, uint64(writes.Add(1)))
			if _, err := volume.WriteAt(data, int64(chunk)*wire.ChunkBytes); err != nil {
				failed <- err
				return
			}
			copy(model[chunk*block:], data)
		}
		failed <- nil
	}()
	goesOn := func(what string) {
		t.Helper()
		before := writes.Load()
		op.soon(what, func() error {
			if writes.Load() < before+5 {
				return errors.New("no writes yet")
			}
			return nil
		})
	}
	protected := func(v mgmt.View) bool {
		return v.Capacity.ProtectedKB == 2*chunks*(wire.ChunkBytes>>10) && v.Capacity.DegradedHealthyKB+v.Capacity.PendingRebuildKB+v.Capacity.ActiveRebuildKB == 0
	}
	until := func(what string, holds func(mgmt.View) bool) {
		t.Helper()
		op.soon(what, func() error {
			var v mgmt.View
			if err := op.try(mgmt.CmdView, nil, &v); err != nil {
				return err
			}
			if !holds(v) {
				return errors.New("not yet")
			}
			return nil
		})
	}
	until("all data protected", protected) // all chunks were written once
	loseAndReturn := func(s *scaleiotest.SDS) {
		t.Helper()
		s.Stop()
		until("the loss is noticed", func(v mgmt.View) bool { return !protected(v) })
		goesOn("writes without one SDS")
		s.Start()
		until("all data protected again", protected)
	}
	loseAndReturn(servers[0])
	m[0].Kill()
	goesOn("writes while the master is away")
	m[0].Start()
	until("the SDC is with the next master", func(v mgmt.View) bool { return v.SDCs[0].Connected })
	loseAndReturn(servers[1])
	stop.Store(true)
	require.NoError(t, <-failed)
	t.Log("writes", writes.Load())

	got := make([]byte, block)
	for chunk := range chunks {
		_, err := volume.ReadAt(got, int64(chunk)*wire.ChunkBytes)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(model[chunk*block:(chunk+1)*block], got), "chunk %d", chunk)
	}
	compareCopies(t, op)
}

// compareCopies reads both places of every chunk from their SDSs.
func compareCopies(t *testing.T, op *operator) {
	t.Helper()
	var v mgmt.View
	op.must(mgmt.CmdView, nil, &v)
	for _, host := range op.hosts {
		conn, err := net.Dial("tcp", mgmt.Address(host, wire.PortMDMManagement))
		if err != nil {
			continue
		}
		_ = conn.Close()
		c := newClient(t, host, "4B1C5F4E-0000-4000-8000-0000000000BB")
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
		return
	}
	t.Fatal("no master")
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
