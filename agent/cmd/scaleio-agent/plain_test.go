package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/agent"
	"scaleio-framework/scheduler/api"
)

func TestShow_nothingSteersTheTerminal(t *testing.T) {
	const evil = "\x1b]0;owned\a\u009b2J\nready"
	disks := []api.Disk{{Path: "/dev/sdb", ID: evil, Message: evil}}
	var out bytes.Buffer
	require.NoError(t, show(&out, agent.Local{Scheduler: evil, Held: evil, Conditions: []api.Condition{{Type: "run-sds", Message: evil}}, Disks: disks}, false))
	require.NoError(t, showDetected(&out, Detected{Evidence: evil, Disks: disks}))
	assert.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f]|\x{9b}`, out.String())
	assert.NotContains(t, out.String(), "\nready")
	assert.Contains(t, out.String(), "?]0;owned?")
}
