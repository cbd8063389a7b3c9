package test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/cases"
)

// The README's table of pauses is one that a run wrote, of the processes that are killed today.
func TestReadme_pausesAreMeasuredOfEveryProcess(t *testing.T) {
	table := between(t, read(t, "../README.md"), cases.BlastFrom, "\n"+cases.BlastTo)
	said, rows, ok := strings.Cut(table, "\n\n")
	require.True(t, ok, "make blast writes it")
	assert.Regexp(t, `^20\d\d-\d\d-\d\d on .+ \(\d+ cores, .+, Linux [\d.]+\).* \d+ verified, 0 I/O errors, the longest \d+\.\d\d s while nothing happened\.$`, said)
	lines := strings.Split(rows, "\n")
	require.Len(t, lines, 2+len(cases.Victims), "make blast writes it anew")
	seconds := regexp.MustCompile(`^\d+(\.\d+)? s$`)
	for i, v := range cases.Victims {
		cells := strings.Split(strings.Trim(lines[2+i], "| "), " | ")
		require.Len(t, cells, 7, lines[2+i])
		assert.Equal(t, v.Name, cells[0])
		assert.Equal(t, v.Whose(), cells[1])
		for _, cell := range cells[2:] {
			assert.Regexp(t, seconds, cell, lines[2+i])
			assert.NotRegexp(t, `^0(\.0+)? s$`, cell, "not measured: %s", lines[2+i])
		}
	}
}
