package payload_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/pkgmgr"
)

func TestInstall_unpacksWhateverItIsPackedWith(t *testing.T) {
	for _, compressor := range []string{"", "gzip", "uncompressed", "xz", "lzma", "zstd"} {
		t.Run(compressor, func(t *testing.T) {
			m := newMachine(t)
			r := mdm("3.6")
			r.compressor = compressor
			require.NoError(t, m.packs.Install(t.Context(), m.put(r), nil))
			m.installed("3.6")
			assert.Equal(t, "program 3.6", m.read(daemon))
		})
	}
	m := newMachine(t)
	r := mdm("3.6")
	r.number()
	m.write("/var/cache/p.rpm", string(r.head(nil))+string(r.cpio()))
	require.NoError(t, m.packs.Install(t.Context(), "/var/cache/p.rpm", nil), "not at all, and it doesn't say so")
	m.installed("3.6")
}

// What a package says of itself before anything of it is known to be right, makes room for nothing: a damaged one neither ends the agent nor takes the node's memory.
func TestInstall_damagedContent(t *testing.T) {
	r := mdm("3.6")
	r.number()
	head, content := r.head(nil), r.cpio()
	damaged := func(at int, with string) []byte {
		return slices.Concat(head, content[:at], []byte(with), content[at+len(with):])
	}
	negative := rpmFile{name: name, version: "3.6", release: "1", compressor: "gzip"}.head(nil)
	at := bytes.Index(negative, []byte{0, 0, 4, 101, 0, 0, 0, 6})
	copy(negative[at+12:], []byte{255, 0, 0, 1})
	size := make([]byte, 4)
	binary.BigEndian.PutUint32(size, 1<<31)
	for what, file := range map[string][]byte{
		"a name of no letter":        damaged(94, "00000000"),
		"a name of 4 GiB":            damaged(94, "ffffffff"),
		"a negative name":            damaged(94, "-0000001"),
		"a content of 4 GiB":         damaged(54, "ffffffff"),
		"a negative content":         damaged(54, "-0000004"),
		"another magic":              damaged(0, "070702"),
		"the short form":             slices.Concat(head, []byte("07070X-0000001"), content),
		"cut off":                    slices.Concat(head, content[:len(content)-200]),
		"a file twice":               slices.Concat(head, content[:len(content)-124], content),
		"a packing that isn't known": slices.Concat(rpmFile{name: name, version: "3.6", release: "1", compressor: "zip"}.head(nil), content),
		"an LZMA dictionary of 4 GiB": slices.Concat(rpmFile{name: name, version: "3.6", release: "1", compressor: "lzma"}.head(nil),
			[]byte("\x5d\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), content),
		"a negative number of packings":    slices.Concat(negative, content),
		"a header of 2 GiB":                slices.Concat(head[:96+12], size, head[96+16:], content),
		"a header of 4 billion tags":       slices.Concat(head[:96+8], []byte{255, 255, 255, 255}, head[96+12:], content),
		"a header that isn't there at all": head[:100],
	} {
		t.Run(what, func(t *testing.T) {
			m := newMachine(t)
			m.write("/var/cache/p.rpm", string(file))
			m.write("/var/lib/scaleio-agent/payload/none", "")
			before := m.tree()
			var used, after runtime.MemStats
			runtime.ReadMemStats(&used)
			require.Error(t, m.packs.Install(t.Context(), "/var/cache/p.rpm", nil))
			runtime.ReadMemStats(&after)
			assert.Less(t, after.TotalAlloc-used.TotalAlloc, uint64(256<<20))
			require.NoError(t, m.packs.Recover(t.Context()))
			assert.Equal(t, before, m.tree())
		})
	}
}

func TestInstall_damagedContentIsSaid(t *testing.T) {
	m := newMachine(t)
	r := mdm("3.6")
	r.compressor = "zip"
	var failed *pkgmgr.Error
	require.ErrorAs(t, m.packs.Install(t.Context(), m.put(r), nil), &failed)
	assert.Equal(t, pkgmgr.NotAPackage, failed.Kind)
	assert.Contains(t, failed.Detail, `"zip"`)
}
