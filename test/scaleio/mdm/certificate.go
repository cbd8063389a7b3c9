package mdm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
)

// ownCertificate loads the self-signed management certificate, or makes it at the first start. Clients trust it by its thumbprint.
func (o Options) ownCertificate() (tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(o.path(certificateFile), o.path(keyFile))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return pair, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair, fmt.Errorf("making the management key: %w", err)
	}
	host, _ := os.Hostname()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: host, OrganizationalUnit: []string{"ASD"}, Organization: []string{"EMC"}, Locality: []string{"Hopkinton"}, Province: []string{"Massachusetts"}, Country: []string{"US"}},
		DNSNames:     []string{mgmt.ServerName},
		NotBefore:    time.Now().Add(-24 * time.Hour),
		NotAfter:     time.Now().AddDate(10, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return pair, fmt.Errorf("making the management certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair, fmt.Errorf("encoding the management key: %w", err)
	}
	if err := replaceFile(o.path(keyFile), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})); err != nil {
		return pair, err
	}
	certificate := o.path(certificateFile)
	if err := replaceFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		return pair, err
	}
	if err := os.Chmod(certificate, 0o644); err != nil {
		return pair, fmt.Errorf("publishing the management certificate: %w", err)
	}
	return tls.LoadX509KeyPair(certificate, o.path(keyFile))
}

// shown of the certificate in queries; a tie-breaker, which nobody manages, shows none.
func (o Options) shown(pair tls.Certificate) *mgmt.Certificate {
	if !o.isManager() || pair.Leaf == nil {
		return nil
	}
	return &mgmt.Certificate{Thumbprint: mgmt.Thumbprint(pair.Leaf), Expiry: pair.Leaf.NotAfter}
}

func random32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails on Linux: the runtime crashes instead
	return binary.BigEndian.Uint32(b[:])
}
