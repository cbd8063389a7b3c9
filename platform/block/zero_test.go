package block

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFirstData_readsBothEdgesWholeAndBlocksBetween(t *testing.T) {
	disk := &sparse{size: 120 << 30}
	found, err := firstData(t.Context(), disk, disk.size)
	require.NoError(t, err)
	assert.EqualValues(t, -1, found)
	edgeReads := 2 * edge / chunk
	between := disk.reads[edgeReads:]
	assert.Greater(t, len(between), samples*9/10, "a few may be drawn twice")
	quarters := [4]int{}
	for i, at := range between {
		assert.True(t, at >= edge && at+blockSize <= disk.size-edge && at%blockSize == 0, at)
		assert.True(t, i == 0 || at > between[i-1], "in rising order")
		quarters[at*4/disk.size]++
	}
	for _, n := range quarters {
		assert.Greater(t, n, samples/8, "all over the disk")
	}

	again := &sparse{size: disk.size}
	_, err = firstData(t.Context(), again, again.size)
	require.NoError(t, err)
	assert.NotEqual(t, between, again.reads[edgeReads:], "nobody can foresee them")
}

func TestFirstData_placeOfTheData(t *testing.T) {
	for _, row := range []struct{ size, at, want int64 }{
		{120 << 30, 0, 0},
		{120 << 30, 5000, 4096},
		{120 << 30, edge - 1, edge - 4096},
		{120 << 30, 120<<30 - 1, 120<<30 - 4096},
		{10 << 20, 7<<20 + 1, 7 << 20}, // smaller than the edges: all of it is read
		{32<<20 + 512, 32<<20 + 511, 32 << 20},
	} {
		disk := &sparse{size: row.size, at: row.at, data: "x"}
		found, err := firstData(t.Context(), disk, row.size)
		require.NoError(t, err)
		assert.Equal(t, row.want, found, row)
	}
}

func TestAllZero(t *testing.T) {
	assert.True(t, allZero(nil))
	assert.True(t, allZero(zeros(4096)))
	for _, at := range []int{0, 1, 2047, 4095} {
		b := zeros(4096)
		b[at] = 1
		assert.False(t, allZero(b), at)
	}
	assert.False(t, allZero(bytes.Repeat([]byte{7}, 512)))
}

func TestParseSwaps(t *testing.T) {
	assert.Equal(t, []string{"/dev/sda2", "/swap file"}, parseSwaps("Filename\tType\n/dev/sda2 partition 1 0 -2\n/swap\\040file file 1 0 -3\n\n"))
}

func FuzzParseSwaps(f *testing.F) {
	f.Add("Filename\n/dev/sda2 partition 1 0 -2\n/a\\040b\\09\\")
	f.Fuzz(func(t *testing.T, text string) {
		for _, path := range parseSwaps(text) {
			if !strings.HasPrefix(path, "/") {
				t.Errorf("%q from %q", path, text)
			}
		}
	})
}

func FuzzDriverMajor(f *testing.F) {
	f.Add("Character devices:\n 9 scini\nBlock devices:\n 16 scini\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := driverMajor(text, "scini"); ok && !strings.Contains(text, "scini") {
			t.Errorf("found in %q", text)
		}
	})
}

func FuzzParseNumber(f *testing.F) {
	f.Add("259:1")
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := parseNumber(s); ok {
			if again, ok := parseNumber(n.String()); !ok || again != n {
				t.Errorf("%q gives %v", s, n)
			}
		}
	})
}
