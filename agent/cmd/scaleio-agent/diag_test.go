package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/agent"
	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/explain"
)

type says string

func (s says) Run(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
	return platform.Output{Stdout: []byte(cmd.Path + " says " + string(s) + "\n")}, nil
}

// What must not leave a node is planted where a diagnosis looks.
func TestDiagnose_holdsNoSecret(t *testing.T) {
	files := platformtest.NewFiles()
	files.Set(agent.ConfigFile, "servers: [https://s:9443]\ntoken: Planted-Token-1\n", 0o600)
	files.Set("/etc/rexray/config.yml", "scaleio:\n  userName: volumes\n  password: \"Planted-Volume-1\"\n", 0o600)
	d := diagnose(t.Context(), files, says("Planted-Token-1 and Planted-Volume-1 and https://ann:Planted-URL-1@mirror/x"))
	var packed bytes.Buffer
	require.NoError(t, d.Write(&packed, "scaleio-agent", time.Now()))
	all := ""
	for _, f := range d.Files {
		all += f.Name + "\n" + f.Text
	}
	assert.NotContains(t, all, "Planted-")
	for _, wanted := range []string{"journalctl says", "systemctl says", "lsblk says", "status.json", "detect.json", "scaleio-agent development"} {
		assert.Contains(t, all, wanted)
	}
}

func TestAsStatus_isWhatTheSchedulerWouldExplain(t *testing.T) {
	local := agent.Local{Node: api.Identity{ID: "i-1", Hostname: "n1"}, Role: api.RoleData, Step: "check-peers",
		Conditions: []api.Condition{{Type: "check-peers", Status: api.False, Reason: "MTUTooSmall", Message: "10.0.0.1:6611 of n2"}}}
	e := explain.Node(asStatus(local), "")
	assert.Equal(t, "check-peers (MTUTooSmall)", e.InTheWay)
	assert.Contains(t, e.Means, "large ones get lost")
	local.Held = "/etc/scaleio-agent/hold: disk swap"
	assert.Equal(t, "check-peers (Held)", explain.Node(asStatus(local), "").InTheWay)
}
