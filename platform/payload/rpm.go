package payload

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/sassoftware/go-rpmutils"
	"golang.org/x/sys/unix"

	"scaleio-framework/platform/pkgmgr"
)

// Bounds of what is taken from a package.
const (
	maxFiles    = 20_000
	maxFileSize = 2 << 30
	maxTotal    = 4 << 30
)

// ghost files are owned by a package and not in it.
const (
	flagConfig = 1 << 0
	flagGhost  = 1 << 6
)

// source is an opened .rpm.
type source struct {
	file    *os.File
	rest    *bufio.Reader // of the file, behind its headers
	packing string
	infos   []rpmutils.FileInfo
	name    string
	version string // as rpm writes it: [EPOCH:]VERSION-RELEASE
	sha256  string
	files   []packed
}

// packed is one file in the package.
type packed struct {
	name   string // as packed
	kind   kind
	mode   os.FileMode
	size   int64
	target string
	digest string // SHA-256, "" = the package has another kind
}

func (s *source) close() { _ = s.file.Close() }

// open reads a package's headers, and refuses what could not be undone or was never meant for a machine's files.
func open(file string) (*source, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading package %s: %w", file, err)
	}
	s := &source{file: f}
	if err := s.read(); err != nil {
		s.close()
		return nil, fmt.Errorf("reading package %s: %w", file, err)
	}
	return s, nil
}

func (s *source) read() (err error) {
	defer func() { // the library takes for granted that a header's lists are of one length
		if broken := recover(); broken != nil {
			err = notAPackage("its header is damaged: %v", broken)
		}
	}()
	hash := sha256.New()
	if _, err := io.Copy(hash, s.file); err != nil {
		return err
	}
	s.sha256 = hex.EncodeToString(hash.Sum(nil))
	if err := boundHeaders(s.file); err != nil {
		return err
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	s.rest = bufio.NewReaderSize(s.file, 1<<16)
	header, err := rpmutils.ReadHeader(s.rest)
	if err != nil {
		return notAPackage("%v", err)
	}
	if s.packing, err = packing(header); err != nil {
		return err
	}
	nevra, err := header.GetNEVRA()
	if err != nil {
		return notAPackage("it has no name or version: %v", err)
	}
	s.name, s.version = nevra.Name, nevra.Version+"-"+nevra.Release
	if nevra.Epoch != "0" {
		s.version = nevra.Epoch + ":" + s.version
	}
	if s.infos, err = header.GetFiles(); err != nil {
		return notAPackage("its list of files: %v", err)
	}
	if !utf8.ValidString(s.name) || !utf8.ValidString(s.version) { // the record couldn't name it
		return notAPackage("%q of version %q isn't UTF-8", s.name, s.version)
	}
	s.files, err = accept(s.infos, digestsAreSHA256(header))
	return err
}

// rpm's own bounds of a header: the library makes room for whatever it says.
const (
	rpmLead       = 96
	maxHeaderTags = 0xffff
	maxHeaderData = 64 << 20
)

// boundHeaders of a package: behind its lead those of the signature, filled up to eight bytes, and then its own.
func boundHeaders(file io.ReaderAt) error {
	at := int64(rpmLead)
	for range 2 {
		intro := make([]byte, 16)
		if _, err := file.ReadAt(intro, at); err != nil {
			return notAPackage("its header isn't there: %v", err)
		}
		tags, data := int64(binary.BigEndian.Uint32(intro[8:])), int64(binary.BigEndian.Uint32(intro[12:]))
		if tags > maxHeaderTags || data > maxHeaderData {
			return notAPackage("its header has %d tags and %d bytes, more than any", tags, data)
		}
		at += 16 + 16*tags + (data+7)&^7
	}
	return nil
}

// compareVersions as rpm does, epoch first.
func compareVersions(a, b string) int {
	split := func(v string) [3]string {
		epoch, rest, ok := strings.Cut(v, ":")
		if !ok {
			epoch, rest = "0", v
		}
		version, release, _ := strings.Cut(rest, "-")
		return [3]string{epoch, version, release}
	}
	x, y := split(a), split(b)
	for i := range x {
		if order := rpmutils.Vercmp(x[i], y[i]); order != 0 {
			return order
		}
	}
	return 0
}

func notAPackage(format string, args ...any) error {
	return &pkgmgr.Error{Kind: pkgmgr.NotAPackage, Detail: fmt.Sprintf(format, args...)}
}

// digestsAreSHA256: 8 is SHA-256 in OpenPGP's numbering; no tag is MD5.
func digestsAreSHA256(h *rpmutils.RpmHeader) bool {
	algorithm, err := h.GetUint32s(rpmutils.FILEDIGESTALGO)
	return err == nil && len(algorithm) == 1 && algorithm[0] == 8
}

// accept checks the whole list before anything is written.
func accept(infos []rpmutils.FileInfo, sha256Digests bool) ([]packed, error) {
	if len(infos) > maxFiles {
		return nil, fmt.Errorf("it has %d files, more than %d", len(infos), maxFiles)
	}
	var files []packed
	var total int64
	kinds := map[string]kind{}
	for _, info := range infos {
		if info.Flags()&flagGhost != 0 {
			continue
		}
		f, err := acceptFile(info)
		if err != nil {
			return nil, err
		}
		if !sha256Digests {
			f.digest = ""
		}
		if total += f.size; total > maxTotal {
			return nil, fmt.Errorf("its files are larger than %d bytes together", int64(maxTotal))
		}
		if kinds[f.name] != "" {
			return nil, fmt.Errorf("it has %s twice", f.name)
		}
		kinds[f.name] = f.kind
		files = append(files, f)
	}
	for _, f := range files { // what lies below a link of the package would be written wherever that leads, and below a file there is no place
		for dir := path.Dir(f.name); dir != "/"; dir = path.Dir(dir) {
			if above := kinds[dir]; above != "" && above != kindDir {
				return nil, fmt.Errorf("%s is below %s, which is a %s", f.name, dir, above)
			}
		}
	}
	return files, nil
}

func acceptFile(info rpmutils.FileInfo) (packed, error) {
	name := info.Name()
	f := packed{name: name, mode: os.FileMode(info.Mode() & 0o777), target: info.Linkname()}
	switch {
	case !path.IsAbs(name) || path.Clean(name) != name || strings.ContainsAny(name, "\x00\n"):
		return f, fmt.Errorf("%q isn't a clean absolute path", name)
	case !utf8.ValidString(name) || !utf8.ValidString(f.target): // the record couldn't name it
		return f, fmt.Errorf("%q isn't UTF-8", name)
	case info.UserName() != "root" && info.UserName() != "" || info.GroupName() != "root" && info.GroupName() != "":
		return f, fmt.Errorf("%s belongs to %s:%s: only root's files can be unpacked", name, info.UserName(), info.GroupName())
	case info.Mode()&(unix.S_ISUID|unix.S_ISGID) != 0:
		return f, fmt.Errorf("%s would run with another's rights (mode %o)", name, info.Mode())
	}
	switch info.Mode() & unix.S_IFMT {
	case unix.S_IFREG:
		f.kind, f.size, f.digest = kindFile, info.Size(), info.Digest()
		if info.Flags()&flagConfig != 0 {
			f.kind = kindConfig
		}
		if f.size < 0 || f.size > maxFileSize {
			return f, fmt.Errorf("%s has %d bytes, more than %d", name, f.size, int64(maxFileSize))
		}
	case unix.S_IFLNK:
		f.kind, f.mode = kindLink, 0
		if f.target == "" || len(f.target) > 4096 {
			return f, fmt.Errorf("%s is a link to nothing", name)
		}
	case unix.S_IFDIR:
		f.kind = kindDir
	default:
		return f, fmt.Errorf("%s is a device or a socket (mode %o)", name, info.Mode())
	}
	return f, nil
}

// contents calls take for every file of the package whose content is in the payload. Of hard links only the last has it: take gets the names of all.
func (s *source) contents(take func(names []string, content io.Reader) error) error {
	content, err := plain(s.rest, s.packing)
	if err != nil {
		return fmt.Errorf("opening its content: %w", err)
	}
	defer content.Close()
	type inode struct{ device, inode int }
	byName, last := map[string]rpmutils.FileInfo{}, map[inode]string{}
	for _, info := range s.infos {
		byName[info.Name()] = info
		if info.Mode()&unix.S_IFMT == unix.S_IFREG {
			last[inode{info.Device(), info.Inode()}] = info.Name()
		}
	}
	waiting := map[inode][]string{}
	archive := &cpio{in: bufio.NewReaderSize(content, 1<<16)}
	for {
		name, err := archive.next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("reading its content: %w", err)
		}
		info, listed := byName[name]
		if !listed {
			return notAPackage("its content has a file %q that its list doesn't name, or has it twice", name)
		}
		delete(byName, name)
		if info.Mode()&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		node := inode{info.Device(), info.Inode()}
		if node.inode != 0 && last[node] != name {
			waiting[node] = append(waiting[node], name)
			continue
		}
		names := append(waiting[node], name)
		delete(waiting, node)
		if err := take(names, archive); err != nil {
			return err
		}
	}
	for _, names := range waiting {
		return fmt.Errorf("reading its content: %s has none", names[0])
	}
	return nil
}
