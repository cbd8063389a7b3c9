package scheduler_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
)

// rogue is a whole cluster that may buy by itself, and a node without an MDM whose root speaks with the node's own certificate.
func rogue(t *testing.T) (b *bench, n *node, c *client.Agent, before api.ClusterStatus) {
	t.Helper()
	b = newCloud(t, api.GrowthAuto)
	b.start()
	b.until("ready", ready)
	b.fill(10)
	n = b.nodes[4]
	n.kill()
	c, err := n.client()
	require.NoError(t, err)
	t.Cleanup(c.Close)
	before = b.until("a leader's view", func(s api.ClusterStatus) bool { return s.Leader != "" && s.Storage != nil })
	require.NotEqual(t, "n5", before.Leader)
	return b, n, c, before
}

// Root on a data node has that node's key and whatever lies on its disks. It can lie about its own machine, and no more.
func TestAttacker_rootOnADataNode(t *testing.T) {
	b, n, c, before := rogue(t)
	system := b.scaleio.id
	own := n.report()
	victim := b.nodes[0]

	lie := n.report()
	lie.WaitMS = 0
	lie.MDM = &api.MDMView{Installed: true, InCluster: true, Master: true, SystemID: system, CertificatePEM: "certificate of the attacker"}
	lie.Gateway = &api.Gateway{Address: "10.6.6.6:443", CertificatePEM: "certificate of the attacker"}
	lie.Wants = []api.LeaseName{api.LeaseLeader}
	lie.Disks = append(lie.Disks, api.Disk{ID: "wwn-6-new", Path: "/dev/sdx", SizeBytes: 1 << 60, State: api.DiskAdopted, DeviceID: "dev-wwn-1-a"})
	full := &api.PoolView{ID: "pool", RawBytes: 100 << 30, InUseBytes: 99 << 30}
	lie.Cluster = &api.ClusterView{SystemID: system, Mode: "3_node", State: "Normal", PoolReady: true, Pool: full}
	lie.Orders = []api.OrderState{{Expansion: "00000000-0000-0000-0000-000000000000", Stage: api.OrderPresent, VolumeID: "vol-1"}}
	for i := range 8 { // four samples of a full pool, half a minute apart and more
		answer, err := c.Report(t.Context(), lie)
		require.NoError(t, err)
		b.ahead.Add(int64(3 * time.Second))
		assert.Empty(t, answer.Leases, "round %d", i)
		assert.True(t, answer.Secrets.Admin.Empty(), "the admin password")
		assert.True(t, answer.Secrets.GatewayAdmin.Empty(), "the gateway's password")
		assert.Equal(t, n.id, answer.Spec.Node, "nobody else's orders")
		assert.Nil(t, answer.Spec.Cluster, "nothing about the whole")
		assert.Nil(t, answer.Spec.Formation)
		raw, err := json.Marshal(answer)
		require.NoError(t, err)
		assert.NotContains(t, string(raw), "wwn-1-a", "other nodes' disks")
	}
	status := b.until("heard", func(s api.ClusterStatus) bool { return s.Leader != "" && s.Storage != nil })
	assert.Equal(t, before.Leader, status.Leader)
	assert.NotEqual(t, int64(99<<30), status.Storage.Pool.InUseBytes, "the pool is what its MDMs say")
	assert.Empty(t, b.scaleio.listed().Volumes, "nothing was bought")
	require.NotNil(t, status.Growth)
	assert.Empty(t, status.Growth.Expansions)
	assert.Equal(t, 1, b.scaleio.formed)
	told := victim.answer().Spec
	raw, err := json.Marshal(told)
	require.NoError(t, err)
	assert.NotContains(t, string(raw), "10.6.6.6", "nobody is sent to the attacker's gateway, where volume drivers would show their password")
	assert.NotContains(t, string(raw), "certificate of the attacker", "and no gateway trusts its MDM")

	for _, id := range []string{victim.id, "machine-99", ""} {
		other := own
		other.Node.ID = id
		_, err := c.Report(t.Context(), other)
		assert.Equal(t, api.CodeForbidden, code(t, err), "as %q", id)
	}
	b.ahead.Add(int64(11 * time.Minute)) // younger ones put their node out, see TestJoin_tokenIsForOneKey
	_, err = c.Join(t.Context(), api.JoinRequest{Token: victim.env[api.EnvToken], Node: n.identity(), CSR: requestFor(n.key)})
	assert.Equal(t, api.CodeUnauthorized, code(t, err), "another's token")
	_, err = c.Renew(t.Context(), api.RenewRequest{CSR: requestFor(newKey(t))})
	assert.Equal(t, api.CodeForbidden, code(t, err), "a certificate for another key")
	asPerson(t, b, c)
	b.until("all is as it was", func(s api.ClusterStatus) bool {
		return line(s, "n1").Ready && line(s, "n2").Ready && line(s, "n3").Ready
	})
}

// asPerson: the certificate of a node is no right of a person.
func asPerson(t *testing.T, b *bench, c *client.Agent) {
	t.Helper()
	for _, path := range []string{api.PathStatus, api.PathPlan, api.PathEvents, api.PathExplain + "/n1", api.PathDiagnosis, api.PathBackup, api.PathMetrics, api.PathTokens} {
		resp, err := c.HTTP().Get("https://" + b.address + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode, path)
	}
	for _, path := range []string{api.PathHold, api.PathApprove, api.PathRelease, api.PathTokens, api.PathRevoke, api.PathNodes, api.PathRecover, api.PathCA, api.PathRollout} {
		resp, err := c.HTTP().Post("https://"+b.address+path, "application/json", strings.NewReader(`{"author":"x"}`))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode, path)
	}
}

// A disk that two nodes show belongs to neither as long as nobody has it; one that is in the pool stays where it is.
func TestAttacker_aDataNodeShowsOthersDisks(t *testing.T) {
	b, n, c, _ := rogue(t)
	victim := b.nodes[0]
	lie := n.report()
	lie.WaitMS = 0
	lie.Disks = append(lie.Disks, victim.disks[0])
	lie.Disks[len(lie.Disks)-1].State, lie.Disks[len(lie.Disks)-1].DeviceID = api.DiskOffered, ""
	_, err := c.Report(t.Context(), lie)
	require.NoError(t, err)
	s := b.until("heard", func(s api.ClusterStatus) bool { return len(line(s, "n5").Disks) == len(lie.Disks) })
	for _, d := range line(s, "n5").Disks {
		if d.ID == victim.disks[0].ID {
			assert.NotEqual(t, api.DiskAdopted, d.State)
			assert.NotEqual(t, api.DiskClaimed, d.State)
		}
	}
	answer, err := c.Report(t.Context(), lie)
	require.NoError(t, err)
	for _, claim := range answer.Spec.Claims {
		assert.NotEqual(t, victim.disks[0].ID, claim.Disk, "it isn't claimed here")
	}
	found := false
	for _, d := range line(s, "n1").Disks {
		if d.ID == victim.disks[0].ID {
			found = true
			assert.Equal(t, api.DiskAdopted, d.State, "and stays there")
		}
	}
	assert.True(t, found)
	assert.Equal(t, "n1", b.scaleioOwner(victim.disks[0].ID))
}

// scaleioOwner of a disk, by its SDS.
func (b *bench) scaleioOwner(disk string) string {
	b.scaleio.mu.Lock()
	defer b.scaleio.mu.Unlock()
	return b.scaleio.devices[disk]
}

// Whoever stole the read token sees what people see, and changes nothing.
func TestAttacker_stolenReadToken(t *testing.T) {
	b := newBench(t)
	b.start()
	before := b.until("ready", ready)
	c := b.browser()
	read := 0
	for _, path := range []string{api.PathStatus, api.PathPlan, api.PathEvents, api.PathExplain + "/n1", api.PathTokens, api.PathMetrics, "/"} {
		status, body := b.get(c, path, "read")
		assert.Equal(t, http.StatusOK, status, path)
		read += len(body)
		for _, secret := range []string{"Admin-Pass-1", "operate\"", "PRIVATE KEY", b.nodes[0].env[api.EnvToken]} {
			assert.NotContains(t, body, secret, path)
		}
	}
	assert.Greater(t, read, 5000)
	for _, path := range []string{api.PathDiagnosis, api.PathBackup, api.PathBackup + "?keys=true"} {
		status, _ := b.get(c, path, "read")
		assert.Equal(t, http.StatusForbidden, status, path)
	}
	for path, body := range map[string]string{
		api.PathHold: `{"author":"x"}`, api.PathApprove: `{"author":"x","node":"n1","disk":"wwn-1-b"}`, api.PathRelease: `{"author":"x","what":"identity","node":"n1"}`,
		api.PathTokens: `{"author":"x","count":5}`, api.PathRevoke: `{"author":"x"}`, api.PathNodes: `{"author":"x","node":"n1","action":"remove"}`,
		api.PathRecover: `{"author":"x"}`, api.PathCA: `{"author":"x"}`, api.PathRollout: `{"author":"x"}`,
	} {
		assert.Equal(t, http.StatusForbidden, b.send(c, path, body), path)
	}
	for _, path := range []string{api.PathReport, api.PathRenew} {
		assert.Equal(t, http.StatusUnauthorized, b.send(c, path, `{}`), path)
	}
	assert.Equal(t, http.StatusBadRequest, b.send(c, api.PathJoin, `{"token":"read"}`), "it is no join token")
	after := b.until("as before", ready)
	assert.Equal(t, before.Hold, after.Hold)
	assert.Len(t, after.Nodes, len(before.Nodes))
}

// send with the read token.
func (b *bench) send(c *http.Client, path, body string) int {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, "https://"+b.address+path, bytes.NewReader([]byte(body)))
	require.NoError(b.t, err)
	req.Header.Set("Authorization", "Bearer read")
	resp, err := c.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(b.t, err)
	return resp.StatusCode
}
