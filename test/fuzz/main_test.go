package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

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

// The end of a target's time is no failure; what a target finds is, and so is a target that doesn't end.
func TestFuzz_endsWithItsTime(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("go.mod", "module fuzzed\n\ngo 1.26\n")
	write("a_test.go", `package fuzzed

import "testing"

func FuzzFine(f *testing.F) {
	f.Add("x")
	f.Fuzz(func(t *testing.T, s string) {})
}

func FuzzBad(f *testing.F) {
	f.Add("x")
	f.Fuzz(func(t *testing.T, s string) { t.Fatal("found") })
}
`)
	t.Chdir(dir)
	var out bytes.Buffer
	err := run(context.Background(), &out, 2*time.Second, 2, nil)
	require.EqualError(t, err, "1 of 2 targets failed: fuzzed FuzzBad", "%s", &out)
	assert.Contains(t, out.String(), "found")
	assert.Regexp(t, `fuzzed FuzzFine: elapsed: [1-9][0-9]*s, execs: [1-9]`, out.String())
}
