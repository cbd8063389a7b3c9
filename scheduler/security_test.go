package scheduler_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
)

// placed is a bench whose tasks are placed, but whose daemons are played by the test.
func placed(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	for _, n := range b.nodes {
		n.idle = true
	}
	b.start()
	b.until("tasks run", func(s api.ClusterStatus) bool {
		running := 0
		for _, n := range s.Nodes {
			if n.Task == "TASK_RUNNING" {
				running++
			}
		}
		return running == 5
	})
	return b
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// joinAs joins with the token of one node, the identity of another, and some key.
func (b *bench) joinAs(token, as *node, key *ecdsa.PrivateKey) (*client.Agent, error) {
	b.t.Helper()
	c, err := token.client()
	require.NoError(b.t, err)
	answer, err := c.Join(b.t.Context(), api.JoinRequest{Token: token.env[api.EnvToken], Node: as.identity(), CSR: requestFor(key)})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(answer.Certificate))
	with := &node{env: token.env, cert: &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}}
	return with.client()
}

func code(t *testing.T, err error) api.Code {
	t.Helper()
	var e *api.Error
	require.ErrorAs(t, err, &e)
	return e.Code
}

func TestJoin_tokenIsForOneKey(t *testing.T) {
	b := placed(t)
	n := b.nodes[0]
	mine, err := b.joinAs(n, n, n.key)
	require.NoError(t, err)
	_, err = b.joinAs(n, n, n.key)
	require.NoError(t, err, "the first answer may have been lost")
	_, err = mine.Report(t.Context(), n.report())
	require.NoError(t, err)

	_, err = b.joinAs(n, b.nodes[4], newKey(t))
	assert.Equal(t, api.CodeUnauthorized, code(t, err))
	_, err = mine.Report(t.Context(), n.report())
	assert.Equal(t, api.CodeUnauthorized, code(t, err), "nobody can say which of the two was the thief")
	_, err = b.joinAs(n, n, n.key)
	assert.Error(t, err)
	s := b.until("event", func(s api.ClusterStatus) bool { return hasEvent(s, "JoinTokenReused") })
	assert.Equal(t, "Revoked", line(s, "n1").Reason)

	require.NoError(t, b.halt())
	b.start()
	b.until("subscribed", func(s api.ClusterStatus) bool { return s.Framework != "" })
	_, err = mine.Report(t.Context(), n.report())
	assert.Equal(t, api.CodeUnauthorized, code(t, err), "after a restart too")
	require.NoError(t, b.people("operate").Release(t.Context(), api.ReleaseRequest{What: api.ReleaseIdentity, Node: "n1"}))
	_, err = b.joinAs(b.nodes[1], n, n.key)
	require.NoError(t, err, "an operator let it in again, by another token")
}

func TestJoin_expiredForeignAndDeadTokens(t *testing.T) {
	b := placed(t)
	n := b.nodes[0]
	good := n.env[api.EnvToken]
	n.env[api.EnvToken] = "guess"
	_, err := b.joinAs(n, n, n.key)
	assert.Equal(t, api.CodeUnauthorized, code(t, err))
	n.env[api.EnvToken] = good
	b.ahead.Add(int64(11 * time.Minute))
	_, err = b.joinAs(n, n, n.key)
	assert.Equal(t, api.CodeUnauthorized, code(t, err))
	assert.Regexp(t, "expired|its task has ended", err.Error(), "whose token is dead, that task is started anew")

	other := b.nodes[1]
	old := other.env[api.EnvToken]
	b.mesos.failing <- "agent-" + other.id
	b.until("dead", func(s api.ClusterStatus) bool { return hasEvent(s, "TaskEnded") })
	dead := &node{id: other.id, host: other.host, key: other.key, env: map[string]string{
		api.EnvToken: old, api.EnvCA: n.env[api.EnvCA], api.EnvCluster: n.env[api.EnvCluster], api.EnvServers: n.env[api.EnvServers],
	}}
	_, err = b.joinAs(dead, dead, dead.key)
	assert.Equal(t, api.CodeUnauthorized, code(t, err), "dead with its task")
}

func TestJoin_sameIdentityWithAnotherKeyIsAConflict(t *testing.T) {
	b := placed(t)
	n := b.nodes[0]
	_, err := b.joinAs(n, n, n.key)
	require.NoError(t, err)
	_, err = b.joinAs(b.nodes[1], n, newKey(t))
	assert.Equal(t, api.CodeConflict, code(t, err))
	s := b.until("conflict", func(s api.ClusterStatus) bool { return line(s, "n1").Reason == api.ConditionIdentityConflict })
	assert.Equal(t, api.RoleUndecided, line(s, "n1").Role)
}

func TestReport_onlyAsItself(t *testing.T) {
	b := placed(t)
	n := b.nodes[0]
	c, err := b.joinAs(n, n, n.key)
	require.NoError(t, err)
	r := n.report()
	r.Node = b.nodes[1].identity()
	_, err = c.Report(t.Context(), r)
	assert.Equal(t, api.CodeForbidden, code(t, err))
	r = n.report()
	r.Version.Cluster = "another"
	_, err = c.Report(t.Context(), r)
	assert.Equal(t, api.CodeForbidden, code(t, err))
	bare, err := n.client()
	require.NoError(t, err)
	_, err = bare.Report(t.Context(), n.report())
	assert.Equal(t, api.CodeUnauthorized, code(t, err), "no certificate")
	_, err = c.Renew(t.Context(), api.RenewRequest{CSR: requestFor(newKey(t))})
	assert.Equal(t, api.CodeForbidden, code(t, err))
	answer, err := c.Renew(t.Context(), api.RenewRequest{CSR: requestFor(n.key)})
	require.NoError(t, err)
	assert.Contains(t, answer.Certificate, "BEGIN CERTIFICATE")
	r = n.report()
	r.Conditions = []api.Condition{{Type: "big", Message: strings.Repeat("x", 200_000)}}
	_, err = c.Report(t.Context(), r)
	assert.Equal(t, api.CodeInvalid, code(t, err), "a report that the store wouldn't take")
}

// A request that was on its way while its agent died may come after the next agent's.
func TestReport_anOlderOneIsntTaken(t *testing.T) {
	b := placed(t)
	n := b.nodes[0]
	c, err := b.joinAs(n, n, n.key)
	require.NoError(t, err)
	said := func(uptime int64, step string) error {
		r := n.report()
		r.UptimeMS, r.Step = uptime, step
		_, err := c.Report(t.Context(), r)
		return err
	}
	require.NoError(t, said(2000, "later"))
	assert.Equal(t, api.CodeInvalid, code(t, said(1000, "older")))
	assert.Equal(t, "later", line(b.until("heard", func(s api.ClusterStatus) bool { return line(s, "n1").Step != "" }), "n1").Step)
	require.NoError(t, said(3000, "latest"))
}

func TestReport_isHeldUntilSomethingChanges(t *testing.T) {
	b := placed(t)
	n := b.nodes[0]
	c, err := b.joinAs(n, n, n.key)
	require.NoError(t, err)
	first, err := c.Report(t.Context(), n.report())
	require.NoError(t, err)
	assert.True(t, first.Wait, "it isn't Ready")
	n.last = first
	r := n.report()
	r.WaitMS = 20_000
	got := make(chan api.Answer, 1)
	go func() {
		answer, err := c.Report(t.Context(), r)
		assert.NoError(t, err)
		got <- answer
	}()
	b.until("held", func(api.ClusterStatus) bool {
		return strings.Contains(b.metrics(), "scaleio_scheduler_held_reports 1\n")
	})
	require.NoError(t, b.people("operate").Hold(t.Context(), api.HoldRequest{Author: "me", Node: "n1"}))
	select {
	case answer := <-got:
		require.NotNil(t, answer.Hold)
		assert.NotEqual(t, first.ETag, answer.ETag)
		assert.Equal(t, first.Spec.Version, answer.Spec.Version, "a hold is no new spec")
	case <-time.After(10 * time.Second):
		t.Fatal("the brake must act within a second")
	}
}

func (b *bench) metrics() string {
	_, body := b.get(b.browser(), "/metrics", "read")
	return body
}

// browser trusts the cluster's CA, and knows the scheduler by its address.
func (b *bench) browser() *http.Client {
	b.t.Helper()
	ca, err := os.ReadFile(b.options.CAFile)
	require.NoError(b.t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	jar, err := cookiejar.New(nil)
	require.NoError(b.t, err)
	return &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: 10 * time.Second}
}

func (b *bench) get(c *http.Client, path, token string) (int, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, "https://"+b.address+path, nil)
	require.NoError(b.t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return resp.StatusCode, string(body)
}

func TestServer_whoMayWhat(t *testing.T) {
	b := placed(t)
	c := b.browser()
	rows := []struct {
		path, token string
		want        int
	}{
		{api.PathHealthz, "", 200}, {api.PathReadyz, "", 200}, {"/assets/style.css", "", 200}, {"/assets/status.html", "", 404},
		{api.PathStatus, "", 401}, {api.PathStatus, "wrong", 401}, {api.PathStatus, "read", 200}, {api.PathStatus, "operate", 200},
		{api.PathPlan, "", 401}, {api.PathPlan, "read", 200}, {api.PathEvents, "", 401}, {api.PathEvents, "read", 200}, {api.PathMetrics, "", 401}, {api.PathMetrics, "read", 200},
		{api.PathArtifacts + "/aa", "operate", 401}, {"/", "", 401}, {"/", "read", 200}, {"/nothing", "read", 404}, {api.PathHold, "operate", 405},
	}
	for _, row := range rows {
		got, body := b.get(c, row.path, row.token)
		assert.Equal(t, row.want, got, "%s with %q: %.200s", row.path, row.token, body)
		for _, secret := range []string{"Admin-Pass-1", "operate\"", "PRIVATE KEY", b.nodes[0].env[api.EnvToken]} {
			assert.NotContains(t, body, secret)
		}
	}
	resp, err := c.Post("https://"+b.address+api.PathJoin, "application/json", bytes.NewReader(bytes.Repeat([]byte("a"), 1<<17)))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode)

	old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.Transport.(*http.Transport).TLSClientConfig.RootCAs, MaxVersion: tls.VersionTLS12}}}
	_, err = old.Get("https://" + b.address + api.PathHealthz)
	require.Error(t, err, "TLS 1.3 alone")
}

func TestServer_pageTakesATokenOnceAndThenACookie(t *testing.T) {
	b := placed(t)
	c := b.browser()
	resp, err := c.PostForm("https://"+b.address+"/login", url.Values{"token": {"wrong"}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	resp, err = c.PostForm("https://"+b.address+"/login", url.Values{"token": {"operate"}})
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Contains(t, string(body), `id="nodes"`)
	assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")
	status, _ := b.get(c, api.PathStatus, "")
	assert.Equal(t, http.StatusOK, status, "the page asks by cookie")
	resp, err = c.Post("https://"+b.address+api.PathHold, "application/json", strings.NewReader(`{"author":"x"}`))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusForbidden, resp.StatusCode, "a cookie never acts, even an operator's")

	status, _ = b.get(b.browser(), "/?token=read", "")
	assert.Equal(t, http.StatusUnauthorized, status, "no token in URLs")
}

func TestServer_limitsStrangers(t *testing.T) {
	b := placed(t)
	n := b.nodes[0]
	n.env[api.EnvToken] = "guess"
	var last api.Code
	for range 300 { // the slower they come here, the more of them are let by
		_, err := b.joinAs(n, n, n.key)
		if last = code(t, err); last == api.CodeTooMany {
			break
		}
	}
	assert.Equal(t, api.CodeTooMany, last)
}

func TestServer_artifactsForNodes(t *testing.T) {
	b := newBench(t)
	for _, n := range b.nodes {
		n.idle = true
	}
	file := filepath.Join(t.TempDir(), "package.deb")
	require.NoError(t, os.WriteFile(file, []byte("a package"), 0o600))
	b.options.Artifacts = map[string]string{"aa": file}
	b.start()
	b.until("tasks run", func(s api.ClusterStatus) bool { return len(s.Nodes) == 5 && s.Nodes[0].Task == "TASK_RUNNING" })
	n := b.nodes[0]
	c, err := b.joinAs(n, n, n.key)
	require.NoError(t, err)
	fetch := func(path string) (int, string) {
		resp, err := c.HTTP().Get("https://" + b.address + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	status, body := fetch(api.PathArtifacts + "/aa")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "a package", body)
	status, _ = fetch(api.PathArtifacts + "/bb")
	assert.Equal(t, http.StatusNotFound, status)
}

func hasEvent(s api.ClusterStatus, kind string) bool {
	for _, e := range s.Events {
		if e.Kind == kind {
			return true
		}
	}
	return false
}

func TestLaunch_carriesNoSecret(t *testing.T) {
	b := placed(t)
	text := fmt.Sprintf("%+v", b.mesos.launched)
	assert.NotContains(t, text, "Admin-Pass-1")
	assert.NotContains(t, text, "PRIVATE KEY")
}
