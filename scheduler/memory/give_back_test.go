package memory

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const page = 4096

// What was read of a file that is mapped goes, and comes back when it is read again; what was written into a mapping of one's own stays, and so does every other file's.
func TestRelease(t *testing.T) {
	text := bytes.Repeat([]byte("scaleio "), 1<<20/8)
	path := filepath.Join(t.TempDir(), "with a blank")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	other := filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.WriteFile(other, text, 0o600))
	read, kept := mapped(t, path, syscall.PROT_READ, syscall.MAP_SHARED), mapped(t, other, syscall.PROT_READ, syscall.MAP_SHARED)
	written := mapped(t, path, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE)
	locked := mapped(t, path, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE)
	require.True(t, bytes.Equal(text, read) && bytes.Equal(text, kept))
	written[page], locked[page] = 'X', 'Y'
	require.NoError(t, syscall.Mprotect(locked, syscall.PROT_READ))
	require.Equal(t, len(text)/1024, resident(t, path, "r--s"))

	require.NoError(t, Release(path))
	assert.Zero(t, resident(t, path, "r--s"))
	assert.Equal(t, len(text)/1024, resident(t, other, "r--s"))
	assert.True(t, bytes.Equal(text, read))
	assert.Equal(t, byte('X'), written[page])
	assert.Equal(t, byte('Y'), locked[page])
}

func TestGiveBack(t *testing.T) {
	before := file(t)
	require.NoError(t, GiveBack())
	assert.Less(t, file(t), before)
}

func TestOnlyRead(t *testing.T) {
	all, err := onlyRead(strings.NewReader(`00400000-00b22000 r-xp 00000000 08:01 12 /lib/a b
Rss:                 100 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me
00b22000-00c00000 r--p 00722000 08:01 12 /lib/a b
Anonymous:             4 kB
Swap:                  0 kB
00c00000-00d00000 r--p 00722000 08:01 12 /lib/a b
Anonymous:             0 kB
Swap:                  4 kB
01280000-01300000 rw-p 00e80000 08:01 12 /lib/a b
Anonymous:             0 kB
02280000-02300000 r--p 00e80000 08:01 12 /other/lib/a b
Anonymous:             0 kB
7f0000000000-7f0000001000 r--s 00000000 08:01 99 /lib/a b
Anonymous:             0 kB
7ffc0000-7ffd0000 r-xp 00000000 00:00 0 [vdso]
`), "/lib/a b")
	require.NoError(t, err)
	assert.Equal(t, []mapping{{0x400000, 0xb22000}, {0x7f0000000000, 0x7f0000001000}}, all)
	_, err = onlyRead(strings.NewReader("nonsense r--p 0 08:01 12 /file\n"), "/file")
	assert.Error(t, err)
}

func mapped(t *testing.T, path string, protection, flags int) []byte {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	info, err := file.Stat()
	require.NoError(t, err)
	data, err := syscall.Mmap(int(file.Fd()), 0, int(info.Size()), protection, flags)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Munmap(data)) })
	return data
}

// resident KiB of the mapping of this file with these rights.
func resident(t *testing.T, path, rights string) int {
	t.Helper()
	smaps, err := os.ReadFile(maps)
	require.NoError(t, err)
	in := false
	for line := range strings.Lines(string(smaps)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.Contains(fields[0], "-") {
			in = strings.HasSuffix(line, " "+path+"\n") && fields[1] == rights
		} else if in && fields[0] == "Rss:" {
			return kib(t, fields[1])
		}
	}
	require.Fail(t, "no such mapping", "%s %s", rights, path)
	return 0
}

// file is what this process has mapped of all files, in KiB.
func file(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, text, _ := strings.Cut(string(status), "RssFile:")
	return kib(t, strings.Fields(text)[0])
}

func kib(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}
