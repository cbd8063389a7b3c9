//go:build nodes

package cases_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
	"scaleio-framework/test/rpmbuild"
)

// mixedKinds of nodes. Each is a Debian root: what it presents is in its name, what of it is real in its recipe.
var mixedKinds = []nodes.Kind{nodes.Ubuntu, nodes.Rocky, nodes.Flatcar}

// TestMixed is a mixed cluster: Ubuntu, a Debian root presenting Rocky with real rpm and dnf, and a Flatcar-like node.
func TestMixed(t *testing.T) {
	s := up(t, "mixed", cases.Config{Kinds: mixedKinds})
	require.NoError(t, s.WaitReady(within(t, 5*time.Minute), nil))

	step := func(name string, f func(t *testing.T, s *cases.Stand)) {
		if !t.Failed() {
			t.Run(name, func(t *testing.T) { f(t, s) })
		}
	}
	step("keeps the demo's promises", func(t *testing.T, s *cases.Stand) { require.NoError(t, s.Keep(t.Context(), top)) })
	step("rpm and dnf installed what is there, dpkg nothing", rpmInstalled)
	step("a package is removed, and another dnf holds the lock", rpmRemovedWhileLocked)
	step("somebody's dnf was killed in the middle of a package", rpmHalfDone)
	step("files of unpacked packages are taken away, changed, unmerged", unpackedDrift)
	step("an update of the read-only system waits", updateWaits)
	step("the read-only system is updated, and rolled back", systemUpdated)
	step("no refused disk changed", func(t *testing.T, s *cases.Stand) { require.NoError(t, s.UntouchedDisks()) })
}

// ofKind is the first node of a kind.
func ofKind(t *testing.T, s *cases.Stand, kind nodes.Kind) *nodes.Node {
	t.Helper()
	for _, node := range s.Nodes() {
		if node.Kind == kind {
			return node
		}
	}
	require.Fail(t, "no such node", string(kind))
	return nil
}

func rpmInstalled(t *testing.T, s *cases.Stand) {
	node := ofKind(t, s, nodes.Rocky)
	ctx := within(t, time.Minute)
	_, err := node.Output(ctx, "rpm", "-V", "--nodeps", "EMC-ScaleIO-sds", "EMC-ScaleIO-sdc", "libaio", "numactl")
	require.NoError(t, err)
	result, err := node.Run(ctx, "sh", "-c", "ls /var/lib/dpkg")
	require.NoError(t, err)
	require.NotZero(t, result.Code, "dpkg has a database: %s", result.Stdout)
}

const sdsRPM = "EMC-ScaleIO-sds"

// lockHolder is a process that does nothing but hold rpm's lock, as a transaction does.
const lockHolder = `import fcntl, signal
lock = open("/var/lib/rpm/.rpm.lock", "r+")
fcntl.lockf(lock, fcntl.LOCK_EX)
open("/run/lock-is-held", "w").close()
signal.pause()
`

func rpmRemovedWhileLocked(t *testing.T, s *cases.Stand) {
	node := ofKind(t, s, nodes.Rocky)
	ctx := within(t, 4*time.Minute)
	on := func(argv ...string) {
		t.Helper()
		_, err := node.Output(ctx, argv...)
		require.NoError(t, err)
	}
	require.NoError(t, node.WriteFile("/etc/scaleio-agent/hold", []byte("while the test takes something away\n"), 0o644))
	on("env", "I_AM_SURE=1", "rpm", "-e", sdsRPM)
	on("systemd-run", "--quiet", "--unit=lock-holder", "python3", "-c", lockHolder)
	require.NoError(t, cases.Eventually(ctx, func(ctx context.Context) error {
		_, err := node.Output(ctx, "test", "-e", "/run/lock-is-held")
		return err
	}))
	on("rm", "/etc/scaleio-agent/hold")
	require.NoError(t, cases.Eventually(ctx, func(ctx context.Context) error { return at(ctx, s, node, "install-sds") }))
	result, err := node.Run(ctx, "rpm", "-q", sdsRPM)
	require.NoError(t, err)
	require.NotZero(t, result.Code, "installed although the lock is held")
	on("systemctl", "stop", "lock-holder.service")
	require.NoError(t, cases.Eventually(ctx, func(ctx context.Context) error {
		_, err := node.Output(ctx, "rpm", "-V", "--nodeps", sdsRPM)
		return err
	}))
	whole(t, s, 2*time.Minute)
}

// lookNow is what a person does who doesn't want to wait for a Ready node's next look, up to a minute away. Tests of one node alone do without it.
func lookNow(t *testing.T, node *nodes.Node) {
	t.Helper()
	_, err := node.Output(within(t, time.Minute), "systemctl", "reload", "scaleio-agent")
	require.NoError(t, err)
}

// at says whether a node is at a step.
func at(ctx context.Context, s *cases.Stand, node *nodes.Node, step string) error {
	status, err := s.Status(ctx)
	if err != nil {
		return err
	}
	for _, n := range status.Nodes {
		if n.Hostname == node.Name && !n.Ready && n.Step == step {
			return nil
		}
	}
	return fmt.Errorf("%s isn't at %s: %+v", node.Name, step, status.Nodes)
}

// rpmHalfDone: to rpm the package is installed. That its script never ended, and that its files are gone, is for the agent to find.
func rpmHalfDone(t *testing.T, s *cases.Stand) {
	node := ofKind(t, s, nodes.Rocky)
	ctx := within(t, 4*time.Minute)
	const file = "/root/cut.rpm"
	major, release := "3.6", "700.103.el9"
	built, err := rpmbuild.Build(ctx, rpmbuild.Package{Name: sdsRPM, Version: major, Release: release, Arch: "x86_64", Summary: "a package whose script never ends",
		Scripts: map[string]string{"post": "touch /run/script-runs\nsleep 600"}}, t.TempDir())
	require.NoError(t, err)
	data, err := os.ReadFile(built)
	require.NoError(t, err)
	require.NoError(t, node.WriteFile(file, data, 0o600))
	require.NoError(t, node.WriteFile("/etc/scaleio-agent/hold", []byte("while the test breaks something\n"), 0o644))
	_, err = node.Output(ctx, "systemd-run", "--quiet", "--unit=cut-dnf", "dnf", "-y", "--disablerepo=*", "reinstall", file)
	require.NoError(t, err)
	require.NoError(t, cases.Eventually(ctx, func(ctx context.Context) error {
		_, err := node.Output(ctx, "test", "-e", "/run/script-runs")
		return err
	}))
	_, err = node.Output(ctx, "systemctl", "kill", "--signal=KILL", "cut-dnf.service")
	require.NoError(t, err)
	_, err = node.Output(ctx, "rpm", "-q", sdsRPM)
	require.NoError(t, err, "to rpm it is installed")
	_, err = node.Output(ctx, "rm", "/etc/scaleio-agent/hold")
	require.NoError(t, err)
	lookNow(t, node)
	require.NoError(t, cases.Eventually(ctx, func(ctx context.Context) error {
		said, err := node.Output(ctx, "rpm", "-q", "--qf", "%{SUMMARY}", sdsRPM)
		if err == nil && strings.Contains(said, "never ends") {
			err = fmt.Errorf("the cut package is still there")
		}
		return err
	}))
	_, err = node.Output(ctx, "rpm", "-V", "--nodeps", sdsRPM)
	require.NoError(t, err)
	whole(t, s, 2*time.Minute)
}
