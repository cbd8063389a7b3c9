package installer_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// TestSecrets_stayWhereTheyBelong brings up three nodes and drives them through trouble; then each secret may be in REX-Ray's closed file and in the
// environment of the gateway's scripts alone: in no log, condition, report, argv, environment, unit or other file.
func TestSecrets_stayWhereTheyBelong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const admin, gateway, volume = "hunter2-admin", "hunter2-gateway", "hunter2: \"volume\""
		log := &journal{}
		s := newSite()
		for _, a := range s.agents {
			a.node.Secrets = api.Secrets{Admin: api.NewSecret(admin), GatewayAdmin: api.NewSecret(gateway), VolumeUser: api.NewSecret(volume)}
			a.steps.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		}
		said := map[string]string{}
		hear := func(when string) {
			for _, a := range s.agents {
				said[when+" "+a.node.Name] = fmt.Sprintf("%+v %+v", a.result, a.seen)
			}
		}
		s.run(t)
		hear("ready")
		first := s.agents[0].node
		first.Files.Set("/etc/rexray/config.yml", "# Written by scaleio-agent; changes are undone.\nscaleio: {password: ["+strings.ReplaceAll(volume, `"`, "")+"\n", 0o644) // ours, readable and broken
		s.agents[0].pass(t)
		hear("broken configuration")
		first.GatewayOut(true)
		s.agents[0].pass(t)
		hear("no gateway")
		first.GatewayOut(false)
		s.run(t)
		hear("ready again")

		said["log"] = log.text.String()
		for _, a := range s.agents {
			n := a.node
			for _, c := range n.Commands.Calls() {
				said["command on "+n.Name] += fmt.Sprintf("%q %q %q\n", c.Path, c.Args, c.Env)
			}
			for _, j := range n.Jobs.Ran() {
				said["job on "+n.Name] += fmt.Sprintf("%+v\n", j)
			}
			for _, call := range n.Cutter.Calls() {
				said["calls on "+n.Name] += call + "\n"
			}
			for path, text := range n.Files.Tree("/") {
				if path != "/etc/rexray/config.yml" {
					said[n.Name+path] = text
					continue
				}
				assert.Contains(t, text, "hunter2")
				mode, _, err := n.Files.Stat(path)
				require.NoError(t, err)
				assert.EqualValues(t, 0o600, mode.Perm(), path)
			}
		}
		require.Contains(t, said["log"], "level=INFO")
		for where, text := range said {
			assert.NotContains(t, text, "hunter2", where)
		}
	})
}
