package scheduler_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
)

func TestReadManifest(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sds.deb"), []byte("abc"), 0o600))
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	write := func(packages string) string {
		path := filepath.Join(dir, "manifest.json")
		require.NoError(t, os.WriteFile(path, []byte(`{"version":"3.6","packages":[`+packages+`]}`), 0o600))
		return path
	}
	good := `{"component":"sds","os":"ubuntu22.04","format":"deb","file":"sds.deb","size":3,"sha256":"` + abc + `"}`
	packages, artifacts, err := scheduler.ReadManifest(write(good))
	require.NoError(t, err)
	assert.Equal(t, "3.6", packages[0].Version, "the manifest's own")
	assert.Equal(t, map[string]string{abc: filepath.Join(dir, "sds.deb")}, artifacts)

	rows := map[string]string{
		strings.Replace(good, `"size":3`, `"size":4`, 1):                        "has 3 bytes",
		strings.Replace(good, abc, strings.Repeat("0", 64), 1):                  "digest " + abc,
		strings.Replace(good, "sds.deb", "gone.deb", 1):                         "opening the package",
		strings.Replace(good, `"sds"`, `"sdz"`, 1):                              `component "sdz"`,
		strings.Replace(good, `"file":"sds.deb"`, `"file":"a","url":"b"`, 1):    "either url or file",
		strings.Replace(good, `"file":"sds.deb"`, `"url":"ftp://mirror/x"`, 1):  "url is none",
		strings.Replace(good, `"deb"`, `"snap"`, 1) + "," + `{"component":"x"}`: `component "x"`,
		"": "names no packages",
	}
	for text, want := range rows {
		_, _, err := scheduler.ReadManifest(write(text))
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want)
	}
	_, _, err = scheduler.ReadManifest(filepath.Join(dir, "none.json"))
	require.Error(t, err)
}
