package platformtest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// A KernelModule's file, as far as it is looked at without loading it: an ELF file with .modinfo, and perhaps a signature.
type KernelModule struct {
	Name, Vermagic, Version, SrcVersion string
	Machine                             elf.Machine // 0 = x86-64
	Signed                              bool
}

// File is the whole of it.
func (m KernelModule) File() []byte {
	var info bytes.Buffer
	for _, field := range [][2]string{{"license", "GPL"}, {"version", m.Version}, {"srcversion", m.SrcVersion}, {"name", m.Name}, {"vermagic", m.Vermagic}} {
		if field[1] != "" {
			info.WriteString(field[0] + "=" + field[1] + "\x00")
		}
	}
	names := []byte("\x00.modinfo\x00.shstrtab\x00")
	const head, section = 64, 64
	at := uint64(head + info.Len() + len(names))
	var b bytes.Buffer
	machine := m.Machine
	if machine == 0 {
		machine = elf.EM_X86_64
	}
	ident := [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}
	write := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a buffer takes everything
	write(elf.Header64{Ident: ident, Type: uint16(elf.ET_REL), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT), Shoff: at, Ehsize: head, Shentsize: section, Shnum: 3, Shstrndx: 2})
	b.Write(info.Bytes())
	b.Write(names)
	write(elf.Section64{})
	write(elf.Section64{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: head, Size: uint64(info.Len()), Addralign: 1})
	write(elf.Section64{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: uint64(head + info.Len()), Size: uint64(len(names)), Addralign: 1})
	if m.Signed {
		signature := []byte("PKCS#7 in DER")
		b.Write(signature)
		b.Write([]byte{0, 0, 2, 0, 0, 0, 0, 0})
		_ = binary.Write(&b, binary.BigEndian, uint32(len(signature))) //nolint:gosec // a few bytes
		b.WriteString("~Module signature appended~\n")
	}
	return b.Bytes()
}
