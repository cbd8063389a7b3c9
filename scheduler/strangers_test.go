package scheduler_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
	"scaleio-framework/scheduler/trust"
)

// joined is a placed bench whose first node has joined; the test speaks for it.
func joined(t *testing.T) (*bench, *node, *client.Agent) {
	t.Helper()
	b := placed(t)
	n := b.nodes[0]
	c, err := b.joinAs(n, n, n.key)
	require.NoError(t, err)
	return b, n, c
}

func events(s api.ClusterStatus, kind string) (count int) {
	for _, e := range s.Events {
		if e.Kind == kind {
			count++
		}
	}
	return count
}

func TestJoin_tokenMakesOneNode(t *testing.T) {
	b, n, mine := joined(t)
	ghost := newNode(7, b.scaleio)
	_, err := b.joinAs(n, ghost, n.key)
	assert.Equal(t, api.CodeUnauthorized, code(t, err), "the same key under another identity")
	_, err = b.joinAs(n, ghost, n.key)
	assert.Equal(t, api.CodeUnauthorized, code(t, err))
	_, err = mine.Report(t.Context(), n.report())
	require.NoError(t, err, "the node that joined first isn't harmed")
	s := b.until("noticed", func(s api.ClusterStatus) bool { return hasEvent(s, "JoinTokenMisused") })
	assert.Equal(t, 1, events(s, "JoinTokenMisused"))
	assert.Len(t, s.Nodes, 5)
}

// A task that was started anew carries a token that its node, which joined long ago, doesn't use.
func TestJoin_unusedTokenOfAKnownNodeMakesNoOther(t *testing.T) {
	b, n, mine := joined(t)
	old := n.env[api.EnvToken]
	b.mesos.failing <- "agent-" + n.id
	b.until("failed", func(s api.ClusterStatus) bool { return hasEvent(s, "TaskEnded") })
	b.ahead.Add(int64(3 * time.Second))
	b.until("again", func(s api.ClusterStatus) bool { return line(s, "n1").Task == "TASK_RUNNING" })
	require.NotEqual(t, old, n.env[api.EnvToken])
	ghost := newNode(7, b.scaleio)
	_, err := b.joinAs(n, ghost, ghost.key)
	assert.Equal(t, api.CodeUnauthorized, code(t, err))
	_, err = mine.Report(t.Context(), n.report())
	require.NoError(t, err)
}

// Tokens stay in Mesos' state as long as their tasks: whoever reads them there later must not be able to put nodes out.
func TestJoin_deadTokenRevokesNobody(t *testing.T) {
	b, n, mine := joined(t)
	b.ahead.Add(int64(time.Hour))
	for range 2 {
		_, err := b.joinAs(n, n, newKey(t))
		assert.Equal(t, api.CodeUnauthorized, code(t, err))
	}
	_, err := mine.Report(t.Context(), n.report())
	require.NoError(t, err)
	s := b.until("noticed", func(s api.ClusterStatus) bool { return hasEvent(s, "JoinTokenMisused") })
	assert.Equal(t, 1, events(s, "JoinTokenMisused"))
}

// A node that couldn't join in time gets another task, and so another token; one that joined keeps its task.
func TestJoin_taskWithADeadTokenIsStartedAnew(t *testing.T) {
	b, n, mine := joined(t)
	late := b.nodes[1]
	mineBefore, lateBefore := n.env[api.EnvToken], late.env[api.EnvToken]
	b.ahead.Add(int64(11 * time.Minute))
	_, err := mine.Report(t.Context(), n.report()) // a turn of the loop
	require.NoError(t, err)
	b.until("ended", func(s api.ClusterStatus) bool { return hasEvent(s, "TaskEnded") })
	b.ahead.Add(int64(5 * time.Second)) // the back-off
	b.until("again", func(s api.ClusterStatus) bool { return line(s, late.host).Task == "TASK_RUNNING" })
	assert.NotEqual(t, lateBefore, late.env[api.EnvToken])
	assert.Equal(t, mineBefore, n.env[api.EnvToken])
	_, err = b.joinAs(late, late, late.key)
	require.NoError(t, err)
}

func TestReport_ofARogueNodeHarmsNobody(t *testing.T) {
	b, n, c := joined(t)
	long := strings.Repeat("<", 20_000)
	for name, change := range map[string]func(*api.Report){
		"host name":           func(r *api.Report) { r.Node.Hostname = long },
		"cluster":             func(r *api.Report) { r.Version.Cluster = long },
		"no address":          func(r *api.Report) { r.Addresses = []string{"--force"} },
		"address with a zone": func(r *api.Report) { r.Addresses = []string{"fe80::1%x --force"} },
		"disk":                func(r *api.Report) { r.Disks = []api.Disk{{ID: long}} },
		"certificate":         func(r *api.Report) { r.MDM = &api.MDMView{CertificatePEM: long} },
		"gateway":             func(r *api.Report) { r.Gateway = &api.Gateway{Address: long} },
	} {
		r := n.report()
		change(&r)
		_, err := c.Report(t.Context(), r)
		assert.Equal(t, api.CodeInvalid, code(t, err), name)
	}
	for i := range 150 { // it would push out all other events, and outgrow their record
		r := n.report()
		r.Version.Cluster = "foreign"
		if i%10 == 0 {
			r.Version.Cluster = fmt.Sprintf("%s%d", strings.Repeat("<", 8), i)
		}
		_, err := c.Report(t.Context(), r)
		assert.Equal(t, api.CodeForbidden, code(t, err))
	}
	s := b.until("noticed", func(s api.ClusterStatus) bool { return hasEvent(s, "ForeignCluster") })
	assert.LessOrEqual(t, events(s, "ForeignCluster"), 31)
	assert.True(t, hasEvent(s, "NodeJoined"))
}

func TestReadyz_tellsStrangersNoReason(t *testing.T) {
	b := newBench(t)
	b.mesos.refuses = errors.New("dial tcp: master-1.internal: connection refused")
	b.start()
	b.until("refused", func(s api.ClusterStatus) bool { return strings.Contains(s.Waiting, "master-1") })
	c := b.browser()
	status, body := b.get(c, api.PathReadyz, "")
	assert.Equal(t, 503, status)
	assert.NotContains(t, body, "master-1")
	status, body = b.get(c, api.PathReadyz, "read")
	assert.Equal(t, 503, status)
	assert.Contains(t, body, "master-1")
}

// A certificate that names this very cluster and node, by another authority; and the right authority's for another use or time.
func TestReport_certificatesOfOthers(t *testing.T) {
	b, n, _ := joined(t)
	block, _ := pem.Decode([]byte(n.csr()))
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	require.NoError(t, err)
	record, err := trust.NewRecord(n.env[api.EnvCluster], time.Now())
	require.NoError(t, err)
	other, err := record.Open()
	require.NoError(t, err)
	record = trust.Record{}
	all, err := b.options.Store.List(t.Context(), "authority")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(all[0].Value, &record))
	mine, err := record.Open()
	require.NoError(t, err)
	sign := func(a *trust.Authority, at time.Time) *tls.Certificate {
		text, err := a.Node(n.id, csr, at)
		require.NoError(t, err)
		block, _ := pem.Decode([]byte(text))
		return &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: n.key}
	}
	server, err := mine.Server(nil, time.Now())
	require.NoError(t, err)
	for name, cert := range map[string]*tls.Certificate{
		"another authority's": sign(other, time.Now()), "expired": sign(mine, time.Now().Add(-trust.CertificateLife-time.Hour)), "the scheduler's own": &server,
	} {
		c, err := (&node{env: n.env, cert: cert}).client()
		require.NoError(t, err)
		_, err = c.Report(t.Context(), n.report())
		var answered *api.Error
		require.Error(t, err, name)
		assert.False(t, errors.As(err, &answered), "%s: the handshake fails: %v", name, err)
	}
	c, err := (&node{env: n.env, cert: sign(mine, time.Now())}).client()
	require.NoError(t, err)
	_, err = c.Report(t.Context(), n.report())
	require.NoError(t, err, "the test can tell")
}
