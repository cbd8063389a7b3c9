package cases_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/cases"
)

func TestLongestPause_isOfTheTimeAsked(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	rounds := []time.Time{at(0), at(900), at(1000), at(1100), at(1400), at(1500), at(3500)}
	for _, row := range []struct {
		from, to, want int
		ended          bool
	}{
		{950, 1450, 300, true},
		{1050, 1080, 100, true},  // it lies within one
		{1450, 1600, 2000, true}, // what began then, to its end
		{500, 1000, 900, true},   // and what had begun before
		{1000, 1100, 100, true},
		{1450, 3500, 2000, false}, // nothing since
		{4000, 5000, 0, false},
	} {
		got, ended := cases.LongestPause(rounds, at(row.from), at(row.to))
		assert.Equal(t, time.Duration(row.want)*time.Millisecond, got, "%+v", row)
		assert.Equal(t, row.ended, ended, "%+v", row)
	}
	_, ended := cases.LongestPause(nil, start, start)
	assert.False(t, ended)
}

func TestBlast_publishesItsTableAlone(t *testing.T) {
	readme := filepath.Join(t.TempDir(), "README.md")
	write := func(text string) { require.NoError(t, os.WriteFile(readme, []byte(text), 0o600)) }
	b := &cases.Blast{When: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC), Machine: "a machine", Rounds: 7, Quiet: 260 * time.Millisecond,
		Froze:  map[bool]time.Duration{true: 20 * time.Second},
		Killed: map[string]cases.Blow{"scheduler": {Pause: 314 * time.Millisecond, Ready: 36170 * time.Millisecond}},
		Frozen: map[string]cases.Blow{"scheduler": {Pause: time.Second, Ready: 2 * time.Second}}}
	write("before\n" + cases.BlastFrom + cases.BlastTo + "\nafter\n")
	for range 2 {
		require.NoError(t, b.Publish(readme))
		text, err := os.ReadFile(readme)
		require.NoError(t, err)
		table, ok := strings.CutPrefix(string(text), "before\n"+cases.BlastFrom+"2026-11-23 on a machine, with stand-ins")
		require.True(t, ok, "%s", text)
		assert.True(t, strings.HasSuffix(table, " |\n"+cases.BlastTo+"\nafter\n"), "%s", text)
		assert.Contains(t, table, "\n| scheduler | ours | 0.31 s | 36.2 s | 20 s | 1.00 s | 2.0 s |\n")
	}
	write("a README without a place for it")
	require.ErrorContains(t, b.Publish(readme), "lacks")
}
