package nodes

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRootFiles(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, WriteFiles(root, map[string]string{"/etc/fstab": "old", "/usr/share/doc/x/copyright": "c", "/etc/kept": "k", "/opt/gone": "g"}, nil))
	for range 2 { // over what is there, a link over a file too
		require.NoError(t, WriteFiles(root, map[string]string{"/etc/hosts": "127.0.0.1 localhost\n"}, map[string]string{"/etc/fstab": "/dev/null"}))
	}
	target, err := os.Readlink(filepath.Join(root, "etc/fstab"))
	require.NoError(t, err)
	assert.Equal(t, "/dev/null", target)
	assert.DirExists(t, filepath.Join(root, "var/log/journal"), "the journal outlives a boot")

	require.NoError(t, Trim(root, "opt/*"))
	assert.NoDirExists(t, filepath.Join(root, "usr/share/doc/x"))
	assert.NoFileExists(t, filepath.Join(root, "opt/gone"))
	assert.FileExists(t, filepath.Join(root, "etc/kept"))
}
