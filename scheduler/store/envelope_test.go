package store

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMigrate_takesARecordThroughEverySchema(t *testing.T) {
	kept := migrations
	t.Cleanup(func() { migrations = kept })
	for i := 1; i < Schema; i++ {
		migrations[i] = func(key string, value []byte) ([]byte, error) { return append(bytes.Clone(value), byte('0'+i)), nil }
	}
	raw := fmt.Appendf(nil, `{"schema":1,"rev":3,"crc":%d,"data":4}`, checksum("k", 3, []byte("4")))
	rec, err := open("k", raw)
	require.NoError(t, err)
	want := "4"
	for i := 1; i < Schema; i++ {
		want += fmt.Sprint(i)
	}
	assert.Equal(t, want, string(rec.Value))
	assert.EqualValues(t, 3, rec.Revision)

	now, err := seal("k", 3, []byte("4"))
	require.NoError(t, err)
	rec, err = open("k", now)
	require.NoError(t, err)
	assert.Equal(t, "4", string(rec.Value), "what is of this schema stays as it is")

	migrations[1] = func(string, []byte) ([]byte, error) { return nil, ErrCorrupt }
	_, err = open("k", raw)
	require.ErrorIs(t, err, ErrCorrupt)
	assert.ErrorContains(t, err, "reading k: taking it from schema 1 to 2")
}

func FuzzOpen(f *testing.F) {
	good, err := seal("nodes/a", 2, []byte(`{"id":"a"}`))
	require.NoError(f, err)
	f.Add(good)
	f.Add(bytes.Replace(good, []byte(`"schema":2`), []byte(`"schema":1`), 1))
	f.Add([]byte(`{"schema":1,"rev":18446744073709551615,"crc":0,"data":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rec, err := open("nodes/a", raw)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
				t.Fatalf("a reason that nobody knows: %v", err)
			}
			return
		}
		again, err := seal("nodes/a", rec.Revision, rec.Value)
		require.NoError(t, err)
		back, err := open("nodes/a", again)
		require.NoError(t, err)
		assert.Equal(t, rec.Value, back.Value)
	})
}
