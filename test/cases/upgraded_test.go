//go:build nodes

package cases_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

const (
	olderVersion = "3.6-700.103"
	newerVersion = "3.6-800.101"
)

// TestUpgraded puts newer packages of all three kinds (deb, rpm, and rpm unpacked) on a mixed cluster, while a task on every node writes and verifies. The first
// package with scripts fails at first: nothing else is touched until that is mended. Every agent is killed before and after each of its acts.
func TestUpgraded(t *testing.T) {
	s := up(t, "upgraded", cases.Config{Kinds: mixedKinds, Prepare: func(node *nodes.Node) error {
		return errors.Join(node.WriteFile("/etc/systemd/system/scaleio-agent.service.d/die.conf", []byte(agentDropIn), 0o644),
			node.WriteFile(pointsFile, []byte(strings.Join(upgradePoints("fetch-upgrades", "upgrade-gateway", "upgrade-mdm", "upgrade-sds", "upgrade-sdc"), "\n")), 0o600))
	}})
	require.NoError(t, s.WaitReady(within(t, 5*time.Minute), nil))
	ended := startWriters(t, s)

	master, err := s.Master(t.Context())
	require.NoError(t, err)
	fault := func(text string) {
		for _, node := range s.Nodes() {
			require.NoError(t, node.WriteFile("/etc/scaleio-standin/faults.json", []byte(text), 0o644))
		}
	}
	fault(`{"comment":["postinst:emc-scaleio-mdm"]}`)
	begun := time.Now()
	require.NoError(t, s.ListNewer(within(t, 2*time.Minute), newerVersion, build))

	failed := firstFails(t, s, master)
	ended.none(t)
	fault(`{}`)
	require.NoError(t, cases.Eventually(within(t, 8*time.Minute), func(ctx context.Context) error { return upgradedTo(ctx, s, newerVersion) }))
	whole(t, s, 2*time.Minute)
	ended.none(t)
	require.NoError(t, s.EndWriters())
	ended.all(t)

	oneAtATime(t, s, begun, failed)
	for _, node := range s.Nodes() {
		left, err := node.ReadFile(pointsFile)
		require.NoError(t, err)
		steps := []string{"fetch-upgrades"}
		for _, c := range componentsOf(t, s, node) {
			steps = append(steps, "upgrade-"+c)
		}
		for _, point := range upgradePoints(steps...) {
			assert.NotContains(t, strings.Fields(string(left)), point, "the agent of %s never died there", node.Name)
		}
	}
	now, err := s.Master(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, master.Name, now.Name, "the master handed its part over before its package was replaced")
	require.NoError(t, cases.Eventually(within(t, 2*time.Minute), s.NothingTwice))
	require.NoError(t, s.UntouchedDisks())
}

// upgradePoints are where an agent dies around its acts.
func upgradePoints(steps ...string) (points []string) {
	for _, s := range steps {
		points = append(points, step.PointApply+s, step.PointApplied+s)
	}
	return points
}

// writers run on all nodes; each tells how it ended.
type writers chan error

func startWriters(t *testing.T, s *cases.Stand) writers {
	ended := make(writers, len(s.Nodes()))
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	for i, node := range s.Nodes() {
		go func() { ended <- s.WriteVerified(ctx, fmt.Sprintf("upgrade-%d", i), node) }()
	}
	require.NoError(t, cases.Eventually(within(t, 2*time.Minute), func(ctx context.Context) error {
		for _, node := range s.Nodes() {
			if _, err := node.Output(ctx, "pgrep", "-f", "data/block"); err != nil {
				ended.none(t)
				return fmt.Errorf("no writer on %s yet: %w", node.Name, err)
			}
		}
		return nil
	}))
	return ended
}

// none of them ended.
func (w writers) none(t *testing.T) {
	t.Helper()
	select {
	case err := <-w:
		require.NoError(t, err)
		require.Fail(t, "a writer ended early")
	default:
	}
}

// all of them end well.
func (w writers) all(t *testing.T) {
	t.Helper()
	limit := within(t, time.Minute)
	for range cap(w) {
		select {
		case err := <-w:
			require.NoError(t, err)
		case <-limit.Done():
			require.NoError(t, context.Cause(limit))
		}
	}
}

// installedOn a node; "" if it isn't there or not whole.
func installedOn(ctx context.Context, node *nodes.Node, component string) (string, error) {
	switch node.Kind {
	case nodes.Ubuntu:
		said, err := node.Output(ctx, "dpkg-query", "-W", "-f=${db:Status-Abbrev}${Version}", scaleio.DebName(component))
		version, whole := strings.CutPrefix(said, "ii ")
		if !whole {
			version = ""
		}
		return version, err
	case nodes.Rocky:
		return node.Output(ctx, "rpm", "-q", "--qf", "%{VERSION}-%{RELEASE} ", scaleio.RPMName(component))
	}
	data, err := node.ReadFile("/var/lib/scaleio-agent/payload/" + scaleio.RPMName(component) + ".json")
	var record struct{ Version, Phase string }
	if err == nil {
		err = json.Unmarshal(data, &record)
	}
	if record.Phase != "installed" {
		record.Version = ""
	}
	return record.Version, err
}

// componentsOf a node: only managers have a gateway.
func componentsOf(t *testing.T, s *cases.Stand, node *nodes.Node) []string {
	all := []string{scaleio.MDM, scaleio.SDS, scaleio.SDC}
	if lineOf(t, s, node).Role == api.RoleManager {
		all = append(all, scaleio.Gateway)
	}
	return all
}

// upgradedTo fails unless every component everywhere has the version, and nobody holds a right to interrupt any more.
func upgradedTo(ctx context.Context, s *cases.Stand, version string) error {
	status, err := s.Status(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, node := range s.Nodes() {
		components := []string{scaleio.MDM, scaleio.SDS, scaleio.SDC}
		if roleOf(status, node) == api.RoleManager {
			components = append(components, scaleio.Gateway)
		}
		for _, c := range components {
			if v, err := installedOn(ctx, node, c); err != nil || !strings.HasPrefix(v, version) || strings.Count(v, version) != 1 {
				errs = append(errs, fmt.Errorf("%s: %s is %q (%v)", node.Name, c, v, err))
			}
		}
	}
	for _, n := range status.Nodes {
		if !n.Ready {
			errs = append(errs, fmt.Errorf("%s isn't Ready: %s: %s: %s", n.Name, n.Step, n.Reason, n.Message))
		}
	}
	return errors.Join(errs...)
}

// firstFails waits until the first MDM's script failed, and gives its node. The gateways and the unpacked MDM came before it; nothing that comes after has begun.
func firstFails(t *testing.T, s *cases.Stand, master *nodes.Node) *nodes.Node {
	t.Helper()
	ctx := within(t, 4*time.Minute)
	var failed *nodes.Node
	require.NoError(t, cases.Eventually(ctx, func(ctx context.Context) error {
		status, err := s.Status(ctx)
		if err != nil {
			return err
		}
		for _, n := range status.Nodes {
			for _, c := range n.Conditions {
				if c.Type == "upgrade-mdm" && strings.Contains(c.Message, "no other node is upgraded until") {
					for _, node := range s.Nodes() {
						if node.Name == n.Hostname {
							failed = node
						}
					}
					return nil
				}
			}
		}
		return fmt.Errorf("no MDM's upgrade failed: %+v", status.Nodes)
	}))
	require.NotEqual(t, nodes.Flatcar, failed.Kind, "nothing that could fail runs there")
	require.NotEqual(t, master.Name, failed.Name, "the master comes last")

	plan := said(t, s, "plan")
	require.Contains(t, plan, "upgrade mdm")
	require.Contains(t, plan, newerVersion)
	require.Less(t, strings.Index(plan, "upgrade mdm"), strings.Index(plan, "upgrade sds"))
	// It is tried again and again; so long is enough for anybody else who would begin.
	journal := func() int {
		text, err := failed.Journal(ctx, "-u", "scaleio-agent", "-b")
		require.NoError(t, err)
		return strings.Count(text, "msg=failed step=upgrade-mdm")
	}
	tries := journal()
	require.NoError(t, cases.Eventually(ctx, func(context.Context) error {
		if now := journal(); now < tries+2 {
			return fmt.Errorf("tried %d times more", now-tries)
		}
		return nil
	}))
	for _, node := range s.Nodes() {
		for _, c := range componentsOf(t, s, node) {
			before := c == scaleio.Gateway || c == scaleio.MDM && node.Kind == nodes.Flatcar
			version, err := installedOn(ctx, node, c)
			switch {
			case node == failed && c == scaleio.MDM:
			case before:
				require.NoError(t, err)
				require.Contains(t, version, newerVersion, "%s of %s", c, node.Name)
			default:
				require.NoError(t, err)
				require.Contains(t, version, olderVersion, "%s of %s", c, node.Name)
			}
		}
	}
	return failed
}

// said by the scheduler's command line.
func said(t *testing.T, s *cases.Stand, command string) string {
	t.Helper()
	address, err := s.Forward("127.0.0.1:0", nodes.Gateway+":9443")
	require.NoError(t, err)
	text, err := exec.CommandContext(t.Context(), filepath.Join(build, "scaleio-scheduler"), command,
		"--url=https://"+address, "--ca-file="+s.CAFile(), "--token-file="+s.ReadTokenFile()).CombinedOutput()
	require.NoError(t, err, "%s", text)
	return string(text)
}

// away is the time in which a daemon of a node was down.
type away struct {
	node, unit string
	from, to   time.Time
}

func (a away) String() string {
	return fmt.Sprintf("%s on %s from %s to %s", a.unit, a.node, a.from.Format(time.TimeOnly), a.to.Format(time.TimeOnly))
}

// oneAtATime holds what the nodes' own PID 1 and the MDMs wrote down against it: no two nodes were without a daemon at the same time, and each was once for each.
func oneAtATime(t *testing.T, s *cases.Stand, since time.Time, failed *nodes.Node) {
	t.Helper()
	var all []away
	for _, node := range s.Nodes() {
		for _, c := range componentsOf(t, s, node) {
			if c == scaleio.SDC {
				continue // the old driver serves on
			}
			unit := scaleio.Unit(c)
			text, err := node.Journal(t.Context(), "-u", unit, "--since=@"+fmt.Sprint(since.Unix()))
			require.NoError(t, err)
			times := downTimes(node.Name, unit, text)
			assert.NotEmpty(t, times, "%s of %s was never restarted", unit, node.Name)
			if node != failed {
				assert.Len(t, times, 1, "%s of %s", unit, node.Name)
			}
			all = append(all, times...)
		}
		text, err := node.Journal(t.Context(), "-u", "mdm", "--since=@"+fmt.Sprint(since.Unix()))
		require.NoError(t, err)
		all = append(all, lostSDSs(text)...)
	}
	slices.SortFunc(all, func(a, b away) int { return cmp.Compare(a.from.UnixNano(), b.from.UnixNano()) })
	for i, a := range all {
		t.Log(a)
		for _, b := range all[i+1:] {
			if a.node != b.node && strings.HasPrefix(a.unit, "SDS") == strings.HasPrefix(b.unit, "SDS") {
				assert.False(t, b.from.Before(a.to), "two at a time: %s, and %s", a, b)
			}
		}
	}
}

// stamp at the head of a journal's line.
func stamp(line string) (time.Time, bool) {
	at, err := time.Parse("2006-01-02T15:04:05.000000-0700", strings.SplitN(line, " ", 2)[0])
	return at, err == nil
}

var pid1 = regexp.MustCompile(`systemd\[1\]: (Stopping|Stopped|Started) `)

func downTimes(node, unit, journal string) (all []away) {
	open := false
	for _, line := range strings.Split(journal, "\n") {
		said := pid1.FindStringSubmatch(line)
		at, ok := stamp(line)
		if said == nil || !ok {
			continue
		}
		switch {
		case said[1] != "Started" && !open:
			all, open = append(all, away{node: node, unit: unit, from: at, to: at.Add(time.Hour)}), true
		case said[1] == "Started" && open:
			all[len(all)-1].to, open = at, false
		}
	}
	return all
}

var sdsSeen = regexp.MustCompile(`msg=sds id=(\w+) connected=(true|false)`)

// lostSDSs by the word of the MDM that was master.
func lostSDSs(journal string) (all []away) {
	open := map[string]int{}
	for _, line := range strings.Split(journal, "\n") {
		said := sdsSeen.FindStringSubmatch(line)
		at, ok := stamp(line)
		if said == nil || !ok {
			continue
		}
		if i, lost := open[said[1]]; said[2] == "true" && lost {
			all[i].to = at
			delete(open, said[1])
		} else if said[2] == "false" {
			open[said[1]] = len(all)
			all = append(all, away{node: said[1], unit: "SDS", from: at, to: at.Add(time.Hour)})
		}
	}
	return all
}
