package cases_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/scaleio/mdm"
	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/scli"
)

// machine is a node reduced to its MDM: a directory and a loopback address of its own, so that all use the product's ports.
type machine struct {
	ip, root string
	kill     func()
}

func newMachine(t *testing.T, ip string, manager bool) *machine {
	t.Helper()
	m := &machine{ip: ip, root: t.TempDir()}
	conf := filepath.Join(m.root, scaleio.PathMDMConf)
	require.NoError(t, os.MkdirAll(filepath.Dir(conf), 0o755))
	role := map[bool]int{true: 1}[manager]
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, "%s=%d\n", scaleio.KeyMDMIsManager, role), 0o644))
	node, err := mdm.New(mdm.Options{Root: m.root, Listen: ip, Heartbeat: 50 * time.Millisecond, Lease: 2 * time.Second, Watch: 20 * time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = node.Run(ctx) }()
	m.kill = func() { cancel(); <-done }
	t.Cleanup(func() { m.kill() })
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", mgmt.Address(ip, scaleio.PortMDMCluster))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, 5*time.Second, time.Millisecond)
	return m
}

// Run runs scli on this machine: what asks the node's own MDM is led to its address.
func (m *machine) Run(ctx context.Context, cmd platform.Cmd) (platform.Output, error) {
	said, err := m.scli(ctx, cmd, nil)
	return platform.Output{Stdout: []byte(said)}, err
}

func (m *machine) scli(ctx context.Context, cmd platform.Cmd, terminal func() (scli.Terminal, error)) (string, error) {
	args := cmd.Args
	if !slices.Contains(args, "--mdm_ip") {
		args = append([]string{"--mdm_ip", m.ip}, args...)
	}
	var stdout, stderr bytes.Buffer
	code := scli.Run(ctx, scli.Env{Args: args, Stdin: &bytes.Buffer{}, Stdout: &stdout, Stderr: &stderr, Dir: filepath.Join(m.root, ".scli"), Terminal: terminal})
	if code != 0 {
		return stdout.String() + stderr.String(), &platform.ExitError{Path: cmd.Path, Code: code, Stdout: stdout.String(), Stderr: stderr.String()}
	}
	return stdout.String(), nil
}

// typist answers prompts in their order.
type typist struct{ replies []scaleio.Reply }

func (ty *typist) ReadPassword(prompt string) (string, error) {
	if len(ty.replies) == 0 || !ty.replies[0].Prompt.MatchString(prompt) {
		return "", fmt.Errorf("nobody knows an answer to %q", prompt)
	}
	answer := ty.replies[0].Secret.Reveal()
	ty.replies = ty.replies[1:]
	return answer, nil
}

func (ty *typist) Close() error { return nil }

func (m *machine) cli() *scaleio.CLI {
	return scaleio.NewCLI(m, scaleio.Options{Lock: filepath.Join(m.root, "scli.lock"), Dialogue: func(ctx context.Context, cmd platform.Cmd, replies []scaleio.Reply) (string, error) {
		return m.scli(ctx, cmd, func() (scli.Terminal, error) { return &typist{slices.Clone(replies)}, nil })
	}})
}

// The test's own binary plays scli: a process of its own, with a terminal of its own for passwords.
func init() {
	if os.Getenv("PLAY_SCLI") != "" {
		os.Exit(scli.Main(os.Args[1:]))
	}
}

// process runs scli as a process.
type process struct{ m *machine }

func (p process) prepared(cmd platform.Cmd) platform.Cmd {
	cmd.Args = append([]string{"--mdm_ip", p.m.ip}, cmd.Args...)
	env := map[string]string{"PLAY_SCLI": "yes", "GORACE": "atexit_sleep_ms=0"}
	for k, v := range cmd.Env {
		env[k] = v
	}
	cmd.Env = env
	return cmd
}

func (p process) Run(ctx context.Context, cmd platform.Cmd) (platform.Output, error) {
	return platform.Runner{}.Run(ctx, p.prepared(cmd))
}

// processCLI is the product's own way to scli, processes and pseudo-terminals included.
func (m *machine) processCLI(t *testing.T) *scaleio.CLI {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p := process{m}
	return scaleio.NewCLI(p, scaleio.Options{Path: self, Home: filepath.Join(m.root, "home"), Dialogue: func(ctx context.Context, cmd platform.Cmd, replies []scaleio.Reply) (string, error) {
		return scaleio.Terminal{}.Converse(ctx, p.prepared(cmd), replies)
	}})
}

// noGateway is a node whose gateway isn't there yet.
type noGateway struct{}

func (noGateway) Open(string, scaleio.Credentials) (leader.Gateway, error) {
	return nil, fmt.Errorf("no gateway here")
}

func (noGateway) LetsIn(context.Context, scaleio.Credentials) (bool, error) {
	return false, fmt.Errorf("no gateway here")
}

func trio(t *testing.T) []*machine {
	t.Helper()
	network := fmt.Sprintf("127.%d.%d", 64+rand.IntN(128), 1+rand.IntN(250))
	return []*machine{newMachine(t, network+".11", true), newMachine(t, network+".12", true), newMachine(t, network+".13", false)}
}

func leaderInput(machines []*machine) leader.Input {
	spec := api.NodeSpec{Node: "id-1", Name: "node-1", Role: api.RoleManager, Gates: api.Gates, Cluster: &api.ClusterSpec{SystemName: "alpha", ProtectionDomain: "pd1", StoragePool: "sp1",
		MediaType: "HDD", ZeroPadding: true, SparePercent: 34, FaultSets: []string{"az-1", "az-2", "az-3"}, VolumeUser: "rexray"}}
	for i, m := range machines {
		role := api.RoleManager
		if i == 2 {
			role = api.RoleTieBreaker
		}
		spec.MDMs = append(spec.MDMs, api.MDM{Node: fmt.Sprintf("id-%d", i+1), Name: fmt.Sprintf("node-%d", i+1), Role: role, IPs: []string{m.ip}})
	}
	return leader.Input{Spec: spec, Guard: func(context.Context, time.Duration) error { return nil }, Received: time.Now(),
		Secrets: api.Secrets{Admin: api.NewSecret("Adm1n-secret"), VolumeUser: api.NewSecret("V0lume-secret")}}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// The MDM half of the leader's work, through the stand-in's scli, against its MDMs.
func TestLeader_formsTheStandInCluster(t *testing.T) {
	t.Parallel()
	machines := trio(t)
	m := machines[0]
	cli := m.processCLI(t)
	_, err := cli.QueryCluster(t.Context(), "")
	require.Equal(t, scaleio.KindNoCluster, scaleio.KindOf(err), "%v", err)
	create := scaleio.CreateCluster{Name: "node-1", IPs: []string{m.ip}, ManagementIPs: []string{m.ip}, AcceptLicence: true}
	require.NoError(t, cli.CreateCluster(t.Context(), create))
	err = cli.CreateCluster(t.Context(), create)
	require.Equal(t, scaleio.KindExists, scaleio.KindOf(err), "%v", err)

	in := leaderInput(machines)
	lead := leader.New(leader.Scli(cli), noGateway{}, quiet())
	r := &step.Reconciler{Log: quiet()}
	plan := lead.Plan(in)[:4]
	res := r.Pass(t.Context(), plan, in.Spec.Gates, 1)
	require.True(t, res.Ready, "%+v", res.Conditions)

	require.Eventually(t, func() bool {
		c, err := cli.QueryCluster(t.Context(), "")
		return err == nil && c.State == "Normal" && c.Active == 3
	}, 10*time.Second, 10*time.Millisecond)
	c, err := cli.QueryCluster(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, "3_node", c.Mode)
	assert.Equal(t, "alpha", c.Name)
	assert.Equal(t, 2, c.Replicas)
	for i, place := range []scaleio.Place{scaleio.PlaceMaster, scaleio.PlaceSlave, scaleio.PlaceTieBreaker} {
		member, there := c.At(machines[i].ip)
		require.True(t, there)
		assert.Equal(t, place, member.Place)
		assert.Equal(t, fmt.Sprintf("node-%d", i+1), member.Name)
	}

	// Another life finds nothing to do, and the slave's own leader knows that it is none.
	res = (&step.Reconciler{Log: quiet()}).Pass(t.Context(), leader.New(leader.Scli(cli), noGateway{}, quiet()).Plan(in)[:4], in.Spec.Gates, 1)
	assert.True(t, res.Ready, "%+v", res.Conditions)
	assert.False(t, res.Acted)
	in.Spec.Node = "id-2"
	res = r.Pass(t.Context(), leader.New(leader.Scli(machines[1].cli()), noGateway{}, quiet()).Plan(in), in.Spec.Gates, 1)
	assert.Equal(t, leader.ReasonNotMaster, res.Conditions[0].Reason, "%+v", res.Conditions[0])

	err = cli.Session(t.Context(), scaleio.Credentials{User: "admin", Password: api.NewSecret("admin")}, nil)
	assert.Equal(t, scaleio.KindNotAuthenticated, scaleio.KindOf(err), "the default password is gone: %v", err)
}

// The master dies: its slave's leader goes on where it was, for the new master's node.
func TestLeader_movesWithTheStandInMaster(t *testing.T) {
	t.Parallel()
	machines := trio(t)
	m := machines[0]
	require.NoError(t, m.cli().CreateCluster(t.Context(), scaleio.CreateCluster{Name: "node-1", IPs: []string{m.ip}, ManagementIPs: []string{m.ip}, AcceptLicence: true}))
	in := leaderInput(machines)
	plan := leader.New(leader.Scli(m.cli()), noGateway{}, quiet()).Plan(in)[:4]
	require.True(t, (&step.Reconciler{Log: quiet()}).Pass(t.Context(), plan, in.Spec.Gates, 1).Ready)
	require.Eventually(t, func() bool {
		c, err := machines[1].cli().QueryCluster(t.Context(), "")
		return err == nil && c.State == "Normal"
	}, 10*time.Second, 10*time.Millisecond)

	m.kill()
	in.Spec.Node = "id-2"
	in.Spec.Cluster.SystemName = "beta"
	lead := leader.New(leader.Scli(machines[1].cli()), noGateway{}, quiet())
	r := &step.Reconciler{Log: quiet()}
	require.Eventually(t, func() bool { return r.Pass(t.Context(), lead.Plan(in)[:4], in.Spec.Gates, 1).Ready }, 30*time.Second, 50*time.Millisecond)
	c, err := machines[1].cli().QueryCluster(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, "beta", c.Name)
	assert.Equal(t, "Degraded", c.State)
	master, _ := c.Master()
	assert.Equal(t, "node-2", master.Name)
	v, err := lead.View(t.Context(), in)
	require.NoError(t, err)
	assert.Equal(t, "node-2", v.Master)
	assert.Equal(t, "Degraded", v.State)
}
