package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

func prints(t *testing.T, text string) []string {
	t.Helper()
	all, err := Config{Cluster: "c1"}.authority([]byte(text))
	require.NoError(t, err)
	return fingerprints(all)
}

// What the scheduler sends is trusted from then on, over restarts; what root puts into the configuration later stands above it.
func TestTrust_followsTheSchedulerAndThenTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, files := bare(t)
		first, second, third := testCA(t, "c1"), testCA(t, "c1"), testCA(t, "c1")
		configure := func(ca string) {
			data, err := Config{Cluster: "c1", Servers: []string{"https://s:1"}, CA: ca, Token: api.NewSecret("enrolment")}.Marshal()
			require.NoError(t, err)
			files.Set(ConfigFile, string(data), 0o600)
		}
		configure(first)
		s := newSigner(t)
		a.Join = s.join
		var mu sync.Mutex
		sent := first + second
		f := &fakeScheduler{answer: func(_ int, r api.Report) (api.Answer, error) {
			mu.Lock()
			defer mu.Unlock()
			answer := answerOf(1)
			if want := prints(t, sent); strings.Join(want, " ") != strings.Join(r.Trusts, " ") {
				answer.CA = sent
			}
			return answer, nil
		}}
		var pool *x509.CertPool
		run := func(a *Agent) (stop func()) {
			a.Connect = func(to Target, _ tls.Certificate) (Scheduler, error) {
				mu.Lock()
				defer mu.Unlock()
				pool = to.CA
				return f, nil
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = a.link(ctx) }()
			return func() { cancel(); <-done }
		}
		stop := run(a)
		trusts := func(want ...string) {
			t.Helper()
			time.Sleep(5 * time.Minute)
			assert.Equal(t, prints(t, strings.Join(want, "")), f.last().Trusts)
			expected := x509.NewCertPool()
			expected.AppendCertsFromPEM([]byte(strings.Join(want, "")))
			mu.Lock()
			defer mu.Unlock()
			assert.True(t, expected.Equal(pool), "the connection was made by them")
		}
		trusts(first, second)
		mu.Lock()
		sent = second
		mu.Unlock()
		trusts(second)
		stop()
		again, err := New(a.Options)
		require.NoError(t, err)
		stop = run(again)
		trusts(second)
		stop()
		mu.Lock()
		sent = third
		mu.Unlock()
		configure(third) // this node was left behind, and a task came
		again, err = New(a.Options)
		require.NoError(t, err)
		stop = run(again)
		trusts(third)
		stop()
	})
}

func TestTrust_refusesWhatIsNoCAOfTheCluster(t *testing.T) {
	a, files := bare(t)
	files.Set(ConfigFile, agentYAML(t, "c1", "enrolment"), 0o600)
	_, _, err := a.target()
	require.NoError(t, err)
	s := newSigner(t)
	csr, err := a.keys.request("n1")
	require.NoError(t, err)
	for name, text := range map[string]string{
		"another cluster's": testCA(t, "c2"),
		"nobody's":          testCA(t, ""),
		"a node's":          s.sign(csr).Certificate,
		"not PEM":           "x",
		"one of two":        testCA(t, "c1") + testCA(t, "c2"),
		"endless":           strings.Repeat(testCA(t, "c1"), 100),
		"broken":            string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})),
	} {
		answer := answerOf(1)
		answer.CA = text
		_, err := a.take(answer, time.Now())
		require.Error(t, err, name)
		assert.Nil(t, a.kept.Trust, name)
		assert.Nil(t, a.kept.Spec, "%s: nothing else of that answer counts", name)
	}
}
