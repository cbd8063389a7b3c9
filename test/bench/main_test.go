package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTable_judges(t *testing.T) {
	measured, failed, err := read(strings.NewReader(`goos: linux
BenchmarkPlaced-2   	       1	         61.5 s/10000	         0 offers-held	        72.04 min-to-offer
BenchmarkPlaced logged 3 things
BenchmarkCalls/100/on=1-2         	       1	         2.000 mutating/volume	         0.04000 describes/volume
BenchmarkOther-2   	       1	         1 s/10000
`))
	require.NoError(t, err)
	assert.False(t, failed)
	assert.Equal(t, `| | what | measured | bar | met |
|---|---|---|---|---|
| M2 | 10,000 agents placed, one core | 61.5 s/10000 | ≤ 60 | **no** |
| M2 | offers held at rest | 0 offers-held | 0 | yes |
| M2 | until the first agent is offered again | 72.04 min-to-offer | ≥ 60 | yes |
| M8 | changing EC2 calls per volume, 100 at a time | 2 mutating/volume | ≤ 2 | yes |
| M8 | describing ones | 0.04 describes/volume | ≤ 0.1 | yes |
`, table(measured))
}

func TestRead_tellsOfAFailedBenchmark(t *testing.T) {
	for _, line := range []string{"--- FAIL: BenchmarkPlaced", "FAIL\tscaleio-framework/test/bench [build failed]"} {
		_, failed, err := read(strings.NewReader(line + "\n"))
		require.NoError(t, err)
		assert.True(t, failed, line)
	}
}
