package store_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/store"
)

var (
	stateKey = api.NewSecret(strings.Repeat("0123456789abcdef", 4))
	otherKey = api.NewSecret("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
)

func TestWrap_keepsTheSecretsOfItsRecordsAlone(t *testing.T) {
	memory := &store.Memory{}
	s, err := store.Wrap(t.Context(), memory, stateKey, "authority")
	require.NoError(t, err)
	require.NoError(t, s.Commit(t.Context(), store.Change{Key: "authority", Value: []byte(`{"key":"hush"}`)}, store.Change{Key: "cluster", Value: []byte(`"loud"`)}))
	require.NoError(t, s.Commit(t.Context(), store.Change{Key: "authority", Value: []byte(`{"key":"hush!"}`), Revision: 1}))

	raw, err := memory.Get(t.Context(), "authority")
	require.NoError(t, err)
	assert.NotContains(t, string(raw.Value), "hush")
	rec, err := s.Get(t.Context(), "authority")
	require.NoError(t, err)
	assert.Equal(t, `{"key":"hush!"}`, string(rec.Value))
	all, err := s.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, `{"key":"hush!"}`, string(all[0].Value))
	assert.Equal(t, `"loud"`, string(all[1].Value))
}

func TestWrap_refusesAnotherKeyAndNone_andWritesNothing(t *testing.T) {
	memory := &store.Memory{}
	s, err := store.Wrap(t.Context(), memory, stateKey, "authority")
	require.NoError(t, err)
	require.NoError(t, s.Commit(t.Context(), store.Change{Key: "authority", Value: []byte(`{}`)}))
	for _, key := range []api.Secret{otherKey, {}} {
		_, err := store.Wrap(t.Context(), memory, key, "authority")
		require.ErrorIs(t, err, store.ErrWrongKey)
	}
	rec, err := memory.Get(t.Context(), "authority")
	require.NoError(t, err)
	assert.EqualValues(t, 1, rec.Revision)
}

func TestWrap_wrapsAPlainStoreWhenAKeyComes(t *testing.T) {
	memory := &store.Memory{}
	plain, err := store.Wrap(t.Context(), memory, api.Secret{}, "authority", "secrets")
	require.NoError(t, err)
	require.NoError(t, plain.Commit(t.Context(), store.Change{Key: "authority", Value: []byte(`{"key":"hush"}`)}))
	s, err := store.Wrap(t.Context(), memory, stateKey, "authority", "secrets")
	require.NoError(t, err)
	raw, err := memory.Get(t.Context(), "authority")
	require.NoError(t, err)
	assert.NotContains(t, string(raw.Value), "hush")
	rec, err := s.Get(t.Context(), "authority")
	require.NoError(t, err)
	assert.Equal(t, `{"key":"hush"}`, string(rec.Value))
	assert.EqualValues(t, 2, rec.Revision)
}

// A wrapped record that was put under another key is damage, not that record.
func TestWrap_bindsARecordToItsKey(t *testing.T) {
	memory := &store.Memory{}
	s, err := store.Wrap(t.Context(), memory, stateKey, "authority", "secrets")
	require.NoError(t, err)
	require.NoError(t, s.Commit(t.Context(), store.Change{Key: "authority", Value: []byte(`{}`)}))
	rec, err := memory.Get(t.Context(), "authority")
	require.NoError(t, err)
	require.NoError(t, memory.Commit(t.Context(), store.Change{Key: "secrets", Value: rec.Value}))
	_, err = s.Get(t.Context(), "secrets")
	require.ErrorIs(t, err, store.ErrCorrupt)
}

func TestParseStateKey(t *testing.T) {
	for text, good := range map[string]bool{stateKey.Reveal(): true, otherKey.Reveal(): true, "": false, "hunter2": false, stateKey.Reveal()[:62]: false} {
		_, err := store.ParseStateKey(api.NewSecret(text))
		assert.Equal(t, good, err == nil, text)
	}
}
