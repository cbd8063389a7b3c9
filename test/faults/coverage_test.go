package faults_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The table of README.md has every fault of the list once, in order, each with its tests or with what isn't covered; and every test that it names is there.
func TestCoverage(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	there := testsOf(t, filepath.Join("..", ".."))
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	next := 1
	for line := range strings.Lines(string(text)) {
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			assert.True(t, there[m[1]], "no test is called %s", m[1])
		}
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 5 {
			continue
		}
		row, err := strconv.Atoi(strings.TrimSpace(cells[1]))
		if err != nil {
			continue
		}
		assert.Equal(t, next, row)
		next++
		assert.True(t, named.MatchString(cells[3]) || strings.TrimSpace(cells[4]) != "", "fault %d has neither a test nor a reason", row)
	}
	assert.Equal(t, 45, next, "44 faults")
}

// testsOf the whole tree, by name.
func testsOf(t *testing.T, root string) map[string]bool {
	t.Helper()
	all, function := map[string]bool{}, regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(source, -1) {
			all[string(m[1])] = true
		}
		return err
	}))
	return all
}
