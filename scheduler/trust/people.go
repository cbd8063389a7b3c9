package trust

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// Access that a person has.
type Access int

// The degrees of access, each containing the one before. Loopback gives none: Mesos tasks share it.
const (
	Nobody Access = iota
	Reader
	Operator
)

// SessionLife of a browser's cookie.
const SessionLife = 12 * time.Hour

// People knows the two tokens that persons may have, and makes cookies out of them so that a browser needn't keep a token.
type People struct {
	read, operator string
	key            [32]byte // of cookies: a restart ends sessions
}

// NewPeople takes the tokens; an empty one lets nobody in.
func NewPeople(read, operator string) *People {
	p := &People{read: read, operator: operator}
	_, _ = rand.Read(p.key[:]) // never fails since Go 1.24
	return p
}

// Bearer says what a token gives.
func (p *People) Bearer(token string) Access {
	operator := p.operator != "" && Same(token, p.operator)
	reader := p.read != "" && Same(token, p.read)
	switch {
	case operator:
		return Operator
	case reader:
		return Reader
	}
	return Nobody
}

// Cookie for a browser that showed a good token. It only ever reads: a page of another site can't act through it.
func (p *People) Cookie(now time.Time) string {
	body := binary.BigEndian.AppendUint64(nil, uint64(now.Add(SessionLife).Unix()))
	return base64.RawURLEncoding.EncodeToString(append(body, p.sign(body)...))
}

// FromCookie says what a cookie gives.
func (p *People) FromCookie(value string, now time.Time) Access {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(raw) != 8+sha256.Size || !hmac.Equal(raw[8:], p.sign(raw[:8])) {
		return Nobody
	}
	if now.Unix() > int64(binary.BigEndian.Uint64(raw)) {
		return Nobody
	}
	return Reader
}

func (p *People) sign(body []byte) []byte {
	mac := hmac.New(sha256.New, p.key[:])
	mac.Write(body)
	return mac.Sum(nil)
}
