package mdm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/sdc"
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
	whole := func() {
		t.Helper()
		op.soon("all data protected", func() error {
			var v mgmt.View
			if err := op.try(mgmt.CmdView, nil, &v); err != nil {
				return err
			}
			if !protected(v) {
				return errors.New("degraded")
			}
			return nil
		})
	}
	whole() // all chunks were written once
	servers[0].Stop()
	goesOn("writes without one SDS")
	servers[0].Start()
	whole()
	m[0].Kill()
	goesOn("writes with another master")
	m[0].Start()
	whole()
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
		for _, chunk := range c.next().Volumes[0].Chunks {
			require.Len(t, chunk.Copies, 2)
			var copies [2][]byte
			for i, p := range chunk.Copies {
				_, copies[i] = sdsAsk(t, p.Addr, wire.SDSRequest{Op: "read", System: v.System.ID, SDS: p.SDS, Volume: v.Volumes[0].ID, Device: p.Device, Slot: p.Slot, Length: 1 << 20}, nil)
			}
			assert.True(t, bytes.Equal(copies[0], copies[1]), "chunk %d", chunk.Index)
		}
		return
	}
	t.Fatal("no master")
}
