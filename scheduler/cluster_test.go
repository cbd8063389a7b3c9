package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/trust"
)

// bench is a scheduler with five nodes in three racks, in one process, over real TLS.
type bench struct {
	t       *testing.T
	options scheduler.Options
	address string
	scaleio *scaleio
	mesos   *mesos
	nodes   []*node
	ahead   atomic.Int64 // how far the scheduler's clock was moved on
	read    string       // the read token

	mu   sync.Mutex
	stop context.CancelFunc
	done chan error
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, scaleio: newScaleIO(), address: "127.0.0.1:0", read: "read"}
	var attrs []map[string]string
	for i := 1; i <= 5; i++ {
		b.nodes = append(b.nodes, newNode(i, b.scaleio))
		a := map[string]string{"rack": fmt.Sprintf("r%d", (i-1)%3+1)}
		if i <= 3 { // pinned, so that every run ends the same
			a[scheduler.PinAttribute] = []string{"manager", "manager", "tie-breaker"}[i-1]
		}
		attrs = append(attrs, a)
	}
	b.mesos = newMesos(b.nodes, attrs)
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("VERBOSE") != "" {
		log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	b.options = scheduler.Options{
		Settings: decide.Settings{
			Agent:       &api.AgentBinary{SHA256: "00", URL: "http://mirror/scaleio-agent"},
			ClusterName: "bench", DomainAttribute: "rack", Settle: time.Minute, Licence: true, ProtectionDomain: "pd", StoragePool: "sp",
			MediaType: "SSD", VolumeUser: "rexray", Disks: api.DiskPolicy{Use: api.DiskUseAllEmpty},
		},
		Store: &store.Memory{}, Mesos: b.mesos, Framework: scheduler.Framework{Name: "scaleio", Principal: "scaleio", Roles: []string{"scaleio"}},
		People: trust.NewPeople("read", "operate"), AdminPassword: api.NewSecret("Admin-Pass-1"),
		ReserveMDM: scheduler.Resources{CPUs: 1, MemMB: 1024}, ReserveData: scheduler.Resources{CPUs: 0.5, MemMB: 512},
		CAFile: filepath.Join(t.TempDir(), "ca.pem"), Log: log,
		Now: func() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) },
	}
	t.Cleanup(func() {
		for _, n := range b.nodes {
			n.kill()
		}
		b.halt()
	})
	return b
}

// start the scheduler, again on the same port.
func (b *bench) start() {
	b.t.Helper()
	l, err := net.Listen("tcp", b.address)
	require.NoError(b.t, err)
	if strings.HasSuffix(b.address, ":0") { // others read it while a scheduler is started again
		b.address = l.Addr().String()
	}
	o := b.options
	o.Listener, o.Servers = l, []string{"https://" + b.address}
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	b.mu.Lock()
	b.stop, b.done = cancel, done
	b.mu.Unlock()
	go func() {
		err := scheduler.Run(ctx, o)
		_ = l.Close()
		done <- err
		close(done) // halt may ask again
	}()
}

// halt the scheduler as SIGTERM would.
func (b *bench) halt() error {
	b.mu.Lock()
	stop, done := b.stop, b.done
	b.stop = nil
	b.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	return <-done
}

func (b *bench) people(token string) *client.People {
	b.t.Helper()
	ca, err := os.ReadFile(b.options.CAFile)
	require.NoError(b.t, err)
	p, err := client.NewPeople("https://"+b.address, ca, api.NewSecret(token))
	require.NoError(b.t, err)
	return p
}

// until waits for what people would see.
func (b *bench) until(what string, is func(api.ClusterStatus) bool) api.ClusterStatus {
	b.t.Helper()
	var last api.ClusterStatus
	var p *client.People
	require.Eventually(b.t, func() bool {
		ca, err := os.ReadFile(b.options.CAFile)
		if err != nil {
			return false
		}
		if p == nil {
			if p, err = client.NewPeople("https://"+b.address, ca, api.NewSecret(b.read)); err != nil {
				return false
			}
		}
		s, err := p.Status(b.t.Context())
		if err != nil {
			p = nil // another scheduler may have come with another CA
			return false
		}
		last = s
		return is(s)
	}, 60*time.Second, 10*time.Millisecond, "%s; waits for %q\n%+v", what, &last.Waiting, &last)
	return last
}

func ready(s api.ClusterStatus) bool {
	if !s.Ready || len(s.Nodes) != 5 {
		return false
	}
	for _, n := range s.Nodes {
		for _, d := range n.Disks {
			if d.State != api.DiskAdopted && d.State != api.DiskRefused {
				return false
			}
		}
	}
	return true
}

// end is what every run must come to, whatever died on the way.
type end struct {
	Roles     map[string]api.Role
	Sets      map[string]string
	Disks     map[string]string
	Gates     []api.Gate
	Formed    int
	Tasks     int
	Doubled   []string
	Twice     []string
	LowerSeen int
}

func (b *bench) end(s api.ClusterStatus) end {
	b.scaleio.mu.Lock()
	defer b.scaleio.mu.Unlock()
	b.mesos.mu.Lock()
	defer b.mesos.mu.Unlock()
	e := end{Roles: map[string]api.Role{}, Sets: map[string]string{}, Disks: map[string]string{}, Gates: s.Gates, Formed: b.scaleio.formed,
		Tasks: len(b.mesos.tasks), Doubled: b.mesos.doubled, Twice: b.scaleio.twice}
	for _, n := range s.Nodes {
		e.Roles[n.Name] = n.Role
	}
	for name, sds := range b.scaleio.sdss {
		e.Sets[name] = sds.FaultSet
	}
	for disk, sds := range b.scaleio.devices {
		e.Disks[disk] = sds
	}
	for _, n := range b.nodes {
		e.LowerSeen += len(n.lower)
	}
	return e
}

var wanted = end{
	Roles: map[string]api.Role{"n1": "manager", "n2": "manager", "n3": "tie-breaker", "n4": "data", "n5": "data"},
	Sets:  map[string]string{"n1": "r1", "n2": "r2", "n3": "r3", "n4": "r1", "n5": "r2"},
	Disks: map[string]string{"wwn-1-a": "n1", "wwn-2-a": "n2", "wwn-3-a": "n3", "wwn-4-a": "n4", "wwn-5-a": "n5"},
	Gates: api.Gates, Formed: 1, Tasks: 5,
}

func TestCluster_formsGivesDisksAndIsReady(t *testing.T) {
	b := newBench(t)
	b.start()
	s := b.until("ready", ready)
	assert.Equal(t, wanted, b.end(s))
	assert.Equal(t, "framework-1", s.Framework)
	assert.NotEmpty(t, s.Leader)
	assert.Equal(t, 5, b.mesos.launches)
	for _, n := range b.nodes {
		a := n.answer()
		assert.Equal(t, n.leading, !a.Secrets.Admin.Empty(), "the admin password goes to the leader alone")
		assert.NotEmpty(t, a.Spec.Volumes.Gateways)
	}
	launch := b.mesos.launched[0]
	assert.Equal(t, `echo "00  scaleio-agent" | sha256sum -c - && exec ./scaleio-agent place`, launch.Command)
	assert.Equal(t, 1.0, launch.CPUs)
}

func TestCluster_restartedSchedulerGoesOn(t *testing.T) {
	b := newBench(t)
	b.start()
	before := b.end(b.until("ready", ready))
	require.NoError(t, b.halt())
	b.start()
	s := b.until("ready again", ready)
	assert.Equal(t, before, b.end(s))
	assert.Equal(t, 5, b.mesos.launches, "nothing was launched again")
}

// TestCluster_diesAtEveryWritePoint brings the cluster up once for each point at which the store is written, with the scheduler dying there
// and starting again: every run ends the same.
func TestCluster_diesAtEveryWritePoint(t *testing.T) {
	var died atomic.Int32
	t.Cleanup(func() { t.Logf("died at %d of %d write points", died.Load(), len(scheduler.WritePoints())) })
	for _, point := range scheduler.WritePoints() {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			memory := b.options.Store
			dead := errors.New("died at " + point)
			var once sync.Once
			b.options.Store = store.Announced{Store: memory, Reached: func(p string) (err error) {
				if p == point {
					once.Do(func() { err = dead })
				}
				return err
			}}
			b.start()
			if strings.HasSuffix(point, ":enrolments") { // only a person writes that kind
				b.until("there", func(s api.ClusterStatus) bool { return s.Cluster != "" })
				_, err := b.people("operate").CreateToken(t.Context(), request(1))
				require.Error(t, err, "it died over it")
			}
			select {
			case err := <-b.done:
				require.ErrorIs(t, err, dead)
				died.Add(1)
			case <-time.After(60 * time.Second):
				t.Fatal("the point wasn't reached")
			}
			b.start()
			s := b.until("ready", ready)
			assert.Equal(t, wanted, b.end(s))
		})
	}
}

func TestCluster_lossAndReturn(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)

	leader := b.nodes[0]
	for _, n := range b.nodes {
		n.mu.Lock()
		if n.leading {
			leader = n
		}
		n.mu.Unlock()
	}
	other := b.nodes[0]
	if other == leader {
		other = b.nodes[1]
	}
	leader.kill()
	b.scaleio.mu.Lock()
	b.scaleio.master = other.id
	b.scaleio.mu.Unlock()
	s := b.until("still the old leader's lease", func(s api.ClusterStatus) bool { return s.Leader != "" })
	assert.Equal(t, nameOf(leader), s.Leader, "a lease runs out before another gets it")

	b.ahead.Add(int64(api.LeaderLeaseTTL))
	b.until("the work moved", func(s api.ClusterStatus) bool { return s.Leader == nameOf(other) })
	b.ahead.Add(int64(decide.Alive))
	s = b.until("the loss is seen", func(s api.ClusterStatus) bool { return !s.Ready && line(s, nameOf(leader)).Reason == "Silent" })
	assert.Equal(t, api.RoleManager, line(s, nameOf(leader)).Role, "roles stay")

	leader.place(leader.env)
	s = b.until("ready again", ready)
	assert.Equal(t, wanted, b.end(s))
}

func TestCluster_failedTaskIsLaunchedAgain(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	b.mesos.failing <- "agent-machine-4"
	b.until("failure seen", func(s api.ClusterStatus) bool { return line(s, "n4").Task == "TASK_FAILED" })
	b.ahead.Add(int64(3 * time.Second)) // the back-off
	s := b.until("running again", func(s api.ClusterStatus) bool { return line(s, "n4").Task == "TASK_RUNNING" && ready(s) })
	assert.Equal(t, wanted, b.end(s))
	assert.Equal(t, 6, b.mesos.launches)
}

func TestCluster_holdStopsFormation(t *testing.T) {
	b := newBench(t)
	b.start()
	require.Eventually(t, func() bool { _, err := os.Stat(b.options.CAFile); return err == nil }, 5*time.Second, time.Millisecond)
	operator := b.people("operate")
	var refused *api.Error
	err := b.people("read").Hold(t.Context(), api.HoldRequest{Author: "me"})
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, api.CodeForbidden, refused.Code)
	err = b.people("wrong").Hold(t.Context(), api.HoldRequest{Author: "me"})
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, api.CodeUnauthorized, refused.Code)

	require.NoError(t, operator.Hold(t.Context(), api.HoldRequest{Author: "me", Reason: "window"}))
	s := b.until("held", func(s api.ClusterStatus) bool { return s.Hold != nil })
	formed := b.scaleio.formed
	require.NoError(t, b.halt())
	b.start()
	s = b.until("held after a restart", func(s api.ClusterStatus) bool { return s.Hold != nil && s.Framework != "" })
	assert.Equal(t, "window", s.Hold.Reason)
	assert.LessOrEqual(t, b.scaleio.formed, max(formed, 1))
	require.NoError(t, b.people("operate").Hold(t.Context(), api.HoldRequest{Author: "me", Release: true}))
	assert.Equal(t, wanted, b.end(b.until("ready", ready)))
}

// A hold that was for a time ends by itself, over a restart too, and people are told.
func TestCluster_holdEndsByItself(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	for _, node := range []string{"", "n4"} {
		require.NoError(t, b.people("operate").Hold(t.Context(), api.HoldRequest{Node: node, Author: "ann", ForMS: time.Hour.Milliseconds()}))
	}
	b.until("n4 is held", func(s api.ClusterStatus) bool { return s.Hold != nil && b.nodes[3].answer().Hold != nil })
	require.NoError(t, b.halt())
	b.start()
	b.until("still", func(s api.ClusterStatus) bool { return s.Hold != nil && s.Hold.Author == "ann" })
	b.ahead.Add(int64(2 * time.Hour))
	s := b.until("over", func(s api.ClusterStatus) bool { return ready(s) && s.Hold == nil && b.nodes[3].answer().Hold == nil })
	var of []string
	for _, e := range s.Events {
		if e.Kind == "HoldEnded" {
			of = append(of, e.Node)
		}
	}
	assert.Equal(t, []string{"", "n4"}, of)
	assert.Nil(t, b.clusterRecord().Hold)
}

func TestCluster_refusesAnEmptyStoreWhereASchedulerWas(t *testing.T) {
	b := newBench(t)
	b.mesos.frames = []scheduler.KnownFramework{{ID: "framework-0"}}
	b.start()
	require.ErrorIs(t, <-b.done, scheduler.ErrRefused)
	b.options.Adopt = true
	b.start()
	s := b.until("adopted", func(s api.ClusterStatus) bool { return s.Framework != "" })
	assert.Equal(t, "framework-0", s.Framework)
}

func TestCluster_endsWhenAnotherSchedulerTookOver(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	b.mesos.fatal <- scheduler.ErrFailedOver
	require.ErrorIs(t, <-b.done, scheduler.ErrFailedOver)
}

func line(s api.ClusterStatus, name string) api.NodeStatus {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n
		}
	}
	return api.NodeStatus{}
}

func nameOf(n *node) string { return n.host[:2] }

// A Mesos agent that lost its id comes back as another one; the daemon on its node doesn't join again.
func TestCluster_taskComesBackUnderANewMesosAgent(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	b.mesos.rename <- "machine-4"
	s := b.until("reunited", func(s api.ClusterStatus) bool {
		return line(s, "n4").Task == "TASK_RUNNING" && ready(s) && b.mesos.count() == 6
	})
	assert.Equal(t, wanted, b.end(s))
	assert.Len(t, s.Nodes, 5)
	require.NoError(t, b.halt())
	b.start()
	b.until("ready after a restart", ready)
}

// A node whose first task failed is awaited: the others being Ready doesn't make the cluster so.
func TestCluster_isntReadyWhileAFirstTaskIsToComeAgain(t *testing.T) {
	b := newBench(t)
	late := b.nodes[4]
	late.idle = true
	b.start()
	b.until("the others are Ready", func(s api.ClusterStatus) bool {
		count := 0
		for _, n := range s.Nodes {
			if n.Ready {
				count++
			}
		}
		return count == 4
	})
	b.mesos.failing <- "agent-" + late.id
	s := b.until("it failed", func(s api.ClusterStatus) bool { return line(s, late.host).Task == "TASK_FAILED" })
	assert.False(t, s.Ready)
	late.mu.Lock()
	late.idle = false
	late.mu.Unlock()
	b.ahead.Add(int64(3 * time.Second)) // the back-off
	assert.Equal(t, wanted, b.end(b.until("ready", ready)))
}
