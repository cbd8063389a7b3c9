package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A daemon that begins anew keeps its process id, arguments and environment: whoever watches it sees no end.
func TestBeginAnew_isTheSameProcess(t *testing.T) {
	const lives = "BEGIN_ANEW_LIVES"
	if file := os.Getenv(lives); file != "" {
		before, _ := os.ReadFile(file)
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = fmt.Fprintf(f, "%d %s\n", os.Getpid(), strings.Join(os.Args, " "))
		require.NoError(t, err)
		if len(before) == 0 {
			require.NoError(t, beginAnew())
		}
		return
	}
	file := filepath.Join(t.TempDir(), "lives")
	child := exec.Command(os.Args[0], "-test.run=^TestBeginAnew_isTheSameProcess$")
	child.Env = append(os.Environ(), lives+"="+file)
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
	said, err := os.ReadFile(file)
	require.NoError(t, err)
	all := strings.Split(strings.TrimSpace(string(said)), "\n")
	require.Len(t, all, 2)
	assert.Equal(t, all[0], all[1])
	assert.True(t, strings.HasPrefix(all[0], fmt.Sprint(child.Process.Pid)+" "))
}
