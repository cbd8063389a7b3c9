package scheduler_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

// enrolling is a bench with no task running anywhere, and a token.
func enrolling(t *testing.T, r api.TokenRequest) (*bench, api.NewToken) {
	t.Helper()
	b := newBench(t)
	b.mesos.refuses = errors.New("no Mesos in this test")
	b.start()
	b.until("there", func(s api.ClusterStatus) bool { return s.Cluster != "" })
	made, err := b.people("operate").CreateToken(t.Context(), r)
	require.NoError(t, err)
	return b, made
}

func request(count int) api.TokenRequest {
	return api.TokenRequest{Author: "ann", TTLMS: time.Hour.Milliseconds(), Count: count}
}

// ignited gives a node what its agent.yaml would.
func ignited(n *node, made api.NewToken) *node {
	n.env = map[string]string{api.EnvCA: made.CA, api.EnvCluster: made.Cluster, api.EnvServers: strings.Join(made.Servers, ","), api.EnvToken: made.Token}
	return n
}

func TestEnrol_makesSoManyNodesAndNoMore(t *testing.T) {
	b, made := enrolling(t, request(2))
	for _, n := range b.nodes[:3] {
		ignited(n, made)
	}
	first, second, third := b.nodes[0], b.nodes[1], b.nodes[2]
	mine, err := b.joinAs(first, first, first.key)
	require.NoError(t, err)
	answer, err := mine.Report(t.Context(), first.report())
	require.NoError(t, err)
	assert.True(t, answer.Secrets.Admin.Empty() && answer.Secrets.VolumeUser.Empty() && answer.Secrets.GatewayAdmin.Empty(), "joining alone yields no secret")
	_, err = b.joinAs(first, first, first.key)
	require.NoError(t, err, "the first answer may have been lost")
	_, err = b.joinAs(first, third, first.key)
	assert.Equal(t, api.CodeUnauthorized, code(t, err), "each key once")

	require.NoError(t, b.halt()) // it counts over a restart
	b.start()
	_, err = b.joinAs(second, second, second.key)
	require.NoError(t, err)
	_, err = b.joinAs(third, third, third.key)
	assert.Equal(t, api.CodeUnauthorized, code(t, err))
	_, err = b.joinAs(third, third, third.key)
	assert.Equal(t, api.CodeUnauthorized, code(t, err))

	s := b.until("told", func(s api.ClusterStatus) bool { return hasEvent(s, "EnrolmentRefused") })
	assert.Len(t, s.Nodes, 2)
	assert.Equal(t, 2, events(s, "EnrolmentTokenUsed"))
	assert.Equal(t, 2, events(s, "EnrolmentRefused"), "another identity, and once the third node, though it goes on trying")
	list, err := b.people("read").Tokens(t.Context())
	require.NoError(t, err)
	require.Len(t, list.Tokens, 1)
	assert.Equal(t, []string{"n1", "n2"}, list.Tokens[0].Nodes)
	assert.Equal(t, "ann", list.Tokens[0].Author)
}

// A stolen token may claim the identity of a node: that is seen, each try costs one of the token's nodes, and the node stays what it is.
func TestEnrol_anothersIdentity(t *testing.T) {
	b, made := enrolling(t, request(2))
	n := ignited(b.nodes[0], made)
	_, err := b.joinAs(n, n, n.key)
	require.NoError(t, err)
	_, err = b.joinAs(n, n, newKey(t))
	assert.Equal(t, api.CodeConflict, code(t, err))
	_, err = b.joinAs(n, n, newKey(t))
	assert.Equal(t, api.CodeUnauthorized, code(t, err))
	s := b.until("told", func(s api.ClusterStatus) bool { return events(s, "EnrolmentRefused") == 2 })
	assert.Len(t, s.Nodes, 1)
	assert.NotEqual(t, api.ConditionIdentityConflict, line(s, "n1").Reason)
}

func TestEnrol_deadTokens(t *testing.T) {
	b, made := enrolling(t, request(5))
	n := ignited(b.nodes[0], made)
	require.NoError(t, b.people("operate").RevokeToken(t.Context(), api.TokenRevocation{ID: made.ID, Author: "ann"}))
	_, err := b.joinAs(n, n, n.key)
	assert.Equal(t, api.CodeUnauthorized, code(t, err))
	assert.Contains(t, err.Error(), "revoked")
	err = b.people("operate").RevokeToken(t.Context(), api.TokenRevocation{ID: "no such", Author: "ann"})
	assert.Equal(t, api.CodeNotFound, code(t, err))

	made, err = b.people("operate").CreateToken(t.Context(), request(5))
	require.NoError(t, err)
	ignited(n, made)
	b.ahead.Add(int64(61 * time.Minute))
	_, err = b.joinAs(n, n, n.key)
	assert.Equal(t, api.CodeUnauthorized, code(t, err))
	assert.Contains(t, err.Error(), "expired")

	b.ahead.Add(int64(8 * 24 * time.Hour))
	_, err = b.people("operate").CreateToken(t.Context(), request(5))
	require.NoError(t, err)
	list, err := b.people("read").Tokens(t.Context())
	require.NoError(t, err)
	assert.Len(t, list.Tokens, 1, "what expired long ago is forgotten")
}

func TestTokens_bounds(t *testing.T) {
	b, made := enrolling(t, request(api.MaxTokenCount))
	for name, r := range map[string]api.TokenRequest{
		"no author": {TTLMS: 3_600_000, Count: 1}, "no time": {Author: "a", Count: 1}, "too long": {Author: "a", Count: 1, TTLMS: 1 << 60},
		"none": {Author: "a", TTLMS: 3_600_000}, "too many": {Author: "a", TTLMS: 3_600_000, Count: api.MaxTokenCount + 1},
	} {
		_, err := b.people("operate").CreateToken(t.Context(), r)
		assert.Equal(t, api.CodeInvalid, code(t, err), name)
	}
	_, err := b.people("read").CreateToken(t.Context(), request(1))
	assert.Equal(t, api.CodeForbidden, code(t, err), "only an operator makes tokens")

	// Its record takes all the nodes that it may make.
	for i := range api.MaxTokenCount {
		n := ignited(newNode(i, b.scaleio), made)
		id := n.identity()
		id.ID = strings.Repeat("x", 110) + id.ID
		c, err := n.client()
		require.NoError(t, err)
		_, err = c.Join(t.Context(), api.JoinRequest{Token: made.Token, Node: id, CSR: requestFor(n.key)})
		c.Close()
		require.NoError(t, err, i)
	}
	records, err := b.options.Store.List(t.Context(), "")
	require.NoError(t, err)
	for _, r := range records {
		assert.NotContains(t, string(r.Value), made.Token, "%s: only its digest is stored", r.Key)
	}
	status, body := b.get(b.browser(), api.PathTokens, "read")
	assert.Equal(t, 200, status)
	assert.NotContains(t, body, made.Token)
}

// A node that joined by a token and gets a task later is the same node: adopted, in the domain of its Mesos agent.
func TestEnrol_thenPlaced(t *testing.T) {
	b := newBench(t)
	for _, n := range b.nodes {
		n.idle = true
	}
	offer := b.mesos.refuses
	b.mesos.refuses = errors.New("not yet")
	b.start()
	b.until("there", func(s api.ClusterStatus) bool { return s.Cluster != "" })
	made, err := b.people("operate").CreateToken(t.Context(), request(1))
	require.NoError(t, err)
	n := ignited(b.nodes[0], made)
	mine, err := b.joinAs(n, n, n.key)
	require.NoError(t, err)
	_, err = mine.Report(t.Context(), n.report())
	require.NoError(t, err)
	require.NoError(t, b.halt())
	b.mesos.refuses = offer
	b.start()
	s := b.until("placed", func(s api.ClusterStatus) bool {
		return line(s, n.host).Task == "TASK_RUNNING" || line(s, "n1").Task == "TASK_RUNNING"
	})
	assert.Len(t, s.Nodes, 5)
	require.NotEqual(t, made.Token, n.env[api.EnvToken], "place brought the task's token")

	_, err = b.joinAs(n, n, n.key) // the daemon shows it that it is the task's node
	require.NoError(t, err)
	s = b.until("adopted", func(s api.ClusterStatus) bool { return line(s, "n1").Task == "TASK_RUNNING" })
	assert.Len(t, s.Nodes, 5)
	assert.NotEmpty(t, line(s, "n1").FaultDomain)
	_, err = mine.Report(t.Context(), n.report())
	require.NoError(t, err, "its certificate is as good as before")
}

// The failure domain that an operator gave the token is its nodes'.
func TestEnrol_domainOfTheToken(t *testing.T) {
	r := request(1)
	r.Domain = "rack-9"
	b, made := enrolling(t, r)
	n := ignited(b.nodes[0], made)
	_, err := b.joinAs(n, n, n.key)
	require.NoError(t, err)
	s := b.until("joined", func(s api.ClusterStatus) bool { return len(s.Nodes) == 1 })
	assert.Equal(t, "rack-9", s.Nodes[0].FaultDomain)
}
