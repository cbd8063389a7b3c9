package test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each row of the README's table of attackers names tests that there are.
func TestReadme_attackersAreTested(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\|.*\|$`).FindAllString(between(t, read(t, "../README.md"), "## Who can do what\n", "\n## "), -1)
	require.Greater(t, len(rows), 5)
	there := testsOfTheTree(t)
	untested := 0
	for _, row := range rows[2:] {
		names := regexp.MustCompile("`(Test[A-Za-z_]+)`").FindAllStringSubmatch(row, -1)
		for _, m := range names {
			assert.True(t, there[m[1]], "%s isn't there", m[1])
		}
		if len(names) == 0 {
			untested++
		}
	}
	assert.LessOrEqual(t, untested, 1, "only whoever may do everything has no test")
	assert.False(t, there["TestNobodyWrote"])
}

func testsOfTheTree(t *testing.T) map[string]bool {
	t.Helper()
	there := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	root := os.DirFS("..")
	require.NoError(t, fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		source, err := fs.ReadFile(root, name)
		for _, m := range function.FindAllStringSubmatch(string(source), -1) {
			there[m[1]] = true
		}
		return err
	}))
	return there
}
