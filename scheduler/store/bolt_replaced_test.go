package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"
)

// Who waits for the lock while the file is rewritten has the former file in hand: what it commits there, nobody would ever read.
func TestOpenNow_refusesAReplacedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	b, err := OpenBolt(path)
	require.NoError(t, err)
	require.NoError(t, b.Close())
	holder, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	require.NoError(t, err)
	opened := make(chan error)
	go func() {
		db, err := openNow(path)
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	require.Eventually(t, func() bool { return descriptors(path) == 2 }, 4*time.Second, time.Millisecond, "it waits for the lock")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path+".part", content, 0o600))
	require.NoError(t, os.Rename(path+".part", path))
	require.NoError(t, holder.Close())
	require.ErrorIs(t, <-opened, ErrLocked)

	db, err := openNow(path)
	require.NoError(t, err, "the file that is there now")
	require.NoError(t, db.Close())
}

// descriptors of this process that are open on a file.
func descriptors(path string) (n int) {
	all, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range all {
		if to, _ := os.Readlink(fd); to == path {
			n++
		}
	}
	return n
}
