package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"scaleio-framework/scheduler/api"
)

// Wrapped keeps some records encrypted in another store, with an operator's key that is never stored: whoever can read the store (a backup of
// it, an administrator of ZooKeeper) doesn't have what is in them.
type Wrapped struct {
	Store
	keys []string // of the records
	aead cipher.AEAD
	id   string
}

// ErrWrongKey: the records were wrapped with another key, or there is none.
var ErrWrongKey = errors.New("the state key isn't the one that the state was wrapped with")

// wrapped is what is stored in place of a record's value.
type wrapped struct {
	Algorithm string `json:"wrapped"`
	Key       string `json:"key"` // first digits of the key's digest, to tell a wrong key from damage
	Nonce     []byte `json:"nonce"`
	Data      []byte `json:"data"`
}

const algorithm = "AES-256-GCM"

// Wrap the records with these keys. Those that are plain yet are wrapped at once. Without a state key it only makes sure that none is wrapped.
func Wrap(ctx context.Context, s Store, stateKey api.Secret, keys ...string) (Store, error) {
	w := &Wrapped{Store: s, keys: keys}
	if !stateKey.Empty() {
		raw, err := ParseStateKey(stateKey)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(raw)
		if err != nil {
			return nil, fmt.Errorf("preparing the state key: %w", err)
		}
		if w.aead, err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("preparing the state key: %w", err)
		}
		sum := sha256.Sum256(append([]byte("scaleio-framework state key "), raw...))
		w.id = hex.EncodeToString(sum[:4])
	}
	var plain []Change
	for _, key := range keys {
		rec, err := s.Get(ctx, key)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if _, is := envelopeOf(rec.Value); !is {
			plain = append(plain, Change{Key: key, Value: rec.Value, Revision: rec.Revision})
		} else if _, err := w.unwrap(rec); err != nil {
			return nil, err
		}
	}
	if w.aead == nil {
		return s, nil
	}
	if len(plain) > 0 {
		if err := w.Commit(ctx, plain...); err != nil {
			return nil, fmt.Errorf("wrapping what was plain: %w", err)
		}
	}
	return w, nil
}

// ParseStateKey reads 32 bytes, written as hexadecimal digits or base64.
func ParseStateKey(key api.Secret) ([]byte, error) {
	text := strings.TrimSpace(key.Reveal())
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawURLEncoding.DecodeString} {
		if raw, err := decode(text); err == nil && len(raw) == 32 {
			return raw, nil
		}
	}
	return nil, errors.New("the state key has to be 32 bytes, as 64 hexadecimal digits or in base64 (openssl rand -hex 32)")
}

func envelopeOf(value []byte) (w wrapped, is bool) {
	err := json.Unmarshal(value, &w)
	return w, err == nil && w.Algorithm != ""
}

// Get one record, unwrapped.
func (w *Wrapped) Get(ctx context.Context, key string) (Record, error) {
	rec, err := w.Store.Get(ctx, key)
	if err != nil {
		return rec, err
	}
	return w.unwrap(rec)
}

// List records, unwrapped.
func (w *Wrapped) List(ctx context.Context, prefix string) ([]Record, error) {
	all, err := w.Store.List(ctx, prefix)
	for i := range all {
		if err == nil {
			all[i], err = w.unwrap(all[i])
		}
	}
	return all, err
}

// Commit changes; the records in question are wrapped on the way.
func (w *Wrapped) Commit(ctx context.Context, changes ...Change) error {
	changes = slices.Clone(changes)
	for i, c := range changes {
		if c.Value == nil || !slices.Contains(w.keys, c.Key) {
			continue
		}
		nonce := make([]byte, w.aead.NonceSize())
		_, _ = rand.Read(nonce) // never fails since Go 1.24
		value, err := json.Marshal(wrapped{algorithm, w.id, nonce, w.aead.Seal(nil, nonce, c.Value, []byte(c.Key))})
		if err != nil {
			return fmt.Errorf("wrapping %s: %w", c.Key, err)
		}
		changes[i].Value = value
	}
	return w.Store.Commit(ctx, changes...)
}

// unwrap a record that is one of those, and wrapped.
func (w *Wrapped) unwrap(rec Record) (Record, error) {
	if !slices.Contains(w.keys, rec.Key) {
		return rec, nil
	}
	in, is := envelopeOf(rec.Value)
	switch {
	case !is:
		return rec, nil
	case w.aead == nil:
		return rec, fmt.Errorf("reading %s: %w: it was wrapped with key %s…, and none is configured (state-key-file)", rec.Key, ErrWrongKey, in.Key)
	case in.Algorithm != algorithm:
		return rec, fmt.Errorf("reading %s: wrapped with %q: %w", rec.Key, in.Algorithm, ErrNewer)
	case in.Key != w.id:
		return rec, fmt.Errorf("reading %s: %w: it was wrapped with key %s…, this is %s…", rec.Key, ErrWrongKey, in.Key, w.id)
	case len(in.Nonce) != w.aead.NonceSize():
		return rec, fmt.Errorf("reading %s: %w (nonce)", rec.Key, ErrCorrupt)
	}
	value, err := w.aead.Open(nil, in.Nonce, in.Data, []byte(rec.Key))
	if err != nil {
		return rec, fmt.Errorf("reading %s: %w (%w)", rec.Key, ErrCorrupt, err)
	}
	rec.Value = value
	return rec, nil
}
