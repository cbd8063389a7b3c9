package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/systemd"
)

var exposure = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// What systemd says about the agent's unit as it is shipped. It judges lines of a file, and is no proof of safety; package managers run in units of their own, without these bounds.
func BenchmarkExposure(b *testing.B) {
	path := filepath.Join(b.TempDir(), systemd.AgentUnit)
	require.NoError(b, os.WriteFile(path, []byte(systemd.AgentUnitText), 0o600))
	for b.Loop() {
		out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--no-pager", path).CombinedOutput()
		require.NoError(b, err, string(out))
		found := exposure.FindSubmatch(out)
		require.NotNil(b, found, string(out))
		score, err := strconv.ParseFloat(string(found[1]), 64)
		require.NoError(b, err)
		b.ReportMetric(score, "score")
	}
	b.ReportMetric(0, "ns/op")
}
