package agent

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"scaleio-framework/scheduler/api"
)

// trusted are CAs that the scheduler sent over a connection that a trusted one authenticated. They stand for what the configuration named then: what `place` or a person puts
// there later stands above them, since that needs root here.
type trusted struct {
	Instead string `json:"instead"` // fingerprints of the configured ones
	CAs     string `json:"cas"`     // PEM
}

// trustLocked gives what is trusted now.
func (a *Agent) trustLocked() *x509.CertPool {
	all := a.named
	if t := a.kept.Trust; t != nil && t.Instead == strings.Join(fingerprints(a.named), " ") {
		if sent, err := a.config.authority([]byte(t.CAs)); err == nil {
			all = sent
		}
	}
	pool := x509.NewCertPool()
	for _, cert := range all {
		pool.AddCert(cert)
	}
	a.trusts, a.distrust = fingerprints(all), false
	return pool
}

// toTrustLocked is what is to be remembered of what an answer tells to trust; "" = nothing new.
func (a *Agent) toTrustLocked(cas string) (*trusted, error) {
	if cas == "" {
		return a.kept.Trust, nil
	}
	if len(cas) > api.MaxCABytes {
		return nil, fmt.Errorf("refusing %d bytes of CAs: no cluster has as many", len(cas))
	}
	all, err := a.config.authority([]byte(cas))
	if err != nil {
		return nil, fmt.Errorf("refusing the CA that the scheduler sent: %w", err)
	}
	for _, cert := range all {
		if !cert.IsCA || len(cert.URIs) != 1 || cert.URIs[0].Scheme != "scaleio" {
			return nil, errors.New("refusing the CA that the scheduler sent: it is none of a scheduler")
		}
	}
	return &trusted{Instead: strings.Join(fingerprints(a.named), " "), CAs: cas}, nil
}

func fingerprints(all []*x509.Certificate) (keys []string) {
	for _, cert := range all {
		sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
		keys = append(keys, hex.EncodeToString(sum[:]))
	}
	return keys
}

// retrusted: the next connection is to be made by other CAs.
func (a *Agent) retrusted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.distrust
}

// mustRenew: the scheduler asked for it with its last answer.
func (a *Agent) mustRenew() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answer.renew
}

// unwanted: the scheduler doesn't take this node's certificate, by its clock or by the CAs that it trusts. TLS has no other word for it than an alert's.
func unwanted(err error) bool {
	if err == nil {
		return false
	}
	for _, alert := range []string{"tls: expired certificate", "tls: unknown certificate authority", "tls: bad certificate"} {
		if strings.Contains(err.Error(), "remote error: "+alert) {
			return true
		}
	}
	return false
}
