//go:build innode

// Tests with the real rpm and dnf, as root, in a machine that may be thrown away. It has a repository with libaio in it, and rpmbuild.

package pkgmgr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
)

func buildRPM(t *testing.T, name, version, post, requires string) string {
	t.Helper()
	dir := t.TempDir()
	spec := fmt.Sprintf("Name: %s\nVersion: %s\nRelease: 1.el9\nSummary: test\nLicense: test\nBuildArch: noarch\nAutoReqProv: no\nRequires: /bin/sh\n", name, version)
	if requires != "" {
		spec += "Requires: " + requires + "\n"
	}
	spec += "%description\ntest\n%install\nmkdir -p %{buildroot}/opt/" + name + "\necho " + version + " >%{buildroot}/opt/" + name + "/program\n%post -p /bin/sh\n" +
		post + "\n%files\n/opt/" + name + "/program\n"
	require.NoError(t, os.WriteFile(dir+"/p.spec", []byte(spec), 0o600))
	out, err := exec.Command("rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, dir+"/p.spec").CombinedOutput()
	require.NoError(t, err, string(out))
	return fmt.Sprintf("%s/RPMS/noarch/%s-%s-1.el9.noarch.rpm", dir, name, version)
}

func realRPM(t *testing.T) *RPM {
	t.Helper()
	r := NewRPM(platform.Runner{}, platform.NewFiles("/"), transient)
	r.Ours = func(name string) bool { return strings.HasPrefix(name, "innode-product") }
	t.Cleanup(func() {
		_ = exec.Command("rpm", "-e", "--nodeps", "--noscripts", "--allmatches", "innode-product").Run()
		_ = os.RemoveAll("/opt/innode-product")
	})
	return r
}

func TestInRPMNode_installUpgradeReinstall(t *testing.T) {
	r := realRPM(t)
	seen := filepath.Join(t.TempDir(), "seen")
	file := buildRPM(t, "innode-product", "3.6", `echo "$MDM_IP $1" >`+seen, "")
	_, err := r.State(t.Context(), "innode-product")
	require.ErrorIs(t, err, platform.ErrNotFound)
	require.NoError(t, r.Install(t.Context(), file, map[string]string{"MDM_IP": "10.0.0.1,10.0.0.2"}))
	text, err := os.ReadFile(seen)
	require.NoError(t, err)
	assert.Equal(t, "10.0.0.1,10.0.0.2 1\n", string(text))
	state, err := r.State(t.Context(), "innode-product")
	require.NoError(t, err)
	assert.Equal(t, platform.PackageState{Version: "3.6-1.el9", Configured: true}, state)
	left, err := filepath.Glob(envDir + "/*")
	require.NoError(t, err)
	assert.Empty(t, left)

	require.NoError(t, os.Remove("/opt/innode-product/program"))
	require.NoError(t, r.Install(t.Context(), file, nil), "again")
	assert.FileExists(t, "/opt/innode-product/program")
	require.NoError(t, r.Install(t.Context(), buildRPM(t, "innode-product", "3.10", "true", ""), nil), "an upgrade")
	state, err = r.State(t.Context(), "innode-product")
	require.NoError(t, err)
	assert.Equal(t, "3.10-1.el9", state.Version)
	err = r.Install(t.Context(), file, nil)
	var failed *Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, Downgrade, failed.Kind, "dnf would do it and say nothing")

	require.NoError(t, r.Remove(t.Context(), "innode-product"))
	_, err = r.State(t.Context(), "innode-product")
	require.ErrorIs(t, err, platform.ErrNotFound)
}

func TestInRPMNode_failingScriptThenMended(t *testing.T) {
	r := realRPM(t)
	dir := t.TempDir()
	file := buildRPM(t, "innode-product", "1.0", `echo "looking for `+dir+`/mended"; [ -n "$MDM_IP" ] && [ -e `+dir+`/mended ]`, "")
	err := r.Install(t.Context(), file, map[string]string{"MDM_IP": "10.0.0.1"})
	var failed *Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, ScriptFailed, failed.Kind, err)
	assert.Contains(t, err.Error(), "looking for "+dir)
	again := realRPM(t) // a restarted agent
	state, err := again.State(t.Context(), "innode-product")
	require.NoError(t, err)
	assert.False(t, state.Configured)

	require.NoError(t, os.WriteFile(dir+"/mended", nil, 0o600))
	require.NoError(t, again.Install(t.Context(), file, map[string]string{"MDM_IP": "10.0.0.1"}))
	state, err = realRPM(t).State(t.Context(), "innode-product")
	require.NoError(t, err)
	assert.True(t, state.Configured)
}

// manager is the one that the code under test takes: dnf, or yum where that alone is there.
func manager(t *testing.T) string {
	t.Helper()
	path, err := realRPM(t).manager()
	require.NoError(t, err)
	return path
}

// killed cuts the manager off in the middle of a package's script, as a power failure would.
func killed(t *testing.T, file, started string) {
	t.Helper()
	dnf := exec.Command("systemd-run", "--quiet", "--wait", "--collect", "--unit=killed-dnf", manager(t), "-y", "--disablerepo=*", "install", file)
	require.NoError(t, dnf.Start())
	require.Eventually(t, func() bool { _, err := os.Stat(started); return err == nil }, time.Minute, 50*time.Millisecond)
	require.NoError(t, exec.Command("systemctl", "kill", "--signal=KILL", "killed-dnf").Run())
	_ = dnf.Wait()
}

func TestInRPMNode_interruptedThenRecovered(t *testing.T) {
	r := realRPM(t)
	dir := t.TempDir()
	file := buildRPM(t, "innode-product", "1.0", `[ -e `+dir+`/started ] && exit 0; touch `+dir+`/started; sleep 600`, "")
	killed(t, file, dir+"/started")
	require.NoError(t, exec.Command("rpm", "-q", "innode-product").Run(), "to rpm it is installed")
	state, err := r.State(t.Context(), "innode-product")
	require.NoError(t, err)
	require.False(t, state.Configured)
	out, err := exec.Command(manager(t), "-y", "install", "libaio").CombinedOutput() // somebody else's transaction hides the cut one's sign
	require.NoError(t, err, string(out))
	state, err = realRPM(t).State(t.Context(), "innode-product")
	require.NoError(t, err)
	require.False(t, state.Configured)

	require.NoError(t, r.Recover(t.Context()))
	require.NoError(t, r.Install(t.Context(), file, nil))
	state, err = realRPM(t).State(t.Context(), "innode-product")
	require.NoError(t, err)
	assert.True(t, state.Configured)

	// An upgrade that was cut leaves both versions.
	newer := buildRPM(t, "innode-product", "2.0", `[ -e `+dir+`/started2 ] && exit 0; touch `+dir+`/started2; sleep 600`, "")
	killed(t, newer, dir+"/started2")
	versions, err := exec.Command("rpm", "-q", "innode-product").CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(versions), "\n"), string(versions))
	state, err = r.State(t.Context(), "innode-product")
	require.NoError(t, err)
	assert.Equal(t, platform.PackageState{Version: "2.0-1.el9"}, state)
	require.NoError(t, r.Recover(t.Context()))
	require.NoError(t, r.Install(t.Context(), newer, nil))
	state, err = realRPM(t).State(t.Context(), "innode-product")
	require.NoError(t, err)
	assert.Equal(t, platform.PackageState{Version: "2.0-1.el9", Configured: true}, state)
}

func TestInRPMNode_dependencies(t *testing.T) {
	r := realRPM(t)
	_ = exec.Command("rpm", "-e", "libaio", "numactl").Run()
	require.NoError(t, r.Install(t.Context(), buildRPM(t, "innode-product", "1.0", "true", "libaio"), nil), "from the repository")
	require.NoError(t, exec.Command("rpm", "-q", "libaio").Run())
	require.NoError(t, r.Require(t.Context(), "libaio", "numactl"))
	require.NoError(t, exec.Command("rpm", "-q", "numactl").Run())

	err := r.Install(t.Context(), buildRPM(t, "innode-product", "2.0", "true", "innode-never-heard-of"), nil)
	var failed *Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, Unmet, failed.Kind, err)
	require.ErrorAs(t, r.Require(t.Context(), "innode-never-heard-of"), &failed)
	assert.Equal(t, NoCandidate, failed.Kind)
}

func TestInRPMNode_signatures(t *testing.T) {
	r := realRPM(t)
	home, dir := t.TempDir(), t.TempDir()
	require.NoError(t, os.Chmod(home, 0o700))
	sign := func(name, file string) {
		gpg := func(args ...string) []byte {
			out, err := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"}, args...)...).Output()
			require.NoError(t, err)
			return out
		}
		gpg("--quick-generate-key", name, "rsa2048", "sign", "never")
		require.NoError(t, os.WriteFile(dir+"/"+name, gpg("--armor", "--export", name), 0o600))
		out, err := exec.Command("rpmsign", "--define", "__gpg /usr/bin/gpg", "--define", "_gpg_path "+home, "--define", "_gpg_name "+name, "--addsign", file).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	t.Cleanup(func() { _ = exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() })
	use := func(file, key string) {
		data, err := os.ReadFile(dir + "/" + key)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file+KeySuffix, data, 0o600))
	}
	unsigned, signed, other := buildRPM(t, "innode-product", "1.0", "true", ""), buildRPM(t, "innode-product", "1.1", "true", ""), buildRPM(t, "innode-product", "1.2", "true", "")
	sign("vendor", signed)
	sign("stranger", other)
	refused := func(file string, want Kind) {
		t.Helper()
		var failed *Error
		err := r.Install(t.Context(), file, nil)
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, want, failed.Kind, err)
	}
	for _, file := range []string{unsigned, other} {
		use(file, "vendor")
		refused(file, NotSigned)
	}
	use(signed, "vendor")
	require.NoError(t, r.Install(t.Context(), signed, nil))
	require.NoError(t, os.Remove(other+KeySuffix))
	require.NoError(t, r.Install(t.Context(), other, nil), "where no key is named, digests are enough")

	data, err := os.ReadFile(signed)
	require.NoError(t, err)
	data[len(data)-20] ^= 1
	damaged := filepath.Join(t.TempDir(), "damaged.rpm")
	require.NoError(t, os.WriteFile(damaged, data, 0o600))
	refused(damaged, Damaged)
}

func TestInRPMNode_locksOfOthers(t *testing.T) {
	r := realRPM(t)
	dir := t.TempDir()
	slow := buildRPM(t, "innode-product-slow", "1.0", `touch `+dir+`/started; while [ ! -e `+dir+`/go ]; do sleep 0.1; done`, "")
	t.Cleanup(func() { _ = exec.Command("rpm", "-e", "innode-product-slow").Run() })
	dnf := exec.Command(manager(t), "-y", "--disablerepo=*", "install", slow)
	require.NoError(t, dnf.Start())
	require.Eventually(t, func() bool { _, err := os.Stat(dir + "/started"); return err == nil }, time.Minute, 50*time.Millisecond)
	file := buildRPM(t, "innode-product", "1.0", "true", "")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := r.Install(ctx, file, nil)
	require.ErrorContains(t, err, fmt.Sprintf("waiting for process %d (%s)", dnf.Process.Pid, filepath.Base(manager(t))))

	done := make(chan error, 1)
	go func() { done <- r.Install(t.Context(), file, nil) }()
	require.NoError(t, os.WriteFile(dir+"/go", nil, 0o600))
	require.NoError(t, dnf.Wait())
	require.NoError(t, <-done)

	pid := lockInChild(t, "/var/lib/rpm/.rpm.lock")
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	require.ErrorContains(t, r.Install(ctx, file, nil), fmt.Sprintf("waiting for process %d", pid))
	require.True(t, errors.Is(ctx.Err(), context.DeadlineExceeded))
}
