package nodes

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// streamContains looks for text in r, also across the borders of its chunks.
func streamContains(r io.Reader, text []byte) (bool, error) {
	chunk := make([]byte, 1<<20)
	kept := 0
	for {
		n, err := io.ReadFull(r, chunk[kept:])
		window := chunk[:kept+n]
		if bytes.Contains(window, text) {
			return true, nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("reading: %w", err)
		}
		kept = min(len(text)-1, len(window))
		copy(chunk, window[len(window)-kept:])
	}
}

// sumBlocks writes every block of r that isn't all zeros to sum, with its place.
func sumBlocks(sum io.Writer, at int64, r io.Reader) error {
	const size = 4096
	var zeros [size]byte
	chunk := make([]byte, 256*size)
	for {
		n, err := io.ReadFull(r, chunk)
		for block := chunk[:n]; len(block) > 0; at += size {
			part := block[:min(size, len(block))]
			block = block[len(part):]
			if bytes.Equal(part, zeros[:len(part)]) {
				continue
			}
			place := binary.BigEndian.AppendUint64(nil, uint64(at))
			if _, err := sum.Write(append(place, part...)); err != nil {
				return fmt.Errorf("summing: %w", err)
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading: %w", err)
		}
	}
}
