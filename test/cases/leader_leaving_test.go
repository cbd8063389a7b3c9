package cases_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// Four SDSs without fault sets; the fourth, which carries no MDM, is taken out of the stand-in system, its device with it.
func TestLeader_takesANodeOutOfTheStandInSystem(t *testing.T) {
	t.Parallel()
	machines := trio(t)
	m := machines[0]
	require.NoError(t, m.cli().CreateCluster(t.Context(), scaleio.CreateCluster{Name: "node-1", IPs: []string{m.ip}, ManagementIPs: []string{m.ip}, AcceptLicence: true}))
	url := m.startGateway(t, machines[0], machines[1])
	in := leaderInput(machines)
	in.Spec.Cluster.FaultSets = nil
	four := append(slices.Clone(machines), &machine{ip: strings.TrimSuffix(m.ip, "11") + "14", root: t.TempDir()})
	for i, node := range four {
		name, id := fmt.Sprintf("node-%d", i+1), fmt.Sprintf("id-%d", i+1)
		disk := node.startSDS(t)
		in.Spec.Cluster.SDSs = append(in.Spec.Cluster.SDSs, api.WantedSDS{Node: id, Name: name, IPs: []string{node.ip}})
		in.Spec.Cluster.Disks = append(in.Spec.Cluster.Disks, api.CandidateDisk{Node: id, SDSName: name, Disk: disk, Path: disk, SizeBytes: diskBytes, State: api.DiskPrepared})
	}
	var view *api.ClusterView
	converge := func(what string, is func() bool) {
		t.Helper()
		lead := leader.New(leader.Scli(m.cli()), leader.Local(url, http.DefaultClient), quiet())
		r := &step.Reconciler{Log: quiet()}
		var last step.Result
		require.Eventually(t, func() bool {
			in.Received = time.Now()
			last = r.Pass(t.Context(), lead.Plan(in), in.Spec.Gates, 1)
			var err error
			view, err = lead.View(t.Context(), in)
			return err == nil && last.Ready && is()
		}, 2*time.Minute, 50*time.Millisecond, "%s: %+v", what, &last) // seconds on an idle machine
	}
	converge("built", func() bool { return len(view.SDSs) == 4 && view.Pool != nil && view.Pool.RawBytes > 3*diskBytes })
	in.Spec.SystemID = view.SystemID

	in.Spec.Cluster.SDSs, in.Spec.Cluster.Disks = in.Spec.Cluster.SDSs[:3], in.Spec.Cluster.Disks[:3]
	in.Spec.Cluster.Leaving = []api.LeavingNode{{Node: "id-4", Name: "node-4", Drain: true}}
	converge("taken out", func() bool { return len(view.SDSs) == 3 })
	for _, s := range view.SDSs {
		assert.NotEqual(t, "node-4", s.Name)
		assert.Len(t, s.Devices, 1)
	}
	assert.Empty(t, view.Conditions)
}
