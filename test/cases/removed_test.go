//go:build nodes

package cases_test

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// removedKinds: three Ubuntu nodes carry the MDMs, and one of each kind is taken out.
var removedKinds = []nodes.Kind{nodes.Ubuntu, nodes.Ubuntu, nodes.Ubuntu, nodes.Ubuntu, nodes.Rocky, nodes.Flatcar}

// TestRemoved takes out one node of each kind, one after the other: refused while a volume is mapped, drained, all that was put there gone, what stays as it was said,
// nothing placed there again. Then they are let in again.
func TestRemoved(t *testing.T) {
	s := up(t, "removed", cases.Config{Kinds: removedKinds, NoScheduler: true, Scheduler: map[string]any{"fault-domain-attribute": ""}, Prepare: prepareLeaver})
	ctx := within(t, 15*time.Minute)
	leavers := s.Nodes()[3:]
	before := map[*nodes.Node]map[string]string{}
	for _, node := range leavers {
		before[node] = filesOf(ctx, t, node)
	}
	require.NoError(t, s.StartScheduler(ctx))
	require.NoError(t, s.WaitReady(ctx, nil))
	wish := wisher(ctx, t, s)
	for _, n := range s.Nodes()[:3] {
		said, err := wish("remove", n.Name)
		require.Error(t, err)
		require.Contains(t, said, "carries an MDM")
		require.Contains(t, said, "remove a node that carries only data", "and what to do instead")
	}
	app := cases.NewApp("kept", leavers[0])
	require.NoError(t, s.Write(ctx, app))
	require.NoError(t, s.MapByHand(ctx, "by-hand", leavers[1]))
	require.NoError(t, cases.Eventually(ctx, func(context.Context) error { // once the leader has seen it
		if said, err := wish("remove", "--dry-run", leavers[1].Name); err == nil || !strings.Contains(said, "1 volumes are mapped to the SDC of "+leavers[1].Name+": end the tasks that use them") {
			return fmt.Errorf("it isn't refused for the volume: %s", said)
		}
		return nil
	}))
	require.NoError(t, s.UnmapByHand(ctx, "by-hand", leavers[1]))
	for i, node := range leavers {
		t.Run(string(node.Kind), func(t *testing.T) {
			remove(ctx, t, s, wish, node)
			status, err := s.Status(ctx)
			require.NoError(t, err)
			require.Len(t, status.Storage.SDSs, len(s.Nodes())-1-i)
			productGone(ctx, t, node)
			asBefore(t, node.Kind, before[node], filesOf(ctx, t, node), lineOf(t, s, node).Message)
		})
	}
	if t.Failed() {
		return
	}
	require.NoError(t, s.Read(ctx, app, s.Nodes()[0]), "its data moved to those that stay")
	for _, node := range leavers {
		said, err := wish("readmit", node.Name)
		require.NoError(t, err, said)
	}
	require.NoError(t, s.WaitReady(ctx, nil))
	status, err := s.Status(ctx)
	require.NoError(t, err)
	require.Len(t, status.Nodes, len(s.Nodes()), "each is the node that it was")
	require.Len(t, status.Storage.SDSs, len(s.Nodes()))
	require.NoError(t, s.UntouchedDisks())
}

// prepareLeaver keeps MDMs from the nodes that are to be taken out.
func prepareLeaver(node *nodes.Node) error {
	if slices.Contains([]string{"n1", "n2", "n3"}, node.Name) {
		return nil
	}
	if node.Kind == nodes.Flatcar { // its owner's: how it reboots after updates
		if err := node.WriteFile("/etc/flatcar/update.conf", []byte("GROUP=lts\nREBOOT_STRATEGY=etcd-lock\n"), 0o644); err != nil {
			return err
		}
	}
	return node.WriteFile("/etc/mesos-agent/attributes", []byte(scheduler.PinAttribute+":"+string(api.RoleData)+"\n"), 0o644)
}

// wisher says `nodes VERB NODE` as an operator.
func wisher(ctx context.Context, t *testing.T, s *cases.Stand) func(args ...string) (string, error) {
	address, err := s.Forward("127.0.0.1:0", nodes.Gateway+":9443")
	require.NoError(t, err)
	return func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, filepath.Join(build, "scaleio-scheduler"), append([]string{"nodes"}, append(args,
			"--url=https://"+address, "--ca-file="+s.CAFile(), "--token-file="+s.OperatorTokenFile())...)...)
		text, err := cmd.CombinedOutput()
		return string(text), err
	}
}

func remove(ctx context.Context, t *testing.T, s *cases.Stand, wish func(...string) (string, error), node *nodes.Node) {
	t.Helper()
	require.NoError(t, cases.Eventually(ctx, func(context.Context) error { // the storage is healthy in a fresh sample
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
}

// productGone: the package tools know nothing of it, PID 1 neither, and nothing of it runs.
func productGone(ctx context.Context, t *testing.T, node *nodes.Node) {
	t.Helper()
	for _, component := range []string{scaleio.SDS, scaleio.SDC} {
		var question []string
		switch node.Kind {
		case nodes.Ubuntu:
			question = []string{"dpkg-query", "-W", scaleio.DebName(component)}
		case nodes.Rocky:
			question = []string{"rpm", "-q", scaleio.RPMName(component)}
		default:
			question = []string{"ls", "/var/lib/extensions/scaleio-" + component}
		}
		result, err := node.Run(ctx, question...)
		require.NoError(t, err)
		assert.NotZero(t, result.Code, "%s is still there: %s", component, result.Stdout)
	}
	for _, unit := range []string{scaleio.UnitSDS, scaleio.UnitSDC, "rexray.service"} {
		said, err := node.Output(ctx, "systemctl", "show", "--property=LoadState,ActiveState", unit)
		require.NoError(t, err)
		assert.Equal(t, "LoadState=not-found\nActiveState=inactive", strings.TrimSpace(said), unit)
	}
	for _, program := range []string{"/bin/scli", "/usr/bin/rexray", "/usr/bin/dvdcli"} {
		result, err := node.Run(ctx, "test", "-e", program)
		require.NoError(t, err)
		assert.NotZero(t, result.Code, "%s is still seen", program)
	}
}

// Where others write in the meantime: Mesos, package tools, PID 1.
var othersFiles = []string{"/var/lib/mesos/", "/var/lib/dpkg/", "/var/lib/apt/", "/var/lib/rpm/", "/var/lib/dnf/", "/var/lib/systemd/", "/var/cache/", "/var/log/", "/etc/ld.so.cache",
	"/etc/.updated", "/var/.updated", "/etc/resolv.conf", "/etc/mtab"}

// filesOf a node with mode, size and target, folders with a slash behind, and what is in those of /etc: all that lasts and isn't others' to write.
func filesOf(ctx context.Context, t *testing.T, node *nodes.Node) map[string]string {
	t.Helper()
	text, err := node.Output(ctx, "find", "/etc", "/opt", "/root", "/srv", "/usr", "/var", "(", "-type", "d", "-printf", `%p/\t%m\n`, ")", "-o", "-printf", `%p\t%m %s %l\n`)
	require.NoError(t, err)
	sums, err := node.Output(ctx, "find", "/etc", "-type", "f", "-exec", "sha256sum", "{}", "+")
	require.NoError(t, err)
	content := map[string]string{}
	for line := range strings.Lines(sums) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		content[name] = sum
	}
	all := map[string]string{}
	for line := range strings.Lines(text) {
		name, what, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		what += content[name]
		if !slices.ContainsFunc(othersFiles, func(p string) bool { return strings.HasPrefix(name, p) }) {
			all[name] = what
		}
	}
	return all
}

// asBefore: what is there and wasn't, or isn't the same, is what the last word of the removal names.
func asBefore(t *testing.T, kind nodes.Kind, before, after map[string]string, said string) {
	t.Helper()
	stays := []string{"/opt/scaleio-agent", "/etc/scaleio-agent", "/var/lib/scaleio-agent", "/etc/systemd/system/scaleio-agent.service", "/usr/local/bin/scaleio-agent",
		"/opt/bin/scaleio-agent", "/opt/emc/scaleio", "/var/lib/rexray"}
	if kind == nodes.Ubuntu { // the repository of a Rocky-like node has empty packages
		assert.Contains(t, said, "packages of the distribution")
		maps.DeleteFunc(after, func(name, _ string) bool {
			return before[name] == "" && strings.HasPrefix(name, "/usr/") && !strings.HasPrefix(name, "/usr/local/")
		})
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if after[name] == before[name] || name == "/etc/systemd/system/multi-user.target.wants/scaleio-agent.service" { // goes when it is disabled, as is said
			continue
		}
		i := slices.IndexFunc(stays, func(p string) bool {
			return strings.HasPrefix(name, p) || p+"/" == name || strings.HasPrefix(p, name) && before[name] == ""
		})
		if i < 0 {
			assert.Fail(t, "it stays or was changed", "%s: was %q, is %q", name, before[name], after[name])
		} else {
			assert.Contains(t, said, stays[i], "%s stays, and that isn't said", name)
		}
	}
	for name, what := range before {
		assert.Contains(t, after, name, "it is gone: %s", what)
	}
}
