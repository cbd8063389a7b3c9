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
func FuzzBoltDamage(f *testing.F) {
	path := filepath.Join(f.TempDir(), "state.db")
	b, err := OpenBolt(path)
	require.NoError(f, err)
	for i := range 40 {
		require.NoError(f, b.Commit(f.Context(), Change{Key: fmt.Sprintf("reports/%d", i), Value: fmt.Appendf(nil, `"%0500d"`, i)}))
	}
	require.NoError(f, b.Close())
	whole, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add([]byte{})
	f.Add([]byte{0x10, 0x08, 2, 0xff, 0x7f, 0x20, 0x0a, 4, 1, 0})
	f.Fuzz(func(t *testing.T, damage []byte) {
		content := bytes.Clone(whole)
		for ; len(damage) >= 5; damage = damage[5:] {
			at := int(binary.LittleEndian.Uint16(damage)) % len(content)
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
	})
}
