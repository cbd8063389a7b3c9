package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"time"

	"scaleio-framework/scheduler/api"
)

// How long certificates live. Nodes renew at two thirds; Backdate forgives clocks that are behind.
const (
	CertificateLife = 90 * 24 * time.Hour
	RenewAfter      = CertificateLife * 2 / 3
	Backdate        = 24 * time.Hour
	authorityLife   = 20 * 365 * 24 * time.Hour
)

// A Record is what is stored of an authority. The key is as secret as the store that it lies in.
type Record struct {
	Cluster     string `json:"cluster"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`

	Next *Successor `json:"next,omitempty"`
}

// An Authority signs for one cluster.
type Authority struct {
	cluster string
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	pem     string
	next    *Authority // nil = it isn't being rotated
	serves  bool       // next shows the server
}

// NewRecord makes an authority for a new cluster.
func NewRecord(cluster string, now time.Time) (Record, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Record{}, fmt.Errorf("making the cluster's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "ScaleIO Framework " + cluster},
		NotBefore: now.Add(-Backdate), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		URIs:     []*url.URL{clusterURI(cluster, "")},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Record{}, fmt.Errorf("making the cluster's certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Record{}, fmt.Errorf("writing the cluster's key: %w", err)
	}
	return Record{Cluster: cluster, Certificate: encode("CERTIFICATE", der), Key: encode("PRIVATE KEY", keyDER)}, nil
}

// Open an authority that was stored.
func (r Record) Open() (*Authority, error) {
	cert, err := ParseCertificate(r.Certificate)
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's certificate: %w", err)
	}
	block, _ := pem.Decode([]byte(r.Key))
	if block == nil {
		return nil, errors.New("reading the cluster's key: not PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("reading the cluster's key: it isn't the certificate's")
	}
	a := &Authority{cluster: r.Cluster, cert: cert, key: key, pem: r.Certificate}
	if r.Next != nil {
		if a.next, err = (Record{Cluster: r.Cluster, Certificate: r.Next.Certificate, Key: r.Next.Key}).Open(); err != nil {
			return nil, fmt.Errorf("the CA's successor: %w", err)
		}
		a.serves = r.Next.Serves
	}
	return a, nil
}

// PEM of the certificates that are to be trusted: the authority's, and its successor's.
func (a *Authority) PEM() string {
	if a.next == nil {
		return a.pem
	}
	return a.pem + a.next.pem
}

// Pool that trusts these alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	if a.next != nil {
		pool.AddCert(a.next.cert)
	}
	return pool
}

// Server makes the scheduler's own certificate. Nodes know it by the cluster's name wherever it runs; hosts are for browsers and probes.
func (a *Authority) Server(hosts []string, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the server's key: %w", err)
	}
	by, name := a.host(), fmt.Sprintf(api.ServerNameFmt, a.cluster)
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-Backdate), NotAfter: now.Add(CertificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{name},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if host != "" {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("signing the server's certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("reading the server's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// Node signs a node's certificate. Nothing but the key is taken from the request.
func (a *Authority) Node(id string, request *x509.CertificateRequest, now time.Time) (string, error) {
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: id},
		NotBefore: now.Add(-Backdate), NotAfter: now.Add(CertificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs: []*url.URL{clusterURI(a.cluster, id)},
	}
	by := a.signer()
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, request.PublicKey, by.key)
	if err != nil {
		return "", fmt.Errorf("signing the certificate of node %s: %w", id, err)
	}
	return encode("CERTIFICATE", der), nil
}

// Caller names the node that a verified client certificate was made for, with the fingerprint of its key.
func (a *Authority) Caller(cert *x509.Certificate) (node, fingerprint string, err error) {
	want := clusterURI(a.cluster, cert.Subject.CommonName).String()
	if len(cert.URIs) != 1 || cert.URIs[0].String() != want || cert.Subject.CommonName == "" {
		return "", "", errors.New("certificate wasn't made for a node of this cluster")
	}
	return cert.Subject.CommonName, Fingerprint(cert.RawSubjectPublicKeyInfo), nil
}

// DueForRenewal says whether a certificate has lived two thirds of its time.
func DueForRenewal(cert *x509.Certificate, now time.Time) bool {
	return now.After(cert.NotAfter.Add(-(CertificateLife - RenewAfter)))
}

func clusterURI(cluster, node string) *url.URL {
	u := &url.URL{Scheme: "scaleio", Host: cluster}
	if node != "" {
		u.Path = "/node/" + node
	}
	return u
}

func serial() *big.Int {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	raw[0] &= 0x7f
	return new(big.Int).SetBytes(raw)
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
