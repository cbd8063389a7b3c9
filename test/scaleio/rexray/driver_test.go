package rexray

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rig is a driver with two modules at real sockets: "mesos" ignores the used count, "docker" doesn't.
type rig struct {
	gateway *fakeGateway
	host    *fakeHost
	driver  *driver
	root    string
	sockets string
}

func newRig(t *testing.T) *rig {
	r := &rig{gateway: newFakeGateway(t), host: &fakeHost{fs: map[string]string{}, mounts: map[string]string{}}, root: t.TempDir()}
	var err error
	r.sockets, err = os.MkdirTemp("", "rx") // socket paths are short
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(r.sockets)) })
	text := strings.ReplaceAll(complete, "https://GATEWAY/api", r.gateway.URL+"/api")
	c, err := parse(t, strings.ReplaceAll(text, "/run/docker/plugins", r.sockets), nil)
	require.NoError(t, err)
	r.driver, err = newDriver(t.Context(), c, r.host, r.root, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.driver.serve(ctx, c.Modules) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
	require.Eventually(t, func() bool {
		c, err := net.Dial("unix", filepath.Join(r.sockets, "rexray.sock")) // the last module
		return err == nil && c.Close() == nil
	}, 5*time.Second, time.Millisecond)
	return r
}

func (r *rig) call(t *testing.T, module, method string, body string) (pluginAnswer, error) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", filepath.Join(r.sockets, module+".sock"))
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Post("http://plugin/"+method, pluginType, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	defer resp.Body.Close()
	var a pluginAnswer
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&a))
	if a.Err != "" {
		return a, errors.New(a.Err)
	}
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return a, nil
}

func (r *rig) ok(t *testing.T, module, method, body string) pluginAnswer {
	t.Helper()
	a, err := r.call(t, module, method, body)
	require.NoError(t, err)
	return a
}

func TestPlugin_lifeOfAVolume(t *testing.T) {
	r := newRig(t)
	assert.Equal(t, []string{"VolumeDriver"}, r.ok(t, "mesos", "Plugin.Activate", "").Implements)
	assert.Equal(t, "global", r.ok(t, "mesos", "VolumeDriver.Capabilities", "{}").Capabilities["Scope"])
	_, err := r.call(t, "mesos", "VolumeDriver.Mount", `{"Name":"db"}`)
	require.ErrorContains(t, err, "no volumes returned by name")
	for range 2 {
		r.ok(t, "mesos", "VolumeDriver.Create", `{"Name":"db","Opts":{"size":"9"}}`)
	}
	assert.Equal(t, fakeVolume{name: "db", sizeKB: "16777216", kind: "ThinProvisioned", pool: "sp1id"}, r.gateway.only(t), "rounded up to 8 GB, once")

	at := r.ok(t, "mesos", "VolumeDriver.Mount", `{"Name":"db"}`).Mountpoint
	assert.Equal(t, filepath.Join(r.root, "db", "data"), at)
	assert.DirExists(t, at)
	assert.Equal(t, []string{thisSDC}, r.gateway.only(t).sdcs)
	assert.Equal(t, at, r.ok(t, "docker", "VolumeDriver.Path", `{"Name":"db"}`).Mountpoint)
	assert.Equal(t, "db", r.ok(t, "docker", "VolumeDriver.Get", `{"Name":"db"}`).Volume.Name)
	assert.Equal(t, []pluginVolume{{Name: "db", Mountpoint: at}}, *r.ok(t, "rexray", "VolumeDriver.List", `{}`).Volumes)
	_, err = r.call(t, "mesos", "VolumeDriver.Remove", `{"Name":"db"}`)
	require.ErrorContains(t, err, "attached")

	r.ok(t, "mesos", "VolumeDriver.Unmount", `{"Name":"db"}`)
	assert.Empty(t, r.gateway.only(t).sdcs)
	assert.Empty(t, r.ok(t, "mesos", "VolumeDriver.Path", `{"Name":"db"}`).Mountpoint)
	r.ok(t, "mesos", "VolumeDriver.Mount", `{"Name":"db"}`)
	assert.Equal(t, 1, r.host.formatted, "the file system is made once")
	r.ok(t, "mesos", "VolumeDriver.Unmount", `{"Name":"db"}`)
	r.ok(t, "mesos", "VolumeDriver.Remove", `{"Name":"db"}`)
	assert.Empty(t, r.gateway.volumes)
}

func TestPlugin_usedCount(t *testing.T) {
	for module, mappedAfterFirst := range map[string]bool{"docker": true, "mesos": false} {
		t.Run(module, func(t *testing.T) {
			r := newRig(t)
			r.ok(t, module, "VolumeDriver.Create", `{"Name":"db"}`)
			for range 2 {
				r.ok(t, module, "VolumeDriver.Mount", `{"Name":"db"}`)
			}
			r.ok(t, module, "VolumeDriver.Unmount", `{"Name":"db"}`)
			assert.Equal(t, mappedAfterFirst, len(r.gateway.only(t).sdcs) > 0)
			r.ok(t, module, "VolumeDriver.Unmount", `{"Name":"db"}`)
			assert.Empty(t, r.gateway.only(t).sdcs)
		})
	}
}

func TestPlugin_preemptsAnotherNode(t *testing.T) {
	r := newRig(t)
	r.gateway.volumes["v1"] = &fakeVolume{name: "db", sizeKB: "8388608", pool: "sp1id", sdcs: []string{otherSDC}}
	r.driver.config.Preempt = false
	_, err := r.call(t, "mesos", "VolumeDriver.Mount", `{"Name":"db"}`)
	require.ErrorContains(t, err, "preempt is off")
	assert.Equal(t, []string{otherSDC}, r.gateway.only(t).sdcs)
	r.driver.config.Preempt = true
	r.ok(t, "mesos", "VolumeDriver.Mount", `{"Name":"db"}`)
	assert.Equal(t, []string{thisSDC}, r.gateway.only(t).sdcs)
}

func TestPlugin_staleMountIsReplaced(t *testing.T) {
	r := newRig(t)
	r.ok(t, "mesos", "VolumeDriver.Create", `{"Name":"db"}`)
	r.ok(t, "mesos", "VolumeDriver.Mount", `{"Name":"db"}`)
	r.host.mu.Lock()
	r.host.instance++ // scini was killed and made the device anew
	r.host.mu.Unlock()
	r.ok(t, "mesos", "VolumeDriver.Mount", `{"Name":"db"}`)
	assert.Equal(t, 1, r.host.lazy)
	assert.Len(t, r.host.mounts, 1)
}

func TestPlugin_busyUnmountKeepsTheMapping(t *testing.T) {
	r := newRig(t)
	r.ok(t, "mesos", "VolumeDriver.Create", `{"Name":"db"}`)
	r.ok(t, "mesos", "VolumeDriver.Mount", `{"Name":"db"}`)
	r.host.busy = true
	_, err := r.call(t, "mesos", "VolumeDriver.Unmount", `{"Name":"db"}`)
	require.ErrorContains(t, err, "busy")
	assert.Equal(t, []string{thisSDC}, r.gateway.only(t).sdcs)
	r.host.busy = false
	r.ok(t, "mesos", "VolumeDriver.Unmount", `{"Name":"db"}`)
	assert.Empty(t, r.gateway.only(t).sdcs)
}

func TestGateway_logsInAgainOnce(t *testing.T) {
	r := newRig(t)
	require.Equal(t, 1, r.gateway.logins)
	r.gateway.token = "expired"
	r.ok(t, "mesos", "VolumeDriver.Create", `{"Name":"db"}`)
	assert.Equal(t, 2, r.gateway.logins)
	r.gateway.mu.Lock()
	r.gateway.token, r.gateway.password = "expired", "changed"
	r.gateway.mu.Unlock()
	_, err := r.call(t, "mesos", "VolumeDriver.Mount", `{"Name":"db"}`)
	require.ErrorContains(t, err, "Unauthorized")
	assert.Equal(t, 3, r.gateway.logins, "a wrong password is no endless loop")
}

func TestNewDriver_findsEverythingOrFails(t *testing.T) {
	g := newFakeGateway(t)
	good, err := parse(t, strings.ReplaceAll(complete, "https://GATEWAY/api", g.URL), nil)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"system":      {func(c *Config) { c.System = idOrName{ID: "f00"} }, "error finding System"},
		"domain":      {func(c *Config) { c.Domain = idOrName{Name: "pd9"} }, "error finding ProtectionDomain"},
		"pool":        {func(c *Config) { c.Pool = idOrName{ID: "other"} }, "error finding StoragePool"},
		"sdc":         {func(c *Config) { c.GUID = "nobody" }, "could not find the SDC"},
		"certificate": {func(c *Config) { c.Insecure = false }, "certificate"},
		"password":    {func(c *Config) { c.password = "wrong" }, "Unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			tc.change(&c)
			_, err := newDriver(t.Context(), c, &fakeHost{}, t.TempDir(), slog.New(slog.DiscardHandler))
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// rexray.env points SSL_CERT_FILE at the gateway's certificate; the program must honour it, so it is run as one.
func TestGateway_trustsSSLCertFile(t *testing.T) {
	if endpoint := os.Getenv("REXRAY_TEST_ENDPOINT"); endpoint != "" {
		require.NoError(t, newGateway(Config{Endpoint: endpoint, User: "admin", password: "s3cret"}).login(t.Context()))
		return
	}
	g := newFakeGateway(t)
	file := filepath.Join(t.TempDir(), "gateway.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.Certificate().Raw}), 0o600))
	for cert, want := range map[string]bool{file: true, os.DevNull: false} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestGateway_trustsSSLCertFile$")
		cmd.Env = append(os.Environ(), "REXRAY_TEST_ENDPOINT="+g.URL, "SSL_CERT_FILE="+cert, "SSL_CERT_DIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		assert.Equal(t, want, err == nil, string(out))
	}
}

func TestFileSystem(t *testing.T) {
	head := func(at int, data string) []byte {
		b := make([]byte, headBytes)
		copy(b[at:], data)
		return b
	}
	for _, tc := range []struct {
		head []byte
		want string
		err  error
	}{
		{head(0, ""), "", nil}, {head(1080, "\x53\xef"), "ext4", nil}, {head(0, "XFSB"), "xfs", nil},
		{head(70000, "something"), "", errNotBlank},
	} {
		got, err := fileSystem(tc.head)
		assert.Equal(t, tc.want, got)
		assert.ErrorIs(t, err, tc.err)
	}
}

func TestCommand_version(t *testing.T) {
	var out bytes.Buffer
	c := command(&out)
	c.SetArgs([]string{"version"})
	require.NoError(t, c.Execute())
	assert.Contains(t, out.String(), "SemVer: 0.11.4\n")
	assert.Contains(t, out.String(), "stand-in")
}
