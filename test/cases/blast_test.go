//go:build nodes

package cases_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

var readme = flag.Bool("readme", false, "write what was measured into the README")

const blastVolume = "blast"

// TestBlast kills and freezes each process on which a cluster runs, one after the other, while a task writes to a volume and verifies. The writer never
// sees an error, and all is Ready again by itself.
func TestBlast(t *testing.T) {
	s := up(t, "blast", cases.Config{})
	require.NoError(t, s.WaitReady(within(t, 5*time.Minute), nil))
	b := &blast{t: t, s: s, ended: make(chan error, 1), seen: cases.Blast{Machine: machineOf(t), When: time.Now(), Killed: map[string]cases.Blow{}, Frozen: map[string]cases.Blow{},
		// Ours for longer than the one lease that runs out by itself.
		Froze: map[bool]time.Duration{true: api.LeaderLeaseTTL + 5*time.Second, false: 10 * time.Second}}}
	b.writer = b.nodeOf(func(n api.NodeStatus) bool { return n.Role == api.RoleTieBreaker }) // so that it is none that leads
	go func() { b.ended <- s.WriteVerified(context.WithoutCancel(t.Context()), blastVolume, b.writer) }()
	b.quiet()
	for _, victim := range cases.Victims {
		b.seen.Killed[victim.Name] = b.kill(victim)
		b.seen.Frozen[victim.Name] = b.freeze(victim)
		t.Logf("%s: killed %+v, frozen %+v", victim.Name, b.seen.Killed[victim.Name], b.seen.Frozen[victim.Name])
	}
	b.seen.Rounds = len(b.rounds())
	require.NoError(t, s.EndWriters())
	require.NoError(t, <-b.ended, "no I/O error")
	require.NoError(t, cases.Eventually(within(t, 2*time.Minute), s.NothingTwice))
	t.Log("\n" + b.seen.Table())
	if *readme {
		require.NoError(t, b.seen.Publish(top+"/README.md"))
	}
}

// blast is what is under way.
type blast struct {
	t      *testing.T
	s      *cases.Stand
	writer *nodes.Node
	ended  chan error // of the writer
	seen   cases.Blast
}

// quiet is how the writer does while nothing happens.
func (b *blast) quiet() {
	b.t.Helper()
	b.until(2*time.Minute, func(context.Context) error {
		rounds, err := b.s.Rounds(blastVolume, b.writer)
		if err == nil && len(rounds) < 20 {
			err = fmt.Errorf("the writer made %d rounds", len(rounds))
		}
		return err
	})
	from := time.Now()
	b.pass(20 * time.Second)
	b.seen.Quiet = b.pause(from, time.Now())
}

func (b *blast) kill(victim cases.Victim) cases.Blow {
	b.t.Helper()
	p := b.find(victim)
	from := time.Now()
	p.signal(b.t, unix.SIGKILL)
	if victim.Name == "scheduler" { // as Marathon would
		require.NoError(b.t, b.s.StartScheduler(within(b.t, time.Minute)))
	}
	b.until(2*time.Minute, func(ctx context.Context) error {
		switch now, err := p.ask(ctx); {
		case err != nil:
			return err
		case now <= 0 || now == p.id:
			return fmt.Errorf("%s doesn't run again", victim.Name)
		}
		return nil
	})
	return b.again(victim, p, from, from)
}

func (b *blast) freeze(victim cases.Victim) cases.Blow {
	b.t.Helper()
	p := b.find(victim)
	from := time.Now()
	p.signal(b.t, unix.SIGSTOP)
	b.until(5*time.Second, func(context.Context) error { return p.stopped() })
	b.pass(b.seen.Froze[victim.Ours])
	require.NoError(b.t, p.stopped(), "and nothing else woke it")
	on := time.Now()
	p.signal(b.t, unix.SIGCONT)
	return b.again(victim, p, from, on)
}

// again waits until all is Ready: by what was said since on, where the victim is one who tells.
func (b *blast) again(victim cases.Victim, p *struck, from, on time.Time) cases.Blow {
	b.t.Helper()
	b.until(3*time.Minute, func(ctx context.Context) error { return b.ready(ctx, victim, p, from.Equal(on), on) })
	ready := time.Now()
	blow := cases.Blow{Pause: b.pause(from, ready), Ready: ready.Sub(on)}
	if victim.Ours {
		require.Less(b.t, blow.Pause, b.seen.Froze[true]/2, "storage waited for %s", victim.Name)
	}
	return blow
}

func (b *blast) ready(ctx context.Context, victim cases.Victim, p *struck, killed bool, on time.Time) error {
	status, err := b.s.Status(ctx)
	if err != nil {
		return err
	}
	if !status.Ready || status.Leader == "" {
		return fmt.Errorf("not Ready, the leader is %q: %+v", status.Leader, status.Nodes)
	}
	for _, n := range status.Nodes {
		// Who leads reports all the time, and so does an agent that starts; others at rest report once a minute, and say so themselves below.
		tells := victim.Name == "scheduler" && n.Name == status.Leader || p.unit == systemd.AgentUnit && n.Hostname == p.node.Name && (killed || n.Name == status.Leader)
		if !n.Ready || n.Task != "TASK_RUNNING" || tells && !n.LastSeen.After(on) {
			return fmt.Errorf("%s isn't Ready, or wasn't heard since %v: %+v", n.Name, on, n)
		}
	}
	for _, node := range b.s.Nodes() {
		if err := b.s.NodeReady(ctx, node); err != nil {
			return err
		}
	}
	if err := b.s.Quorum(ctx); err != nil {
		return err
	}
	return b.s.TwoGoodCopies(ctx)
}

// pause is the writer's longest; it waits for the round that ends it.
func (b *blast) pause(from, to time.Time) (longest time.Duration) {
	b.t.Helper()
	b.until(time.Minute, func(context.Context) error {
		var over bool
		if longest, over = cases.LongestPause(b.rounds(), from, to); !over {
			return fmt.Errorf("the writer made no round since %v", to)
		}
		return nil
	})
	return longest
}

func (b *blast) rounds() []time.Time {
	b.t.Helper()
	rounds, err := b.s.Rounds(blastVolume, b.writer)
	require.NoError(b.t, err)
	return rounds
}

// until asks again and again, as long as the writer writes.
func (b *blast) until(limit time.Duration, ask func(context.Context) error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeoutCause(b.t.Context(), limit, fmt.Errorf("not within %v", limit))
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		b.writes()
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			require.NoError(b.t, errors.Join(context.Cause(ctx), err))
		}
	}
}

// pass lets time pass under the writer: that is what is measured.
func (b *blast) pass(span time.Duration) {
	b.t.Helper()
	select {
	case <-time.After(span):
	case err := <-b.ended:
		b.ended <- err
	}
	b.writes()
}

// writes fails once the writer has ended.
func (b *blast) writes() {
	b.t.Helper()
	select {
	case err := <-b.ended:
		require.NoError(b.t, err, "the writer")
		require.Fail(b.t, "the writer ended early")
	default:
	}
}

func (b *blast) nodeOf(is func(api.NodeStatus) bool) *nodes.Node {
	b.t.Helper()
	status, err := b.s.Status(b.t.Context())
	require.NoError(b.t, err)
	for _, n := range status.Nodes {
		if is(n) {
			return b.s.Node(n.Hostname)
		}
	}
	require.Fail(b.t, "no such node", "%+v", status.Nodes)
	return nil
}

// struck is a victim as it runs now.
type struck struct {
	node *nodes.Node // nil: beside the nodes
	unit string      // whose main process it is; "" = none's
	ask  func(context.Context) (int, error)
	id   int
}

// find a victim: which node's it is changes with the master.
func (b *blast) find(victim cases.Victim) *struck {
	b.t.Helper()
	var p *struck
	switch victim.Name {
	case "scheduler":
		p = &struck{ask: func(context.Context) (int, error) { return b.s.Process("scheduler").PID, nil }}
	case "agent of the node that leads":
		status, err := b.s.Status(b.t.Context())
		require.NoError(b.t, err)
		p = mainOf(b.nodeOf(func(n api.NodeStatus) bool { return n.Name == status.Leader }), systemd.AgentUnit)
	case "agent of the writer's node":
		p = mainOf(b.writer, systemd.AgentUnit)
	case "placing task of the writer's node":
		p = &struck{node: b.writer, ask: func(ctx context.Context) (int, error) {
			return number(b.writer.Run(ctx, "pgrep", "-xf", "./scaleio-agent place"))
		}}
	case "Mesos agent of the writer's node":
		p = mainOf(b.writer, "mesos-agent.service")
	case "gateway that its volume driver asks":
		p = mainOf(b.gateway(), scaleio.UnitGateway)
	case "REX-Ray on the writer's node":
		p = mainOf(b.writer, "rexray.service")
	case "SDS with a copy of what is written":
		holders, err := b.s.ImagesWith(cases.Written(blastVolume))
		require.NoError(b.t, err)
		require.NotEmpty(b.t, holders)
		p = mainOf(b.s.Node(holders[0]), scaleio.UnitSDS)
	case "MDM that is master":
		master, err := b.s.Master(b.t.Context())
		require.NoError(b.t, err)
		p = mainOf(master, scaleio.UnitMDM)
	default:
		require.Fail(b.t, "nobody knows where it runs", victim.Name)
	}
	var err error
	p.id, err = p.ask(within(b.t, 20*time.Second))
	require.NoError(b.t, err, victim.Name)
	require.Positive(b.t, p.id, victim.Name)
	return p
}

func mainOf(node *nodes.Node, unit string) *struck {
	return &struck{node: node, unit: unit, ask: func(ctx context.Context) (int, error) {
		return number(node.Run(ctx, "systemctl", "show", "--property=MainPID", "--value", unit))
	}}
}

// number that a command prints; 0 = it prints none.
func number(r nodes.Result, err error) (int, error) {
	text := strings.TrimSpace(r.Stdout)
	if err != nil || text == "" {
		return 0, err
	}
	return strconv.Atoi(text)
}

// gateway is whose address the writer's volume driver has.
func (b *blast) gateway() *nodes.Node {
	b.t.Helper()
	config, err := b.writer.ReadFile("/etc/rexray/config.yml")
	require.NoError(b.t, err)
	for _, address := range regexp.MustCompile(`\d+\.\d+\.\d+\.\d+`).FindAllString(string(config), -1) {
		for _, node := range b.s.Nodes() {
			if net.ParseIP(address).Equal(net.ParseIP(node.Address)) {
				return node
			}
		}
	}
	require.Fail(b.t, "the volume driver asks none of the nodes", string(config))
	return nil
}

func (p *struck) signal(t *testing.T, s unix.Signal) {
	t.Helper()
	if p.node == nil {
		require.NoError(t, unix.Kill(p.id, s))
		return
	}
	_, err := p.node.Output(within(t, 10*time.Second), "kill", "-"+strconv.Itoa(int(s)), strconv.Itoa(p.id))
	require.NoError(t, err)
}

// stopped fails unless it is.
func (p *struck) stopped() error {
	read, path := os.ReadFile, fmt.Sprintf("/proc/%d/stat", p.id)
	if p.node != nil {
		read = p.node.ReadFile
	}
	stat, err := read(path)
	if err == nil && !bytes.Contains(stat, []byte(") T ")) {
		err = fmt.Errorf("it isn't stopped: %s", stat)
	}
	return err
}

// machineOf says where it was measured.
func machineOf(t *testing.T) string {
	t.Helper()
	cpu, err := os.ReadFile("/proc/cpuinfo")
	require.NoError(t, err)
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	require.NoError(t, err)
	model := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(cpu)
	require.NotNil(t, model)
	release, _, _ := strings.Cut(string(kernel), "-")
	return fmt.Sprintf("three systemd containers of one machine (%d cores, %s, Linux %s)", runtime.NumCPU(), bytes.TrimSpace(model[1]), strings.TrimSpace(release))
}
