//go:build innode

// Tests with the real apt and dpkg, as root, in a machine that may be thrown away: build with "go test -c -tags innode", copy the binary there and run it.

package pkgmgr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
)

// transient runs a job as a transient service.
func transient(ctx context.Context, job Job) error {
	args := []string{"--quiet", "--wait", "--pipe", "--collect", "--unit=" + job.Name}
	for _, e := range job.Env {
		args = append(args, "--setenv="+e)
	}
	if job.EnvFile != "" {
		args = append(args, "--property=EnvironmentFile="+job.EnvFile)
	}
	out, err := exec.CommandContext(ctx, "systemd-run", append(args, job.Argv...)...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &ended{exit.ExitCode(), string(out)}
	}
	return err
}

func buildPackage(t *testing.T, name, version, postinst, depends string) string {
	t.Helper()
	dir := t.TempDir()
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: test <t@example.org>\nDescription: test\n", name, version)
	if depends != "" {
		control += "Depends: " + depends + "\n"
	}
	require.NoError(t, os.MkdirAll(dir+"/p/DEBIAN", 0o755))
	require.NoError(t, os.WriteFile(dir+"/p/DEBIAN/control", []byte(control), 0o644))
	require.NoError(t, os.WriteFile(dir+"/p/DEBIAN/postinst", []byte("#!/bin/sh\n"+postinst+"\n"), 0o755))
	file := filepath.Join(dir, name+".deb")
	out, err := exec.Command("dpkg-deb", "--root-owner-group", "-b", dir+"/p", file).CombinedOutput()
	require.NoError(t, err, string(out))
	return file
}

func realDeb(t *testing.T) *Deb {
	d := NewDeb(platform.Runner{}, platform.NewFiles("/"), transient)
	d.MayRemove = func(name string) bool { return name == "innode-product" }
	t.Cleanup(func() { _ = exec.Command("dpkg", "--purge", "--force-all", "innode-product", "innode-other").Run() })
	return d
}

func TestInNode_installWithEnvironment(t *testing.T) {
	d := realDeb(t)
	seen := filepath.Join(t.TempDir(), "seen")
	file := buildPackage(t, "innode-product", "3.6-700.103", `echo "$MDM_IP|$DEBIAN_FRONTEND" > `+seen, "")
	_, err := d.State(t.Context(), "innode-product")
	require.ErrorIs(t, err, platform.ErrNotFound)
	require.NoError(t, d.Install(t.Context(), file, map[string]string{"MDM_IP": "10.0.0.1,10.0.0.2"}))
	text, err := os.ReadFile(seen)
	require.NoError(t, err)
	assert.Equal(t, "10.0.0.1,10.0.0.2|noninteractive\n", string(text))
	state, err := d.State(t.Context(), "innode-product")
	require.NoError(t, err)
	assert.Equal(t, platform.PackageState{Version: "3.6-700.103", Configured: true}, state)
	left, err := filepath.Glob(envDir + "/*")
	require.NoError(t, err)
	assert.Empty(t, left)
	require.NoError(t, d.Install(t.Context(), file, nil), "again")

	require.NoError(t, exec.Command("dpkg", "--remove", "innode-product").Run())
	_, err = d.State(t.Context(), "innode-product")
	require.ErrorIs(t, err, platform.ErrNotFound)
}

func TestInNode_failingScriptThenMended(t *testing.T) {
	d := realDeb(t)
	dir := t.TempDir()
	file := buildPackage(t, "innode-product", "1.0", `[ -n "$MDM_IP" ] && [ -e `+dir+`/mended ]`, "")
	err := d.Install(t.Context(), file, map[string]string{"MDM_IP": "10.0.0.1"})
	var failed *Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, ScriptFailed, failed.Kind, err)
	state, err := d.State(t.Context(), "innode-product")
	require.NoError(t, err)
	assert.False(t, state.Configured)

	require.NoError(t, os.WriteFile(dir+"/mended", nil, 0o600))
	require.NoError(t, d.Install(t.Context(), file, map[string]string{"MDM_IP": "10.0.0.1"}))
	state, err = d.State(t.Context(), "innode-product")
	require.NoError(t, err)
	assert.True(t, state.Configured)
}

func TestInNode_interruptedThenRecovered(t *testing.T) {
	d := realDeb(t)
	file := buildPackage(t, "innode-product", "1.0", "true", "")
	require.NoError(t, exec.Command("dpkg", "--unpack", file).Run())
	state, err := d.State(t.Context(), "innode-product")
	require.NoError(t, err)
	require.False(t, state.Configured)
	require.NoError(t, d.Recover(t.Context()))
	state, err = d.State(t.Context(), "innode-product")
	require.NoError(t, err)
	assert.True(t, state.Configured)

	// What a kill in the middle of unpacking leaves in the database.
	status, err := os.ReadFile("/var/lib/dpkg/status")
	require.NoError(t, err)
	require.NoError(t, exec.Command("sed", "-i", `/^Package: innode-product$/,/^$/s/^Status: .*/Status: install reinstreq half-installed/`, "/var/lib/dpkg/status").Run())
	require.NoError(t, d.Recover(t.Context()))
	_, err = d.State(t.Context(), "innode-product")
	require.ErrorIs(t, err, platform.ErrNotFound, "removed, to be installed anew")
	require.NotEmpty(t, status)
	require.NoError(t, d.Install(t.Context(), file, nil))
}

func TestInNode_missingDependency(t *testing.T) {
	d := realDeb(t)
	file := buildPackage(t, "innode-product", "1.0", "true", "innode-never-heard-of")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := d.Install(ctx, file, nil)
	var failed *Error
	require.ErrorAs(t, err, &failed)
	t.Log(err)
	assert.Contains(t, []Kind{NoCandidate, Unmet, Network}, failed.Kind)
	_, err = d.State(t.Context(), "innode-product")
	require.ErrorIs(t, err, platform.ErrNotFound)
}

func TestInNode_locksOfOthers(t *testing.T) {
	d := realDeb(t)
	pid := lockInChild(t, "/var/lib/apt/lists/lock")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := d.Install(ctx, buildPackage(t, "innode-product", "1.0", "true", ""), nil)
	require.ErrorContains(t, err, fmt.Sprintf("waiting for process %d", pid))
}
