package rpmbuild

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/machinetest"
)

func TestBuild(t *testing.T) {
	for _, tool := range []string{"rpmbuild", "rpmsign", "gpg"} {
		if _, err := exec.LookPath(tool); err != nil {
			machinetest.Lacks(t, tool)
		}
	}
	dir, content := t.TempDir(), t.TempDir()
	require.NoError(t, os.MkdirAll(content+"/opt/p", 0o755))
	require.NoError(t, os.WriteFile(content+"/opt/p/program", []byte("#!/bin/sh\n"), 0o755))
	require.NoError(t, os.WriteFile(content+"/opt/p/conf", []byte("a=1\n"), 0o640))
	p := Package{Name: "p", Version: "3.6", Release: "700.103.el9", Arch: "x86_64", Summary: "a test", Requires: []string{"/bin/sh"},
		Content: content, Config: []string{"/opt/p/conf"}, Scripts: map[string]string{"post": "#!/bin/sh\necho \"100%\" $1\nexit 0"}}
	file, err := Build(t.Context(), p, dir)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "p-3.6-700.103.el9.x86_64.rpm"), file)
	first, err := os.ReadFile(file)
	require.NoError(t, err)
	ask := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("rpm", append([]string{"--dbpath", t.TempDir()}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	assert.Equal(t, "p|3.6|700.103.el9|x86_64", ask("-qp", "--qf", "%{NAME}|%{VERSION}|%{RELEASE}|%{ARCH}", file))
	assert.Equal(t, "-rw-r----- /opt/p/conf\n-rwxr-xr-x /opt/p/program\n", ask("-qp", "--qf", "[%{FILEMODES:perms} %{FILENAMES}\n]", file))
	assert.Contains(t, ask("-qp", "--scripts", file), `echo "100%" $1`)
	assert.Equal(t, file+": digests OK\n", ask("-K", file))

	_, err = Build(t.Context(), p, dir)
	require.NoError(t, err)
	second, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, first, second, "the same content gives the same file")

	key, err := NewKey(t.Context(), "packages of a test")
	require.NoError(t, err)
	defer key.Close()
	require.NoError(t, key.Sign(t.Context(), file))
	public, err := key.Public(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/key", public, 0o600))
	db := t.TempDir()
	out, err := exec.Command("rpmkeys", "--dbpath", db, "--import", dir+"/key").CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.Command("rpmkeys", "--dbpath", db, "-K", file).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, file+": digests signatures OK\n", string(out))
}
