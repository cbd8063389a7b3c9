package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"time"
)

// A Successor is the authority that is to come in place of another. Both are trusted until a person ends that; nodes' certificates are the successor's from the beginning,
// the server's own only once every node trusts it.
type Successor struct {
	Certificate string    `json:"certificate"`
	Key         string    `json:"key"`
	Since       time.Time `json:"since"`
	Author      string    `json:"author"`
	Serves      bool      `json:"serves,omitempty"` // the server's certificate is its
}

// Rotate gives the record with a successor.
func (r Record) Rotate(author string, now time.Time) (Record, error) {
	if r.Next != nil {
		return r, errors.New("the CA is being rotated already")
	}
	next, err := NewRecord(r.Cluster, now)
	if err != nil {
		return r, err
	}
	r.Next = &Successor{Certificate: next.Certificate, Key: next.Key, Since: now.UTC(), Author: author}
	return r, nil
}

// Serving: the server shows itself by the successor's certificate.
func (r Record) Serving() Record {
	next := *r.Next
	next.Serves = true
	r.Next = &next
	return r
}

// Finished is the successor alone.
func (r Record) Finished() Record {
	return Record{Cluster: r.Cluster, Certificate: r.Next.Certificate, Key: r.Next.Key}
}

// Next names the successor's key; "" = there is none.
func (a *Authority) Next() string {
	if a.next == nil {
		return ""
	}
	return a.next.fingerprint()
}

// Trusted names the keys of all authorities that are trusted.
func (a *Authority) Trusted() []string {
	all := []string{a.fingerprint()}
	if a.next != nil {
		all = append(all, a.Next())
	}
	return all
}

// Signer names the key of the authority that signed a certificate which was verified.
func (a *Authority) Signer(cert *x509.Certificate) string {
	for _, by := range []*Authority{a, a.next} {
		if by != nil && bytes.Equal(cert.AuthorityKeyId, by.cert.SubjectKeyId) {
			return by.fingerprint()
		}
	}
	return ""
}

// Outdated says whether a node's certificate is to be renewed though it is young: an authority signed it that is on its way out.
func (a *Authority) Outdated(cert *x509.Certificate) bool {
	return a.next != nil && a.Signer(cert) != a.Next()
}

func (a *Authority) fingerprint() string { return Fingerprint(a.cert.RawSubjectPublicKeyInfo) }

// signer of nodes' certificates.
func (a *Authority) signer() *Authority {
	if a.next != nil {
		return a.next
	}
	return a
}

// host signs the server's certificate.
func (a *Authority) host() *Authority {
	if a.next != nil && a.serves {
		return a.next
	}
	return a
}
