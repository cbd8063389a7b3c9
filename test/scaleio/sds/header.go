package sds

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"

	"scaleio-framework/test/scaleio/wire"
)

// The first MiB of a device: a block with the header, then 8 bytes per slot that say which volume the slot's bytes belong to.
const (
	headerMagic  = "SCALEIO-DEV"
	headerBytes  = 4096
	markBytes    = 8
	marksPerDisk = (wire.DeviceDataOffset - headerBytes) / markBytes // 8 TB; the product's devices end at 6 TB
)

// header tells whose device this is. It is why an SDS finds its devices again after the kernel has renamed them.
type header struct {
	System string `json:"system"`
	SDS    string `json:"sds"`
	Device string `json:"device"`
}

var errNoHeader = errors.New("no ScaleIO header")

func readHeader(r io.ReaderAt) (header, error) {
	var h header
	block := make([]byte, headerBytes)
	if _, err := r.ReadAt(block, 0); err != nil {
		return h, fmt.Errorf("reading header: %w", err)
	}
	rest, ours := bytes.CutPrefix(block, []byte(headerMagic+"\n"))
	if !ours {
		return h, errNoHeader
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if err := json.Unmarshal(line, &h); err != nil {
		return h, fmt.Errorf("reading header: %w", err)
	}
	return h, nil
}

func (h header) encode() ([]byte, error) {
	line, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encoding header: %w", err)
	}
	block := make([]byte, headerBytes)
	if copy(block, headerMagic+"\n"+string(line)+"\n") == headerBytes {
		return nil, fmt.Errorf("encoding header: %d bytes don't fit", len(line))
	}
	return block, nil
}

// markOf is what the slot table holds for a volume; 0 means that nobody has written.
func markOf(volume string) uint64 {
	if volume == "" {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(volume))
	return h.Sum64() | 1
}

func readMarks(r io.ReaderAt, slots int64) ([]uint64, error) {
	raw := make([]byte, slots*markBytes)
	if _, err := r.ReadAt(raw, headerBytes); err != nil {
		return nil, fmt.Errorf("reading slot table: %w", err)
	}
	marks := make([]uint64, slots)
	for i := range marks {
		marks[i] = binary.LittleEndian.Uint64(raw[i*markBytes:])
	}
	return marks, nil
}
