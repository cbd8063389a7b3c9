package dvdcli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakePlugin records what it is asked for.
type fakePlugin struct {
	calls []string
	fail  map[string]string
	kinds string
}

func (p *fakePlugin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req request
	_ = json.NewDecoder(r.Body).Decode(&req)
	call := r.URL.Path[1:]
	if call == "Plugin.Activate" {
		fmt.Fprintf(w, `{"Implements":[%q]}`, p.kinds)
		return
	}
	p.calls = append(p.calls, fmt.Sprint(call, " ", req.Name, " ", req.Opts))
	if text := p.fail[call]; text != "" {
		w.WriteHeader(http.StatusInternalServerError)
		_ = json.NewEncoder(w).Encode(map[string]string{"Err": text})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"Mountpoint": "/var/lib/rexray/volumes/db/data", "Err": "",
		"Volume": map[string]string{"Name": "db"}, "Volumes": []map[string]string{{"Name": "db"}},
	})
}

// newPlugin listens where Docker looks for sockets, below a private root.
func newPlugin(t *testing.T, name string) (*fakePlugin, string) {
	root, err := os.MkdirTemp("", "dvd") // socket paths are short
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(root)) })
	dir := filepath.Join(root, "run/docker/plugins")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	l, err := net.Listen("unix", filepath.Join(dir, name+".sock"))
	require.NoError(t, err)
	p := &fakePlugin{fail: map[string]string{}, kinds: "VolumeDriver"}
	server := httptest.NewUnstartedServer(p)
	require.NoError(t, server.Listener.Close())
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	return p, root
}

func call(root string, args ...string) (stdout, stderr string, code int) {
	var o, e bytes.Buffer
	code = run(args, root, &o, &e)
	return o.String(), e.String(), code
}

func TestMount_asTheIsolatorCallsIt(t *testing.T) {
	p, root := newPlugin(t, "mesos")
	out, errs, code := call(root, "mount", "--volumedriver=mesos", "--volumename=db", "--volumeopts=size=16", "--volumeopts=newFsType=ext4")
	require.Zero(t, code, errs)
	assert.Equal(t, "/var/lib/rexray/volumes/db/data\n", out)
	assert.Equal(t, []string{"VolumeDriver.Create db map[newFsType:ext4 size:16]", "VolumeDriver.Mount db map[]"}, p.calls)
}

func TestMount_explicitCreateOnlyMounts(t *testing.T) {
	for _, flag := range []string{"--explicitCreate", "--explicitcreate"} {
		p, root := newPlugin(t, "mesos")
		_, errs, code := call(root, "mount", "--volumedriver=mesos", "--volumename=db", flag)
		require.Zero(t, code, errs)
		assert.Equal(t, []string{"VolumeDriver.Mount db map[]"}, p.calls)
	}
}

func TestCommands(t *testing.T) {
	for verb, want := range map[string]struct{ call, out string }{
		"create":  {"VolumeDriver.Create db map[]", ""},
		"unmount": {"VolumeDriver.Unmount db map[]", ""},
		"remove":  {"VolumeDriver.Remove db map[]", ""},
		"path":    {"VolumeDriver.Path db map[]", "/var/lib/rexray/volumes/db/data\n"},
		"get":     {"VolumeDriver.Get db map[]", `{"Name":"db","Mountpoint":""}` + "\n"},
		"list":    {"VolumeDriver.List  map[]", `[{"Name":"db","Mountpoint":""}]` + "\n"},
	} {
		t.Run(verb, func(t *testing.T) {
			p, root := newPlugin(t, "mesos")
			out, errs, code := call(root, verb, "--volumedriver=mesos", "--volumename=db")
			require.Zero(t, code, errs)
			assert.Equal(t, want.out, out)
			assert.Equal(t, []string{want.call}, p.calls)
		})
	}
}

func TestFaults(t *testing.T) {
	p, root := newPlugin(t, "mesos")
	p.fail["VolumeDriver.Mount"] = "no device name returned"
	out, errs, code := call(root, "mount", "--volumedriver=mesos", "--volumename=db")
	assert.Equal(t, 1, code)
	assert.Empty(t, out)
	assert.Contains(t, errs, "no device name returned")
	for want, args := range map[string][]string{
		"plugin not found":      {"mount", "--volumedriver=other", "--volumename=db"},
		"missing --volumename":  {"mount", "--volumedriver=mesos"},
		"missing --volumedrive": {"mount", "--volumename=db"},
		"isn't key=value":       {"mount", "--volumedriver=mesos", "--volumename=db", "--volumeopts=size"},
		"unknown flag":          {"mount", "--volume=db"},
	} {
		_, errs, code := call(root, args...)
		assert.Equal(t, 1, code, want)
		assert.Contains(t, errs, want)
	}
	p.kinds = "NetworkDriver"
	_, errs, _ = call(root, "mount", "--volumedriver=mesos", "--volumename=db")
	assert.Contains(t, errs, "is no volume driver")
}

func TestFindPlugin_specifications(t *testing.T) {
	_, root := newPlugin(t, "real")
	socket := filepath.Join(root, "run/docker/plugins/real.sock")
	dir := filepath.Join(root, "etc/docker/plugins")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.spec"), []byte("unix://"+socket+"\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.json"), []byte(`{"Name":"b","Addr":"unix://`+socket+`"}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "c.spec"), []byte("ftp://x"), 0o600))
	for _, name := range []string{"a", "b"} {
		out, errs, code := call(root, "path", "--volumedriver="+name, "--volumename=db")
		require.Zero(t, code, errs)
		assert.Equal(t, "/var/lib/rexray/volumes/db/data\n", out)
	}
	_, errs, code := call(root, "path", "--volumedriver=c", "--volumename=db")
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, "neither unix:// nor tcp://")
}
