package payload_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// rpmFile makes .rpm files, also such as rpmbuild would never make.
type rpmFile struct {
	name, version, release string
	files                  []rpmEntry
	compressor             string // "" = gzip, as if there were no other
}

type rpmEntry struct {
	name    string
	mode    int // with the file's type
	content string
	target  string
	owner   string // "" = root
	flags   int
	inode   int    // several files of one inode are hard links
	digest  string // "" = the right one
}

func file(name, content string) rpmEntry {
	return rpmEntry{name: name, mode: 0o100644, content: content}
}
func program(name, content string) rpmEntry {
	return rpmEntry{name: name, mode: 0o100755, content: content}
}
func link(name, target string) rpmEntry { return rpmEntry{name: name, mode: 0o120777, target: target} }
func dir(name string) rpmEntry          { return rpmEntry{name: name, mode: 0o040755} }

// Tags and types of rpm's header.
const (
	tagName, tagVersion, tagRelease, tagArch                    = 1000, 1001, 1002, 1022
	tagFileNames, tagSizes, tagModes, tagMtimes                 = 1027, 1028, 1030, 1034
	tagDigests, tagLinks, tagFlags, tagUsers                    = 1035, 1036, 1037, 1039
	tagGroups, tagDevices, tagInodes, tagDigestAlgo             = 1040, 1095, 1096, 5011
	tagPayloadDigest, tagPayloadDigestAlgo, tagCompressor       = 5092, 5093, 1125
	typeInt16, typeInt32, typeString, typeArray           int32 = 3, 4, 6, 8
)

type rpmHeader struct {
	index, data bytes.Buffer
	count       int32
}

func (h *rpmHeader) add(tag, kind int32, count int, data []byte) {
	for kind == typeInt16 && h.data.Len()%2 != 0 || kind == typeInt32 && h.data.Len()%4 != 0 {
		h.data.WriteByte(0)
	}
	for _, v := range []int32{tag, kind, int32(h.data.Len()), int32(count)} {
		_ = binary.Write(&h.index, binary.BigEndian, v)
	}
	h.data.Write(data)
	h.count++
}

func (h *rpmHeader) strings(tag, kind int32, values ...string) {
	h.add(tag, kind, len(values), []byte(strings.Join(values, "\x00")+"\x00"))
}

func (h *rpmHeader) ints(tag, kind int32, values ...int) {
	var b bytes.Buffer
	for _, v := range values {
		if kind == typeInt16 {
			_ = binary.Write(&b, binary.BigEndian, uint16(v))
		} else {
			_ = binary.Write(&b, binary.BigEndian, uint32(v))
		}
	}
	h.add(tag, kind, len(values), b.Bytes())
}

func (h *rpmHeader) bytes() []byte {
	var b bytes.Buffer
	b.Write([]byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0})
	_ = binary.Write(&b, binary.BigEndian, h.count)
	_ = binary.Write(&b, binary.BigEndian, int32(h.data.Len()))
	b.Write(h.index.Bytes())
	b.Write(h.data.Bytes())
	return b.Bytes()
}

// column gives one value of every file.
func column[T any](files []rpmEntry, of func(rpmEntry) T) []T {
	var all []T
	for _, f := range files {
		all = append(all, of(f))
	}
	return all
}

func (r rpmFile) build() []byte {
	r.number()
	payload := packed(r.compressor, r.cpio())
	return append(r.head(payload), payload...)
}

// number the inodes of files that are nobody's hard links.
func (r rpmFile) number() {
	for i := range r.files {
		if r.files[i].inode == 0 {
			r.files[i].inode = 1000 + i
		}
	}
}

// head is everything before the payload.
func (r rpmFile) head(payload []byte) []byte {
	var h rpmHeader
	h.strings(tagName, typeString, r.name)
	h.strings(tagVersion, typeString, r.version)
	h.strings(tagRelease, typeString, r.release)
	h.strings(tagArch, typeString, "x86_64")
	if len(r.files) > 0 {
		h.strings(tagFileNames, typeArray, column(r.files, func(e rpmEntry) string { return e.name })...)
		h.ints(tagSizes, typeInt32, column(r.files, func(e rpmEntry) int { return len(e.content) })...)
		h.ints(tagModes, typeInt16, column(r.files, func(e rpmEntry) int { return e.mode })...)
		h.ints(tagMtimes, typeInt32, column(r.files, func(rpmEntry) int { return 1700000000 })...)
		h.strings(tagDigests, typeArray, column(r.files, rpmEntry.sum)...)
		h.strings(tagLinks, typeArray, column(r.files, func(e rpmEntry) string { return e.target })...)
		h.ints(tagFlags, typeInt32, column(r.files, func(e rpmEntry) int { return e.flags })...)
		h.strings(tagUsers, typeArray, column(r.files, rpmEntry.user)...)
		h.strings(tagGroups, typeArray, column(r.files, rpmEntry.user)...)
		h.ints(tagDevices, typeInt32, column(r.files, func(rpmEntry) int { return 1 })...)
		h.ints(tagInodes, typeInt32, column(r.files, func(e rpmEntry) int { return e.inode })...)
		h.ints(tagDigestAlgo, typeInt32, 8)
	}
	if r.compressor != "" {
		h.strings(tagCompressor, typeString, r.compressor)
	}
	lead := make([]byte, 96)
	copy(lead, []byte{0xed, 0xab, 0xee, 0xdb, 3})
	signature := (&rpmHeader{}).bytes()
	sum := sha256.Sum256(payload)
	h.strings(tagPayloadDigest, typeArray, hex.EncodeToString(sum[:]))
	h.ints(tagPayloadDigestAlgo, typeInt32, 8)
	return bytes.Join([][]byte{lead, signature, h.bytes()}, nil)
}

func (e rpmEntry) user() string {
	if e.owner == "" {
		return "root"
	}
	return e.owner
}

func (e rpmEntry) sum() string {
	if e.digest != "" || e.mode&0o170000 != 0o100000 {
		return e.digest
	}
	sum := sha256.Sum256([]byte(e.content))
	return hex.EncodeToString(sum[:])
}

// cpio is an archive in the new ASCII format. Of hard links only the last carries the content.
func (r rpmFile) cpio() []byte {
	var cpio bytes.Buffer
	pad := func() {
		for cpio.Len()%4 != 0 {
			cpio.WriteByte(0)
		}
	}
	entry := func(name string, mode, inode int, content string) {
		fmt.Fprintf(&cpio, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00", inode, mode, 0, 0, 1, 0, len(content), 0, 1, 0, 0, len(name)+1, 0, name)
		pad()
		cpio.WriteString(content)
		pad()
	}
	for i, e := range r.files {
		content := e.content
		if e.target != "" {
			content = e.target
		}
		for _, later := range r.files[i+1:] {
			if later.inode == e.inode {
				content = ""
			}
		}
		if e.flags&(1<<6) == 0 {
			entry("."+e.name, e.mode, e.inode, content)
		}
	}
	entry("TRAILER!!!", 0, 0, "")
	return cpio.Bytes()
}

func packed(compressor string, plain []byte) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	switch compressor {
	case "xz":
		w, _ = xz.NewWriter(&b)
	case "lzma":
		w, _ = lzma.NewWriter(&b)
	case "zstd":
		w, _ = zstd.NewWriter(&b)
	case "", "gzip":
		w = gzip.NewWriter(&b)
	default:
		return plain
	}
	_, _ = w.Write(plain)
	_ = w.Close()
	return b.Bytes()
}
