package block

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
)

// A disk whose number is among the mounts is refused whatever the other lines say; what can't be read is an error, and no proof.
func FuzzMounts(f *testing.F) {
	const ours = "36 35 259:7 / /mnt rw,noatime master:1 - ext3 /dev/root rw\n"
	f.Add([]byte("22 1 259:3 / / rw shared:1 - xfs /dev/mapper/a\\040b rw\n"))
	f.Add([]byte("22 1 0:5 / /proc rw - proc proc rw"))
	root := f.TempDir()
	require.NoError(f, os.MkdirAll(filepath.Join(root, "proc/1"), 0o755))
	file := filepath.Join(root, "proc/1/mountinfo")
	f.Fuzz(func(t *testing.T, text []byte) {
		require.NoError(t, os.WriteFile(file, append([]byte(ours), text...), 0o600))
		s := NewScanner(platform.Root(root), Options{})
		refused, err := s.mounted(Disk{Path: "/dev/nvme0n1"}, family{number{259, 7}: "nvme0n1p1"})
		if err == nil && len(refused) == 0 {
			t.Errorf("%q hides a mount", text)
		}
	})
}
