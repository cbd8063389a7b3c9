package growth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/trust"
	cloud "scaleio-framework/test/aws"
)

// site is a cluster of three nodes in three zones, whose pool has no room left.
type site struct {
	t        *testing.T
	gaps     *gaps
	log      *slog.Logger
	options  scheduler.Options
	listener *pipes
	stop     context.CancelFunc
	done     chan error
	cluster  string
	ca       string
	tokens   map[string]string
	people   *http.Client
	asked    *pipes

	ec2      *cloud.Cloud
	attached *cloud.Memory
	cleaner  cloud.Credentials
	product  *installertest.Product
	storage  *storage
	nodes    []*node
}

// A summary of this library has a goroutine for ever, made with the first: not in a bubble of time.
var _ = metrics.NewSet().NewSummary("first")

// noMesos: nodes come by tokens here.
type noMesos struct{ scheduler.Mesos }

func (noMesos) Frameworks(context.Context, string, string) ([]scheduler.KnownFramework, error) {
	return nil, nil
}

func (noMesos) Run(ctx context.Context, _ scheduler.Framework, _ scheduler.MesosHandler) error {
	<-ctx.Done()
	return nil
}

func newSite(t *testing.T, g *gaps, tune ...func(*scheduler.Options, *cloud.Config)) *site {
	t.Helper()
	s := &site{t: t, gaps: g, log: slog.New(slog.DiscardHandler), product: &installertest.Product{}, storage: newStorage(g), tokens: map[string]string{}, attached: cloud.NewMemory()}
	if os.Getenv("VERBOSE") != "" {
		s.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s.attached.Changed = s.plug
	ec2 := cloud.Config{Region: "us-east-1", Backend: s.attached, Reads: cloud.Reads{Lag: 12 * time.Second}, Takes: cloud.Takes{Create: 1500 * time.Millisecond, Attach: time.Second}}
	s.options = scheduler.Options{
		Settings: decide.Settings{
			Agent:       &api.AgentBinary{SHA256: "00", URL: "http://mirror/scaleio-agent"},
			ClusterName: "grow", DomainAttribute: "zone", Settle: time.Second, Licence: true, ProtectionDomain: "pd", StoragePool: "sp", MediaType: "SSD", ZeroPadding: true, VolumeUser: "rexray",
			Disks: api.DiskPolicy{Use: api.DiskUseAllEmpty},
			Growth: decide.GrowthSettings{Mode: api.GrowthAuto, Threshold: 70, Takes: 2 * time.Minute, Safety: 2, Cooldown: time.Hour, Patience: 10 * time.Minute,
				MaxPerNode: 8, MaxPerCluster: 24, MaxPerDay: 12, Budget: 1_000_00, Prices: decide.ListPrices(), SpareSlots: 2, Volume: api.VolumeOrder{Type: "gp3"},
				Node: api.NodeGrowth{Endpoint: "http://ec2.test", CredentialsFile: "/keys", CleanupFile: "/cleanup"}},
		},
		Store: dying{&store.Memory{}, g}, Mesos: noMesos{}, Framework: scheduler.Framework{Name: "scaleio", Principal: "scaleio", Roles: []string{"scaleio"}},
		People: trust.NewPeople("read", "operate"), AdminPassword: api.NewSecret("Admin-Pass-1"),
		CAFile: filepath.Join(t.TempDir(), "ca.pem"), Log: s.log, Servers: []string{"https://scheduler"},
	}
	for _, f := range tune {
		f(&s.options, &ec2)
	}
	s.ec2 = cloud.New(ec2)
	s.cleaner = s.ec2.AddUser("cleanup")
	s.start()
	for i := range 3 {
		s.join(i+1, i+1)
	}
	return s
}

// join a node in one of the zones.
func (s *site) join(i, zone int) {
	s.enrol(fmt.Sprintf("n%d", i), fmt.Sprintf("zone-%d", zone))
	s.nodes = append(s.nodes, newNode(s, i, zone))
}

func (s *site) enrol(name, domain string) {
	var made api.NewToken
	require.NoError(s.t, post(s.t.Context(), s.client(nil), api.PathTokens, "operate", api.TokenRequest{Author: "test", TTLMS: api.MinTokenTTL.Milliseconds(), Count: 1, Domain: domain}, &made))
	s.tokens[name] = made.Token
}

// plug what EC2 attached, and unplug the rest.
func (s *site) plug(instance string) {
	for _, n := range s.nodes {
		if n.instance.ID != instance {
			continue
		}
		seen := s.attached.Seen(instance)
		for _, id := range slices.Sorted(maps.Keys(seen)) {
			path := "/dev/nvme-" + id
			n.machine.Disks.Detach(path)
			if n.blind {
				continue
			}
			n.machine.Disks.Attach(block.Disk{ID: id, Serial: strings.Replace(id, "-", "", 1), Path: path, SizeBytes: int64(seen[id].SizeGiB) << 30, Type: block.TypeDisk, Transport: "nvme"})
		}
		for id := range n.plugged {
			if _, still := seen[id]; !still {
				n.machine.Disks.Detach("/dev/nvme-" + id)
			}
		}
		n.plugged = seen
	}
}

// dying is a store whose process may end at each commit.
type dying struct {
	store.Store
	gaps *gaps
}

const brain = "scheduler"

func (d dying) Commit(ctx context.Context, changes ...store.Change) error {
	var keys []string
	for _, c := range changes {
		kind, _, _ := strings.Cut(c.Key, "/")
		if !slices.Contains(keys, kind) {
			keys = append(keys, kind)
		}
	}
	slices.Sort(keys)
	return d.gaps.pass(brain, "commit "+strings.Join(keys, " "), func() error { return d.Store.Commit(ctx, changes...) })
}

// start the scheduler, or start it again.
func (s *site) start() {
	s.t.Helper()
	s.gaps.revive(brain)
	s.listener = newPipes()
	o := s.options
	o.Listener = s.listener
	ctx, cancel := context.WithCancel(s.t.Context())
	s.stop, s.done = cancel, make(chan error, 1)
	go func() { s.done <- scheduler.Run(ctx, o) }()
	synctest.Wait()
	ca, err := os.ReadFile(o.CAFile)
	require.NoError(s.t, err)
	s.ca = string(ca)
	s.cluster = clusterOf(s.t, ca)
}

// close what still runs.
func (s *site) close() {
	s.stop()
	<-s.done
	_ = s.listener.Close()
	s.ec2.Close()
	if s.people != nil {
		s.people.CloseIdleConnections()
	}
	for _, n := range s.nodes {
		if n.http != nil {
			n.http.CloseIdleConnections()
		}
	}
	time.Sleep(time.Minute) // a pipe's other end is told of the end, and may not be there
}

// round of all nodes; a scheduler that died begins anew.
func (s *site) round(pause time.Duration) {
	for _, n := range s.nodes {
		n.turn(s.t.Context())
		s.mend()
	}
	time.Sleep(pause)
	synctest.Wait()
	s.mend()
}

func (s *site) mend() {
	select {
	case err := <-s.done:
		if !s.gaps.isDead(brain) && !errors.Is(err, errLost) {
			s.t.Fatalf("the scheduler ended: %v", err)
		}
		_ = s.listener.Close()
		s.stop()
		s.start()
	default:
	}
}

// until something is so.
func (s *site) until(what string, pause time.Duration, rounds int, is func() bool) {
	s.t.Helper()
	for range rounds {
		if is() {
			return
		}
		s.round(pause)
	}
	s.t.Errorf("never %s; %s\n%s", what, s.gaps.where(), s.story())
	s.t.FailNow()
}

// story of the scheduler's events.
func (s *site) story() string {
	var b strings.Builder
	var list api.EventList
	if err := s.get(api.PathEvents, &list); err != nil {
		return err.Error()
	}
	for _, e := range list.Events {
		fmt.Fprintf(&b, "%s %s %s %s (%s)\n", e.Time.Format(time.TimeOnly), e.Node, e.Kind, e.Message, e.Why)
	}
	return b.String()
}

// formed brings the cluster up: the first disks are in the pool, and it is nearly full.
func (s *site) formed() {
	s.until("whole", time.Second, 200, func() bool { return len(s.storage.devices()) == len(s.nodes) })
	units, raw := map[string]int64{}, int64(0)
	for _, n := range s.nodes {
		units[n.instance.Zone], raw = units[n.instance.Zone]+diskBytes, raw+diskBytes
	}
	s.storage.mu.Lock()
	defer s.storage.mu.Unlock()
	s.storage.used = raw / 100 * int64(100-decide.SparePercent(units)) / 100 * 80
}

// ours are the volumes that the cluster bought and that are there.
func (s *site) ours() (volumes []cloud.Volume) {
	for _, v := range s.ec2.Volumes() {
		if v.Tags[api.TagCluster] == s.cluster {
			volumes = append(volumes, v)
		}
	}
	return volumes
}

// inPool says whether a volume is a device.
func (s *site) inPool(v cloud.Volume) bool { return s.storage.devices()[scaleio.DeviceName(v.ID)] == 1 }
