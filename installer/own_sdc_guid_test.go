package installer_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

const guidWitness = "/etc/systemd/system/scini.service.d/scaleio-agent-guid.conf"

// madeOn lays the witness of a GUID, as a person would.
func madeOn(n *installertest.Node, machineID string) {
	n.Files.Set(guidWitness, "[Unit]\nConditionHost="+machineID+"\n", 0o644)
}

func TestOwnSDCGUID(t *testing.T) {
	const cloned = "11111111-2222-3333-4444-555555555555"
	for name, c := range map[string]struct {
		witness string // machine-id in it
		text    string
		renewed bool
	}{
		"a clone":                          {"another machine", "ini_guid " + cloned + "\nmdm 10.0.0.11\n", true},
		"its own":                          {"this", "ini_guid " + cloned + "\nmdm 10.0.0.11\n", false},
		"an image's, without an agent":     {"", "ini_guid " + cloned + "\n", true},
		"a clone, of another cluster":      {"another machine", "ini_guid " + cloned + "\nmdm 192.168.7.7\n", true},
		"a member from before the agent":   {"", "ini_guid " + cloned + "\nmdm 10.0.0.11,10.0.0.12\n", false},
		"its own, and the GUID was lost":   {"this", "mdm 10.0.0.11\n", true},
		"broken witness, and not a member": {"{", "ini_guid " + cloned + "\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := installed(t, one())
				n.Files.Set(scaleio.PathDrvCfgText, c.text, 0o600)
				n.Reboot()
				n.Files.Delete(guidWitness)
				switch c.witness {
				case "":
				case "{":
					n.Files.Set(guidWitness, "{", 0o644)
				case "this":
					madeOn(n, n.Facts.MachineID)
				default:
					madeOn(n, c.witness)
				}
				got := settle(t, n)
				require.Equal(t, api.True, got["own-sdc-guid"].Status, got["own-sdc-guid"].Message)
				require.Equal(t, api.True, got["load-scini"].Status, got["load-scini"].Message)
				text := n.Files.Tree("/etc")[scaleio.PathDrvCfgText]
				assert.Equal(t, !c.renewed, strings.Contains(text, cloned), text)
				out, err := n.System().Commands.Run(t.Context(), drvCfgGUID)
				require.NoError(t, err)
				assert.Contains(t, text, strings.TrimSpace(string(out.Stdout)), "the driver runs with it")
				assert.Contains(t, text, "mdm 10.0.0.11", "what else is in the file stays, and connect-sdc adds to it")
			})
		})
	}
}

// Another system's mappings hang on the GUID: a person says whose it is.
func TestOwnSDCGUID_ofAnotherSystem(t *testing.T) {
	const (
		file    = guidWitness
		guid    = "ini_guid 11111111-2222-3333-4444-555555555555\n"
		foreign = guid + "mdm 192.168.7.7\n"
	)
	for name, c := range map[string]struct {
		decide func(*installertest.Node)
		kept   bool
	}{
		"kept":    {func(n *installertest.Node) { madeOn(n, n.Facts.MachineID) }, true},
		"renewed": {func(n *installertest.Node) { n.Files.Set(scaleio.PathDrvCfgText, guid, 0o600) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := installed(t, one())
				n.Files.Set(scaleio.PathDrvCfgText, foreign, 0o600)
				n.Reboot()
				n.Files.Delete(file)
				for _, witness := range []string{"", "{"} {
					if witness != "" {
						n.Files.Set(file, witness, 0o600)
					}
					got := settle(t, n)["own-sdc-guid"]
					assert.Equal(t, "ForeignGUID", got.Reason, got.Message)
					for _, words := range []string{"192.168.7.7", file, scaleio.PathDrvCfgText, n.Facts.MachineID} {
						assert.Contains(t, got.Message, words)
					}
					require.NoError(t, stepOf(t, n, "own-sdc-guid").Apply(t.Context()))
					assert.Equal(t, foreign, n.Files.Tree("/etc")[scaleio.PathDrvCfgText])
				}
				c.decide(n)
				got := settle(t, n)["own-sdc-guid"]
				require.Equal(t, api.True, got.Status, got.Message)
				assert.Equal(t, c.kept, strings.Contains(n.Files.Tree("/etc")[scaleio.PathDrvCfgText], guid))
			})
		})
	}
}

// A renewed GUID doesn't interrupt who uses volumes: what ends the old one is a reboot, and that is done where reboots may be.
func TestOwnSDCGUID_inUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := installed(t, one())
		n.Spec.Reboots = api.RebootsRolling
		n.Leases.Grant(api.LeaseReboot, true)
		n.SetModuleUsers(2)
		madeOn(n, "another")
		require.NoError(t, stepOf(t, n, "own-sdc-guid").Apply(t.Context()))
		f := check(t, n, "load-scini")
		assert.Equal(t, "RebootNeeded", f.Reason, f.Message)
		f = check(t, n, "reboot-node")
		assert.Equal(t, "RebootNeeded", f.Reason, f.Message)
		assert.Contains(t, f.Message, "the driver runs with GUID")
		start(n).rest(t)
		require.Equal(t, 1, n.Reboots.Asked())
		n.SetModuleUsers(0)
		n.Reboot()
		got := start(n).rest(t)
		assert.Equal(t, api.True, got["load-scini"].Status, got["load-scini"].Message)
		assert.Equal(t, "Satisfied", got["reboot-node"].Reason, got["reboot-node"].Message)
		assert.Equal(t, 1, n.Reboots.Asked())
	})
}

// A copy of a machine boots with the client enabled and a GUID that isn't its own: the client waits for the agent, on its own machine it doesn't.
func TestOwnSDCGUID_aCloneWaitsForTheAgent(t *testing.T) {
	for name, cloned := range map[string]bool{"the machine itself": false, "a copy of it": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := one()
				start(n).rest(t)
				state := func() string {
					s, err := n.Units.State(t.Context(), scaleio.UnitSDC)
					require.NoError(t, err)
					return s.Active
				}
				require.Equal(t, "active", state())
				guid := n.Files.Tree("/etc")[scaleio.PathDrvCfgText]
				if cloned {
					n.Facts.MachineID = "ffffffffffffffffffffffffffffffff"
				}
				n.Reboot()
				_, err := n.System().Commands.Run(t.Context(), drvCfgGUID)
				if !cloned {
					assert.Equal(t, "active", state(), "no agent is needed for that")
					assert.NoError(t, err)
					return
				}
				assert.Equal(t, "inactive", state(), "nothing has made itself known with the other machine's GUID")
				assert.Error(t, err)
				got := start(n).rest(t)
				require.Equal(t, api.True, got["load-scini"].Status, got["load-scini"].Message)
				assert.Equal(t, "active", state())
				assert.NotEqual(t, guid, n.Files.Tree("/etc")[scaleio.PathDrvCfgText])
				assert.Contains(t, n.Files.Tree("/etc")[guidWitness], "ConditionHost="+n.Facts.MachineID+"\n")
				out, err := n.System().Commands.Run(t.Context(), drvCfgGUID)
				require.NoError(t, err)
				assert.NotContains(t, strings.ToLower(guid), strings.ToLower(strings.TrimSpace(string(out.Stdout))))
				n.Reboot()
				assert.Equal(t, "active", state())
			})
		})
	}
}

// Images take the machine-id with them, an instance's id never.
func TestOwnSDCGUID_ofAnotherInstance(t *testing.T) {
	const here, another = "i-0123456789abcdef0", "i-0fedcba9876543210"
	for name, c := range map[string]struct {
		node, made string
		renewed    bool
	}{
		"its own":                       {here, here, false},
		"a clone's":                     {here, another, true},
		"made before there was a cloud": {here, "", false},
		"a node that isn't known by its instance": {"0123456789abcdef0123456789abcdef", another, false},
	} {
		n := installed(t, one())
		n.Spec.Node = c.node
		n.Files.Set(guidWitness, "[Unit]\nConditionHost="+n.Facts.MachineID+"\n[X-Scaleio-Agent]\nInstance="+c.made+"\n", 0o644)
		before := n.Files.Tree("/etc")[scaleio.PathDrvCfgText]
		require.NoError(t, stepOf(t, n, "own-sdc-guid").Apply(t.Context()))
		assert.Equal(t, c.renewed, before != n.Files.Tree("/etc")[scaleio.PathDrvCfgText], name)
		assert.Equal(t, step.Satisfied, check(t, n, "own-sdc-guid").Verdict, name)
		if c.renewed {
			assert.Contains(t, n.Files.Tree("/etc")[guidWitness], "Instance="+here+"\n")
		}
	}
}
