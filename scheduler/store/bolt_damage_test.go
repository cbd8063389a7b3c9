package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A file that a disk damaged anywhere: told as damage, or read; never a crash of the scheduler, never a fresh store. Each five bytes of the
// damage are a place, how far, and with what it is overwritten.
func TestBolt_damageIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	b, err := OpenBolt(path)
	require.NoError(t, err)
	for i := range 40 {
		require.NoError(t, b.Commit(t.Context(), Change{Key: fmt.Sprintf("reports/%d", i), Value: fmt.Appendf(nil, `"%0500d"`, i)}))
	}
	require.NoError(t, b.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, damage := range []string{
		"", "\x10\x08\x02\xff\x7f\x20\x0a\x04\x01\x00",
		"00\x02\xff\x7f", "\x10  \x00\x04\x7f\x19\x19\x04\n", // a record that passes for a bucket; a key that is longer than the file
	} {
		content := bytes.Clone(whole)
		for ; len(damage) >= 5; damage = damage[5:] {
			at := int(binary.LittleEndian.Uint16([]byte(damage[:2]))) % len(content)
			for i := range int(damage[2]) {
				if at+i < len(content) {
					content[at+i] = damage[3+i%2]
				}
			}
		}
		require.NoError(t, os.WriteFile(path, content, 0o600))
		b, err := OpenBolt(path)
		if err == nil {
			_, err = b.List(t.Context(), "")
			require.NoError(t, b.Close())
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
			t.Errorf("a reason that nobody knows: %v", err)
		}
	}
}
