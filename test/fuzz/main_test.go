package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A target in a package that isn't found would never run.
func TestWithTargets(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	none, one, other := file("a_test.go", "package a\nfunc TestA() {}\n"), file("b_test.go", "package a\nfunc FuzzA() {}\n"), file("c_test.go", "package a\nfunc FuzzB() {}\n")
	found, err := withTargets([]byte("m/a " + none + "\nm/a " + one + "\nm/a " + other + "\nm/b " + none + "\nm/c " + other + "\n"))
	require.NoError(t, err)
	assert.Equal(t, []target{{pkg: "m/a", dir: dir}, {pkg: "m/c", dir: dir}}, found)
	_, err = withTargets([]byte("m/a " + filepath.Join(dir, "gone_test.go") + "\n"))
	assert.Error(t, err)
}

func TestSummary(t *testing.T) {
	said := "fuzz: elapsed: 0s, gathering baseline coverage: 0/3 completed\nfuzz: elapsed: 30s, execs: 7 (1/sec), new interesting: 2 (total: 3)\nPASS\n"
	assert.Equal(t, "elapsed: 30s, execs: 7 (1/sec), new interesting: 2 (total: 3)", summary([]byte(said)))
	assert.Equal(t, "failed", summary([]byte("panic: x")))
}
