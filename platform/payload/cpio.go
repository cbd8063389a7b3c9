package payload

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/sassoftware/go-rpmutils"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// Bounds of what the payload may ask for before anything of it is known to be right. The dictionary is that of the strongest level that rpm packs with.
const (
	maxDictionary = 64 << 20
	maxName       = 4096
)

// packing of a package's content, by what its header says; "" = it says nothing, as when there was only one.
func packing(header *rpmutils.RpmHeader) (string, error) {
	if format, err := header.GetString(rpmutils.PAYLOADFORMAT); err == nil && format != "cpio" {
		return "", notAPackage("its content is of format %q", format)
	}
	compressor, unnamed := header.GetString(rpmutils.PAYLOADCOMPRESSOR)
	if unnamed != nil {
		return "", nil //nolint:nilerr // the library says by an error that there is no such tag
	}
	return compressor, nil
}

// plain is the payload, unpacked as it is read.
func plain(packed *bufio.Reader, compressor string) (io.ReadCloser, error) {
	if compressor == "" {
		compressor = "uncompressed"
		if start, _ := packed.Peek(2); string(start) == "\x1f\x8b" {
			compressor = "gzip"
		}
	}
	var r io.Reader
	var err error
	switch compressor {
	case "uncompressed":
		r = packed
	case "gzip":
		r, err = gzip.NewReader(packed)
	case "bzip2":
		r = bzip2.NewReader(packed)
	case "lzma":
		r, err = lzma.ReaderConfig{DictCap: maxDictionary}.NewReader(packed)
	case "xz":
		r, err = xz.ReaderConfig{DictCap: maxDictionary}.NewReader(packed)
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(2*maxDictionary)); err == nil {
			return z.IOReadCloser(), nil
		}
	default:
		return nil, notAPackage("its content is packed with %q", compressor)
	}
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", compressor, err)
	}
	return io.NopCloser(r), nil
}

// cpio is an archive in the new ASCII format: for each file a header of 13 numbers, a name and a content, the last two filled up to four bytes. There is a short form for
// packages with files of more than 4 GiB, which are refused before.
type cpio struct {
	in   *bufio.Reader
	left int64 // of the present content
	fill int64 // behind it
}

const (
	cpioMagic   = "070701"
	cpioHeader  = 110
	cpioTrailer = "TRAILER!!!"
)

// next file; io.EOF after the last. What wasn't read of the one before is passed over.
func (c *cpio) next() (name string, err error) {
	if _, err := io.CopyN(io.Discard, c.in, c.left+c.fill); err != nil {
		return "", unexpected(err)
	}
	header := make([]byte, cpioHeader)
	if _, err := io.ReadFull(c.in, header); err != nil {
		return "", unexpected(err)
	}
	size, sizeErr := strconv.ParseUint(string(header[54:62]), 16, 32)
	length, lengthErr := strconv.ParseUint(string(header[94:102]), 16, 32)
	if string(header[:6]) != cpioMagic || sizeErr != nil || lengthErr != nil || length < 2 || length > maxName {
		return "", fmt.Errorf("%q isn't the beginning of a file", header)
	}
	text := make([]byte, length+upTo4(cpioHeader+length))
	if _, err := io.ReadFull(c.in, text); err != nil {
		return "", unexpected(err)
	}
	c.left, c.fill = int64(size), int64(upTo4(size))
	if name = string(text[:length-1]); name == cpioTrailer {
		return "", io.EOF
	}
	if strings.HasPrefix(name, "./") {
		name = name[1:]
	}
	return name, nil
}

// Read the present file's content.
func (c *cpio) Read(b []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.in.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, unexpected(err)
}

func upTo4(n uint64) uint64 { return -n & 3 }

// unexpected: an archive has an end of its own.
func unexpected(err error) error {
	if err == io.EOF { //nolint:errorlint // what is wrapped came from elsewhere
		return io.ErrUnexpectedEOF
	}
	return err
}
