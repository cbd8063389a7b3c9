package trust_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/trust"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func authority(t *testing.T, cluster string) *trust.Authority {
	t.Helper()
	rec, err := trust.NewRecord(cluster, now)
	require.NoError(t, err)
	a, err := rec.Open()
	require.NoError(t, err)
	return a
}

func csr(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func p256(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func TestAuthority_signsNodesOfItsClusterOnly(t *testing.T) {
	a, other := authority(t, "c1"), authority(t, "c2")
	request, err := trust.ParseRequest(csr(t, p256(t)))
	require.NoError(t, err)
	text, err := a.Node("node-1", request, now)
	require.NoError(t, err)
	cert, err := trust.ParseCertificate(text)
	require.NoError(t, err)

	node, fingerprint, err := a.Caller(cert)
	require.NoError(t, err)
	assert.Equal(t, "node-1", node)
	assert.Equal(t, trust.Fingerprint(request.RawSubjectPublicKeyInfo), fingerprint)
	_, _, err = other.Caller(cert)
	require.Error(t, err)

	use := x509.VerifyOptions{Roots: a.Pool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	_, err = cert.Verify(use)
	require.NoError(t, err)
	use.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	_, err = cert.Verify(use)
	require.Error(t, err, "a node can't pose as the scheduler")
	assert.Equal(t, now.Add(-24*time.Hour), cert.NotBefore.UTC())
	assert.False(t, trust.DueForRenewal(cert, now.Add(59*24*time.Hour)))
	assert.True(t, trust.DueForRenewal(cert, now.Add(61*24*time.Hour)))
}

func TestAuthority_serverIsKnownByTheClustersName(t *testing.T) {
	a := authority(t, "c1")
	server, err := a.Server([]string{"10.0.0.1", "sched.example"}, now)
	require.NoError(t, err)
	for _, name := range []string{"scheduler.c1.scaleio", "10.0.0.1", "sched.example"} {
		_, err = server.Leaf.Verify(x509.VerifyOptions{Roots: a.Pool(), DNSName: name, CurrentTime: now})
		require.NoError(t, err, name)
	}
	_, _, err = a.Caller(server.Leaf)
	require.Error(t, err)
}

func TestParseRequest_refusesOtherKeysAndGarbage(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	good := csr(t, p256(t))
	for name, text := range map[string]string{"rsa": csr(t, rsaKey), "p384": csr(t, p384), "empty": "", "two": good + good} {
		_, err := trust.ParseRequest(text)
		require.Error(t, err, name)
	}
}

func TestTicket(t *testing.T) {
	token, digest := trust.NewToken()
	assert.Len(t, token, 43, "256 bits")
	assert.Equal(t, digest, trust.Digest(token))
	fresh := trust.Ticket{Digest: digest, Expires: now.Add(trust.TokenLife)}

	used, err := fresh.Use("key1", now)
	require.NoError(t, err)
	again, err := used.Use("key1", now)
	require.NoError(t, err, "the first answer may have been lost")
	assert.Equal(t, used, again)

	_, err = used.Use("key1", now.Add(11*time.Minute))
	require.ErrorIs(t, err, trust.ErrExpired)
	stolen, err := used.Use("key2", now)
	require.ErrorIs(t, err, trust.ErrReused)
	_, err = stolen.Use("key1", now)
	require.ErrorIs(t, err, trust.ErrRevoked, "both are out")
	late, err := used.Use("key2", now.Add(time.Hour))
	require.ErrorIs(t, err, trust.ErrLate, "noticed after expiry too, but the first key stays good")
	_, err = late.Use("key3", now.Add(time.Hour))
	require.ErrorIs(t, err, trust.ErrRevoked, "noticed once")
}

func TestPeople(t *testing.T) {
	p := trust.NewPeople("r", "o")
	assert.Equal(t, trust.Reader, p.Bearer("r"))
	assert.Equal(t, trust.Operator, p.Bearer("o"))
	assert.Equal(t, trust.Nobody, p.Bearer(""))
	assert.Equal(t, trust.Nobody, trust.NewPeople("", "").Bearer(""), "no token configured lets nobody in")

	cookie := p.Cookie(now)
	assert.Equal(t, trust.Reader, p.FromCookie(cookie, now))
	assert.Equal(t, trust.Nobody, p.FromCookie(cookie, now.Add(13*time.Hour)))
	assert.Equal(t, trust.Nobody, p.FromCookie("A"+cookie[1:], now.Add(13*time.Hour)))
	assert.Equal(t, trust.Nobody, trust.NewPeople("r", "o").FromCookie(cookie, now), "of another process")
}

func TestRecord_refusesAForeignKey(t *testing.T) {
	one, err := trust.NewRecord("c", now)
	require.NoError(t, err)
	two, err := trust.NewRecord("c", now)
	require.NoError(t, err)
	one.Key = two.Key
	_, err = one.Open()
	require.Error(t, err)
}
