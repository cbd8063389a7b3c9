package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// Keys are this node's private key and the certificate that the cluster's CA gave it. The key never leaves the node.
type Keys struct{ files installer.Files }

const (
	keyFile  = StateDir + "/node.key"
	certFile = StateDir + "/node.crt"
)

// errExpired: the scheduler was away, or this node off, for longer than a certificate lives. The key is still good, so the node joins again with it.
var errExpired = errors.New("the node's certificate has expired")

// Certificate for mTLS; platform.ErrNotFound while the node hasn't joined, errExpired when it must again.
func (k *Keys) Certificate() (tls.Certificate, error) {
	cert, err := k.files.Read(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := k.files.Read(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("reading %s and %s: %w", certFile, keyFile, err)
	}
	if time.Now().After(pair.Leaf.NotAfter) {
		return tls.Certificate{}, fmt.Errorf("%w on %s", errExpired, pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	return pair, nil
}

// joined: the node had a certificate once, whatever that is worth now.
func (k *Keys) joined() bool {
	_, err := k.files.Read(certFile)
	return err == nil
}

// request makes a certificate request for this node with its key, which is made on first use.
func (k *Keys) request(node string) (string, error) {
	key, err := k.key()
	if err != nil {
		return "", err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: node}}, key)
	if err != nil {
		return "", fmt.Errorf("making a certificate request: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), nil
}

func (k *Keys) key() (*ecdsa.PrivateKey, error) {
	data, err := k.files.Read(keyFile)
	if err == nil {
		block, _ := pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("reading %s: no key in it", keyFile)
		}
		return x509.ParseECPrivateKey(block.Bytes)
	}
	if !errors.Is(err, platform.ErrNotFound) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the node's key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := k.files.MkdirAll(StateDir, 0o700); err != nil {
		return nil, err
	}
	return key, k.files.Write(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func (k *Keys) keep(answer api.JoinAnswer) error {
	key, err := k.files.Read(keyFile)
	if err != nil {
		return err
	}
	if _, err := tls.X509KeyPair([]byte(answer.Certificate), key); err != nil {
		return fmt.Errorf("the scheduler's answer carries no certificate of this node's key: %w", err)
	}
	return k.files.Write(certFile, []byte(answer.Certificate), 0o600)
}

// renewIfDue asks for the next certificate when two thirds of this one's life are over, or the scheduler says so: the CA that signed it is on its way out.
func (a *Agent) renewIfDue(ctx context.Context, scheduler *Scheduler) error {
	pair, err := a.keys.Certificate()
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return err
	}
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	if !a.mustRenew() && time.Now().Before(leaf.NotBefore.Add(life*2/3)) {
		return nil
	}
	csr, err := a.keys.request(a.Identity.ID)
	if err != nil {
		return err
	}
	answer, err := (*scheduler).Renew(ctx, api.RenewRequest{CSR: csr})
	if err != nil {
		return fmt.Errorf("renewing the node's certificate (valid until %s): %w", leaf.NotAfter.Format(time.DateOnly), err)
	}
	*scheduler = nil // the next connection uses the new one
	a.Log.Info("certificate renewed")
	return a.keys.keep(answer)
}
