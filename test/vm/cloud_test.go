//go:build vm

package vm_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/aws"
	"scaleio-framework/test/aws/iam"
	"scaleio-framework/test/aws/imds"
	"scaleio-framework/test/aws/nvmedisk"
)

// cloud is a stand-in for EC2 on the host; what it attaches to the machine is plugged in.
type cloud struct {
	*aws.Cloud
	instance aws.Instance
	endpoint string // as the machine sees it
	settings string // of the agent on it
}

// cloudPorts of the machine are for volumes.
var cloudPorts = []int{1, 2, 3}

func (s *stand) launch(t *testing.T) cloud {
	t.Helper()
	document, err := os.ReadFile("../../packaging/iam/node.json")
	require.NoError(t, err)
	policy, err := iam.Parse([]byte(strings.ReplaceAll(string(document), "CLUSTER_UUID", s.scheduler.ID)))
	require.NoError(t, err)
	c := cloud{Cloud: aws.New(aws.Config{
		Backend:  nvmedisk.New(s.Machine, cloudPorts...),
		Takes:    aws.Takes{Create: 1500 * time.Millisecond, Attach: time.Second, Appear: 200 * time.Millisecond},
		Reads:    aws.Reads{Lag: time.Second, Jumpy: true},
		Policies: map[string][]aws.Policy{"node": {policy}},
	})}
	t.Cleanup(c.Close)
	c.instance = c.AddInstance(aws.InstanceSpec{Tags: map[string]string{api.TagCluster: s.scheduler.ID}})
	c.endpoint = seenByMachine(t, c.Cloud)
	c.settings = "metadataEndpoint: " + seenByMachine(t, imds.New(c.Cloud).For(c.instance.ID)) + "\n"
	return c
}

// seenByMachine serves on the host's loopback, which qemu's network shows the machine at another address.
func seenByMachine(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	return "http://10.0.2.2:" + u.Port()
}

// An emulated NVMe disk can't call itself as EC2's do. For the other cases' disks it must not: their serials are no volume ids.
const likeEBS = "ebsModel: QEMU NVMe Ctrl"

// volumeBought: the order comes with the spec; all else is the agent's doing.
func volumeBought(t *testing.T, s *stand) {
	report, err := s.scheduler.Await(t.Context(), within, "the instance to be known", func(r api.Report) bool { return r.Cloud != nil && r.Cloud.Verified })
	require.NoError(t, err)
	assert.Equal(t, s.cloud.instance.ID, report.Cloud.InstanceID)
	_, err = s.Shell(t.Context(), "echo '"+likeEBS+"' >>/etc/scaleio-agent/agent.yaml; systemctl restart scaleio-agent")
	require.NoError(t, err)
	order := api.VolumeOrder{Expansion: uuid.NewString(), Attempt: 1, SizeGiB: 101, Type: "gp3", Zone: s.cloud.instance.Zone}
	began := time.Now()
	s.scheduler.Change(func(spec *api.NodeSpec) {
		spec.Gates = append(spec.Gates, api.GatePoolReady)
		spec.Growth = &api.NodeGrowth{Endpoint: s.cloud.endpoint, Orders: []api.VolumeOrder{order}}
	})
	var volume string
	report, err = s.scheduler.Await(t.Context(), within, "the volume", func(r api.Report) bool {
		return slices.ContainsFunc(r.Orders, func(o api.OrderState) bool {
			volume = o.VolumeID
			return o.Stage == api.OrderPresent
		})
	})
	require.NoError(t, err)
	t.Logf("%v from the order to the disk; calls: %v", time.Since(began).Round(100*time.Millisecond), s.cloud.Counts())
	i := slices.IndexFunc(report.Disks, func(d api.Disk) bool { return d.ID == volume })
	require.GreaterOrEqual(t, i, 0, "%v", report.Disks)
	assert.EqualValues(t, 101<<30, report.Disks[i].SizeBytes)
	assert.Equal(t, api.DiskOffered, report.Disks[i].State, "%s", report.Disks[i].Message)
	said, err := s.Shell(t.Context(), "cat /sys/block/nvme*/device/serial")
	require.NoError(t, err)
	assert.Contains(t, strings.Fields(said), nvmedisk.Serial(volume))
	bought, _ := s.cloud.Volume(volume)
	assert.Equal(t, aws.Attached, bought.Attachment.State)
	assert.Equal(t, order.Expansion, bought.Tags[api.TagExpansion])
	assert.Equal(t, 1, s.cloud.Counts()["CreateVolume"])
	assert.Equal(t, 1, s.cloud.Counts()["AttachVolume"])

	// Nothing is asked of the cloud for a volume that is here.
	calls := len(s.cloud.Calls())
	s.scheduler.Change(func(spec *api.NodeSpec) { spec.Growth.Tags = map[string]string{"team": "storage"} })
	s.await(t, "buy-volumes", api.True, "")
	assert.Len(t, s.cloud.Calls(), calls)
	s.scheduler.Change(func(spec *api.NodeSpec) { spec.Growth = nil })
	_, err = s.Shell(t.Context(), "sed -i '/^"+likeEBS+"$/d' /etc/scaleio-agent/agent.yaml; systemctl restart scaleio-agent")
	require.NoError(t, err)
}
