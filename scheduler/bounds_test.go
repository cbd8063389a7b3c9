package scheduler

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/config"
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
	for i := range 2 * perChapter * maxChapters {
		b.event(n, api.ConditionIdentityConflict, "%d %s", i, strings.Repeat("\x01<", 500))
	}
	raw, err := json.Marshal(b.journal.chapter(chapterName((b.journal.from + len(b.journal.events) - 1) / perChapter)))
	require.NoError(t, err)
	assert.Less(t, len(raw), store.MaxRecord)
	assert.LessOrEqual(t, len(b.journal.events), perChapter*maxChapters)
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

// What nodes say of EC2 goes into an expansion's record, into prices and into budgets: what can't be is refused as a whole.
func TestCheckReport_cloud(t *testing.T) {
	good := func() *api.Report {
		return &api.Report{
			Cloud:  &api.CloudView{Provider: "aws", InstanceID: "i-0123456789abcdef0", InstanceType: "u-6tb1.112xlarge", Region: "us-west-2", Zone: "us-west-2-wl1-las-wlz-1", Account: "123456789012", SlotsMax: 128, SlotsUsed: 3},
			Orders: []api.OrderState{{Expansion: "e", VolumeID: "vol-0123456789abcdef0"}},
			Cluster: &api.ClusterView{Owned: &api.OwnedVolumes{Volumes: []api.OwnedVolume{{VolumeID: "vol-0123456789abcdef0", Node: "i-0123456789abcdef0", Expansion: "e", Order: "0.1", State: "in-use",
				Instance: "i-0123456789abcdef0", Zone: "us-west-2a", Type: "gp3", SizeGiB: 200, IOPS: 3000, ThroughputMiBs: 125}}}},
		}
	}
	require.NoError(t, checkReport(good()))
	require.NoError(t, checkReport(&api.Report{Cloud: &api.CloudView{Provider: "aws", Reason: "NotAsked"}}))
	long := strings.Repeat("a", 70)
	for name, spoil := range map[string]func(*api.Report, *api.CloudView, *api.OwnedVolume){
		"region":          func(_ *api.Report, c *api.CloudView, _ *api.OwnedVolume) { c.Region = long },
		"zone":            func(_ *api.Report, c *api.CloudView, _ *api.OwnedVolume) { c.Zone = "us<east" },
		"instance":        func(_ *api.Report, c *api.CloudView, _ *api.OwnedVolume) { c.InstanceID = "i-1\n" },
		"type":            func(_ *api.Report, c *api.CloudView, _ *api.OwnedVolume) { c.InstanceType = long },
		"attached":        func(_ *api.Report, c *api.CloudView, _ *api.OwnedVolume) { c.Attached = []string{"<root>"} },
		"slots":           func(_ *api.Report, c *api.CloudView, _ *api.OwnedVolume) { c.SlotsUsed = -1000 },
		"notices":         func(_ *api.Report, c *api.CloudView, _ *api.OwnedVolume) { c.Notices = make([]api.CloudNotice, 100) },
		"volume of order": func(r *api.Report, _ *api.CloudView, _ *api.OwnedVolume) { r.Orders[0].VolumeID = "i-1" },
		"volume":          func(_ *api.Report, _ *api.CloudView, v *api.OwnedVolume) { v.VolumeID = "vol-" + long },
		"no volume":       func(_ *api.Report, _ *api.CloudView, v *api.OwnedVolume) { v.VolumeID = "" },
		"volume's zone":   func(_ *api.Report, _ *api.CloudView, v *api.OwnedVolume) { v.Zone = long },
		"volume's size":   func(_ *api.Report, _ *api.CloudView, v *api.OwnedVolume) { v.SizeGiB = -200 },
		"volume's IOPS":   func(_ *api.Report, _ *api.CloudView, v *api.OwnedVolume) { v.IOPS = 1 << 40 },
		"count": func(r *api.Report, _ *api.CloudView, v *api.OwnedVolume) {
			r.Cluster.Owned.Volumes = slices.Repeat([]api.OwnedVolume{*v}, api.MaxOwnedVolumes+1)
		},
	} {
		r := good()
		spoil(r, r.Cloud, &r.Cluster.Owned.Volumes[0])
		var refused *api.Error
		require.ErrorAs(t, checkReport(r), &refused, name)
		assert.Equal(t, api.CodeInvalid, refused.Code)
	}
	r := good()
	r.Cluster.Owned.Volumes[0].Expansion = strings.Repeat("x", 256)
	require.NoError(t, checkReport(r), "whoever may tag a volume must not silence the leader")
	assert.LessOrEqual(t, len(r.Cluster.Owned.Volumes[0].Expansion), maxTag)
}

// Of all that nodes and the operator say an expansion's record keeps what is bounded: at its worst it fits.
func TestCheckReport_expansionFits(t *testing.T) {
	e := decide.Expansion{Tags: map[string]string{"t": strings.Repeat("t", config.MaxTags)}, ID: strings.Repeat("e", 36), Why: strings.Repeat("w", 500), Who: strings.Repeat("<", 100), Outcome: strings.Repeat("o", 500),
		State: api.ExpansionWithdrawn, Decided: time.Now(), Started: time.Now(), Ended: time.Now(), Gain: math.MaxInt64, Cost: math.MaxInt64, Priced: true, Settled: true, Planned: decide.MaxOrders}
	for i := range decide.MaxOrders {
		o := decide.Order{Node: strings.Repeat("n", 32), Region: strings.Repeat("r", 40), Stage: "attached", Disk: strings.Repeat("d", maxOrderDisk), Since: time.Now(), Given: true, InPool: true, Left: true, Ends: true, Loose: true,
			Settled: true, GivenUp: true, Doubted: true, Burnt: true, Blank: true, Used: true, Deleter: strings.Repeat("n", 32), Reason: strings.Repeat("r", decide.MaxReason), Message: strings.Repeat("m", decide.MaxOrderMessage)}
		o.VolumeOrder = api.VolumeOrder{Expansion: e.ID, Index: i, Attempt: 3, SizeGiB: 65536, Type: "gp3", IOPS: 80000, ThroughputMiBs: 2000, Encrypted: true, Abandon: true,
			KMSKey: strings.Repeat("k", config.MaxKMSKey), Zone: strings.Repeat("z", 40), VolumeID: "vol-" + strings.Repeat("v", 28)}
		e.Orders = append(e.Orders, o)
	}
	full(t, reflect.ValueOf(e))
	full(t, reflect.ValueOf(e.Orders[decide.MaxOrders-1]))
	raw, err := json.Marshal(e)
	require.NoError(t, err)
	assert.Less(t, len(raw), store.MaxRecord)
}

// full: no field of the record is left out.
func full(t *testing.T, record reflect.Value) {
	for i := range record.NumField() {
		assert.False(t, record.Field(i).IsZero(), record.Type().Field(i).Name)
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
