//go:build history

package before_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/test/before"
)

const top = "../.."

// programs of both versions: the schedulers as they are released, the agents as probes.
type programs struct{ dir, today, former string }

func build(t *testing.T) programs {
	t.Helper()
	p := programs{dir: t.TempDir()}
	tree, err := before.Tree(t.Context(), top, p.dir)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(tree, "test/before"), 0o755))
	require.NoError(t, os.CopyFS(filepath.Join(tree, "test/before/probe"), os.DirFS("probe")))
	p.today, p.former = filepath.Join(p.dir, "scheduler-today"), filepath.Join(p.dir, "scheduler-before")
	require.NoError(t, os.Mkdir(p.agents(), 0o755))
	var group errgroup.Group
	for tree, version := range map[string]string{top: "today", tree: "before"} {
		group.Go(func() error {
			return errors.Join(before.Build(t.Context(), tree, filepath.Join(p.dir, "scheduler-"+version), "./scheduler/cmd/scaleio-scheduler"),
				before.Build(t.Context(), tree, filepath.Join(p.agents(), version), "./test/before/probe", "version="+version))
		})
	}
	require.NoError(t, group.Wait())
	return p
}

func (p programs) agents() string { return filepath.Join(p.dir, "agents") }

// What lacks the history says so, with what to do.
func TestTree_ofAShallowClone(t *testing.T) {
	shallow := filepath.Join(t.TempDir(), "shallow")
	for _, args := range [][]string{{"init", "--quiet", shallow}, {"-C", shallow, "-c", "user.name=n", "-c", "user.email=n@example.com", "commit", "--quiet", "--allow-empty", "-m", "one"}} {
		out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	for _, top := range []string{shallow, t.TempDir()} {
		_, err := before.Tree(t.Context(), top, t.TempDir())
		require.ErrorIs(t, err, before.ErrNoHistory)
		assert.ErrorContains(t, err, "git fetch --unshallow")
	}
}

// Each version's scheduler takes over the other's state and the other's agents: all are heard, a new one joins, what a person says is obeyed, and the agents of either version come in
// place of the other's.
func TestVersionBefore(t *testing.T) {
	p := build(t)
	w := newWorld(t, p.agents())
	for range 3 {
		w.add()
	}
	w.start(p.former, p.agents(), "before")
	first := w.until("whole", whole(w, "before"))

	w.replace(p.today, p.agents(), "before")
	w.serves("before")
	w.replace(p.today, p.agents(), "today")
	w.until("today's agents everywhere", whole(w, "today"))

	w.replace(p.former, p.agents(), "today")
	w.serves("today")
	w.replace(p.former, p.agents(), "before")
	last := w.until("the former agents everywhere", whole(w, "before"))

	assert.Equal(t, first.Cluster, last.Cluster)
	assert.Equal(t, first.SystemID, last.SystemID)
	assert.Equal(t, first.Framework, last.Framework)
	roles := map[string]api.Role{}
	for _, n := range last.Nodes {
		roles[n.Node] = n.Role
	}
	for _, n := range first.Nodes {
		assert.Equal(t, n.Role, roles[n.Node])
	}
	for _, e := range last.Events {
		assert.NotContains(t, []string{"RolloutFailed", "RolloutStopped", "TokenAbused", "IdentityConflict"}, e.Kind, e.Message)
	}
	w.brain.end()
	w.refusesLater(p)
}

// whole: every node that there is is Ready with that version of the agent, and nothing is under way.
func whole(w *world, version string) func(api.ClusterStatus) error {
	return func(s api.ClusterStatus) error {
		switch {
		case len(s.Nodes) != len(w.nodes):
			return fmt.Errorf("%d nodes", len(s.Nodes))
		case s.Rollout != nil:
			return fmt.Errorf("rollout: %+v", *s.Rollout)
		case !s.Ready || s.Leader == "":
			return fmt.Errorf("ready %t, leader %q", s.Ready, s.Leader)
		}
		for _, n := range s.Nodes {
			if n.Agent != version || n.Role == api.RoleUndecided {
				return fmt.Errorf("%s is %q with agent %s", n.Name, n.Role, n.Agent)
			}
		}
		return nil
	}
}

// serves the agents that are there: they are heard, one more joins, and all hold still as long as a person wants it.
func (w *world) serves(version string) {
	w.t.Helper()
	begun := time.Now()
	w.until("all are heard", func(s api.ClusterStatus) error {
		for _, n := range s.Nodes {
			if !n.LastSeen.After(begun) {
				return fmt.Errorf("%s was heard last at %s", n.Name, n.LastSeen)
			}
		}
		return whole(w, version)(s)
	})
	w.add()
	w.until("another joined", whole(w, version))
	require.NoError(w.t, w.ask(http.MethodPost, api.PathHold, operatorToken, api.HoldRequest{Author: "test", Reason: "versions"}, nil))
	w.until("all are held", held(true))
	require.NoError(w.t, w.ask(http.MethodPost, api.PathHold, operatorToken, api.HoldRequest{Author: "test", Release: true}, nil))
	w.until("all are let go", held(false))
}

func held(want bool) func(api.ClusterStatus) error {
	return func(s api.ClusterStatus) error {
		for _, n := range s.Nodes {
			is := false
			for _, c := range n.Conditions {
				is = is || c.Type == api.ConditionHeld
			}
			if is != want {
				return fmt.Errorf("%s: held %t", n.Name, is)
			}
		}
		return nil
	}
}

// refusesLater: neither version touches what a later one stored, and both say so.
func (w *world) refusesLater(p programs) {
	file := filepath.Join(w.dir, "state", "state.db")
	stored, err := os.ReadFile(file)
	require.NoError(w.t, err)
	written := fmt.Appendf(nil, `{"schema":%d,`, store.Schema)
	require.NotZero(w.t, bytes.Count(stored, written))
	require.NoError(w.t, os.WriteFile(file, bytes.ReplaceAll(stored, written, fmt.Appendf(nil, `{"schema":%d,`, store.Schema+1)), 0o600))
	for _, program := range []string{p.today, p.former} {
		refusing := w.run(w.dir, nil, program, w.args...)
		var exit *exec.ExitError
		require.ErrorAs(w.t, refusing.wait(), &exit)
		assert.Equal(w.t, 2, exit.ExitCode(), refusing.said)
		assert.Contains(w.t, refusing.said.String(), "was written by a newer version of this program: start that one, or restore a backup")
	}
}
