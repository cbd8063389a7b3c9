package sds

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"scaleio-framework/test/scaleio/wire"
)

const (
	copyBytes   = 1 << 20
	dialTimeout = 2 * time.Second
	ioTimeout   = 15 * time.Second
)

// copyChunk fetches a whole chunk from another SDS into a slot of ours. Zeros become holes, so that a rebuilt image stays as sparse.
func (s *Server) copyChunk(ctx context.Context, req wire.SDSRequest) error {
	d, err := s.device(req.Device)
	if err != nil {
		return err
	}
	if req.From == nil {
		return refusef("copy-chunk names no source")
	}
	if _, err := d.where(req.Slot, 0, wire.ChunkBytes); err != nil {
		return err
	}
	if err := d.claim(req.Volume, req.Slot); err != nil {
		return d.note(err)
	}
	conn, err := s.options.Dial(ctx, req.From.Addr)
	if err != nil {
		return fmt.Errorf("copying a chunk from sds %s: %w", req.From.SDS, err)
	}
	source := NewConn(conn)
	defer source.Close()
	stop := context.AfterFunc(ctx, source.Close)
	defer stop()
	buf, none := make([]byte, copyBytes), make([]byte, copyBytes)
	for offset := int64(0); offset < wire.ChunkBytes; offset += copyBytes {
		ask := wire.SDSRequest{
			Op: "read", System: s.system(), SDS: req.From.SDS, Volume: req.Volume,
			Device: req.From.Device, Slot: req.From.Slot, Offset: offset, Length: copyBytes,
		}
		if err := source.Read(ask, buf, ioTimeout); err != nil {
			return fmt.Errorf("copying a chunk from sds %s: %w", req.From.SDS, err)
		}
		at := wire.DeviceDataOffset + req.Slot*wire.ChunkBytes + offset
		if bytes.Equal(buf, none) {
			err = zero(d.file, at, copyBytes)
		} else {
			_, err = d.file.WriteAt(buf, at)
		}
		if err != nil {
			return d.note(err)
		}
	}
	return d.note(unix.Fdatasync(int(d.file.Fd())))
}

// zeroChunk empties a slot before its next use.
func (s *Server) zeroChunk(req wire.SDSRequest) error {
	d, err := s.device(req.Device)
	if err != nil {
		return err
	}
	if _, err := d.where(req.Slot, 0, wire.ChunkBytes); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.note(d.reset(req.Slot, markOf(req.Volume)))
}

func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	return d.DialContext(ctx, "tcp", addr)
}
