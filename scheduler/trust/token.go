package trust

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"time"
)

// TokenLife is how long a join token is good for. It travels in a task's environment, which many can read, so it is worth little.
const TokenLife = 10 * time.Minute

// NewToken makes 256 random bits and the digest by which they are known again; only the digest is stored.
func NewToken() (token, digest string) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	token = base64.RawURLEncoding.EncodeToString(raw)
	return token, Digest(token)
}

// Digest of a token. Looking a digest up tells nothing by its timing about the token.
func Digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Same compares two tokens in constant time, whatever their lengths.
func Same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// A Ticket is what is stored of a join token. It is bound to the task that carries it.
type Ticket struct {
	Digest  string    `json:"digest"`
	Expires time.Time `json:"expires"`
	Key     string    `json:"key,omitempty"` // fingerprint of the first key that used it
	Revoked bool      `json:"revoked,omitempty"`
}

// Why a ticket isn't honoured.
var (
	ErrExpired = errors.New("join token has expired: the task's next start brings a new one")
	ErrRevoked = errors.New("join token was revoked")
	ErrReused  = errors.New("join token was used with another key before: it and that key are revoked now; whoever reads Mesos' state may have stolen it")
	ErrLate    = errors.New("join token has expired, and was another's: it is revoked; whoever reads Mesos' state may have stolen it")
)

// Use honours the ticket for a key: the first one that comes, and the same one again (its answer may have been lost). ErrReused comes with a
// ticket that is revoked: the caller stores it and revokes the first key too. Not so with ErrLate: a task shows its token in Mesos' state for as
// long as it runs, and who reads that must not be able to put out every node that ever joined.
func (t Ticket) Use(key string, now time.Time) (Ticket, error) {
	switch {
	case t.Revoked:
		return t, ErrRevoked
	case t.Key != "" && t.Key != key && now.After(t.Expires):
		t.Revoked = true
		return t, ErrLate
	case t.Key != "" && t.Key != key:
		t.Revoked = true
		return t, ErrReused
	case now.After(t.Expires):
		return t, ErrExpired
	}
	t.Key = key
	return t, nil
}
