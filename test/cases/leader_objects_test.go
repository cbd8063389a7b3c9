package cases_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/scaleio/gateway"
	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/sds"
)

// disk of a stand-in SDS: a sparse file of a size that the product takes.
const diskBytes = 120 << 30

func (m *machine) startSDS(t *testing.T) (disk string) {
	t.Helper()
	disk = filepath.Join(m.root, "disk.img")
	require.NoError(t, os.WriteFile(disk, nil, 0o600))
	require.NoError(t, os.Truncate(disk, diskBytes))
	daemon, err := sds.New(sds.Options{Dir: filepath.Join(m.root, "sds"), Scan: func() []string { return []string{disk} },
		MountedAt: func(string) (string, error) { return "", nil }, Log: quiet()})
	require.NoError(t, err)
	listener, err := net.Listen("tcp", mgmt.Address(m.ip, scaleio.PortSDS))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = daemon.Serve(ctx, listener) }()
	t.Cleanup(func() { cancel(); <-done; _ = daemon.Close() })
	return disk
}

// startGateway gives the endpoint of a gateway that knows the managers and trusts their certificates.
func (m *machine) startGateway(t *testing.T, managers ...*machine) string {
	t.Helper()
	options := gateway.Options{Root: m.root}
	require.NoError(t, gateway.Configure(options, "Gateway-1"))
	file := filepath.Join(m.root, scaleio.PathGatewayUser)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	ips := managers[0].ip
	for _, other := range managers[1:] {
		ips += "," + other.ip
	}
	require.NoError(t, os.WriteFile(file, fmt.Appendf(text, "%s=%s\n", scaleio.KeyGatewayMDMs, ips), 0o600))
	server := httptest.NewServer(gateway.New(options).Handler())
	t.Cleanup(server.Close)

	reaches, err := scaleio.ReachesMDM(t.Context(), http.DefaultClient, server.URL)
	require.NoError(t, err)
	require.False(t, reaches, "a gateway that checks certificates speaks to no MDM yet")
	admin := scaleio.GatewayAdmin{Client: http.DefaultClient, Endpoint: server.URL, Password: api.NewSecret("Gateway-1")}
	for _, manager := range managers {
		certificate, err := admin.HostCertificate(t.Context(), manager.ip)
		require.NoError(t, err)
		own, err := os.ReadFile(filepath.Join(manager.root, scaleio.PathMDMCertificate))
		require.NoError(t, err)
		require.Contains(t, string(own), string(certificate), "the certificate that is shown is the one on the MDM's disk")
		require.NoError(t, admin.Trust(t.Context(), certificate))
	}
	reaches, err = scaleio.ReachesMDM(t.Context(), http.DefaultClient, server.URL)
	require.NoError(t, err)
	require.True(t, reaches)
	return server.URL
}

// The whole of the leader's work, scli and gateway, on a stand-in of three MDMs and three SDSs.
func TestLeader_buildsTheStandInSystem(t *testing.T) {
	t.Parallel()
	buildSystem(t, trio(t))
}

// The same while the MDM is busy at times and some of its answers get lost: nothing fails for good and nothing is made twice.
func TestLeader_buildsTheStandInSystemThroughFaults(t *testing.T) {
	t.Parallel()
	machines := trio(t)
	for _, m := range machines {
		m.misbehave(t, `{"calls":[
			{"id":"1","call":"add-standby","effect":"drop-answer","times":1}, {"id":"2","call":"switch-mode","effect":"drop-answer","times":1},
			{"id":"3","call":"rename-system","effect":"busy","times":1}, {"id":"4","call":"add-domain","effect":"drop-answer","times":1},
			{"id":"5","call":"add-pool","effect":"drop-answer","times":1}, {"id":"6","call":"add-fault-set","effect":"busy","times":1},
			{"id":"7","call":"add-user","effect":"drop-answer","times":1}, {"id":"8","call":"add-sds","effect":"busy","times":1},
			{"id":"9","call":"add-sds","effect":"drop-answer","times":1}, {"id":"10","call":"add-device","effect":"drop-answer","times":1}]}`)
	}
	buildSystem(t, machines)
}

func buildSystem(t *testing.T, machines []*machine) {
	t.Helper()
	m := machines[0]
	require.NoError(t, m.cli().CreateCluster(t.Context(), scaleio.CreateCluster{Name: "node-1", IPs: []string{m.ip}, ManagementIPs: []string{m.ip}, AcceptLicence: true}))
	url := m.startGateway(t, machines[0], machines[1])
	in := leaderInput(machines)
	for i, node := range machines {
		name := fmt.Sprintf("node-%d", i+1)
		disk := node.startSDS(t)
		in.Spec.Cluster.SDSs = append(in.Spec.Cluster.SDSs, api.WantedSDS{Node: fmt.Sprintf("id-%d", i+1), Name: name, IPs: []string{node.ip}, FaultSet: fmt.Sprintf("az-%d", i+1)})
		in.Spec.Cluster.Disks = append(in.Spec.Cluster.Disks, api.CandidateDisk{Node: fmt.Sprintf("id-%d", i+1), SDSName: name, Disk: disk, Path: disk, SizeBytes: diskBytes, State: api.DiskOffered})
	}
	converge := func() *leader.Leader {
		lead := leader.New(leader.Scli(m.cli()), leader.Local(url, http.DefaultClient), quiet())
		r := &step.Reconciler{Log: quiet()}
		var last step.Result
		if !assert.Eventually(t, func() bool {
			last = r.Pass(t.Context(), lead.Plan(in), in.Spec.Gates, 1)
			end := last.Conditions[len(last.Conditions)-1]
			return last.Ready || last.First == leader.StepDevices && !strings.Contains(end.Message, "waits for SDS") && end.Reason == leader.ReasonWaitingForNode
		}, 2*time.Minute, 10*time.Millisecond) { // seconds on an idle machine
			t.Fatalf("stuck at %s: %+v", last.First, last.Conditions)
		}
		for _, c := range last.Conditions {
			assert.True(t, c.Status == api.True || c.Reason == leader.ReasonWaitingForNode, "%+v", c)
		}
		return lead
	}

	v, err := converge().View(t.Context(), in)
	require.NoError(t, err)
	assert.True(t, v.PoolReady, "%+v", v)
	assert.Len(t, v.Claims, 3, "the disks are claimed first")
	require.Len(t, v.SDSs, 3)
	assert.Empty(t, v.SDSs[0].Devices)
	assert.Len(t, v.SystemID, 16)

	in.Spec.SystemID, in.Received = v.SystemID, time.Now()
	for i := range in.Spec.Cluster.Disks {
		in.Spec.Cluster.Disks[i].State = api.DiskPrepared
	}
	lead := converge()
	require.Eventually(t, func() bool {
		v, err = lead.View(t.Context(), in)
		return err == nil && v.State == "Normal" && v.Pool != nil && v.Pool.RawBytes > 2*diskBytes
	}, 10*time.Second, 10*time.Millisecond)
	assert.Equal(t, []string{"az-1", "az-2", "az-3"}, v.FaultSets)
	assert.Equal(t, 34, v.Pool.SparePercent)
	assert.Empty(t, v.Claims)
	assert.Empty(t, v.Conditions)
	slices.SortFunc(v.SDSs, func(a, b api.SDSView) int { return strings.Compare(a.Name, b.Name) }) // they were added in any order
	for i, s := range v.SDSs {
		assert.Equal(t, fmt.Sprintf("node-%d", i+1), s.Name)
		assert.Equal(t, fmt.Sprintf("az-%d", i+1), s.FaultSet)
		assert.Equal(t, "Connected", s.Connection)
		assert.Equal(t, "Joined", s.Membership)
		require.Len(t, s.Devices, 1)
		assert.Equal(t, scaleio.DeviceName(in.Spec.Cluster.Disks[i].Disk), s.Devices[0].Name)
		assert.Equal(t, in.Spec.Cluster.Disks[i].Path, s.Devices[0].Path)
		assert.InDelta(t, diskBytes, s.Devices[0].SizeBytes, 2<<30)
	}

	// The volume driver's account opens the gateway with its own password, and another life of the leader changes nothing.
	let, err := scaleio.CheckLogin(t.Context(), http.DefaultClient, url, scaleio.Credentials{User: "rexray", Password: in.Secrets.VolumeUser})
	require.NoError(t, err)
	assert.True(t, let)
	again := leader.New(leader.Scli(m.cli()), leader.Local(url, http.DefaultClient), quiet())
	res := (&step.Reconciler{Log: quiet()}).Pass(t.Context(), again.Plan(in), in.Spec.Gates, 1)
	assert.True(t, res.Ready, "%+v", res.Conditions)
	assert.False(t, res.Acted)
	m.everyOutputIsKnown(t, in.Secrets.Admin)
}

// The stand-in's outputs are as documented, and of a dialect that every parser of ours knows whole.
func (m *machine) everyOutputIsKnown(t *testing.T, admin api.Secret) {
	t.Helper()
	say := func(args ...string) string {
		said, err := m.scli(t.Context(), platform.Cmd{Path: "scli", Args: append(args, "--approve_certificate")}, nil)
		require.NoError(t, err, args)
		return said
	}
	err := m.cli().Session(t.Context(), scaleio.Credentials{User: scaleio.AdminUser, Password: admin}, func(ctx context.Context, s *scaleio.Session) error {
		system, err := s.QueryAll(ctx)
		require.NoError(t, err)
		assert.Equal(t, "alpha", system.Name)
		assert.Equal(t, s.SystemID(), system.ID)
		assert.Equal(t, 3, system.Connected)
		all, err := scaleio.ParseQueryAllSDS(say("--query_all_sds"))
		require.NoError(t, err)
		assert.Len(t, all, 3)
		one, err := scaleio.ParseQuerySDS(say("--query_sds", "--sds_name", "node-1"))
		require.NoError(t, err)
		assert.Len(t, one.Devices, 1)
		_, err = scaleio.ParseQueryAllSDC(say("--query_all_sdc"))
		require.NoError(t, err)
		properties, err := scaleio.ParseQueryProperties(say("--query_properties", "--object_type", "SDS", "--all_objects", "--preset", "ALL"))
		require.NoError(t, err)
		assert.Len(t, properties, 3)
		return cases.Documented(samplesDir, m.ip, func(query ...string) (string, error) { return say(query...), nil })
	})
	require.NoError(t, err)
}

// misbehave tells the stand-in what goes wrong; each entry once.
func (m *machine) misbehave(t *testing.T, faults string) {
	t.Helper()
	file := filepath.Join(m.root, "etc/scaleio-standin/faults.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(faults), 0o644))
}
