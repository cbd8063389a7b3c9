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
	manifest, err := scheduler.ReadManifest(write(good))
	require.NoError(t, err)
	assert.Equal(t, "3.6", manifest.Packages[0].Version, "the manifest's own")
	assert.Equal(t, map[string]string{abc: filepath.Join(dir, "sds.deb")}, manifest.Artifacts)

	rows := map[string]string{
		strings.Replace(good, `"size":3`, `"size":4`, 1):                        "has 3 bytes",
		strings.Replace(good, abc, strings.Repeat("0", 64), 1):                  "digest " + abc,
		strings.Replace(good, "sds.deb", "gone.deb", 1):                         "opening it",
		strings.Replace(good, `"sds"`, `"sdz"`, 1):                              `component "sdz"`,
		strings.Replace(good, `"file":"sds.deb"`, `"file":"a","url":"b"`, 1):    "either url or file",
		strings.Replace(good, `"file":"sds.deb"`, `"url":"ftp://mirror/x"`, 1):  "url is none",
		strings.Replace(good, `"deb"`, `"snap"`, 1) + "," + `{"component":"x"}`: `component "x"`,
		"": "names no packages",
	}
	for text, want := range rows {
		_, err := scheduler.ReadManifest(write(text))
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want)
	}
	_, err = scheduler.ReadManifest(filepath.Join(dir, "none.json"))
	require.Error(t, err)
}

func TestReadManifest_modules(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "scini.ko"), []byte("abc"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sds.deb"), []byte("abc"), 0o600))
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	read := func(modules string) (scheduler.Manifest, error) {
		path := filepath.Join(dir, "manifest.json")
		require.NoError(t, os.WriteFile(path, []byte(`{"version":"3.6-700.103","packages":[{"component":"sds","os":"ubuntu22.04","format":"deb","file":"sds.deb","size":3,"sha256":"`+
			abc+`"}],"moduleUrl":"https://mirror.example.com/{os}/{sdcVersion}/{kernel}/scini.ko","modules":[`+modules+`]}`), 0o600))
		return scheduler.ReadManifest(path)
	}
	templated := `{"os":"flatcar3815.2.5","kernel":"6.1.90-flatcar","size":9,"sha256":"` + abc + `"}`
	m, err := read(templated + `,{"os":"rocky9","sdcVersion":"3.5","kernel":"5.14.0","file":"scini.ko","size":3,"sha256":"` + abc + `"}`)
	require.NoError(t, err)
	assert.Equal(t, "https://mirror.example.com/flatcar3815.2.5/3.6-700.103/6.1.90-flatcar/scini.ko", m.Modules[0].URL)
	assert.Equal(t, "3.6-700.103", m.Modules[0].SDCVersion, "the manifest's own")
	assert.Equal(t, filepath.Join(dir, "scini.ko"), m.Modules[1].File)
	assert.Empty(t, m.Modules[1].URL)
	assert.Contains(t, m.Artifacts, abc)

	for change, want := range map[[2]string]string{
		{abc, "x"}: "64 hexadecimal", {`"size":9,`, ""}: "its size", {"6.1.90-flatcar", "../6.1"}: "kernel", {"flatcar3815.2.5", "a/b"}: "os",
	} {
		_, err := read(strings.Replace(templated, change[0], change[1], 1))
		require.Error(t, err, want)
		assert.Contains(t, err.Error(), want)
	}
}
