package nodes

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStreamContains_acrossChunks(t *testing.T) {
	const chunk = 1 << 20
	for _, at := range []int{0, 100, chunk - 3, chunk, 2*chunk - 1} {
		data := make([]byte, 3*chunk)
		copy(data[at:], "needle")
		found, err := streamContains(bytes.NewReader(data), []byte("needle"))
		require.NoError(t, err)
		require.True(t, found, "at %d", at)
	}
	found, err := streamContains(bytes.NewReader(make([]byte, 3*chunk)), []byte("needle"))
	require.NoError(t, err)
	require.False(t, found)
}

func TestSumBlocks_countsContentAndPlace(t *testing.T) {
	sum := func(at int64, data []byte) string {
		digest := sha256.New()
		require.NoError(t, sumBlocks(digest, at, bytes.NewReader(data)))
		return string(digest.Sum(nil))
	}
	data := make([]byte, 3*4096)
	copy(data[4096:], "something")
	same := sum(0, data)
	require.Equal(t, same, sum(4096, data[4096:2*4096]), "zeros around it don't count")
	require.NotEqual(t, same, sum(4096, data), "its place does")
	data[2*4096] = 1
	require.NotEqual(t, same, sum(0, data), "so does every byte")
}
