package sds

import (
	"bytes"
	"context"
	"errors"
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

// copyChunk fetches a whole chunk from another SDS into a slot of ours. Zeros aren't sent and become holes, so that a rebuilt image stays as sparse.
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
	if err := s.unlessStale(req, func() error { return d.claim(req.Volume, req.Slot) }); err != nil {
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
	buf := make([]byte, copyBytes)
	for done := int64(0); done < wire.ChunkBytes; {
		ask := wire.SDSRequest{System: s.system(), SDS: req.From.SDS, Volume: req.Volume, Device: req.From.Device, Slot: req.From.Slot, Offset: done}
		next, n, err := source.ReadNext(ask, buf, ioTimeout)
		if err != nil {
			return fmt.Errorf("copying a chunk from sds %s: %w", req.From.SDS, err)
		}
		if n == 0 {
			next = wire.ChunkBytes
		}
		if err := s.unlessStale(req, func() error { return d.fill(req.Slot, done, next, buf[:n]) }); err != nil {
			return d.note(err)
		}
		done = next + int64(n)
	}
	return d.note(unix.Fdatasync(int(d.file.Fd())))
}

// fill makes a chunk of ours zero from one offset to the next, and puts data there.
func (d *device) fill(slot, from, to int64, data []byte) error {
	at := wire.DeviceDataOffset + slot*wire.ChunkBytes
	if to > from {
		if err := zero(d.file, at+from, to-from); err != nil {
			return err
		}
	}
	_, err := d.file.WriteAt(data, at+to)
	return err
}

// readNext looks for data from an offset on: what a chunk holds costs its copy something, what it doesn't hold is neither read nor sent.
func (s *Server) readNext(req wire.SDSRequest, p []byte) (offset, length int64, err error) {
	d, err := s.device(req.Device)
	if err != nil {
		return 0, 0, err
	}
	if len(p) == 0 || req.Offset < 0 {
		return 0, 0, refusef("read-next of %d bytes from %d on", len(p), req.Offset)
	}
	for offset = req.Offset; offset < wire.ChunkBytes; offset += length {
		var end int64
		if offset, end, err = d.nextData(req.Slot, offset); err != nil {
			return 0, 0, err
		}
		length = min(int64(len(p)), end-offset)
		if err := d.read(req.Volume, req.Slot, offset, p[:length]); err != nil {
			return 0, 0, err
		}
		if !allZero(p[:length]) {
			return offset, length, nil
		}
	}
	return wire.ChunkBytes, 0, nil
}

// nextData skips a hole and tells where the next begins, as far as the device knows: a file does, a block device doesn't.
func (d *device) nextData(slot, offset int64) (from, to int64, err error) {
	at, err := d.where(slot, offset, 0)
	if err != nil {
		return 0, 0, err
	}
	data, err := unix.Seek(int(d.file.Fd()), at, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO): // a hole up to the end
		return wire.ChunkBytes, wire.ChunkBytes, nil
	case err != nil:
		return offset, wire.ChunkBytes, nil
	}
	from, to = offset+data-at, wire.ChunkBytes
	if hole, err := unix.Seek(int(d.file.Fd()), data, unix.SEEK_HOLE); err == nil {
		to = offset + hole - at
	}
	return min(from, wire.ChunkBytes), min(to, wire.ChunkBytes), nil
}

var zeroPage [4096]byte

func allZero(p []byte) bool {
	for len(p) > len(zeroPage) {
		if !bytes.Equal(p[:len(zeroPage)], zeroPage[:]) {
			return false
		}
		p = p[len(zeroPage):]
	}
	return bytes.Equal(p, zeroPage[:len(p)])
}

// zeroChunk empties a slot before its next use. One that another volume has taken since, or its own by a newer map, is left alone.
func (s *Server) zeroChunk(req wire.SDSRequest) error {
	d, err := s.device(req.Device)
	if err != nil {
		return err
	}
	if _, err := d.where(req.Slot, 0, wire.ChunkBytes); err != nil {
		return err
	}
	if req.Volume == "" {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.note(d.reset(req.Slot, 0))
	}
	return d.note(s.unlessStale(req, func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.marks[req.Slot] != markOf(req.Volume) {
			return nil
		}
		return d.reset(req.Slot, 0)
	}))
}

func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	return d.DialContext(ctx, "tcp", addr)
}
