package scaleiotest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/mdm"
	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

// MDM is one manager or tie-breaker.
type MDM struct {
	t       *testing.T
	cluster *cluster
	IP      string
	Root    string
	Tune    func(*mdm.Options) // its next start; nil: as is
	Kill    func()             // as kill -9: nothing is said goodbye to
	journal *journal
}

// endless is a test's lease, and its patience with SDSs: a starved machine deposes no master and loses no SDS. The lease of a master which was killed isn't waited for, since
// the others are told who holds none.
const endless = time.Minute

// cluster knows which of its MDMs is in office: those that said so and still run.
type cluster struct {
	mu     sync.Mutex
	office map[string]bool
}

func (c *cluster) noLease(ip string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.office[ip]
}

func (c *cluster) inOffice(ip string, is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.office[ip] = is
}

// MDMs are started at .11 and on; true is a manager.
func MDMs(t *testing.T, network Network, managers ...bool) []*MDM {
	t.Helper()
	return TunedMDMs(t, network, nil, managers...)
}

// TunedMDMs differ from what is usual here.
func TunedMDMs(t *testing.T, network Network, tune func(*mdm.Options), managers ...bool) []*MDM {
	t.Helper()
	together := &cluster{office: map[string]bool{}}
	var list []*MDM
	for i, manager := range managers {
		m := &MDM{t: t, cluster: together, IP: network.IP(11 + i), Root: directory(t), Tune: tune}
		m.journal = newJournal(together, m.IP)
		conf := filepath.Join(m.Root, "opt/emc/scaleio/mdm/cfg/conf.txt")
		require.NoError(t, os.MkdirAll(filepath.Dir(conf), 0o755))
		role := 0
		if manager {
			role = 1
		}
		require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, "actor_role_is_manager=%d\n", role), 0o644))
		m.Start()
		list = append(list, m)
	}
	return list
}

// Start runs it until it is killed or the test ends. MDM_LOG=1 shows what it says.
func (m *MDM) Start() {
	m.t.Helper()
	options := mdm.Options{Root: m.Root, Listen: m.IP, Heartbeat: 30 * time.Millisecond, Lease: endless, NoLease: m.cluster.noLease,
		Watch: 50 * time.Millisecond, WatchTimeout: endless, Log: slog.New(m.journal)}
	if m.Tune != nil {
		m.Tune(&options)
	}
	node, err := mdm.New(options)
	require.NoError(m.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx) }()
	m.Kill = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			m.t.Errorf("MDM %s: %v", m.IP, err)
		}
		m.cluster.inOffice(m.IP, false)
	})
	m.t.Cleanup(func() { m.Kill() })
	require.Eventually(m.t, func() bool {
		conn, err := net.Dial("tcp", mgmt.Address(m.IP, wire.PortMDMCluster))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, 10*time.Second, time.Millisecond)
}

// Said counts the lines of its log with this message.
func (m *MDM) Said(message string) int {
	m.journal.mu.Lock()
	defer m.journal.mu.Unlock()
	return m.journal.said[message]
}

// journal counts what is logged, follows who is in office, and shows it when MDM_LOG is set.
type journal struct {
	slog.Handler
	cluster *cluster
	ip      string
	mu      sync.Mutex
	said    map[string]int
}

func newJournal(c *cluster, ip string) *journal {
	show := slog.DiscardHandler
	if os.Getenv("MDM_LOG") != "" {
		show = slog.NewTextHandler(os.Stderr, nil).WithAttrs([]slog.Attr{slog.String("node", ip)})
	}
	return &journal{Handler: show, cluster: c, ip: ip, said: map[string]int{}}
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }

func (j *journal) Handle(ctx context.Context, r slog.Record) error {
	j.mu.Lock()
	j.said[r.Message]++
	j.mu.Unlock()
	switch r.Message {
	case "elected": // before it asks anyone to follow
		j.cluster.inOffice(j.ip, true)
	case "left office":
		j.cluster.inOffice(j.ip, false)
	}
	if j.Handler.Enabled(ctx, r.Level) {
		return j.Handler.Handle(ctx, r)
	}
	return nil
}
