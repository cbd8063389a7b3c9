package offers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxLengthLine is more digits than any length that is accepted has.
const maxLengthLine = 20

// readRecord reads one RecordIO record, "<decimal length>\n<bytes>". Memory grows with what really arrives, so that a false length costs nothing.
func readRecord(in *bufio.Reader, limit int64) ([]byte, error) {
	var line []byte
	for {
		b, err := in.ReadByte()
		if err != nil {
			if len(line) > 0 && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if b == '\n' {
			break
		}
		if line = append(line, b); len(line) > maxLengthLine {
			return nil, fmt.Errorf("a record's length line is %q", line)
		}
	}
	size, err := strconv.ParseInt(string(line), 10, 64)
	if err != nil || size < 0 || size > limit {
		return nil, fmt.Errorf("a record's length is %q: not within 0 to %d", line, limit)
	}
	var record bytes.Buffer
	if _, err := io.CopyN(&record, in, size); err != nil {
		return nil, fmt.Errorf("a record of %d bytes ended early: %w", size, io.ErrUnexpectedEOF)
	}
	return record.Bytes(), nil
}
