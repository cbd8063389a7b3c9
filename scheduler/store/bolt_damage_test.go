package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// stored is a whole file, and every value that each key had in the two last states of it.
type stored struct {
	file   []byte
	values map[string][]string
}

// storedFiles are of every kind that bbolt writes: branches, big records with pages of their own behind them, records in their bucket's element, a list of free pages.
func storedFiles(t testing.TB) map[string]stored {
	big := func(i int) []byte { return fmt.Appendf(nil, `"%0*d"`, 3000*i, i) }
	return map[string]stored{
		"branches": store(t, openNow, 40, func(i int) []byte { return fmt.Appendf(nil, `"%0500d"`, i) }),
		"big":      store(t, openNow, 8, big),
		"inline":   store(t, openNow, 3, func(i int) []byte { return fmt.Appendf(nil, `%d`, i) }),
		"list": store(t, func(path string) (*bolt.DB, error) { return bolt.Open(path, 0o600, nil) }, 30,
			func(i int) []byte { return fmt.Appendf(nil, `"%0400d"`, i) }),
	}
}

func store(t testing.TB, open func(string) (*bolt.DB, error), count int, value func(int) []byte) stored {
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := open(path)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket(records)
		return err
	}))
	b := &Bolt{db}
	s := stored{values: map[string][]string{}}
	for i := range count {
		key := fmt.Sprintf("reports/%d", i)
		for revision := range uint64(2) {
			if i+1 == count && revision == 1 {
				break // the last commit adds a record: without it all others are there
			}
			v := append(value(i+1), bytes.Repeat([]byte(" "), int(revision))...)
			require.NoError(t, b.Commit(t.Context(), Change{Key: key, Value: v, Revision: revision}))
			s.values[key] = append(s.values[key], string(v))
		}
	}
	require.NoError(t, b.Close())
	s.file, err = os.ReadFile(path)
	require.NoError(t, err)
	return s
}

// damaged is the file with each six bytes of damage done: which page, where in it, how far, and with what it is overwritten. Its metas can be made whole afterwards:
// no disk does that, but nothing that they say may be believed either.
func (s stored) damaged(damage []byte, sums bool) []byte {
	content, size := bytes.Clone(s.file), os.Getpagesize()
	for ; len(damage) >= 6; damage = damage[6:] {
		at := int(damage[0])*size%len(content) + int(binary.LittleEndian.Uint16(damage[1:]))%size
		for i := range int(damage[3]) {
			if at+i < len(content) {
				content[at+i] = damage[4+i%2]
			}
		}
	}
	for at := boltHeader; sums && at < 2*size; at += size {
		sum := fnv.New64a()
		_, _ = sum.Write(content[at : at+56])
		native.PutUint64(content[at+56:], sum.Sum64())
	}
	return content
}

// A file that a disk damaged anywhere is told as damage, or read and written as ever; never a crash of the scheduler (bbolt panics in goroutines of its own), a stall, or
// a fresh store where there was one.
func FuzzBoltDamage(f *testing.F) {
	files := storedFiles(f)
	names := []string{"branches", "big", "inline", "list"}
	for kind := range byte(4) {
		f.Add(kind, false, []byte{})
		f.Add(kind, false, []byte{0, 0, 0, 255, 0, 0})                            // either meta
		f.Add(kind, false, []byte{1, 0, 0, 255, 0, 0})                            //
		f.Add(kind, true, []byte{0, 48, 0, 1, 9, 9, 1, 48, 0, 1, 9, 9})           // another list of free pages
		f.Add(kind, true, []byte{0, 56, 0, 8, 0xff, 0x7f, 1, 56, 0, 8, 255, 127}) // pages without end
		for page := byte(2); page < 8; page++ {
			f.Add(kind, false, []byte{page, 12, 0, 4, 0xff, 0x7f}) // pages without end behind one
			f.Add(kind, false, []byte{page, 10, 0, 2, 0, 0})       // no elements
			f.Add(kind, false, []byte{page, 8, 0, 1, 1, 1})        // a leaf becomes a branch
			f.Add(kind, false, []byte{page, 16, 0, 16, 1, 0})      // an element's head
			f.Add(kind, false, []byte{page, 0, 1, 4, 'x', 'y'})    // what is in it
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, sums bool, damage []byte) {
		file := files[names[kind%4]]
		content := file.damaged(damage, sums)
		reader := counted{bytes.NewReader(content), new(int)}
		verdict := checkPages(reader, int64(len(content)))
		if limit := len(content) + 64<<10; *reader.bytes > limit {
			t.Errorf("read %d bytes of %d", *reader.bytes, len(content))
		}
		if verdict != nil {
			if !errors.Is(verdict, ErrCorrupt) {
				t.Errorf("a reason that nobody knows: %v", verdict)
			}
			return
		}
		stalled := time.AfterFunc(time.Minute, func() { panic("bbolt doesn't come to an end") })
		defer stalled.Stop()
		spent := cpu(t)
		works(t, content, file.values)
		if spent = cpu(t) - spent; spent > 2*time.Second {
			t.Errorf("it took %v", spent)
		}
	})
}

// works: a file that no damage was told of is a store in every respect, but for records that tell their own damage.
func works(t *testing.T, content []byte, values map[string][]string) {
	path := filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	for round := range uint64(2) {
		b, err := OpenBolt(path)
		require.NoError(t, err)
		all, err := b.List(t.Context(), "reports/")
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
			t.Errorf("a reason that nobody knows: %v", err)
		}
		if err == nil && len(all) < len(values)-1 {
			t.Errorf("%d records of %d", len(all), len(values))
		}
		for _, rec := range all {
			assert.Contains(t, values[rec.Key], string(rec.Value), rec.Key)
		}
		changes := []Change{{Key: "new", Value: fmt.Appendf(nil, `"%050000d"`, round), Revision: round}}
		for i := 0; i < len(all); i += 3 {
			changes = append(changes, Change{Key: all[i].Key, Value: []byte(values[all[i].Key][0]), Revision: all[i].Revision})
		}
		require.NoError(t, b.Commit(t.Context(), changes...))
		require.NoError(t, b.Close())
	}
}

type counted struct {
	io.ReaderAt
	bytes *int
}

func (c counted) ReadAt(p []byte, at int64) (int, error) {
	*c.bytes += len(p)
	return c.ReaderAt.ReadAt(p, at)
}

// cpu time of this process: a machine that is busy isn't a stall.
func cpu(t *testing.T) time.Duration {
	var usage unix.Rusage
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// What each kind of damage is told as; bbolt itself would crash, go in circles, lose records or make a fresh store of these.
func TestBolt_damageIsTold(t *testing.T) {
	files := storedFiles(t)
	for name, file := range files {
		newest := newestMeta(t, file)
		root := byte(newest.root)
		rows := map[string]struct {
			damage []byte
			sums   bool
			want   string
		}{
			"another name of the bucket":      {[]byte{root, 32, 0, 1, 'R', 'R'}, false, "leads to no records"},
			"a bucket becomes a record":       {[]byte{root, 16, 0, 1, 0, 0}, false, "a record where a bucket belongs"},
			"no bucket":                       {[]byte{root, 10, 0, 200, 0, 0, root, 200, 0, 255, 0, 0}, false, "leads to no records"},
			"more pages than there are":       {[]byte{root, 12, 0, 4, 0xff, 0x7f}, false, "isn't what belongs there"},
			"more elements than it has room":  {[]byte{root, 10, 0, 2, 0xff, 0xff}, false, "more elements"},
			"fewer elements":                  {[]byte{root, 10, 0, 2, 0, 0}, false, "something behind its last element"},
			"neither branch nor leaf":         {[]byte{root, 8, 0, 1, 7, 7}, false, "neither a branch nor a leaf"},
			"a leaf becomes a branch":         {[]byte{root, 8, 0, 1, 1, 1}, false, "an element that isn't where it belongs"},
			"a page of another number":        {[]byte{root, 0, 0, 1, 0xee, 0xee}, false, "isn't what belongs there"},
			"the root leads to itself":        {[]byte{root, 39, 0, 1, root, root, root, 40, 0, 7, 0, 0}, false, map[string]string{"inline": "two kinds"}[name]},
			"metas of another page size":      {[]byte{0, 24, 0, 4, 7, 7, 1, 24, 0, 4, 7, 7}, true, "pages of"},
			"metas of page size 0":            {[]byte{0, 24, 0, 4, 0, 0, 1, 24, 0, 4, 0, 0}, true, "pages of 0 bytes"},
			"metas that say more than it has": {[]byte{0, 56, 0, 7, 0xff, 0x7f, 1, 56, 0, 7, 0xff, 0x7f}, true, "bytes of"},
			"metas whose root is a meta":      {[]byte{0, 32, 0, 8, 0, 0, 1, 32, 0, 8, 0, 0}, true, "there is none"},
			"metas whose list is the root":    {[]byte{0, 48, 0, 1, root, root, 0, 49, 0, 7, 0, 0, 1, 48, 0, 1, root, root, 1, 49, 0, 7, 0, 0}, true, "belongs to two"},
			"no meta":                         {[]byte{0, 16, 0, 8, 0, 0, 1, 16, 0, 8, 0, 0}, false, "neither of its two beginnings"},
		}
		for what, row := range rows {
			if row.want == "" {
				row.want = "belongs to two"
			}
			content := file.damaged(row.damage, row.sums)
			path := filepath.Join(t.TempDir(), "state.db")
			require.NoError(t, os.WriteFile(path, content, 0o600))
			_, err := OpenBolt(path)
			require.ErrorIs(t, err, ErrCorrupt, "%s: %s", name, what)
			require.ErrorContains(t, err, row.want, "%s: %s", name, what)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(content, after), "%s: %s: left as it was", name, what)
		}
	}
}

func newestMeta(t *testing.T, file stored) boltMeta {
	meta, err := newerMeta(bytes.NewReader(file.file), int64(len(file.file)))
	require.NoError(t, err)
	return meta
}
