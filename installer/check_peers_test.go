package installer_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/preflight"
	"scaleio-framework/scheduler/api"
)

// bare node of the role, whose peers aren't checked yet.
func unchecked(role api.Role) *installertest.Node {
	n := one()
	n.Spec.Role, n.Spec.Preflight = role, &api.Preflight{}
	return n
}

// tried makes the step look, try and look again, as a pass does.
func tried(t *testing.T, n *installertest.Node) (found step.Finding) {
	synctest.Test(t, func(t *testing.T) {
		s := stepOf(t, n, "check-peers")
		f, err := s.Check(t.Context())
		require.NoError(t, err)
		require.Equal(t, step.Needed, f.Verdict, f.Message)
		require.NoError(t, s.Apply(t.Context()))
		found, err = s.Check(t.Context())
		require.NoError(t, err)
	})
	return found
}

func TestCheckPeers_managersWaitForEachOther(t *testing.T) {
	n := unchecked(api.RoleManager)
	f := tried(t, n)
	assert.Equal(t, api.ReasonPeersReached, f.Reason)
	assert.Equal(t, step.Waiting, f.Verdict, "nothing is installed before the others have reached this one")
	assert.Equal(t, []int{6611, 9011, 7072, 443}, n.Preflight.Open())
	assert.Equal(t, []string{"10.0.0.12:443", "10.0.0.12:6611", "10.0.0.12:7072", "10.0.0.12:9011", "10.0.0.13:6611", "10.0.0.13:7072", "10.0.0.13:9011"}, n.Preflight.Probed(),
		"a tie-breaker has no gateway")

	n.Spec.Preflight.Done = true
	f, err := stepOf(t, n, "check-peers").Check(t.Context())
	require.NoError(t, err)
	assert.Equal(t, step.Satisfied, f.Verdict)
	assert.Empty(t, n.Preflight.Open(), "the daemons need the ports now")
}

func TestCheckPeers_dataNodesOpenNothing(t *testing.T) {
	n := unchecked(api.RoleData)
	n.Spec.Node = "id-of-another"
	assert.Equal(t, step.Satisfied, tried(t, n).Verdict)
	assert.Empty(t, n.Preflight.Open())
	assert.NotContains(t, n.Preflight.Probed(), "10.0.0.12:9011", "the MDMs' own")
}

func TestCheckPeers_whatIsWrongIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		role   api.Role
		break_ func(*installertest.Node)
		reason string
		says   string
	}{
		"firewall":            {api.RoleManager, fails("10.0.0.12:9011", preflight.ErrUnreachable), "PortUnreachable", "10.0.0.12:9011 of n2"},
		"nobody listens":      {api.RoleManager, fails("10.0.0.13:7072", preflight.ErrRefused), "PortUnreachable", "10.0.0.13:7072 of n3"},
		"MTU":                 {api.RoleTieBreaker, fails("10.0.0.12:6611", preflight.ErrMTU), "MTUTooSmall", "full-size"},
		"another program":     {api.RoleManager, fails("10.0.0.12:443", preflight.ErrStranger), "PortForeign", "10.0.0.12:443"},
		"port taken here":     {api.RoleManager, func(n *installertest.Node) { n.Preflight.Taken = map[int]string{443: "nginx (process 812)"} }, "PortTaken", "port 443 is taken by nginx"},
		"a data node is lost": {api.RoleData, fails("10.0.0.12:7072", preflight.ErrUnreachable), "PortUnreachable", "7072"},
	} {
		t.Run(name, func(t *testing.T) {
			n := unchecked(c.role)
			c.break_(n)
			f := tried(t, n)
			assert.Equal(t, c.reason, f.Reason)
			assert.Contains(t, f.Message, c.says)
			assert.Contains(t, f.Message, "nothing was installed")
			assert.NotEqual(t, step.Satisfied, f.Verdict)
		})
	}
}

func fails(addr string, err error) func(*installertest.Node) {
	return func(n *installertest.Node) { n.Preflight.Failures = map[string]error{addr: err} }
}

// A node that comes when the cluster runs needs to get through, and nothing more: a gateway that is down for an upgrade must not keep it out.
func TestCheckPeers_laterAPeersDaemonMayBeDown(t *testing.T) {
	n := unchecked(api.RoleData)
	n.Spec.Node, n.Spec.Preflight.Done = "id-of-another", true
	n.Preflight.Failures = map[string]error{"10.0.0.12:443": preflight.ErrRefused}
	assert.Equal(t, step.Satisfied, tried(t, n).Verdict)

	dead := func(names ...string) step.Verdict {
		n := unchecked(api.RoleData)
		n.Spec.Node, n.Spec.Preflight.Done = "id-of-another", true
		n.Preflight.Failures = map[string]error{}
		for _, m := range n.Spec.MDMs {
			if slices.Contains(names, m.Name) {
				for _, port := range []int{6611, 7072, 443} {
					n.Preflight.Failures[fmt.Sprintf("%s:%d", m.IPs[0], port)] = preflight.ErrUnreachable
				}
			}
		}
		return tried(t, n).Verdict
	}
	assert.Equal(t, step.Satisfied, dead("n2"), "another manager answers")
	assert.Equal(t, step.Waiting, dead("n1", "n2"), "no manager does")
}

// A storage that runs is never stopped by what was looked at before it was installed.
func TestPreflight_neverAgainOnceInstalled(t *testing.T) {
	n := unchecked(api.RoleManager)
	n.Spec.Preflight.Done = true
	before(t, n, "run-sds")
	n.Spec.Preflight = &api.Preflight{Refused: []api.Refusal{{Reason: "ClockSkew", Message: "off"}}}
	n.Preflight.Failures, n.Preflight.RAM, n.Preflight.Room = map[string]error{"10.0.0.12:9011": preflight.ErrUnreachable}, 1, map[string]int64{"/opt": 0}
	for _, name := range []string{"check-node", "check-peers"} {
		f, err := stepOf(t, n, name).Check(t.Context())
		require.NoError(t, err)
		assert.Equal(t, step.Satisfied, f.Verdict, name)
	}
}

func TestCheckNode(t *testing.T) {
	for name, c := range map[string]struct {
		role   api.Role
		break_ func(*installertest.Node)
		reason string
	}{
		"enough":             {api.RoleManager, func(*installertest.Node) {}, api.ReasonSatisfied},
		"a manager's memory": {api.RoleManager, func(n *installertest.Node) { n.Preflight.RAM = 2 << 30 }, "TooLittleMemory"},
		"suffices for data":  {api.RoleData, func(n *installertest.Node) { n.Preflight.RAM = 2 << 30 }, api.ReasonSatisfied},
		"/var is full":       {api.RoleData, func(n *installertest.Node) { n.Preflight.Room = map[string]int64{"/var/lib/scaleio-agent": 1 << 30} }, "NoSpace"},
		"/opt is full":       {api.RoleData, func(n *installertest.Node) { n.Preflight.Room = map[string]int64{"/opt": 1 << 20} }, "NoSpace"},
		"what the scheduler sees": {api.RoleData, func(n *installertest.Node) {
			n.Spec.Preflight.Refused = []api.Refusal{{Reason: "NameConflict", Message: "its host name"}}
		}, "NameConflict"},
		"while there is no role yet": {api.RoleUndecided, func(n *installertest.Node) { n.Preflight.RAM = 100 << 20 }, "TooLittleMemory"},
	} {
		t.Run(name, func(t *testing.T) {
			n := unchecked(c.role)
			c.break_(n)
			f, err := stepOf(t, n, "check-node").Check(t.Context())
			require.NoError(t, err)
			assert.Equal(t, c.reason, f.Reason, f.Message)
			assert.Empty(t, n.Preflight.Open())
		})
	}
}
