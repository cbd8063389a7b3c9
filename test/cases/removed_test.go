//go:build nodes

package cases_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// TestRemoved takes the fourth of four nodes out: refused for a manager, drained, its packages and files gone, nothing placed there again.
func TestRemoved(t *testing.T) {
	s := up(t, "removed", cases.Config{Nodes: 4, Scheduler: map[string]any{"fault-domain-attribute": ""}})
	ctx := within(t, 5*time.Minute)
	require.NoError(t, s.WaitReady(ctx, nil))
	node := s.Nodes()[3]
	for _, n := range s.Nodes() { // whichever carries no MDM
		if !lineOf(t, s, n).Role.MDM() {
			node = n
		}
	}
	address, err := s.Forward("127.0.0.1:0", nodes.Gateway+":9443")
	require.NoError(t, err)
	wish := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, filepath.Join(build, "scaleio-scheduler"), append([]string{"nodes"}, append(args,
			"--url=https://"+address, "--ca-file="+s.CAFile(), "--token-file="+s.OperatorTokenFile())...)...)
		text, err := cmd.CombinedOutput()
		return string(text), err
	}
	for _, n := range s.Nodes() {
		if n != node {
			said, err := wish("remove", n.Name)
			require.Error(t, err)
			require.Contains(t, said, "carries an MDM")
		}
	}
	require.NoError(t, cases.Eventually(ctx, func(context.Context) error {
		said, err := wish("remove", node.Name)
		if err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
		return nil
	}))
	require.NoError(t, cases.Eventually(ctx, func(context.Context) error {
		if line := lineOf(t, s, node); line.Removal != api.RemovalDone || line.Task == "TASK_RUNNING" {
			return fmt.Errorf("%s, task %s: %s: %s", line.Removal, line.Task, line.Reason, line.Message)
		}
		return nil
	}))
	status, err := s.Status(ctx)
	require.NoError(t, err)
	require.Len(t, status.Storage.SDSs, 3)
	for _, component := range []string{scaleio.SDS, scaleio.SDC} {
		_, err := node.Output(ctx, "dpkg-query", "-W", scaleio.DebName(component))
		assert.Error(t, err, "%s is still there", component)
	}
	for _, path := range []string{"/usr/bin/rexray", "/etc/rexray/config.yml", scaleio.PathDrvCfgText, "/var/lib/scaleio-agent/packages"} {
		_, err := node.Output(ctx, "ls", path)
		assert.Error(t, err, "%s is still there", path)
	}
	isolation, err := node.ReadFile("/etc/mesos-agent/isolation")
	if err == nil {
		assert.False(t, strings.Contains(string(isolation), "docker/volume"), "%s", isolation)
	}
}
