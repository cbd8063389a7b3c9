package kmod

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// maxModule bounds a module file, compressed or not.
const maxModule = 128 << 20

// A Module is what a module's file says of itself.
type Module struct {
	Name       string // "" in files made for kernels before 4.13
	Vermagic   string // "6.1.0-18-amd64 SMP preempt mod_unload modversions"
	Version    string
	SrcVersion string
	Machine    elf.Machine
	Signed     bool // whether the kernel trusts the key is known only to the kernel
}

// Release that the module was built for: the first word of its vermagic.
func (m Module) Release() string {
	release, _, _ := strings.Cut(m.Vermagic, " ")
	return release
}

// Parse a module's file: plain, or compressed as depmod's are.
func Parse(data []byte) (Module, error) {
	data, err := uncompress(data)
	if err != nil {
		return Module{}, fmt.Errorf("reading a kernel module: %w", err)
	}
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return Module{}, fmt.Errorf("reading a kernel module: %w", err)
	}
	defer file.Close()
	info := file.Section(".modinfo")
	if file.Type != elf.ET_REL || info == nil || info.Type == elf.SHT_NOBITS || info.Size > maxInfo {
		return Module{}, errors.New("reading a kernel module: it is an ELF file without .modinfo")
	}
	text, err := info.Data()
	if err != nil {
		return Module{}, fmt.Errorf("reading a kernel module: %w", err)
	}
	m := Module{Machine: file.Machine, Signed: signed(data)}
	for _, field := range bytes.Split(text, []byte{0}) {
		key, value, _ := strings.Cut(string(field), "=")
		switch key {
		case "name":
			m.Name = value
		case "vermagic":
			m.Vermagic = strings.TrimSpace(value)
		case "version":
			m.Version = value
		case "srcversion":
			m.SrcVersion = value
		}
	}
	if m.Vermagic == "" {
		return Module{}, errors.New("reading a kernel module: it has no vermagic")
	}
	return m, nil
}

// maxInfo bounds .modinfo: that of modules with thousands of aliases has some hundred kB.
const maxInfo = 4 << 20

// Unpack gives the plain module of a file that may be compressed.
func Unpack(data []byte) ([]byte, error) { return uncompress(data) }

func uncompress(data []byte) ([]byte, error) {
	var plain io.Reader
	switch {
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("unpacking gzip: %w", err)
		}
		plain = r
	case bytes.HasPrefix(data, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		r, err := xz.ReaderConfig{DictCap: maxDictionary}.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("unpacking xz: %w", err)
		}
		plain = r
	case bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		r, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxModule))
		if err != nil {
			return nil, fmt.Errorf("unpacking zstd: %w", err)
		}
		defer r.Close()
		plain = r
	default:
		return data, nil
	}
	out, err := io.ReadAll(io.LimitReader(plain, maxModule+1))
	if err != nil {
		return nil, fmt.Errorf("unpacking: %w", err)
	}
	if len(out) > maxModule {
		return nil, fmt.Errorf("unpacking: more than %d bytes", maxModule)
	}
	return out, nil
}

const maxDictionary = 64 << 20

// trailer ends a signed module's file; before it stand struct module_signature (12 bytes, its last 4 the length) and the signature itself.
const trailer = "~Module signature appended~\n"

func signed(data []byte) bool {
	rest, ok := bytes.CutSuffix(data, []byte(trailer))
	if !ok || len(rest) < 12 {
		return false
	}
	length := binary.BigEndian.Uint32(rest[len(rest)-4:])
	return length > 0 && uint64(length) <= uint64(len(rest)-12)
}
