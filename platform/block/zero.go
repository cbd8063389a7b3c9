package block

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	blockSize = 4096
	// edge is read whole at both ends of a disk: superblocks, labels, tables and their backups all lie there.
	edge = 16 << 20
	// samples of one block each are read between the edges.
	samples = 4096
	chunk   = 1 << 20
)

// firstData gives the offset of the first block that isn't all zero among the ones that are looked at, or -1.
func firstData(ctx context.Context, r io.ReaderAt, size int64) (int64, error) {
	buf, release, err := alignedBuffer(chunk)
	if err != nil {
		return 0, err
	}
	defer release()

	for _, span := range edges(size) {
		for at := span[0]; at < span[1]; at += chunk {
			if found, err := dataIn(ctx, r, buf[:min(chunk, span[1]-at)], at); err != nil || found >= 0 {
				return found, err
			}
		}
	}
	between := size - 2*edge
	if between <= 0 {
		return -1, nil
	}
	places, err := randomBlocks(edge, between/blockSize)
	if err != nil {
		return 0, err
	}
	for _, at := range places {
		if found, err := dataIn(ctx, r, buf[:min(blockSize, size-at)], at); err != nil || found >= 0 {
			return found, err
		}
	}
	return -1, nil
}

// edges are the spans that are read whole; a small disk is one span.
func edges(size int64) [][2]int64 {
	if size <= 2*edge {
		return [][2]int64{{0, size}}
	}
	return [][2]int64{{0, edge}, {(size - edge) &^ (blockSize - 1), size}}
}

// dataIn reads one piece. The offset that it gives is that of the block with data.
func dataIn(ctx context.Context, r io.ReaderAt, buf []byte, at int64) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("reading for the zero test: %w", context.Cause(ctx))
	}
	n, err := r.ReadAt(buf, at)
	if n < len(buf) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, fmt.Errorf("reading for the zero test at byte %d: %w", at, err)
	}
	if allZero(buf) {
		return -1, nil
	}
	first := bytes.IndexFunc(buf, func(r rune) bool { return r != 0 })
	return at + int64(first)&^(blockSize-1), nil
}

func allZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}

// randomBlocks draws places that nobody can foresee, in rising order, which spinning disks read faster.
func randomBlocks(start, blocks int64) ([]int64, error) {
	var seed [32]byte
	if _, err := cryptorand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("drawing blocks to look at: %w", err)
	}
	source := rand.New(rand.NewChaCha8(seed))
	places := make([]int64, samples)
	for i := range places {
		places[i] = start + source.Int64N(max(blocks, 1))*blockSize
	}
	slices.Sort(places)
	return slices.Compact(places), nil
}

// alignedBuffer comes from its own mapping: O_DIRECT needs the alignment, and the memory goes back at once.
func alignedBuffer(size int) (buf []byte, release func(), err error) {
	buf, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, nil, fmt.Errorf("getting a buffer: %w", err)
	}
	return buf, func() { _ = unix.Munmap(buf) }, nil
}
