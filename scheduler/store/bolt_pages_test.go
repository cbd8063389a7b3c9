package store

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"
)

// Whatever bbolt writes is whole, after every commit, and so is what it goes back to when a commit was cut off in either meta: a check that finds damage where there is
// none would keep a scheduler from its state.
func TestCheckPages_findsNoDamageInWhatBoltWrites(t *testing.T) {
	for name, options := range map[string]bolt.Options{
		"as the store":    {NoFreelistSync: true},
		"with a list":     {},
		"as a map":        {FreelistType: bolt.FreelistMapType},
		"small pages":     {NoFreelistSync: true, PageSize: 1 << 10},
		"large pages":     {PageSize: 1 << 16},
		"small, and list": {PageSize: 1 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options.NoSync, options.NoGrowSync = true, true // nothing is cut off here but by us
			path := filepath.Join(t.TempDir(), "state.db")
			db, err := bolt.Open(path, 0o600, &options)
			require.NoError(t, err)
			defer db.Close()
			requireWhole(t, path, db.Info().PageSize, 0)
			random := rand.New(rand.NewPCG(1, uint64(len(name))))
			for commit := range 48 {
				require.NoError(t, db.Update(func(tx *bolt.Tx) error { return change(tx, random, commit/6) }))
				requireWhole(t, path, db.Info().PageSize, commit+1)
			}
		})
	}
}

// change some records; the phases put more, delete more, delete all, and put big ones.
func change(tx *bolt.Tx, random *rand.Rand, phase int) error {
	b, err := tx.CreateBucketIfNotExists(records)
	if err != nil {
		return err
	}
	for range random.IntN(60) {
		key := fmt.Appendf(nil, "reports/%0*d", 1+random.IntN(30), random.IntN(300))
		length := random.IntN(400)
		if phase%4 == 3 && random.IntN(10) == 0 {
			length = random.IntN(MaxRecord / 2)
		}
		switch {
		case phase%4 == 2 || phase%4 == 1 && random.IntN(3) > 0:
			c := b.Cursor()
			if found, _ := c.Seek(key); found != nil {
				err = c.Delete()
			} else if found, _ := c.First(); found != nil {
				err = c.Delete()
			}
		default:
			err = b.Put(key, make([]byte, length))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func requireWhole(t *testing.T, path string, pageSize, commits int) {
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	info, err := file.Stat()
	require.NoError(t, err)
	require.NoError(t, checkPages(file, info.Size()), "%d commits", commits)
	for page := range 2 {
		require.NoError(t, checkPages(wiped{file, int64(page * pageSize)}, info.Size()), "%d commits, without meta %d", commits, page)
	}
}

// wiped is a file in which a meta was overwritten.
type wiped struct {
	io.ReaderAt
	at int64
}

func (w wiped) ReadAt(p []byte, at int64) (int, error) {
	n, err := w.ReaderAt.ReadAt(p, at)
	if from := w.at + boltHeader; at < from+boltMetaLength && at+int64(n) > from {
		gone := p[max(0, from-at):min(int64(n), from+boltMetaLength-at)]
		copy(gone, bytes.Repeat([]byte{0xff}, len(gone)))
	}
	return n, err
}
