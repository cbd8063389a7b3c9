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
	"math/big"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// testCA is a CA that names its cluster, as a scheduler's does; "" = it names none.
func testCA(t *testing.T, cluster string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	if cluster != "" {
		template.URIs = []*url.URL{{Scheme: "scaleio", Host: cluster}}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// signer gives certificates as the scheduler's CA would.
type signer struct {
	t     *testing.T
	key   *ecdsa.PrivateKey
	life  time.Duration
	mu    sync.Mutex
	asked []api.JoinRequest
	knows bool // takes the node's key without a token
}

func newSigner(t *testing.T) *signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return &signer{t: t, key: key, life: 90 * 24 * time.Hour}
}

func (s *signer) sign(csr string) api.JoinAnswer {
	block, _ := pem.Decode([]byte(csr))
	require.NotNil(s.t, block)
	request, err := x509.ParseCertificateRequest(block.Bytes)
	require.NoError(s.t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "n1"}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(s.life)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, request.PublicKey, s.key)
	require.NoError(s.t, err)
	return api.JoinAnswer{Cluster: "c1", Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

func (s *signer) join(_ context.Context, _ Target, r api.JoinRequest) (api.JoinAnswer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Token == "" && !s.knows {
		return api.JoinAnswer{}, api.Errorf(api.CodeUnauthorized, "join token isn't known")
	}
	s.asked = append(s.asked, r)
	return s.sign(r.CSR), nil
}

func (s *signer) joins() []api.JoinRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// linked runs the agent's link against a scheduler.
func linked(t *testing.T, a *Agent, f Scheduler) {
	t.Helper()
	a.Connect = func(Target, tls.Certificate) (Scheduler, error) { return f, nil }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.link(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func (a *Agent) token(t *testing.T, text string) {
	require.NoError(t, a.Files.MkdirAll(ConfigDir, 0o755))
	require.NoError(t, a.Files.Write(TokenFile, []byte(text+"\n"), 0o600))
}

func TestJoin_againWithTheSameKeyWhenTheCertificateExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, s := testAgent(t), newSigner(t)
		a.Join, s.life = s.join, time.Hour
		f := &fakeScheduler{answer: func(int, api.Report) (api.Answer, error) { return answerOf(1), nil }}
		a.token(t, "first")
		linked(t, a, f)
		time.Sleep(time.Second)
		require.Len(t, s.joins(), 1)
		_, err := a.Files.Read(TokenFile)
		require.ErrorIs(t, err, platform.ErrNotFound, "it has done its work")
		key, err := a.Files.Read(keyFile)
		require.NoError(t, err)

		f.mu.Lock()
		f.answer = func(int, api.Report) (api.Answer, error) {
			if _, err := a.keys.Certificate(); err != nil {
				return api.Answer{}, errors.New("remote error: tls: expired certificate")
			}
			return answerOf(2), nil
		}
		f.mu.Unlock()
		time.Sleep(2 * time.Hour)
		require.Len(t, s.joins(), 1, "there is no token")
		assert.Contains(t, a.report().Conditions[0].Message, "expired")
		a.token(t, "second")
		time.Sleep(time.Minute)
		require.Len(t, s.joins(), 2)
		assert.Equal(t, "second", s.joins()[1].Token)
		now, err := a.Files.Read(keyFile)
		require.NoError(t, err)
		assert.Equal(t, key, now, "the identity stays")
		assert.EqualValues(t, 2, a.spec().Version.Generation)
	})
}

func TestJoin_againWhenTheSchedulerKnowsTheKeyNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, s := testAgent(t), newSigner(t)
		a.Join = s.join
		f := &fakeScheduler{}
		f.answer = func(int, api.Report) (api.Answer, error) {
			if len(s.joins()) == 1 {
				return api.Answer{}, api.Errorf(api.CodeUnauthorized, "the key of node n1 was revoked")
			}
			return answerOf(1), nil
		}
		a.token(t, "first")
		linked(t, a, f)
		time.Sleep(10 * time.Minute)
		require.Len(t, s.joins(), 1, "there is no other token")
		a.token(t, "second")
		time.Sleep(time.Minute)
		require.Len(t, s.joins(), 2)
		assert.NotNil(t, a.spec())
	})
}

func TestKeys_keepNoCertificateOfAnotherKey(t *testing.T) {
	a, s := testAgent(t), newSigner(t)
	csr, err := a.keys.request("n1")
	require.NoError(t, err)
	require.NoError(t, a.keys.keep(s.sign(csr)))
	other := testAgent(t)
	csr, err = other.keys.request("n1")
	require.NoError(t, err)
	require.Error(t, a.keys.keep(s.sign(csr)))
	require.Error(t, a.keys.keep(api.JoinAnswer{Certificate: "none"}))
	_, err = a.keys.Certificate()
	require.NoError(t, err, "the good one stays")
}

// A node that was off for longer than its certificate lives needs no token: the scheduler knows its key. So does one whose certificate the scheduler doesn't take though by the
// clock here it is good.
func TestJoin_byItsKeyAlone(t *testing.T) {
	for _, alert := range []string{"expired certificate", "unknown certificate authority", "bad certificate"} {
		t.Run(alert, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, s := testAgent(t), newSigner(t)
				a.Join, s.knows = s.join, true
				f := &fakeScheduler{}
				f.answer = func(int, api.Report) (api.Answer, error) {
					if len(s.joins()) == 1 {
						return api.Answer{}, errors.New("remote error: tls: " + alert)
					}
					return answerOf(1), nil
				}
				a.token(t, "first")
				linked(t, a, f)
				time.Sleep(time.Minute)
				require.Len(t, s.joins(), 2)
				assert.Empty(t, s.joins()[1].Token)
				assert.NotNil(t, a.spec())
			})
		})
	}
}
