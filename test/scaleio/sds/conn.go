package sds

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"scaleio-framework/test/scaleio/wire"
)

// Conn is the asking side of the protocol: one request at a time. After any error that isn't a *RefusedError it must be closed.
type Conn struct {
	conn net.Conn
	in   *bufio.Reader
}

// RefusedError is an SDS' answer that it won't: the connection is still good.
type RefusedError struct {
	Text string
	Code int
}

func (e *RefusedError) Error() string { return e.Text }

// Stale reports that the request came with an older map than the SDS knows of.
func (e *RefusedError) Stale() bool { return e.Text == errStale.text }

// NewConn wraps a connection to an SDS.
func NewConn(c net.Conn) *Conn {
	return &Conn{conn: c, in: bufio.NewReaderSize(c, 64<<10)}
}

// Close ends the connection; a request under way fails.
func (c *Conn) Close() {
	_ = c.conn.Close() // nothing is buffered on our side
}

// Do sends a request that has no data and gives the answer.
func (c *Conn) Do(req wire.SDSRequest, timeout time.Duration) (wire.SDSAnswer, error) {
	return c.exchange(req, nil, timeout)
}

// Write sends data; nil means that it is on the device.
func (c *Conn) Write(req wire.SDSRequest, data []byte, timeout time.Duration) error {
	req.Op, req.Length = "write", int64(len(data))
	_, err := c.exchange(req, data, timeout)
	return err
}

// Read fills p.
func (c *Conn) Read(req wire.SDSRequest, p []byte, timeout time.Duration) error {
	req.Op, req.Length = "read", int64(len(p))
	a, err := c.exchange(req, nil, timeout)
	if err != nil {
		return err
	}
	if a.Length != int64(len(p)) {
		return fmt.Errorf("reading from sds: %d bytes announced, %d asked for", a.Length, len(p))
	}
	if _, err := io.ReadFull(c.in, p); err != nil {
		return fmt.Errorf("reading from sds: %w", err)
	}
	return nil
}

// ReadNext fills p from the first of the chunk's blocks from req.Offset on that isn't all zero; n = 0: there is none.
func (c *Conn) ReadNext(req wire.SDSRequest, p []byte, timeout time.Duration) (offset int64, n int, err error) {
	req.Op, req.Length = "read-next", int64(len(p))
	a, err := c.exchange(req, nil, timeout)
	if err != nil {
		return 0, 0, err
	}
	if a.Length < 0 || a.Length > int64(len(p)) || a.Offset < req.Offset || a.Offset > wire.ChunkBytes-a.Length {
		return 0, 0, fmt.Errorf("reading from sds: %d bytes at %d announced, %d from %d on asked for", a.Length, a.Offset, len(p), req.Offset)
	}
	n, err = io.ReadFull(c.in, p[:a.Length])
	if err != nil {
		return 0, 0, fmt.Errorf("reading from sds: %w", err)
	}
	return a.Offset, n, nil
}

func (c *Conn) exchange(req wire.SDSRequest, data []byte, timeout time.Duration) (wire.SDSAnswer, error) {
	var a wire.SDSAnswer
	line, err := json.Marshal(req)
	if err != nil {
		return a, fmt.Errorf("encoding %s: %w", req.Op, err)
	}
	if err := c.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return a, fmt.Errorf("asking sds to %s: %w", req.Op, err)
	}
	packet := net.Buffers{append(line, '\n'), data}
	if _, err := packet.WriteTo(c.conn); err != nil {
		return a, fmt.Errorf("asking sds to %s: %w", req.Op, err)
	}
	answer, err := readLine(c.in)
	if err != nil {
		return a, fmt.Errorf("waiting for sds to %s: %w", req.Op, err)
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return a, fmt.Errorf("decoding the answer to %s: %w", req.Op, err)
	}
	if a.Error != "" {
		return a, &RefusedError{Text: a.Error, Code: a.Code}
	}
	return a, nil
}

var errLineTooLong = errors.New("line too long")

// readLine is bounded by the reader's buffer.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, errLineTooLong
	}
	return line, err
}
