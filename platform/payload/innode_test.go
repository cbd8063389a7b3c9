//go:build innode

// Tests on a real system with a read-only /usr, its PID 1 and its systemd-sysext, as root, on a machine that may be thrown away: build with
// "go test -c -tags innode", copy the binary there and run it, phase by phase, with reboots between them.

package payload_test

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/payload"
	"scaleio-framework/platform/pkgmgr"
)

// host is the machine's own PID 1, by its command.
type host struct{ t *testing.T }

func (h host) systemctl(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		h.t.Logf("systemctl %v: %s", args, out)
	}
	return err
}

func (h host) Reload(ctx context.Context) error              { return h.systemctl(ctx, "daemon-reload") }
func (h host) Enable(ctx context.Context, unit string) error { return h.systemctl(ctx, "enable", unit) }
func (h host) Start(ctx context.Context, unit string) error  { return h.systemctl(ctx, "start", unit) }
func (h host) Stop(ctx context.Context, unit string) error   { return h.systemctl(ctx, "stop", unit) }

func (h host) run(ctx context.Context, job pkgmgr.Job) error {
	out, err := exec.CommandContext(ctx, job.Argv[0], job.Argv[1:]...).CombinedOutput()
	h.t.Logf("%v: %s", job.Argv, out)
	return err
}

func realPackages(t *testing.T) *payload.Packages {
	h := host{t}
	return payload.New("/", payload.Host{Files: platform.NewFiles("/"), Units: h, RunJob: h.run, OSID: "flatcar"}, recipe)
}

// pack has a daemon, a program with libraries, a link below /bin and a unit.
func pack(t *testing.T, version string) string {
	program, err := os.ReadFile("/usr/bin/true")
	require.NoError(t, err)
	r := rpmFile{name: name, version: version, release: "700.103.el9", files: []rpmEntry{
		link("/bin/scli", "/opt/emc/scaleio/mdm/bin/scli"),
		file("/lib/systemd/system/mdm.service", "[Service]\nExecStart="+daemon+"\n[Install]\nWantedBy=multi-user.target\n"),
		{name: daemon, mode: 0o100755, content: "#!/bin/sh\n# " + version + "\nexec sleep infinity\n"},
		{name: "/opt/emc/scaleio/mdm/bin/scli", mode: 0o100755, content: string(program)},
	}}
	path := "/root/mdm-" + version + ".rpm"
	require.NoError(t, os.WriteFile(path, r.build(), 0o600))
	return path
}

func requireWhole(t *testing.T, p *payload.Packages, version string) {
	state, err := p.State(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, platform.PackageState{Version: version + "-700.103.el9", Configured: true}, state)
	require.NoError(t, exec.Command("/bin/scli").Run(), "under /usr, by the extension")
	require.NoError(t, exec.Command("systemctl", "is-active", "mdm.service").Run())
	require.NoError(t, exec.Command("systemctl", "is-enabled", "mdm.service").Run())
	require.Error(t, os.WriteFile("/usr/bin/anything", nil, 0o600), "/usr is read-only")
	require.NoError(t, os.WriteFile("/opt/emc/scaleio/mdm/logs/written", nil, 0o600), "/opt isn't")
}

func TestInNode_installs(t *testing.T) {
	p := realPackages(t)
	require.NoError(t, p.Install(t.Context(), pack(t, "3.6"), map[string]string{"ROLE": "manager"}))
	require.NoError(t, host{t}.Start(t.Context(), "mdm.service"))
	requireWhole(t, p, "3.6")
	require.NoError(t, p.Install(t.Context(), pack(t, "3.7"), nil))
	requireWhole(t, p, "3.7")
}

// After a boot of another /usr, and of the first one again, everything is there without anybody's help.
func TestInNode_outlivesTheBoot(t *testing.T) {
	requireWhole(t, realPackages(t), "3.7")
}

func TestInNode_heals(t *testing.T) {
	p := realPackages(t)
	for _, harm := range [][]string{{"systemd-sysext", "unmerge"}, {"rm", daemon}, {"rm", "-r", "/var/lib/extensions"}} {
		require.NoError(t, exec.Command(harm[0], harm[1:]...).Run())
		state, err := p.State(t.Context(), name)
		require.NoError(t, err)
		require.False(t, state.Configured, harm)
		require.NoError(t, p.Install(t.Context(), "/root/mdm-3.7.rpm", nil))
		requireWhole(t, p, "3.7")
	}
}

func TestInNode_removes(t *testing.T) {
	require.NoError(t, realPackages(t).Remove(t.Context(), name))
	require.NoFileExists(t, "/bin/scli")
	require.NoFileExists(t, daemon)
	require.Error(t, exec.Command("systemctl", "cat", "mdm.service").Run())
	require.FileExists(t, "/opt/emc/scaleio/mdm/logs/written", "what the package didn't bring stays")
}
