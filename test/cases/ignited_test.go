//go:build nodes

package cases_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// ignite lays on a node that doesn't run what packaging/butane lays, but for the configuration.
func ignite(node *nodes.Node) error {
	binary, err := os.ReadFile(filepath.Join(build, "scaleio-agent"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(binary)
	dir := "/opt/scaleio-agent/bin/" + hex.EncodeToString(sum[:])
	return errors.Join(
		node.WriteFile(dir+"/scaleio-agent", binary, 0o755),
		node.Link("/opt/scaleio-agent/current", dir),
		node.WriteFile("/etc/systemd/system/"+systemd.AgentUnit, []byte(systemd.AgentUnitText), 0o644),
		node.Link("/etc/systemd/system/multi-user.target.wants/"+systemd.AgentUnit, "../"+systemd.AgentUnit))
}

// TestIgnited is a node without Mesos: it waits, joins by an enrolment token and is a member; then Mesos comes, and its task adopts the daemon that is there.
func TestIgnited(t *testing.T) {
	s := up(t, "ignited", cases.Config{NoMesos: []string{"n3"}, Prepare: func(node *nodes.Node) error {
		if node.Name != "n3" {
			return nil
		}
		return ignite(node)
	}})
	node := s.Nodes()[2]
	ctx := within(t, 5*time.Minute)

	t.Log("without a configuration it waits, and says so")
	require.NoError(t, cases.Eventually(ctx, func(ctx context.Context) error {
		if err := s.NodeReady(ctx, node); err == nil || !strings.Contains(err.Error(), `{"condition":"NotJoined","status":"True","reason":"NoConfiguration"}`) {
			return fmt.Errorf("/readyz says %v", err)
		}
		return nil
	}))
	pid := mainPID(t, node)

	t.Log("a token is put there")
	require.NoError(t, node.WriteFile("/etc/scaleio-agent/agent.yaml", agentYAML(t, s), 0o600))
	require.NoError(t, s.WaitReady(ctx, nil))
	require.Equal(t, pid, mainPID(t, node), "the daemon that waited goes on")
	key := fingerprint(t, node)
	line := lineOf(t, s, node)
	require.Empty(t, line.Task)
	require.Equal(t, "r3", line.FaultDomain, "the token's")
	require.True(t, line.Role.MDM(), "of three nodes in three racks each carries one")

	t.Log("Mesos comes")
	require.NoError(t, s.AddMesosAgent(ctx, node, build))
	require.NoError(t, cases.Eventually(ctx, func(ctx context.Context) error {
		if line := lineOf(t, s, node); line.Task != "TASK_RUNNING" {
			return fmt.Errorf("its task is %q", line.Task)
		}
		if isolation, err := node.ReadFile("/etc/mesos-agent/isolation"); err != nil || !strings.Contains(string(isolation), "docker/volume") {
			return fmt.Errorf("its Mesos agent isn't set up for volumes yet: %q (%v)", isolation, err)
		}
		return s.NothingTwice(ctx)
	}))
	require.NoError(t, s.WaitReady(ctx, nil))
	require.Equal(t, pid, mainPID(t, node), "adopted: never a second daemon, not even a restart")
	require.Equal(t, key, fingerprint(t, node))
	status, err := s.Status(ctx)
	require.NoError(t, err)
	require.Len(t, status.Nodes, 3)
	require.NoError(t, s.Keep(t.Context(), top))
}

// agentYAML is what a person gets for it from the scheduler.
func agentYAML(t *testing.T, s *cases.Stand) []byte {
	t.Helper()
	address, err := s.Forward("127.0.0.1:0", nodes.Gateway+":9443")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), filepath.Join(build, "scaleio-scheduler"), "tokens", "create", "--ttl=10m", "--count=1", "--domain=r3", "--agent-yaml",
		"--url=https://"+address, "--ca-file="+s.CAFile(), "--token-file="+s.OperatorTokenFile())
	var problems strings.Builder
	cmd.Stderr = &problems
	text, err := cmd.Output()
	require.NoError(t, err, problems.String())
	return text
}

func mainPID(t *testing.T, node *nodes.Node) string {
	t.Helper()
	pid, err := node.Output(t.Context(), "systemctl", "show", "--property=MainPID", "--value", systemd.AgentUnit)
	require.NoError(t, err)
	require.NotEqual(t, "0", strings.TrimSpace(pid))
	return pid
}

func fingerprint(t *testing.T, node *nodes.Node) string {
	t.Helper()
	key, err := node.ReadFile("/var/lib/scaleio-agent/node.key")
	require.NoError(t, err)
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}

func lineOf(t *testing.T, s *cases.Stand, node *nodes.Node) api.NodeStatus {
	t.Helper()
	status, err := s.Status(t.Context())
	require.NoError(t, err)
	for _, line := range status.Nodes {
		if line.Hostname == node.Name && !strings.HasPrefix(line.Node, "mesos-agent ") {
			return line
		}
	}
	require.Fail(t, "it is no node")
	return api.NodeStatus{}
}
