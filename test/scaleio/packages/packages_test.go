package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/machinetest"
)

func TestBuild(t *testing.T) {
	for _, tool := range []string{"dpkg-deb", "rpmbuild", "rpmsign", "gpg"} {
		if _, err := exec.LookPath(tool); err != nil {
			machinetest.Lacks(t, tool)
		}
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "dev-scaleio")
	require.NoError(t, os.WriteFile(binary, []byte("#!/bin/sh\n"), 0o755))
	out := filepath.Join(dir, "mirror")
	require.NoError(t, build(t.Context(), firstVersion, out, binary, "http://mirror"))
	first, err := os.ReadFile(filepath.Join(out, "manifest.json"))
	require.NoError(t, err)
	var m manifest
	require.NoError(t, json.Unmarshal(first, &m))
	require.Len(t, m.Packages, 13)
	assert.Equal(t, entry{Component: "mdm", Version: "3.6-700.103.Ubuntu.22.04", OS: "ubuntu22.04", Format: "deb",
		URL: "http://mirror/EMC-ScaleIO-mdm-3.6-700.103.Ubuntu.22.04.x86_64.deb", Size: m.Packages[0].Size, SHA256: m.Packages[0].SHA256}, m.Packages[0])
	for _, e := range m.Packages {
		size, sum, err := digest(filepath.Join(out, filepath.Base(e.URL)))
		require.NoError(t, err)
		assert.Equal(t, []any{e.Size, e.SHA256}, []any{size, sum}, e.Component)
		if e.Format == "deb" {
			assert.Equal(t, "emc-scaleio-"+e.Component+" "+e.Version+" amd64", deb1(t, out, e, "--show", "--showformat=${Package} ${Version} ${Architecture}"))
		}
	}
	assert.Equal(t, entry{Component: "mdm", Version: "3.6-700.103.el9", OS: "el9", Format: "rpm", URL: "http://mirror/EMC-ScaleIO-mdm-3.6-700.103.el9.x86_64.rpm",
		Size: m.Packages[4].Size, SHA256: m.Packages[4].SHA256, SigningKey: m.Packages[4].SigningKey}, m.Packages[4])
	assert.Equal(t, "EMC-ScaleIO-gateway-3.6-700.103.x86_64.rpm", filepath.Base(m.Packages[10].URL))
	assert.Equal(t, "flatcar", m.Packages[5].OS)
	assert.Equal(t, m.Packages[4].SHA256, m.Packages[5].SHA256)
	checkRPM(t, out, m.Packages[4])
	contents := deb1(t, out, m.Packages[0], "--contents")
	for _, want := range []string{"./opt/emc/scaleio/mdm/bin/mdm\n", "./bin/scli -> /opt/emc/scaleio/mdm/bin/scli", "./lib/systemd/system/mdm.service"} {
		assert.Contains(t, contents+"\n", want)
	}
	// The same content gives the same file: a mirror built twice keeps its digests.
	require.NoError(t, build(t.Context(), firstVersion, out, binary, "http://mirror"))
	second, err := os.ReadFile(filepath.Join(out, "manifest.json"))
	require.NoError(t, err)
	var again manifest
	require.NoError(t, json.Unmarshal(second, &again))
	for i, e := range m.Packages {
		if e.Format != "rpm" { // signed with another key
			assert.Equal(t, e, again.Packages[i])
		}
	}
}

// checkRPM: signed with the key beside it, and with the files and scripts of the .deb.
func checkRPM(t *testing.T, out string, e entry) {
	t.Helper()
	file, ring := filepath.Join(out, filepath.Base(e.URL)), t.TempDir()
	ask := func(command string, args ...string) string {
		t.Helper()
		output, err := exec.Command(command, append([]string{"--dbpath", ring}, args...)...).CombinedOutput()
		require.NoError(t, err, string(output))
		return string(output)
	}
	ask("rpmkeys", "--import", filepath.Join(out, "RPM-GPG-KEY-ScaleIO"))
	assert.Equal(t, file+": digests signatures OK\n", ask("rpmkeys", "-K", file))
	assert.Equal(t, "/bin/scli -> /opt/emc/scaleio/mdm/bin/scli\n/lib/systemd/system/mdm.service -> \n/opt/emc/scaleio/mdm/bin/create_service.sh -> \n"+
		"/opt/emc/scaleio/mdm/bin/delete_service.sh -> \n/opt/emc/scaleio/mdm/bin/mdm -> \n/opt/emc/scaleio/mdm/bin/scli -> mdm\n", ask("rpm", "-qp", "--qf", "[%{FILENAMES} -> %{FILELINKTOS}\n]", file))
	scripts := ask("rpm", "-qp", "--scripts", file)
	assert.Contains(t, scripts, "actor_role_is_manager=${MDM_ROLE_IS_MANAGER:-0}")
	assert.Contains(t, scripts, "I_AM_SURE")
}

func deb1(t *testing.T, out string, e entry, args ...string) string {
	t.Helper()
	command := exec.Command("dpkg-deb", append(args, filepath.Join(out, filepath.Base(e.URL)))...)
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	return strings.TrimSpace(string(output))
}

func TestScripts_areShell(t *testing.T) {
	for _, pattern := range []string{"files/*/DEBIAN/p*", "files/*/root/opt/emc/scaleio/*/bin/*.sh"} {
		scripts, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, scripts)
		for _, script := range scripts {
			output, err := exec.Command("sh", "-n", script).CombinedOutput()
			assert.NoError(t, err, "%s: %s", script, output)
		}
	}
}
