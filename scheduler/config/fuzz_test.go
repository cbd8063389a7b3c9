package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzReadFile(f *testing.F) {
	f.Add([]byte("mesos-masters: [http://m1:5050]\nlisten: :9443\n"))
	f.Add([]byte("a: &a [*a]\n? [b]\n: c\n"))
	path := filepath.Join(f.TempDir(), "scheduler.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		require.NoError(t, os.WriteFile(path, text, 0o600))
		_, _ = readFile(path)
	})
}
