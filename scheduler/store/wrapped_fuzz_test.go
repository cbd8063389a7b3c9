package store

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// Who may write to the store but lacks the key can't make a record that is taken for a wrapped one.
func FuzzUnwrap(f *testing.F) {
	block, err := aes.NewCipher(make([]byte, 32))
	require.NoError(f, err)
	aead, err := cipher.NewGCM(block)
	require.NoError(f, err)
	w := &Wrapped{keys: []string{"secrets"}, aead: aead, id: "00000000"}
	f.Add([]byte(`{"wrapped":"AES-256-GCM","key":"00000000","nonce":"AAAAAAAAAAAAAAAA","data":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`))
	f.Add([]byte(`{"gatewayAdmin":"plain"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		_, is := envelopeOf(value)
		rec, err := w.unwrap(Record{Key: "secrets", Value: value})
		switch {
		case is && err == nil:
			t.Errorf("%q is opened as %q", value, rec.Value)
		case err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) && !errors.Is(err, ErrWrongKey):
			t.Errorf("a reason that nobody knows: %v", err)
		}
	})
}
