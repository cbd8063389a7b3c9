package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/archive"
)

// What the product unpacks and the stand-in program makes of it is the .deb that went in; with another signature there is none.
func TestWrapSiob(t *testing.T) {
	dir := t.TempDir()
	deb := filepath.Join(dir, "EMC-ScaleIO-sds-3.6-700.103.Ubuntu.22.04.x86_64.deb")
	require.NoError(t, os.WriteFile(deb, []byte("!<arch>\nbinary\x00\xff\n"), 0o600))
	file, err := wrapSiob(deb)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "EMC-ScaleIO-sds-3.6-700.103.Ubuntu.22.04.x86_64.tar"), file)

	tars := archive.Tars{Root: platform.Root("/")}
	for _, forged := range []bool{false, true} {
		out := filepath.Join(dir, "out")
		parts, err := tars.Unpack(t.Context(), file, out)
		require.NoError(t, err)
		require.Len(t, parts, 3)
		siob := filepath.Base(parts[0])
		if forged {
			require.NoError(t, os.WriteFile(parts[0], []byte("something\nelse"), 0o600))
		}
		extract := exec.Command(filepath.Join(out, "siob_extract"), siob)
		extract.Dir = out
		said, err := extract.CombinedOutput()
		got, missing := os.ReadFile(filepath.Join(out, filepath.Base(deb)))
		if forged {
			require.Error(t, err)
			assert.Contains(t, string(said), "signature verification")
			assert.Error(t, missing)
		} else {
			require.NoError(t, err, string(said))
			assert.Equal(t, "!<arch>\nbinary\x00\xff\n", string(got))
		}
		require.NoError(t, tars.RemoveAll(out))
	}
}
