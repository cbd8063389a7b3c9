package sdc

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// noDevices stands for the kernel where only drv_cfg is of interest.
type noDevices struct {
	mu   sync.Mutex
	used []string
}

func (*noDevices) run(ctx context.Context, _ <-chan struct{}, _ func() []*Volume) { <-ctx.Done() }

func (d *noDevices) inUse() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

func TestParseConfig(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want Config
		err  bool
	}{
		"product":      {"ini_guid b0e3bfb8-c20b-43bf-93c8-13339e85aa50\nmdm 10.0.0.1,10.0.0.2\n", Config{"b0e3bfb8-c20b-43bf-93c8-13339e85aa50", [][]string{{"10.0.0.1", "10.0.0.2"}}}, false},
		"two systems":  {"INI_GUID A\nMDM 10.0.0.1\nmdm fd00::1,10.0.0.3\n", Config{"A", [][]string{{"10.0.0.1"}, {"fd00::1", "10.0.0.3"}}}, false},
		"comments":     {"# note\n\nini_guid A\n", Config{GUID: "A"}, false},
		"unknown key":  {"ini_guid A\nfuture 1\n", Config{GUID: "A"}, false},
		"blanks":       {"ini_guid A\nmdm 10.0.0.1, 10.0.0.2\n", Config{}, true},
		"value absent": {"ini_guid\n", Config{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseConfig([]byte(tc.text))
			if tc.err {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
}

type tool struct {
	t    *testing.T
	node string
}

func (d tool) run(args ...string) (stdout, stderr string, code int) {
	var o, e bytes.Buffer
	code = drvCfg(args, d.node, &o, &e)
	return o.String(), e.String(), code
}

func (d tool) ok(args ...string) string {
	d.t.Helper()
	out, errs, code := d.run(args...)
	require.Zero(d.t, code, errs)
	return out
}

// load runs a driver with that configuration and its control node.
func load(t *testing.T, c Config, options func(*Options)) tool {
	ctx, cancel := context.WithCancel(context.Background())
	o := testOptions()
	if options != nil {
		options(&o)
	}
	v := newDriver(ctx, o, c, &noDevices{})
	node := filepath.Join(t.TempDir(), "scini")
	done := make(chan error, 1)
	go func() { done <- serveControl(ctx, node, v.handle) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
		v.running.Wait()
	})
	require.Eventually(t, func() bool { _, err := control(node, controlRequest{Op: "query-guid"}); return err == nil }, 5*time.Second, time.Millisecond)
	return tool{t, node}
}

func TestDrvCfg_outputs(t *testing.T) {
	c := newCluster(t, nil)
	d := load(t, Config{GUID: strings.ToLower(guid), Systems: [][]string{{c.addr}}}, nil)
	assert.Equal(t, guid+"\n", d.ok("--query_guid"))
	want := "Retrieved 1 mdm(s)\nMDM-ID " + systemID + " SDC ID 6b18479c00000003 INSTALLATION ID 68ab55462cbb3ae4 IPs [0]-" + c.addr + "\n"
	require.Eventually(t, func() bool { return d.ok("--query_mdms") == want }, 5*time.Second, time.Millisecond, want)
	assert.Equal(t, want, d.ok("--query_mdm"))
	assert.Equal(t, "Retrieved 1 volume(s)\nVOL-ID "+volumeID+" MDM-ID "+systemID+"\n", d.ok("--query_vols"))
	assert.Equal(t, "3.6.700\n", d.ok("--query_version"))
	assert.Empty(t, d.ok("--rescan"))
}

func TestDrvCfg_notConnected(t *testing.T) {
	d := load(t, Config{GUID: guid, Systems: [][]string{{"127.0.0.1:1", "127.0.0.1:2"}}}, nil)
	assert.Equal(t, "Retrieved 1 mdm(s)\nMDM-ID 0000000000000000 SDC ID 0000000000000000 INSTALLATION ID 0000000000000000 IPs [0]-127.0.0.1:1 [1]-127.0.0.1:2\n", d.ok("--query_mdms"))
	assert.Equal(t, "Retrieved 0 volume(s)\n", d.ok("--query_vols"))
	assert.Equal(t, "Retrieved 0 mdm(s)\n", load(t, Config{GUID: guid}, nil).ok("--query_mdms"))
}

func TestDrvCfg_changesMDMs(t *testing.T) {
	c := newCluster(t, nil)
	file := filepath.Join(t.TempDir(), "drv_cfg.txt")
	require.NoError(t, os.WriteFile(file, []byte("ini_guid "+guid+"\n"), 0o600))
	d := load(t, Config{GUID: guid}, nil)
	content := func() string {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		return string(data)
	}
	d.ok("--add_mdm", "--ip", "127.0.0.1:1")
	assert.Equal(t, "ini_guid "+guid+"\n", content(), "without --file it is lost at reboot")
	d.ok("--add_mdm", "--ip", "127.0.0.1:1", "--file", file)
	assert.Equal(t, "ini_guid "+guid+"\nmdm 127.0.0.1:1\n", content())
	d.ok("--mod_mdm_ip", "--ip", "127.0.0.1:1", "--new_mdm_ip", "127.0.0.1:1,"+c.addr, "--file", file)
	assert.Equal(t, "ini_guid "+guid+"\nmdm 127.0.0.1:1,"+c.addr+"\n", content())
	require.Eventually(t, func() bool { return strings.Contains(d.ok("--query_mdms"), "SDC ID 6b18479c00000003") }, 5*time.Second, time.Millisecond)
	d.ok("--remove_mdm", "--ip", c.addr, "--file", file)
	assert.Equal(t, "Retrieved 0 mdm(s)\n", d.ok("--query_mdms"))
	assert.Equal(t, "Retrieved 0 volume(s)\n", d.ok("--query_vols"))
	assert.Equal(t, "ini_guid "+guid+"\n", content())
	_, errs, code := d.run("--mod_mdm_ip", "--ip", "10.9.9.9", "--new_mdm_ip", "10.0.0.1")
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, "no system has that MDM address")
}

func TestDrvCfg_faults(t *testing.T) {
	d := tool{t, filepath.Join(t.TempDir(), "scini")}
	out, errs, code := d.run("--query_guid")
	assert.Equal(t, 1, code)
	assert.Empty(t, out)
	assert.Contains(t, errs, "driver is not loaded")
	out, errs, code = d.run()
	assert.Equal(t, 1, code)
	assert.Empty(t, out)
	assert.Contains(t, errs, "--remove_mdm", "callers probe the usage on stderr")
	for _, args := range [][]string{{"--query_guid", "--query_vols"}, {"--add_mdm"}, {"--mod_mdm_ip", "--ip", "10.0.0.1"}, {"--dance"}} {
		_, _, code = d.run(args...)
		assert.Equal(t, 1, code, args)
	}
}

// Two SDCs of cloned images have one GUID; the MDM refuses the second, which then has no id.
func TestDrvCfg_duplicateGUID(t *testing.T) {
	c := newCluster(t, nil)
	c.volume(t)
	c.mdm.mu.Lock()
	c.mdm.refuseRegister = "An SDC with the same GUID already exists"
	c.mdm.mu.Unlock()
	d := load(t, Config{GUID: guid, Systems: [][]string{{c.addr}}}, nil)
	require.Eventually(t, func() bool { return c.mdm.count("register") > 2 }, 10*time.Second, time.Millisecond)
	assert.Contains(t, d.ok("--query_mdms"), "SDC ID 0000000000000000")
}

func TestStop_refusedWhileInUse(t *testing.T) {
	d := &noDevices{used: []string{"scinia"}}
	signals, serving, stopped := make(chan os.Signal), make(chan error), make(chan error, 1)
	var log bytes.Buffer
	go func() { stopped <- waitForStop(signals, serving, d, slog.New(slog.NewTextHandler(&log, nil))) }()
	signals <- syscall.SIGTERM
	signals <- syscall.SIGTERM // taken only after the first was looked at
	select {
	case <-stopped:
		require.FailNow(t, "stopped while in use")
	default:
	}
	d.mu.Lock()
	d.used = nil
	d.mu.Unlock()
	require.NoError(t, <-stopped)
	assert.Contains(t, log.String(), "scini is in use")
}
