package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/store"
)

var made = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)

func backup(t testing.TB, records ...store.Record) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, store.WriteBackup(&out, store.BackupState, made, records))
	return out.Bytes()
}

func sample() []store.Record {
	return []store.Record{{Key: "cluster", Value: []byte(`{"id":"a <b> & c"}`), Revision: 7}, {Key: "nodes/x", Value: []byte(`{"id":"x"}`), Revision: 1}}
}

func TestBackup_isReadAsItWasWritten(t *testing.T) {
	b, err := store.ReadBackup(bytes.NewReader(backup(t, sample()...)))
	require.NoError(t, err)
	assert.Equal(t, store.Backup{Kind: store.BackupState, Made: made, Records: sample()}, b)
}

// Whatever is missing or changed in the file, nothing of it is given.
func TestBackup_cutOffOrChangedAnywhereIsRefused(t *testing.T) {
	whole := backup(t, sample()...)
	for i := range whole {
		_, err := store.ReadBackup(bytes.NewReader(whole[:i]))
		require.Error(t, err, "cut off at %d", i)
		other := bytes.Clone(whole)
		other[i] ^= 0x01
		_, err = store.ReadBackup(bytes.NewReader(other))
		require.Error(t, err, "changed at %d", i)
	}
	lines := strings.SplitAfter(string(whole), "\n")
	for name, text := range map[string]string{
		"a record is missing": lines[0] + lines[1] + lines[3],
		"twice":               lines[0] + lines[1] + lines[1] + lines[2] + lines[3],
		"more follows":        string(whole) + "x",
		"not one at all":      "schema: 1\n",
		"endless line":        lines[0] + strings.Repeat("x", 2*store.MaxRecord),
	} {
		_, err := store.ReadBackup(strings.NewReader(text))
		assert.ErrorIs(t, err, store.ErrBackup, name)
	}
	_, err := store.ReadBackup(strings.NewReader(strings.Replace(string(whole), `"version":1`, `"version":2`, 1)))
	assert.ErrorIs(t, err, store.ErrNewer)
	_, err = store.ReadBackup(strings.NewReader(strings.Replace(string(whole), fmt.Sprintf(`"schema":%d`, store.Schema), `"schema":99`, 1)))
	assert.ErrorIs(t, err, store.ErrNewer)
}

func TestFill_storesTheLastRecordAlone(t *testing.T) {
	var records []store.Record
	for i := range 450 {
		records = append(records, store.Record{Key: fmt.Sprintf("nodes/%03d", i), Value: []byte(`{}`)})
	}
	records = append([]store.Record{{Key: "cluster", Value: []byte(`{}`)}}, records...)
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			var commits []int
			stop := errors.New("full")
			counted := store.Announced{Store: s, Reached: func(point string) error {
				commits = append(commits, 1)
				if point == "before:cluster" {
					return stop
				}
				return nil
			}}
			require.ErrorIs(t, store.Fill(t.Context(), counted, records, "cluster"), stop)
			all, err := s.List(t.Context(), "")
			require.NoError(t, err)
			assert.Len(t, all, 450)
			_, err = s.Get(t.Context(), "cluster")
			assert.ErrorIs(t, err, store.ErrNotFound, "a store that was filled in part is told")
			assert.Len(t, commits, 2*3+1)
		})
	}
	assert.ErrorIs(t, store.Fill(t.Context(), &store.Memory{}, records[1:], "cluster"), store.ErrNotFound)
}

func FuzzReadBackup(f *testing.F) {
	whole := backup(f, sample()...)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(`{"records":0,"sha256":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := store.ReadBackup(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		require.NoError(t, store.WriteBackup(&again, b.Kind, b.Made, b.Records))
		c, err := store.ReadBackup(&again)
		require.NoError(t, err)
		assert.Equal(t, len(b.Records), len(c.Records))
	})
}
