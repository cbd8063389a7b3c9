package installer_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
)

func forming(t *testing.T) *installertest.Node {
	n := one()
	n.Spec.Formation = &api.Formation{Node: n.Spec.Node, Nonce: "nonce-1"}
	before(t, n, "form-cluster")
	return n
}

func TestFormCluster_licenceIsTheOperators(t *testing.T) {
	n := forming(t)
	n.Spec.Licence = false
	assert.Equal(t, "LicenceNotAccepted", check(t, n, "form-cluster").Reason)
}

func TestFormCluster_neverTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := forming(t)
		s := stepOf(t, n, "form-cluster")
		calls := 0
		for cut := 1; ; cut++ {
			n.Cutter.CutAfter(cut)
			_ = s.Apply(t.Context())
			done := !n.Cutter.HasCut()
			n.Cutter.Heal()
			if done {
				break
			}
			calls++
			require.NoError(t, s.Apply(t.Context()))
		}
		assert.Positive(t, calls)
		assert.Equal(t, 1, n.Product.Created())
	})
}

func TestFormCluster_leftOverIntent(t *testing.T) {
	n := forming(t)
	n.Cutter.CutAfter(3) // the intent is written, the cluster isn't made
	_ = stepOf(t, n, "form-cluster").Apply(t.Context())
	n.Cutter.Heal()
	require.Zero(t, n.Product.Created())
	require.Len(t, n.Installer().Observe(t.Context(), n.Input()).Intents, 1)

	assert.Equal(t, step.Needed, check(t, n, "form-cluster").Verdict, "the same grant goes on")
	n.Spec.Formation.Nonce = "nonce-2"
	f := check(t, n, "form-cluster")
	assert.Equal(t, "LeftOverIntent", f.Reason)
	assert.Contains(t, f.Message, "nonce-1")
	assert.Contains(t, f.Message, "/var/lib/scaleio-agent/intents/form-cluster-")
}

func TestFormCluster_foreignOrLost(t *testing.T) {
	n := forming(t)
	n.Product.FormAll()
	assert.Equal(t, "ForeignCluster", check(t, n, "form-cluster").Reason, "a cluster that nobody here formed")

	n.Product.Form("")
	n.Spec.SystemID = installertest.SystemID
	assert.Equal(t, "ClusterLost", check(t, n, "form-cluster").Reason)
}

func TestFormCluster_noAnswerIsNotNoCluster(t *testing.T) {
	n := forming(t)
	n.Crash(scaleio.UnitMDM)
	_, err := stepOf(t, n, "form-cluster").Check(t.Context())
	assert.Error(t, err)
	assert.Nil(t, n.Installer().Observe(t.Context(), n.Input()).MDM)
}

func TestFormCluster_unknownDialect(t *testing.T) {
	n := forming(t)
	n.Commands.Handle(scaleio.PathCLI, sayOf("Cluster of the future: fine\n"))
	assert.Equal(t, "UnknownDialect", check(t, n, "form-cluster").Reason)
	assert.Equal(t, "UnknownDialect", check(t, n, "join-cluster").Reason)
	assert.Contains(t, n.Installer().Observe(t.Context(), n.Input()).MDM.Unknown, "Cluster of the future")
}

func TestJoinCluster(t *testing.T) {
	master := installertest.Member{Name: "n1", IPs: []string{"10.0.0.11"}, Place: "master", Manager: true, Status: "Normal"}
	slave := func(status, place string) installertest.Member {
		return installertest.Member{Name: "n2", IPs: []string{"10.0.0.12"}, Place: place, Manager: true, Status: status}
	}
	stranger := installertest.Member{Name: "x", IPs: []string{"10.9.9.9"}, Place: "master", Manager: true, Status: "Normal"}
	for name, c := range map[string]struct {
		id      string
		members []installertest.Member
		system  string // in the spec
		want    step.Verdict
		reason  string
	}{
		"not formed":        {"", nil, "", step.Waiting, "WaitingForCluster"},
		"not added":         {installertest.SystemID, []installertest.Member{master}, installertest.SystemID, step.Waiting, "WaitingForLeader"},
		"standby":           {installertest.SystemID, []installertest.Member{master, slave("", "standby")}, installertest.SystemID, step.Waiting, "WaitingForLeader"},
		"not synchronised":  {installertest.SystemID, []installertest.Member{master, slave("Not synchronized", "slave")}, installertest.SystemID, step.Waiting, "NotNormal"},
		"member":            {installertest.SystemID, []installertest.Member{master, slave("Normal", "slave")}, installertest.SystemID, step.Satisfied, api.ReasonSatisfied},
		"id not stored yet": {installertest.SystemID, []installertest.Member{master, slave("Normal", "slave")}, "", step.Waiting, "WaitingForScheduler"},
		"another system":    {"ffffffffffffffff", []installertest.Member{master, slave("Normal", "slave")}, installertest.SystemID, step.Blocked, "ForeignCluster"},
		"another master":    {installertest.SystemID, []installertest.Member{stranger, slave("Normal", "slave")}, "0123456789abcdef", step.Blocked, "ForeignCluster"},
	} {
		t.Run(name, func(t *testing.T) {
			n := three()[1]
			before(t, n, "connect-sdc")
			n.Product.Form(c.id, c.members...)
			n.Spec.SystemID = c.system
			f := check(t, n, "join-cluster")
			assert.Equal(t, c.want, f.Verdict, f.Message)
			assert.Equal(t, c.reason, f.Reason, f.Message)
		})
	}
}

func TestConnectSDC(t *testing.T) {
	n := one()
	before(t, n, "connect-sdc")
	assert.Equal(t, "NotConnected", check(t, n, "connect-sdc").Reason)
	n.Product.FormAll()
	n.Spec.SystemID = installertest.SystemID
	require.Equal(t, step.Satisfied, check(t, n, "connect-sdc").Verdict)

	n.Spec.SystemID = "ffffffffffffffff"
	assert.Equal(t, "ForeignCluster", check(t, n, "connect-sdc").Reason)
	n.Spec.SystemID = installertest.SystemID

	t.Run("only the file lost it", func(t *testing.T) {
		n.Files.Set(scaleio.PathDrvCfgText, "ini_guid B0E3BFB8-C20B-43BF-93C8-13339E85AA50\nmdm 192.168.9.1\nmdm 10.0.0.12\n", 0o600)
		require.Equal(t, "NotStored", check(t, n, "connect-sdc").Reason)
		require.NoError(t, stepOf(t, n, "connect-sdc").Apply(t.Context()))
		assert.Equal(t, "ini_guid B0E3BFB8-C20B-43BF-93C8-13339E85AA50\nmdm 192.168.9.1\nmdm 10.0.0.11,10.0.0.12\n", n.Files.Tree("/etc")[scaleio.PathDrvCfgText])
	})
	t.Run("a manager was replaced", func(t *testing.T) {
		n.Spec.MDMs[1].IPs = []string{"10.0.0.99"}
		require.Equal(t, "OtherMDMs", check(t, n, "connect-sdc").Reason)
		require.NoError(t, stepOf(t, n, "connect-sdc").Apply(t.Context()))
		assert.Equal(t, step.Satisfied, check(t, n, "connect-sdc").Verdict)
	})
}

func TestObserve_mdm(t *testing.T) {
	n := one()
	i := n.Installer()
	look := func() *api.MDMView { return i.Observe(t.Context(), n.Input()).MDM }
	assert.Equal(t, &api.MDMView{}, look())
	before(t, n, "join-cluster")
	pem := n.Files.Tree("/opt")[scaleio.PathMDMCertificate]
	require.NotEmpty(t, pem)
	assert.Equal(t, &api.MDMView{Installed: true, CertificatePEM: pem}, look(), "it said so itself: no cluster")
	before(t, n, "connect-sdc")
	n.Product.FormAll()
	assert.Equal(t, &api.MDMView{Installed: true, InCluster: true, Master: true, SystemID: installertest.SystemID, CertificatePEM: pem}, look())

	n.Spec.SystemID = installertest.SystemID
	n.Crash(scaleio.UnitSDC)
	assert.Equal(t, installertest.SystemID, look().SystemID, "its own SDC is down; its master is one of the chosen MDMs")
}

func TestObserve_gateway(t *testing.T) {
	n := one()
	i := n.Installer()
	assert.Nil(t, i.Observe(t.Context(), n.Input()).Gateway)
	before(t, n, "install-volume-driver")
	seen := i.Observe(t.Context(), n.Input())
	require.NotNil(t, seen.Gateway)
	assert.Equal(t, api.Gateway{Node: n.Spec.Node, Address: "10.0.0.11:443", CertificatePEM: n.Certificate()}, *seen.Gateway)
	assert.Equal(t, []string{"10.0.0.11"}, seen.Addresses)
	assert.True(t, seen.Platform.Supported)

	count := func() (calls int) {
		for _, c := range n.Commands.Calls() {
			if c.Path == "/usr/bin/openssl" {
				calls++
			}
		}
		return calls
	}
	had := count()
	i.Observe(t.Context(), n.Input())
	assert.Equal(t, had, count(), "the certificate is kept while the same process runs")
	n.GatewayOut(true)
	assert.Nil(t, i.Observe(t.Context(), n.Input()).Gateway)
}

var sayOf = platformtest.Say

func TestTrustMDMs(t *testing.T) {
	nodes := three()
	for _, n := range nodes {
		before(t, n, "join-cluster")
	}
	n := nodes[0]
	before(t, n, "trust-mdms")
	assert.Equal(t, "NoMDM", check(t, n, "trust-mdms").Reason, "there is no cluster yet")
	n.Product.FormAll()
	n.Secrets.GatewayAdmin = api.Secret{}
	assert.Equal(t, "WaitingForSecret", check(t, n, "trust-mdms").Reason)
	n.Secrets.GatewayAdmin = api.NewSecret("gateway secret")

	pins := n.Spec.MDMs
	n.Spec.MDMs = []api.MDM{{Node: n.Spec.Node, Role: api.RoleManager, IPs: []string{n.IP}}}
	assert.Equal(t, "NoCertificate", check(t, n, "trust-mdms").Reason)
	n.Spec.MDMs = pins

	require.NoError(t, stepOf(t, n, "trust-mdms").Apply(t.Context()))
	assert.True(t, n.Trusted("10.0.0.11"))
	assert.True(t, n.Trusted("10.0.0.12"))
	assert.False(t, n.Trusted("10.0.0.13"), "a tie-breaker answers no gateway")
	i := n.Installer()
	require.Equal(t, step.Satisfied, look(t, i, n, "trust-mdms").Verdict)

	n.Secrets = api.Secrets{}
	n.Cutter.Heal()
	require.Equal(t, step.Satisfied, look(t, i, n, "trust-mdms").Verdict)
	assert.NotContains(t, n.Cutter.Calls(), "gateway-reaches-mdm", "it isn't asked again at once: the question is a login that fails")
}
