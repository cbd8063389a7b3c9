package platform_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
)

type files interface {
	Read(path string) ([]byte, error)
	Write(path string, data []byte, mode os.FileMode) error
	Remove(path string) error
	Stat(path string) (os.FileMode, int64, error)
	MkdirAll(path string, mode os.FileMode) error
	Symlink(target, path string) error
	Readlink(path string) (string, error)
	Glob(pattern string) ([]string, error)
	Digest(path string) (string, int64, error)
}

// The fake is held to what the real one does.
func TestFiles(t *testing.T) {
	for name, make := range map[string]func(t *testing.T) files{
		"real": func(t *testing.T) files { return platform.NewFiles(platform.Root(t.TempDir())) },
		"fake": func(t *testing.T) files { return platformtest.NewFiles() },
	} {
		t.Run(name, func(t *testing.T) {
			f := make(t)

			_, err := f.Read("/etc/x/a")
			require.ErrorIs(t, err, platform.ErrNotFound)
			_, _, err = f.Stat("/etc/x/a")
			require.ErrorIs(t, err, platform.ErrNotFound)
			_, _, err = f.Digest("/etc/x/a")
			require.ErrorIs(t, err, platform.ErrNotFound)
			require.ErrorIs(t, f.Write("/etc/x/a", nil, 0o600), platform.ErrNotFound, "the folder isn't there")
			require.NoError(t, f.Remove("/etc/x/a"), "absent is fine")

			require.NoError(t, f.MkdirAll("/etc/x", 0o755))
			require.NoError(t, f.MkdirAll("/etc/x", 0o755))
			require.NoError(t, f.Write("/etc/x/a", []byte("old"), 0o644))
			require.NoError(t, f.Write("/etc/x/a", []byte("abc"), 0o600))
			data, err := f.Read("/etc/x/a")
			require.NoError(t, err)
			assert.Equal(t, "abc", string(data))
			mode, size, err := f.Stat("/etc/x/a")
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), mode)
			assert.EqualValues(t, 3, size)
			digest, size, err := f.Digest("/etc/x/a")
			require.NoError(t, err)
			assert.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", digest)
			assert.EqualValues(t, 3, size)

			require.NoError(t, f.Symlink("nowhere", "/etc/x/b"))
			require.NoError(t, f.Symlink("a", "/etc/x/b"), "replaced")
			target, err := f.Readlink("/etc/x/b")
			require.NoError(t, err)
			assert.Equal(t, "a", target)
			data, err = f.Read("/etc/x/b")
			require.NoError(t, err)
			assert.Equal(t, "abc", string(data))
			_, err = f.Readlink("/etc/x/a")
			require.Error(t, err)

			require.NoError(t, f.Symlink("x", "/etc/y"))
			data, err = f.Read("/etc/y/a")
			require.NoError(t, err, "through a linked folder")
			assert.Equal(t, "abc", string(data))
			require.NoError(t, f.Write("/etc/y/c", nil, 0o644))

			names, err := f.Glob("/etc/x/*")
			require.NoError(t, err)
			assert.Equal(t, []string{"/etc/x/a", "/etc/x/b", "/etc/x/c"}, names, "no temporary file is left")
			_, err = f.Glob("[")
			require.Error(t, err)

			require.Error(t, f.Remove("/etc/x"), "not empty")
			require.NoError(t, f.Remove("/etc/x/a"))
			_, err = f.Read("/etc/x/b")
			require.ErrorIs(t, err, platform.ErrNotFound, "a dangling link")
			_, err = f.Read("/etc/x/c/d")
			require.ErrorIs(t, err, platform.ErrNotFound, "below a file")
		})
	}
}

func TestFiles_writeIgnoresUmaskAndReplacesWhole(t *testing.T) {
	root := t.TempDir()
	f := platform.NewFiles(platform.Root(root))
	require.NoError(t, f.Write("/a", []byte("first"), 0o666))
	before, err := os.Open(filepath.Join(root, "a"))
	require.NoError(t, err)
	defer before.Close()
	require.NoError(t, f.Write("/a", []byte("second"), 0o666))

	info, err := os.Stat(filepath.Join(root, "a"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o666), info.Mode().Perm())
	was := make([]byte, 16)
	n, err := before.Read(was)
	require.NoError(t, err)
	assert.Equal(t, "first", string(was[:n]), "who had the old file open still reads it whole")
}

// A folder that is there and can't be read isn't an empty one: what it holds may matter.
func TestFiles_globTellsWhatItCannotList(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Symlink("round", filepath.Join(dir, "round")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	f := platform.NewFiles(platform.Root(dir))
	_, err := f.Glob("/round/*.json")
	require.ErrorContains(t, err, "/round")
	for _, none := range []string{"/missing/*", "/file/*"} {
		found, err := f.Glob(none)
		require.NoError(t, err)
		assert.Empty(t, found)
	}
	_, err = f.Glob("/missing/[")
	assert.Error(t, err)
}
