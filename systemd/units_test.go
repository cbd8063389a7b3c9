package systemd

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/machinetest"
)

// The exposure that the agent's unit must keep, in systemd-analyze's tenths.
func TestAgentUnit_exposure(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		machinetest.Lacks(t, "systemd-analyze")
	}
	if out, err := exec.Command(analyze, "security", "--help").CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--offline")) {
		machinetest.Lacks(t, "a systemd-analyze that judges files (systemd 250)")
	}
	path := filepath.Join(t.TempDir(), AgentUnit)
	require.NoError(t, os.WriteFile(path, []byte(AgentUnitText), 0o600))
	out, err := exec.Command(analyze, "security", "--offline=yes", "--threshold=45", "--no-pager", path).CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestShippedUnits(t *testing.T) {
	for _, line := range []string{"Type=notify", "NotifyAccess=main", "Restart=always", "KillMode=mixed", "WantedBy=multi-user.target",
		"ExecStart=/opt/scaleio-agent/current/scaleio-agent run", "Environment=SSL_CERT_FILE=/var/lib/scaleio-agent/gateway.pem"} {
		assert.Contains(t, AgentUnitText, "\n"+line+"\n")
	}
	for _, line := range []string{"KillMode=process", "WantedBy=multi-user.target", "EnvironmentFile=/etc/rexray/rexray.env"} {
		assert.Contains(t, RexrayUnitText, "\n"+line+"\n")
	}
	for _, breaks := range []string{"\nPrivateDevices=", "\nProtectKernelModules=", "\nProtectSystem=", "\nProtectClock=", "\nDeviceAllow="} {
		assert.NotContains(t, AgentUnitText, breaks)
	}
}

func TestNotify(t *testing.T) {
	require.NoError(t, Ready("outside a unit"), "does nothing")

	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	for _, row := range []struct {
		say  func() error
		want string
	}{
		{func() error { return Ready("all\nwell") }, "READY=1\nSTATUS=all well"},
		{func() error { return Status("waiting") }, "STATUS=waiting"},
		{func() error { return Stopping("") }, "STOPPING=1"},
		{Alive, "WATCHDOG=1"},
		{func() error { return StillStarting(2 * time.Second) }, "EXTEND_TIMEOUT_USEC=2000000"},
	} {
		require.NoError(t, row.say())
		buf := make([]byte, 256)
		n, err := socket.Read(buf)
		require.NoError(t, err)
		assert.Equal(t, row.want, string(buf[:n]))
	}
}

func TestWatchdogInterval(t *testing.T) {
	t.Setenv("WATCHDOG_PID", "")
	t.Setenv("WATCHDOG_USEC", "60000000")
	interval, ok := WatchdogInterval()
	assert.True(t, ok)
	assert.Equal(t, 30*time.Second, interval)
	t.Setenv("WATCHDOG_USEC", "")
	_, ok = WatchdogInterval()
	assert.False(t, ok)
}
