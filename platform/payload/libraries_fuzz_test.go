package payload

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
)

// program is an ELF file of the smallest kind that needs a loader and libraries.
func program(loader, runpath string, needed ...string) []byte {
	const head, segment, section, symbol = 64, 56, 64, 16
	names := "\x00" + loader + "\x00" + runpath + "\x00"
	dynamic := []elf.Dyn64{{Tag: int64(elf.DT_RUNPATH), Val: uint64(2 + len(loader))}}
	for _, library := range needed {
		dynamic = append(dynamic, elf.Dyn64{Tag: int64(elf.DT_NEEDED), Val: uint64(len(names))})
		names += library + "\x00"
	}
	dynamic = append(dynamic, elf.Dyn64{})
	sections := "\x00.dynstr\x00.dynamic\x00.shstrtab\x00"
	var b bytes.Buffer
	write := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	at := uint64(head + segment)
	dynamicAt := at + uint64(len(names))
	sectionsAt := dynamicAt + uint64(len(dynamic)*symbol)
	table := sectionsAt + uint64(len(sections))
	ident := [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}
	write(elf.Header64{Ident: ident, Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Phoff: head, Shoff: table,
		Ehsize: head, Phentsize: segment, Phnum: 1, Shentsize: section, Shnum: 4, Shstrndx: 3})
	write(elf.Prog64{Type: uint32(elf.PT_INTERP), Off: at + 1, Filesz: uint64(len(loader) + 1)})
	b.WriteString(names)
	write(dynamic)
	b.WriteString(sections)
	write(elf.Section64{})
	write(elf.Section64{Name: 1, Type: uint32(elf.SHT_STRTAB), Off: at, Size: uint64(len(names)), Addralign: 1})
	write(elf.Section64{Name: 9, Type: uint32(elf.SHT_DYNAMIC), Off: dynamicAt, Size: sectionsAt - dynamicAt, Link: 1, Entsize: symbol, Addralign: 8})
	write(elf.Section64{Name: 18, Type: uint32(elf.SHT_STRTAB), Off: sectionsAt, Size: uint64(len(sections)), Addralign: 1})
	return b.Bytes()
}

// Programs of a package, and the system's loader configuration: what they need is said, or found where it is said to be.
func FuzzLibraries(f *testing.F) {
	f.Add(program("/lib64/ld.so", "$ORIGIN/../lib", "libc.so.6", "libown.so"), []byte("/opt/own\n"))
	f.Add(program("/lib64/ld.so", "", "../../lib64/libc.so.6"), []byte("include /etc/ld.so.conf.d/*.conf\n"))
	f.Add(program("/nowhere", "", ""), []byte(""))
	f.Add([]byte("#!/bin/sh\n"), []byte("relative\n\x00\n"))
	root := f.TempDir()
	for _, file := range []string{"lib64/ld.so", "lib64/libc.so.6", "opt/own/libown.so", "opt/bin/p", "etc/ld.so.conf"} {
		require.NoError(f, os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755))
		require.NoError(f, os.WriteFile(filepath.Join(root, file), nil, 0o755))
	}
	p := New(platform.Root(root), Host{}, nil)
	f.Fuzz(func(t *testing.T, file, conf []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(root, "opt/bin/p"), file, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, "etc/ld.so.conf"), conf, 0o644))
		missing, err := p.libraries([]entry{{Path: "/opt/bin/p", Kind: kindFile, Mode: 0o755}})
		if missing != "" && (err != nil || !strings.HasPrefix(missing, "/")) {
			t.Errorf("%q and %v", missing, err)
		}
		dirs, err := p.configuredDirs()
		require.NoError(t, err)
		for _, dir := range dirs {
			if !strings.HasPrefix(dir, "/") || strings.Contains(dir, "\n") {
				t.Errorf("%q names %q", conf, dir)
			}
		}
	})
}

func TestLibraries_ofAnELFFile(t *testing.T) {
	root := t.TempDir()
	put := func(file string, content []byte) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, file), content, 0o755))
	}
	p := New(platform.Root(root), Host{}, nil)
	missing := func() string {
		said, err := p.libraries([]entry{{Path: "/opt/bin/p", Kind: kindFile, Mode: 0o755}})
		require.NoError(t, err)
		return said
	}
	put("opt/bin/p", program("/lib64/ld.so", "$ORIGIN/../lib", "libc.so.6", "libown.so"))
	require.Contains(t, missing(), "needs the loader /lib64/ld.so")
	put("lib64/ld.so", nil)
	require.Contains(t, missing(), "needs the library libc.so.6")
	put("lib64/libc.so.6", program("/lib64/ld.so", "", "libdeep.so"))
	require.Contains(t, missing(), "needs the library libdeep.so")
	put("usr/lib/libdeep.so", program("", "", "libc.so.6"))
	require.Contains(t, missing(), "needs the library libown.so")
	put("opt/lib/libown.so", nil)
	require.Empty(t, missing(), "where the program itself says")
}
