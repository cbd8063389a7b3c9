package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
)

func tarOf(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range entries {
		body := h.Linkname
		if h.Typeflag == tar.TypeReg {
			h.Linkname, h.Size, h.Mode = "", int64(len(body)), 0o644
		} else {
			body = ""
		}
		require.NoError(t, w.WriteHeader(&h))
		_, err := w.Write([]byte(body))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// file holds its text in Linkname until tarOf writes it.
func file(name, text string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: text}
}

func unpack(t testing.TB, limit int64, archive []byte) (root string, files []string, err error) {
	t.Helper()
	root = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "a.tar"), archive, 0o600))
	files, err = Tars{Root: platform.Root(root), maxBytes: limit}.Unpack(t.Context(), "/a.tar", "/out")
	return root, files, err
}

func TestUnpack(t *testing.T) {
	root, files, err := unpack(t, 0, tarOf(t, file("X.siob", "content"), file("./X.siob.sig", "signature"),
		tar.Header{Typeflag: tar.TypeDir, Name: "tools/", Mode: 0o777}, file("tools/siob_extract", "program")))
	require.NoError(t, err)
	assert.Equal(t, []string{"/out/X.siob", "/out/X.siob.sig", "/out/tools/siob_extract"}, files)
	for path, mode := range map[string]fs.FileMode{"out": 0o700 | fs.ModeDir, "out/tools": 0o700 | fs.ModeDir, "out/tools/siob_extract": 0o700} {
		info, err := os.Stat(filepath.Join(root, path))
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode(), path)
	}
	text, err := os.ReadFile(filepath.Join(root, "out/X.siob"))
	require.NoError(t, err)
	assert.Equal(t, "content", string(text))
}

func TestUnpack_refuses(t *testing.T) {
	many := make([]tar.Header, maxEntries+1)
	for i := range many {
		many[i] = file(strings.Repeat("x", i+1), "")
	}
	for says, archive := range map[string][]byte{
		`"../escape" leads out`:   tarOf(t, file("fine", ""), file("../escape", "x")),
		`"/etc/passwd" leads out`: tarOf(t, file("/etc/passwd", "x")),
		`"a/../../b" leads out`:   tarOf(t, file("a/../../b", "x")),
		`"link" is neither`:       tarOf(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "/etc"}, file("link/passwd", "x")),
		`"hard" is neither`:       tarOf(t, tar.Header{Typeflag: tar.TypeLink, Name: "hard", Linkname: "/etc/passwd"}),
		`"dev" is neither`:        tarOf(t, tar.Header{Typeflag: tar.TypeBlock, Name: "dev"}),
		"more than 64 entries":    tarOf(t, many...),
		"file exists":             tarOf(t, file("twice", "1"), file("twice", "2")),
		"bigger than any package": tarOf(t, file("big", strings.Repeat("x", 1000)), file("bigger", strings.Repeat("x", 1000))),
		"it isn't a tar":          {},
		"invalid tar header":      []byte(strings.Repeat("no tar at all ", 100)),
		"unexpected EOF":          tarOf(t, file("cut", strings.Repeat("x", 5000)))[:2048],
	} {
		limit := int64(1500)
		if says == "unexpected EOF" {
			limit = 0
		}
		root, files, err := unpack(t, limit, archive)
		assert.ErrorContains(t, err, says)
		assert.Empty(t, files)
		left, err := os.ReadDir(root)
		require.NoError(t, err)
		assert.Len(t, left, 1, "%s: nothing is left but the archive", says)
	}
}

func TestUnpack_endsWithItsCaller(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "a.tar"), tarOf(t, file("x", "1")), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Tars{Root: platform.Root(root)}.Unpack(ctx, "/a.tar", "/out")
	require.ErrorIs(t, err, context.Canceled)
}

// Whatever the bytes: nothing outside the folder, nothing but plain files and folders, no more bytes than allowed.
func FuzzUnpack(f *testing.F) {
	f.Add(tarOf(f, file("X.siob", "content"), file("d/siob_extract", "program")))
	f.Add(tarOf(f, file("../escape", "x")))
	f.Add(tarOf(f, tar.Header{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "/"}, file("link/x", "x")))
	f.Add(tarOf(f, tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "c"}}, file("x", "x")))
	f.Fuzz(func(t *testing.T, archive []byte) {
		const limit = 4096
		root, files, err := unpack(t, limit, archive)
		var seen, bytes int64
		require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			require.True(t, info.Mode().IsRegular(), path)
			if path == filepath.Join(root, "a.tar") {
				return nil
			}
			require.True(t, strings.HasPrefix(path, filepath.Join(root, "out")+"/"), path)
			seen++
			bytes += info.Size()
			return nil
		}))
		require.LessOrEqual(t, bytes, int64(limit))
		if err != nil {
			require.Zero(t, seen)
		} else {
			require.Len(t, files, int(seen))
		}
	})
}
