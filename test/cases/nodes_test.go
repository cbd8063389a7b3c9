//go:build nodes

package cases_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/machinetest"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

func TestMain(m *testing.M) {
	nodes.RunHelper()
	os.Exit(m.Run())
}

// top is the repository; build is where `build/demo prepare` puts what the nodes run.
const (
	top   = "../.."
	build = top + "/build"
)

// up brings a cluster up for one test. Of a failed one the logs are kept.
func up(t *testing.T, name string, config cases.Config) *cases.Stand {
	t.Helper()
	if os.Getuid() != 0 {
		machinetest.Lacks(t, "root")
	}
	ctx := context.WithoutCancel(t.Context())
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	if left, err := cases.Open(name, log); err == nil {
		require.NoError(t, left.Close(ctx))
	}
	config.Name, config.Build, config.Log = name, build, log
	if config.Nodes == 0 {
		config.Nodes = 3
	}
	stand, err := cases.Up(ctx, config)
	if stand != nil {
		t.Cleanup(func() {
			if t.Failed() {
				dir := filepath.Join(os.TempDir(), "scaleio-"+name+"-logs")
				t.Logf("the nodes' journals and all logs are in %s (%v)", dir, stand.CollectLogs(ctx, dir))
			}
			require.NoError(t, stand.Close(ctx))
		})
	}
	require.NoError(t, err)
	return stand
}

// within bounds a step of a test.
func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), limit, fmt.Errorf("not within %v", limit))
	t.Cleanup(cancel)
	return ctx
}

// TestCluster lives through one cluster's life; every part starts from a whole
// cluster and leaves one behind.
func TestCluster(t *testing.T) {
	w := watch(t)
	s := up(t, "cluster", cases.Config{})
	installing, installed := context.WithCancel(t.Context())
	defer installed()
	go w.units(installing, s)
	require.NoError(t, s.WaitReady(within(t, 5*time.Minute), nil))
	installed()

	step := func(name string, f func(t *testing.T, s *cases.Stand)) {
		if !t.Failed() {
			t.Run(name, func(t *testing.T) { f(t, s) })
		}
	}
	step("keeps the demo's promises", func(t *testing.T, s *cases.Stand) { require.NoError(t, s.Keep(t.Context(), top)) })
	step("puts drift right", drift)
	step("nodes reboot", reboots)
	step("the master MDM's node stops", masterStops)
	step("a node is cut off", nodeCutOff)
	step("the scheduler is away for a minute", schedulerAway)
	step("a tenant's task sees nothing and can do nothing", tenantLooks)
	step("a tenant's flood fills nobody's memory", tenantFloods)
	step("no secret is where others could find it", func(t *testing.T, s *cases.Stand) { noSecrets(t, s, w) })
	step("nothing is there twice and no refused disk changed", func(t *testing.T, s *cases.Stand) {
		require.NoError(t, cases.Eventually(within(t, 2*time.Minute), s.NothingTwice)) // Mesos tells of a rebooted node's lost task in its own time
		require.NoError(t, s.UntouchedDisks())
	})
}

// whole fails unless the cluster is healthy again in time.
func whole(t *testing.T, s *cases.Stand, limit time.Duration) {
	t.Helper()
	ctx := within(t, limit)
	require.NoError(t, s.WaitQuorum(ctx))
	require.NoError(t, s.WaitReady(ctx, nil))
}

func drift(t *testing.T, s *cases.Stand) {
	node := s.Nodes()[0]
	ctx := within(t, 4*time.Minute)
	on := func(argv ...string) {
		_, err := node.Output(ctx, argv...)
		require.NoError(t, err)
	}
	config, err := node.ReadFile("/etc/rexray/config.yml")
	require.NoError(t, err)
	on("systemctl", "disable", "--now", "sds.service")
	on("systemctl", "stop", "rexray.service")
	on("rm", "/etc/rexray/config.yml")
	on("dpkg", "--force-all", "--remove", "emc-scaleio-gateway")

	right := func(ctx context.Context) error {
		for _, unit := range []string{"sds.service", "rexray.service", "scaleio-gateway.service"} {
			for _, question := range []string{"is-active", "is-enabled"} {
				if _, err := node.Output(ctx, "systemctl", question, unit); err != nil {
					return err
				}
			}
		}
		now, err := node.ReadFile("/etc/rexray/config.yml")
		if err == nil && anyGateway(now) != anyGateway(config) {
			err = fmt.Errorf("config.yml isn't what it was:\n%s", now)
		}
		return err
	}
	require.NoError(t, cases.Eventually(ctx, right))
	whole(t, s, time.Minute)
	journal, err := node.Journal(ctx, "-u", "scaleio-agent")
	require.NoError(t, err)
	require.NotContains(t, journal, "level=ERROR")
}

// anyGateway makes configurations of the volume driver equal that differ only in
// the gateway: while the node's own was away, another was as good.
func anyGateway(config []byte) string {
	return regexp.MustCompile(`10\.77\.0\.\d+`).ReplaceAllString(string(config), "GATEWAY")
}

func reboots(t *testing.T, s *cases.Stand) {
	for _, node := range s.Nodes() {
		t.Log("rebooting", node.Name)
		require.NoError(t, node.Reboot(within(t, 3*time.Minute)))
		whole(t, s, 3*time.Minute)
	}
	require.NoError(t, cases.Eventually(within(t, 2*time.Minute), s.NothingTwice)) // Mesos tells of a rebooted node's lost task in its own time
}

// masterStops loses the master MDM with its node: storage goes on, and the
// leader's work is another node's.
func masterStops(t *testing.T, s *cases.Stand) {
	master, err := s.Master(t.Context())
	require.NoError(t, err)
	others := s.Others(master)
	app := cases.NewApp("before-the-loss", others[0])
	require.NoError(t, s.Write(t.Context(), app))

	require.NoError(t, master.Kill(t.Context()))
	late := cases.NewApp("after-the-loss", others[1])
	require.NoError(t, s.WriteWithin(t.Context(), late, 60*time.Second), "a new volume mounts elsewhere")
	require.NoError(t, s.ReadWithin(t.Context(), app, others[1], 60*time.Second))

	require.NoError(t, cases.Eventually(within(t, 2*time.Minute), func(ctx context.Context) error {
		status, err := s.Status(ctx)
		switch {
		case err != nil:
			return err
		case status.Leader == "" || status.Leader == nameOf(status, master):
			return fmt.Errorf("the leader is %q", status.Leader)
		case status.Storage == nil || status.Storage.State != "Degraded":
			return fmt.Errorf("the leader's view isn't Degraded: %+v", status.Storage)
		case status.Ready:
			return fmt.Errorf("the cluster is still Ready")
		}
		return nil
	}))
	require.NoError(t, master.Start(t.Context()))
	whole(t, s, 3*time.Minute)
	require.NoError(t, cases.Eventually(within(t, 2*time.Minute), func(context.Context) error { return s.TwoCopies(late) }))
}

func nameOf(status api.ClusterStatus, node *nodes.Node) string {
	for _, n := range status.Nodes {
		if n.Hostname == node.Name {
			return n.Name
		}
	}
	return ""
}

func nodeCutOff(t *testing.T, s *cases.Stand) {
	master, err := s.Master(t.Context())
	require.NoError(t, err)
	cut := s.Others(master)[0]
	require.NoError(t, cut.CutNetwork(t.Context()))
	app := cases.NewApp("while-cut-off", master)
	require.NoError(t, s.WriteWithin(t.Context(), app, 60*time.Second))
	require.NoError(t, cut.RestoreNetwork(t.Context()))
	whole(t, s, 3*time.Minute)
	require.NoError(t, s.ReadWithin(t.Context(), app, cut, 60*time.Second))
}

// schedulerAway proves that nothing on the nodes needs the scheduler to go on.
func schedulerAway(t *testing.T, s *cases.Stand) {
	before, err := s.TaskIDs(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.KillProcess(t.Context(), "scheduler"))
	back := time.After(time.Minute)
	app := cases.NewApp("no-scheduler", s.Nodes()[1])
	require.NoError(t, s.Write(t.Context(), app))
	require.NoError(t, s.Nodes()[2].Reboot(t.Context()))
	require.NoError(t, s.ReadWithin(t.Context(), app, s.Nodes()[2], 60*time.Second))
	select {
	case <-back:
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
	require.NoError(t, s.StartScheduler(t.Context()))
	whole(t, s, 3*time.Minute)
	after, err := s.TaskIDs(t.Context())
	require.NoError(t, err)
	kept := 0
	for _, id := range before {
		if strings.Contains(strings.Join(after, " "), id) {
			kept++
		}
	}
	require.GreaterOrEqual(t, kept, len(before)-1, "only the rebooted node's task is another")
	require.NoError(t, cases.Eventually(within(t, 2*time.Minute), s.NothingTwice)) // Mesos tells of a rebooted node's lost task in its own time
}
