package installer_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
)

// An agent is one process on a node: it forgets everything when it is killed.
type agent struct {
	node      *installertest.Node
	installer *installer.Installer
	steps     *step.Reconciler
	seen      installer.Observation
	result    step.Result
	points    int
	killAt    int // at the nth point that it reaches; 0 = never
}

func (a *agent) start() {
	a.installer = a.node.Installer()
	a.steps = &step.Reconciler{Log: slog.New(slog.DiscardHandler), Reached: func(string) {
		if a.points++; a.points == a.killAt {
			a.node.Cutter.CutBefore(1)
		}
	}}
}

func (a *agent) pass(t *testing.T) {
	p, err := a.installer.Plan(a.node.Input())
	require.NoError(t, err)
	a.result = a.steps.Pass(t.Context(), p, a.node.Spec.Gates, a.node.Spec.Version.Generation)
	a.seen = a.installer.Observe(t.Context(), a.node.Input())
	if a.node.Cutter.HasCut() { // killed in this pass: nobody hears of it, a new process goes on
		a.node.Cutter.Heal()
		a.result, a.seen = step.Result{}, installer.Observation{}
		a.start()
	}
}

func (a *agent) holds(name string) bool {
	return slices.ContainsFunc(a.result.Conditions, func(c api.Condition) bool { return c.Type == name && c.Status == api.True })
}

// A site is three nodes with the least of a scheduler and leader around them: gates from what the nodes report, claims for what they offer.
type site struct {
	agents []*agent
	gates  []api.Gate
	added  map[string]int
}

func newSite() *site {
	s := &site{added: map[string]int{}, gates: []api.Gate{api.GateRolesDecided}}
	p := &installertest.Product{}
	for i, ip := range []string{"10.0.0.11", "10.0.0.12", "10.0.0.13"} {
		n := p.NewNode(fmt.Sprintf("n%d", i+1), ip)
		d := emptyDisk()
		d.ID += "-" + n.Name
		n.Disks.Attach(d)
		data := block.Disk{ID: "data-" + n.Name, Path: "/dev/sda", Major: 8, SizeBytes: 200 << 30, Type: block.TypeDisk}
		n.Disks.Attach(data, block.Refusal{Reason: block.ReasonMounted, Message: "/ is on it"})
		n.InstallMesos(map[string]string{"isolation": "cgroups/cpu"}, installertest.Framework{ID: "f", Checkpoint: true, Tasks: []string{"t"}})
		a := &agent{node: n}
		a.start()
		s.agents = append(s.agents, a)
	}
	p.Assign()
	for _, a := range s.agents {
		a.node.Spec.Volumes = nil
	}
	return s
}

func (s *site) every(holds func(*agent) bool) bool {
	return !slices.ContainsFunc(s.agents, func(a *agent) bool { return !holds(a) })
}

func (s *site) open(g api.Gate, when bool) bool {
	if when && !slices.Contains(s.gates, g) {
		s.gates = append(s.gates, g)
	}
	return slices.Contains(s.gates, g)
}

// decide what every node is told next.
func (s *site) decide() {
	first := s.agents[0]
	if s.open(api.GateMDMsInstalled, s.every(func(a *agent) bool { return a.holds("run-mdm") })) && first.node.Spec.Formation == nil {
		first.node.Spec.Formation = &api.Formation{Node: first.node.Spec.Node, Nonce: "nonce"}
	}
	formed := first.seen.MDM != nil && first.seen.MDM.SystemID != ""
	if s.open(api.GateClusterFormed, formed) {
		first.node.Product.FormAll()
	}
	s.open(api.GateGatewayReady, s.agents[0].holds("trust-mdms") && s.agents[1].holds("trust-mdms"))
	pool := s.open(api.GatePoolReady, slices.Contains(s.gates, api.GateGatewayReady))
	for _, a := range s.agents {
		spec := &a.node.Spec
		spec.Gates = s.gates
		if slices.Contains(s.gates, api.GateClusterFormed) {
			spec.SystemID = installertest.SystemID
		}
		if pool {
			spec.Volumes = &api.VolumeDriver{User: "rexray", SystemID: installertest.SystemID, ProtectionDomain: "pd1", StoragePool: "sp1",
				Gateways: []api.Gateway{{Address: "10.0.0.11:443", CertificatePEM: s.agents[0].node.Certificate()}, {Address: "10.0.0.12:443", CertificatePEM: s.agents[1].node.Certificate()}}}
			s.lead(a)
		}
	}
	s.lease()
}

// lead claims what is offered and adds what is prepared.
func (s *site) lead(a *agent) {
	if a.node.Storage == nil {
		a.node.Storage = &api.StorageView{}
	}
	for _, d := range a.seen.Disks {
		switch d.State {
		case api.DiskOffered:
			a.node.Spec.Claims = []api.DiskClaim{{Disk: d.ID, SizeBytes: d.SizeBytes}}
		case api.DiskPrepared:
			s.added[d.ID]++
			a.node.Disks.Refuse(d.Path, notEmpty)
			a.node.Storage.SDS = &api.SDSView{Name: a.node.Name, Connection: "Connected", Membership: "Joined",
				Devices: []api.DeviceView{{ID: "d" + a.node.Name, Name: scaleio.DeviceName(d.ID), Path: d.Path, SizeBytes: d.SizeBytes, State: "Normal"}}}
		}
	}
}

// lease the right to interrupt a node to one that wants it.
func (s *site) lease() {
	given := false
	for _, a := range s.agents {
		yes := !given && a.node.Leases.Wanted(api.LeaseDisruption) && !a.holds("restart-mesos-agent")
		a.node.Leases.Grant(api.LeaseDisruption, yes)
		given = given || yes
	}
}

// run until every node is Ready.
func (s *site) run(t *testing.T) {
	for range 200 {
		for _, a := range s.agents {
			a.pass(t)
		}
		s.decide()
		if s.every(func(a *agent) bool { return a.result.Ready }) {
			return
		}
		time.Sleep(2 * time.Second)
	}
	for _, a := range s.agents {
		for _, c := range a.result.Conditions {
			if c.Status != api.True {
				t.Errorf("%s: %s %s %s: %s", a.node.Name, c.Type, c.Status, c.Reason, c.Message)
			}
		}
	}
	t.FailNow()
}

func (s *site) verify(t *testing.T) {
	assert.Equal(t, 1, s.agents[0].node.Product.Created(), "one cluster")
	for _, a := range s.agents {
		assert.Equal(t, 1, s.added[disk1+"-"+a.node.Name], "its empty disk was added once")
		assert.Len(t, s.added, 3, "and no other")
		assert.Empty(t, a.seen.Intents)
		assert.Equal(t, 2, a.node.Mesos.Starts(), "its Mesos agent was restarted once")
		assert.Contains(t, a.node.Mesos.Flags()["isolation"], "cgroups/cpu,filesystem/linux,docker/volume")
		for _, p := range a.node.Packages.Names() {
			if p != "emc-scaleio-gateway" {
				assert.LessOrEqual(t, a.node.Packages.Installs(p), 1, p)
			}
		}
	}
}

func TestBringUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.run(t)
		s.verify(t)

		t.Log("and put right what drifts")
		for _, drift := range []func(*installertest.Node){
			func(n *installertest.Node) { n.Crash(scaleio.UnitSDS) },
			func(n *installertest.Node) { n.Crash("rexray.service") },
			func(n *installertest.Node) { n.Files.Set("/usr/bin/dvdcli", "drifted", 0o755) },
			func(n *installertest.Node) {
				n.Files.Set("/etc/mesos-agent/isolation", "cgroups/cpu,docker/volume\n", 0o644)
			},
			func(n *installertest.Node) { n.Reboot() },
		} {
			drift(s.agents[1].node)
			s.run(t)
		}
		assert.Equal(t, "cgroups/cpu,docker/volume,filesystem/linux\n", s.agents[1].node.Files.Tree("/etc")["/etc/mesos-agent/isolation"])
	})
}

// TestBringUp_SDCWithoutMDMs: an SDC that was there before, or whose package's script didn't tell it the MDMs, must not keep the cluster from being formed.
func TestBringUp_SDCWithoutMDMs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		for _, a := range s.agents {
			a.node.Spec.Gates = s.gates
			a.pass(t)
			require.True(t, a.holds("install-sdc"))
			a.node.Files.Set(scaleio.PathDrvCfgText, "ini_guid B0E3BFB8-C20B-43BF-93C8-13339E85AA50\n", 0o600)
			a.node.Reboot()
		}
		s.run(t)
		assert.Equal(t, 1, s.agents[0].node.Product.Created(), "one cluster")
	})
}

// TestBringUp_killedAtEveryPoint kills the agent of the node that forms the cluster once at each point that the engine lists.
func TestBringUp_killedAtEveryPoint(t *testing.T) {
	points := 0
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.run(t)
		points = s.agents[0].points
	})
	require.Greater(t, points, 2*15)
	for at := 1; at <= points; at++ {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite()
				s.agents[0].killAt = at
				s.run(t)
				s.verify(t)
			})
		})
	}
}
