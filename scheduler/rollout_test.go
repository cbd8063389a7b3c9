package scheduler_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
)

// A changed setting reaches the nodes in waves over the wire; schedulers that are started anew on the way go on where it was, and know what the others were told.
func TestRollout_overTheWire(t *testing.T) {
	b := newBench(t)
	b.options.Settings.RolloutCalm = 2 * time.Second
	b.start()
	s := b.until("ready", ready)
	require.Empty(t, rollouts(s))
	told := func() (rolling int) {
		for _, n := range b.nodes {
			if n.answer().Spec.Reboots == api.RebootsRolling {
				rolling++
			}
		}
		return rolling
	}
	require.NoError(t, b.halt())
	b.start() // the same again
	s = b.until("ready", ready)
	require.Nil(t, s.Rollout)
	require.Empty(t, rollouts(s))
	generations := b.generations()

	require.NoError(t, b.halt())
	b.options.Settings.Reboots = api.RebootsRolling
	b.start()
	s = b.until("the canary", func(api.ClusterStatus) bool { return told() > 0 })
	require.Equal(t, 1, told())
	require.NoError(t, b.halt())
	b.start()
	s = b.until("all", func(s api.ClusterStatus) bool {
		b.ahead.Add(int64(100 * time.Millisecond))
		return s.Rollout == nil && told() == len(b.nodes)
	})
	// Who isn't whole when the canary is chosen comes later; where the canary has its failure domain for itself there is a wave less.
	assert.Regexp(t, "^RolloutStarted( RolloutWave){3,4} RolledOut$", strings.Join(rollouts(s), " "), "%+v", s.Events)
	for i, g := range b.generations()[1:] { // the leader's orders carry more than settings
		assert.Equal(t, generations[i+1]+1, g, "one change, one generation")
	}
	assert.Error(t, b.people("operate").Rollout(t.Context(), api.RolloutRequest{Action: api.RolloutResume, Author: "op"}), "nothing is stopped")
	assert.Error(t, b.people("read").Rollout(t.Context(), api.RolloutRequest{Action: api.RolloutAbort, Author: "op"}), "who may only look")
}

// What a person takes back stays taken back over a restart with the same configuration.
func TestRollout_abort(t *testing.T) {
	b := newBench(t)
	b.options.Settings.RolloutCalm = time.Hour
	b.start()
	b.until("ready", ready)
	require.NoError(t, b.halt())
	b.options.Settings.Reboots = api.RebootsRolling
	b.start()
	b.until("the canary", func(s api.ClusterStatus) bool { return s.Rollout != nil && s.Rollout.Given == 1 })
	require.NoError(t, b.people("operate").Rollout(t.Context(), api.RolloutRequest{Action: api.RolloutAbort, Author: "op"}))
	back := func(s api.ClusterStatus) bool {
		b.ahead.Add(int64(time.Minute))
		return s.Rollout != nil && s.Rollout.State == "done" && s.Rollout.Refused != "" && !slices.ContainsFunc(b.nodes, func(n *node) bool { return n.answer().Spec.Reboots == api.RebootsRolling })
	}
	b.until("taken back", back)
	require.NoError(t, b.halt())
	b.start()
	s := b.until("still", back)
	assert.Equal(t, 1, strings.Count(strings.Join(rollouts(s), " "), "RolloutStarted"))
}

func rollouts(s api.ClusterStatus) (kinds []string) {
	for _, e := range s.Events {
		if strings.HasPrefix(e.Kind, "Roll") {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

func (b *bench) generations() (all []int64) {
	for _, n := range b.nodes {
		all = append(all, n.answer().Spec.Version.Generation)
	}
	return all
}

// While a rollout runs nodes that it hasn't come to are told the packages of the manifest before: those are served too, wherever its files were named from.
func TestRollout_servesTheFormerManifestsFiles(t *testing.T) {
	b := newBench(t)
	b.options.Settings.RolloutCalm = time.Hour
	manifest := func(content string) string {
		dir := t.TempDir()
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "rexray"), []byte(content), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "manifest.json"), fmt.Appendf(nil, `{"version":%q,"packages":[{"component":"rexray","os":"ubuntu22.04","format":"binary","file":"rexray","size":%d,"sha256":%q}]}`, content, len(content), sum), 0o600))
		m, err := scheduler.ReadManifest(filepath.Join(dir, "manifest.json"))
		require.NoError(t, err)
		b.options.Settings.Packages, b.options.Artifacts = m.Packages, m.Artifacts
		return filepath.Join(dir, "rexray")
	}
	former := manifest("former")
	b.start()
	b.until("ready", ready)
	require.NoError(t, b.halt())
	manifest("next")
	b.start()
	b.until("the canary", func(s api.ClusterStatus) bool { return ready(s) && s.Rollout != nil && s.Rollout.Given == 1 })
	served := func() (contents []string) {
		for _, n := range b.nodes {
			c, err := n.client()
			require.NoError(t, err)
			response, err := c.HTTP().Get("https://" + b.address + n.answer().Spec.Packages[0].URL)
			require.NoError(t, err)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, errors.Join(err, response.Body.Close()))
			contents = append(contents, fmt.Sprint(response.StatusCode, " ", string(body)))
		}
		slices.Sort(contents)
		return contents
	}
	assert.Equal(t, []string{"200 former", "200 former", "200 former", "200 former", "200 next"}, served())

	require.NoError(t, b.halt())
	require.NoError(t, os.Remove(former))
	b.start()
	b.until("people are told that it is gone", func(s api.ClusterStatus) bool { return ready(s) && hasEvent(s, "FormerFileMissing") })
}
