//go:build nodes

package cases_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// mixedKinds of nodes. Each is a Debian root: what it presents is in its name, what of it is real in its recipe.
var mixedKinds = []nodes.Kind{nodes.Ubuntu, nodes.Rocky, nodes.Ubuntu}

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
