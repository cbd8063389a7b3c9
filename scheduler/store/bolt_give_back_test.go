package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/store"
)

// What was read of the file isn't kept mapped, wherever the state's folder is; its records are there as before.
func TestBolt_givesBackWhatItRead(t *testing.T) {
	real, link := filepath.Join(t.TempDir(), "real"), filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Mkdir(real, 0o700))
	require.NoError(t, os.Symlink(real, link))
	b, err := store.OpenBolt(filepath.Join(link, "state.db"))
	require.NoError(t, err)
	defer b.Close()
	var changes []store.Change
	for i := range 300 {
		changes = append(changes, store.Change{Key: fmt.Sprintf("reports/%d", i), Value: []byte(`"` + strings.Repeat("x", 3000) + `"`)})
	}
	require.NoError(t, b.Commit(t.Context(), changes...))
	all, err := b.List(t.Context(), "")
	require.NoError(t, err)
	path := filepath.Join(real, "state.db")
	require.Greater(t, mappedKiB(t, path), 500)

	require.NoError(t, b.GiveBack())
	assert.Less(t, mappedKiB(t, path), 100)
	again, err := b.List(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, all, again)
}

// mappedKiB that are resident of a file.
func mappedKiB(t *testing.T, path string) (sum int) {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	in := false
	for line := range strings.Lines(string(smaps)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.Contains(fields[0], "-") {
			in = fields[len(fields)-1] == path
		} else if in && fields[0] == "Rss:" {
			kib, err := strconv.Atoi(fields[1])
			require.NoError(t, err)
			sum += kib
		}
	}
	return sum
}
