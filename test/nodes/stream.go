package nodes

import (
	"bytes"
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
