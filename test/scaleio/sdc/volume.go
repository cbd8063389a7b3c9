package sdc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"scaleio-framework/test/scaleio/sds"
	"scaleio-framework/test/scaleio/wire"
)

// ErrUnmapped is what I/O gets once the volume isn't mapped to this SDC any more.
var ErrUnmapped = errors.New("volume is not mapped to this SDC")

// Volume is a mapped volume. I/O waits while copies or the MDM are away; it fails only when the volume was unmapped or after the
// configured time.
type Volume struct {
	id     string
	system *System
	ctx    context.Context // ends when the volume is unmapped
	unmap  context.CancelFunc

	mu      sync.Mutex
	current wire.Volume
	chunks  map[int64][]wire.Copy
	changed chan struct{} // closed and replaced with every new map

	// Writes to one chunk go one after the other, so that both copies see overlapping ones in the same order.
	writing [64]sync.Mutex
}

func newVolume(s *System, id string) *Volume {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &Volume{
		id: id, system: s, ctx: ctx, unmap: func() { cancel(ErrUnmapped) },
		chunks: map[int64][]wire.Copy{}, changed: make(chan struct{}),
	}
}

// SizeBytes may grow.
func (v *Volume) SizeBytes() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.current.SizeBytes
}

// update takes a map; within a session an older one than ours is an answer that was overtaken.
func (v *Volume) update(m wire.Volume, anyGeneration bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !anyGeneration && m.Generation < v.current.Generation {
		return
	}
	chunks := make(map[int64][]wire.Copy, len(m.Chunks))
	for _, c := range m.Chunks {
		chunks[c.Index] = c.Copies
	}
	v.current, v.chunks = m, chunks
	close(v.changed)
	v.changed = make(chan struct{})
}

// place is where a chunk is, by one map.
type place struct {
	allocated  bool
	copies     []wire.Copy
	generation int64
	changed    <-chan struct{}
}

func (v *Volume) place(chunk int64) place {
	v.mu.Lock()
	defer v.mu.Unlock()
	copies, allocated := v.chunks[chunk]
	return place{allocated, copies, v.current.Generation, v.changed}
}

// ReadAt and WriteAt are those of io.ReaderAt and io.WriterAt.
var (
	_ io.ReaderAt = (*Volume)(nil)
	_ io.WriterAt = (*Volume)(nil)
)

func (v *Volume) ReadAt(p []byte, off int64) (int, error) {
	short := error(nil)
	if rest := max(v.SizeBytes()-off, 0); int64(len(p)) > rest {
		p, short = p[:rest], io.EOF
	}
	n, err := v.pieces(p, off, v.readChunk)
	return n, errors.Join(err, short)
}

func (v *Volume) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > v.SizeBytes() {
		return 0, fmt.Errorf("writing volume %s: %d+%d is beyond its end", v.id, off, len(p))
	}
	return v.pieces(p, off, v.writeChunk)
}

func (v *Volume) pieces(p []byte, off int64, do func(ctx context.Context, chunk, off int64, p []byte) error) (int, error) {
	ctx := v.ctx
	if t := v.system.options.IOTimeout; t > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t)
		defer cancel()
	}
	done := 0
	for done < len(p) {
		chunk, at := (off+int64(done))/wire.ChunkBytes, (off+int64(done))%wire.ChunkBytes
		n := int(min(int64(len(p)-done), wire.ChunkBytes-at))
		if err := do(ctx, chunk, at, p[done:done+n]); err != nil {
			return done, fmt.Errorf("volume %s: %w", v.id, err)
		}
		done += n
	}
	return done, nil
}

// readChunk asks one copy after the other. A chunk that nobody has written is zero; one that is allocated and has no copy in the map
// isn't: its data is out of reach, so the read waits.
func (v *Volume) readChunk(ctx context.Context, chunk, off int64, p []byte) error {
	for wait := newBackoff(); ; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		at := v.place(chunk)
		if !at.allocated {
			clear(p)
			return nil
		}
		stale := false
		for _, c := range v.system.pool.order(at.copies) {
			err := v.system.pool.do(ctx, c.Addr, func(conn *sds.Conn) error {
				return conn.Read(v.request(c, at, off), p, ioWithin)
			})
			if err == nil {
				return nil
			}
			var refused *sds.RefusedError
			if errors.As(err, &refused) && refused.Stale() {
				stale = true
				break
			}
			v.system.log.Warn("reading a copy failed", "volume", v.id, "chunk", chunk, "sds", c.SDS, "err", err)
		}
		if stale {
			v.refresh(ctx, chunk)
		}
		if v.place(chunk).generation == at.generation {
			wait.until(ctx, at.changed)
		}
	}
}

// writeChunk returns when the data is on every copy of the map that the SDSs agree with.
func (v *Volume) writeChunk(ctx context.Context, chunk, off int64, p []byte) error {
	order := &v.writing[chunk%int64(len(v.writing))]
	order.Lock()
	defer order.Unlock()
	for wait := newBackoff(); ; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		at := v.place(chunk)
		if len(at.copies) == 0 {
			if err := v.allocate(ctx, chunk); err != nil || len(v.place(chunk).copies) == 0 {
				wait.until(ctx, at.changed)
			}
			continue
		}
		failed, stale := v.writeCopies(ctx, at, off, p)
		if len(failed) == 0 && !stale {
			return nil
		}
		for _, c := range failed {
			if err := v.reportFailed(ctx, chunk, c); err != nil {
				v.system.log.Warn("reporting a failed copy failed, will retry", "volume", v.id, "chunk", chunk, "sds", c.SDS, "err", err)
			}
		}
		if stale && len(failed) == 0 {
			v.refresh(ctx, chunk)
		}
		if v.place(chunk).generation == at.generation {
			wait.until(ctx, at.changed)
		}
	}
}

func (v *Volume) writeCopies(ctx context.Context, at place, off int64, p []byte) (failed []wire.Copy, stale bool) {
	errs := make([]error, len(at.copies))
	var writes sync.WaitGroup
	for i, c := range at.copies {
		writes.Go(func() {
			errs[i] = v.system.pool.do(ctx, c.Addr, func(conn *sds.Conn) error {
				return conn.Write(v.request(c, at, off), p, ioWithin)
			})
		})
	}
	writes.Wait()
	for i, err := range errs {
		var refused *sds.RefusedError
		switch {
		case err == nil:
		case errors.As(err, &refused) && refused.Stale():
			stale = true
		case ctx.Err() != nil:
			stale = true // ours, not the copy's
		default:
			v.system.log.Warn("writing a copy failed", "volume", v.id, "sds", at.copies[i].SDS, "err", err)
			failed = append(failed, at.copies[i])
		}
	}
	return failed, stale
}

func (v *Volume) request(c wire.Copy, at place, off int64) wire.SDSRequest {
	return wire.SDSRequest{
		System: v.system.systemID(), SDS: c.SDS, Volume: v.id, Generation: at.generation,
		Device: c.Device, Slot: c.Slot, Offset: off,
	}
}

func (v *Volume) allocate(ctx context.Context, chunk int64) error {
	return v.system.ask(ctx, wire.SDCRequest{Op: "allocate", Volume: v.id, Chunk: chunk})
}

// refresh asks for the places of a chunk that has some: that changes nothing, but brings the map.
func (v *Volume) refresh(ctx context.Context, chunk int64) {
	if err := v.allocate(ctx, chunk); err != nil {
		v.system.log.Warn("asking for a newer map failed, will retry", "volume", v.id, "err", err)
	}
}

func (v *Volume) reportFailed(ctx context.Context, chunk int64, c wire.Copy) error {
	return v.system.ask(ctx, wire.SDCRequest{Op: "report-failed", Volume: v.id, Chunk: chunk, SDS: c.SDS, Device: c.Device})
}

// backoff waits a little longer each time, and not at all once the map has changed.
type backoff struct{ next time.Duration }

func newBackoff() *backoff { return &backoff{20 * time.Millisecond} }

func (b *backoff) until(ctx context.Context, changed <-chan struct{}) {
	pause(ctx, changed, b.next)
	b.next = min(2*b.next, time.Second)
}
