package block

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
)

// machine is a tree of fixtures: /sys and /proc as text, devices as sparse files.
type machine struct {
	t     *testing.T
	root  string
	table map[string]number // path in /dev -> number
	busy  map[string]bool
	opens int
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, root: t.TempDir(), table: map[string]number{}, busy: map[string]bool{}}
	m.file("proc/1/mountinfo", "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n")
	m.file("proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")
	m.file("proc/devices", "Character devices:\n  1 mem\n252 scini\n\nBlock devices:\n  7 loop\n259 blkext\n")
	m.dir("sys/block")
	m.dir("dev")
	return m
}

func (m *machine) scanner() *Scanner {
	s := NewScanner(platform.Root(m.root), Options{})
	s.devices = m
	return s
}

func (m *machine) path(p string) string { return filepath.Join(m.root, p) }

func (m *machine) dir(p string) {
	m.t.Helper()
	require.NoError(m.t, os.MkdirAll(m.path(p), 0o755))
}

func (m *machine) file(p, text string) *machine {
	m.t.Helper()
	m.dir(filepath.Dir(p))
	require.NoError(m.t, os.WriteFile(m.path(p), []byte(text), 0o644))
	return m
}

func (m *machine) link(target, p string) *machine {
	m.t.Helper()
	m.dir(filepath.Dir(p))
	require.NoError(m.t, os.Symlink(target, m.path(p)))
	return m
}

// sys lays attributes of a device, "device/model=X".
func (m *machine) sys(name, num string, size int64, attributes ...string) *machine {
	m.t.Helper()
	dir := filepath.Join("sys/block", name)
	m.file(dir+"/dev", num+"\n").file(dir+"/size", fmt.Sprintf("%d\n", size/512)).file(dir+"/ro", "0\n").file(dir+"/removable", "0\n")
	m.dir(dir + "/holders")
	m.dir(dir + "/slaves")
	for _, a := range attributes {
		path, value, _ := strings.Cut(a, "=")
		m.file(filepath.Join(dir, path), value+"\n")
	}
	return m
}

// node puts a device into /dev with an all zero image behind it.
func (m *machine) node(name, num string, size int64) *machine {
	m.t.Helper()
	n, ok := parseNumber(num)
	require.True(m.t, ok)
	m.table["/dev/"+name] = n
	file, err := os.Create(m.path("dev/" + name))
	require.NoError(m.t, err)
	defer file.Close()
	require.NoError(m.t, file.Truncate(size))
	return m
}

const mib = 1 << 20

// nvme is an empty disk of 40 MiB that nothing stands against.
func (m *machine) nvme() *machine {
	return m.sys("nvme1n1", "259:1", 40*mib, "device/model=Amazon Elastic Block Store", "device/serial=vol0123456789abcdef0").node("nvme1n1", "259:1", 40*mib)
}

func (m *machine) write(name string, offset int64, data string) *machine {
	m.t.Helper()
	file, err := os.OpenFile(m.path("dev/"+name), os.O_WRONLY, 0)
	require.NoError(m.t, err)
	defer file.Close()
	_, err = file.WriteAt([]byte(data), offset)
	require.NoError(m.t, err)
	return m
}

func (m *machine) nodes() (map[number][]string, error) {
	all := map[number][]string{}
	for path, n := range m.table {
		all[n] = append(all[n], path)
	}
	return all, nil
}

func (m *machine) number(path string) (number, bool, error) {
	if target, err := os.Readlink(path); err == nil {
		path = m.path(target)
	}
	n, ok := m.table[strings.TrimPrefix(path, m.root)]
	if !ok {
		return n, false, os.ErrNotExist
	}
	return n, true, nil
}

func (m *machine) opened(path string) (number, bool, error) { return m.number(path) }

func (m *machine) open(path string) (device, error) {
	m.opens++
	if m.busy[path] {
		return nil, errBusy
	}
	file, err := os.Open(m.path(path))
	if err != nil {
		return nil, err
	}
	return &image{file, m.table[path]}, nil
}

type image struct {
	*os.File
	num number
}

func (i *image) is() (number, int64, error) {
	info, err := i.Stat()
	return i.num, info.Size(), err
}

// ReadAt refuses what O_DIRECT would refuse.
func (i *image) ReadAt(b []byte, at int64) (int, error) {
	if at%512 != 0 || len(b)%512 != 0 {
		return 0, fmt.Errorf("reading %d bytes at %d isn't aligned", len(b), at)
	}
	return i.File.ReadAt(b, at)
}

// sparseZeros is a large disk without data, except at one place.
type sparse struct {
	size, at int64
	data     string
	reads    []int64
}

func (s *sparse) ReadAt(b []byte, at int64) (int, error) {
	s.reads = append(s.reads, at)
	clear(b)
	if s.data != "" && at <= s.at && s.at < at+int64(len(b)) {
		copy(b[s.at-at:], s.data)
	}
	return len(b), nil
}

func zeros(n int) []byte { return bytes.Repeat([]byte{0}, n) }
