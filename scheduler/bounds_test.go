package scheduler

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

func TestFit(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("<", 1000), strings.Repeat("\x01", 600), strings.Repeat("é", 400), "a\xff\xfe", strings.Repeat("a", 500)} {
		got := fit(s, 500)
		assert.LessOrEqual(t, encoded(got), 500, "%.20q", s)
		if encoded(strings.ToValidUTF8(s, "?")) <= 500 {
			assert.Equal(t, strings.ToValidUTF8(s, "?"), got)
		}
	}
}

// The record of all events fits into the store whatever they say, or the scheduler would end and never start again.
func TestTell_eventsFitIntoTheirRecord(t *testing.T) {
	b := newBrain(Options{Log: slog.New(slog.DiscardHandler)})
	n := &decide.Node{Name: strings.Repeat("n", decide.MaxName)}
	for i := range 2 * maxEvents {
		b.event(n, api.ConditionIdentityConflict, "%d %s", i, strings.Repeat("\x01<", 500))
	}
	raw, err := json.Marshal(b.events)
	require.NoError(t, err)
	assert.Less(t, len(raw), store.MaxRecord)
	assert.Len(t, b.events, maxEvents)
}

// Of all that nodes say the cluster's record keeps certificates and addresses: at their worst they fit.
func TestCheckReport_clusterRecordFits(t *testing.T) {
	worst := strings.Repeat("<", maxCertificate/6)
	addresses := make([]string, maxAddresses)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("1111:1111:1111:1111:1111:1111:1111:%04x", i)
	}
	r := api.Report{Addresses: addresses, MDM: &api.MDMView{CertificatePEM: worst}, Gateway: &api.Gateway{CertificatePEM: worst, Address: strings.Repeat("<", maxHostname/6)}}
	require.NoError(t, checkReport(&r))
	var c decide.Cluster
	for range 3 {
		c.MDMs = append(c.MDMs, api.MDM{IPs: addresses, CertificatePEM: worst})
	}
	c.Gateways = []api.Gateway{*r.Gateway, *r.Gateway}
	raw, err := json.Marshal(c)
	require.NoError(t, err)
	assert.Less(t, len(raw), store.MaxRecord-10_000)
}

// The leader passes a link on to an SDS, which opens it as root.
func TestCheckReport_links(t *testing.T) {
	for link, ok := range map[string]bool{"": true, "/dev/disk/by-id/wwn-0x5000c500a1b2c3d4": true, "/dev/sda": false, "/dev/disk/by-id/../../sda": false, "wwn-1": false,
		"/dev/disk/by-id/" + strings.Repeat("x", maxDiskLink): false} {
		err := checkReport(&api.Report{Disks: []api.Disk{{ID: "wwn-1", Path: "/dev/sdb", Link: link}}})
		assert.Equal(t, ok, err == nil, "%.50s: %v", link, err)
	}
}

func TestFind_neverTheWrongNode(t *testing.T) {
	b := newBrain(Options{Log: slog.New(slog.DiscardHandler)})
	b.state.Nodes["n1"] = &decide.Node{ID: "n1", Name: "rogue"} // an identity that is another node's name
	b.state.Nodes["id1"] = &decide.Node{ID: "id1", Name: "n1"}
	assert.Nil(t, b.find("n1"))
	assert.Equal(t, "id1", b.find("id1").ID)
	assert.Equal(t, "n1", b.find("rogue").ID)
}
