//go:build innode

// Tests with real devices, as root, in a machine that may be thrown away: build with "go test -c -tags innode", copy the binary there and run it with
// DISKS="empty=/dev/loop1 filesystem=/dev/loop2 table=/dev/loop3 late-data=/dev/loop4".

package block

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"scaleio-framework/platform"
)

func TestInNode_disks(t *testing.T) {
	require.NotEmpty(t, os.Getenv("DISKS"), "it says which disks this machine has")
	s := NewScanner("/", Options{Commands: platform.Runner{}})
	start := time.Now()
	disks, err := s.Scan(t.Context())
	require.NoError(t, err)
	t.Log("scan", time.Since(start), disks)
	want := strings.Fields(os.Getenv("DISKS"))
	assert.Len(t, disks, len(want), "the node's own, and none of the host's others")
	rules := Rules{AllowTypes: []string{"loop"}, MinSizeBytes: 100 << 30}
	for _, pair := range want {
		kind, path, _ := strings.Cut(pair, "=")
		t.Run(kind, func(t *testing.T) {
			at := slices.IndexFunc(disks, func(d Disk) bool { return d.Path == path })
			require.GreaterOrEqual(t, at, 0)
			disk := disks[at]
			assert.NotEmpty(t, disk.ID)
			start := time.Now()
			got, err := s.Inspect(t.Context(), disk, rules)
			t.Log(time.Since(start), got)
			require.NoError(t, err)
			switch kind {
			case "empty":
				require.Empty(t, got)
				inUse(t, s, disk, rules)
			case "filesystem":
				assert.Contains(t, reasons(got), ReasonHasSignature)
			case "table":
				assert.Contains(t, reasons(got), ReasonHasPartitionTable)
			case "late-data":
				assert.Equal(t, ReasonNotEmpty, reasons(got))
			}
		})
	}
}

// inUse holds an empty disk in ways that leave no trace on it.
func inUse(t *testing.T, s *Scanner, disk Disk, rules Rules) {
	t.Helper()
	opened, err := os.Open(disk.Path)
	require.NoError(t, err)
	link := exec.Command("sleep", "1000")
	link.Stdin = opened // another process has it open
	require.NoError(t, link.Start())
	defer func() { _ = link.Wait() }()
	defer func() { _ = link.Process.Kill() }()
	opened.Close()
	got, err := s.Inspect(t.Context(), disk, rules)
	require.NoError(t, err)
	assert.Equal(t, ReasonInUse, reasons(got))

	_ = link.Process.Kill()
	_ = link.Wait()
	fd, err := unix.Open(disk.Path, unix.O_RDONLY|unix.O_EXCL, 0)
	require.NoError(t, err)
	got, err = s.Inspect(t.Context(), disk, rules)
	require.NoError(t, err)
	assert.Contains(t, reasons(got), ReasonInUse)
	require.NoError(t, unix.Close(fd))
	got, err = s.Inspect(t.Context(), disk, rules)
	require.NoError(t, err)
	assert.Empty(t, got)
}
