//go:build nodes

package zookeeper_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/machinetest"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/zookeeper"
	real "scaleio-framework/test/zookeeper"
)

const session = 4 * time.Second

var secret = api.NewSecret("scaleio:hush-hush")

// ensemble of real servers on loopback.
type ensemble struct {
	t       *testing.T
	servers []real.Server
	running []*exec.Cmd
	session time.Duration
	avoided int // the index of a server that nobody is told of; -1 = none
}

func start(t *testing.T, servers int) *ensemble {
	t.Helper()
	if err := real.Installed(); err != nil {
		machinetest.Lacks(t, err.Error())
	}
	e := &ensemble{t: t, servers: real.Layout(t.TempDir(), "127.0.0.1", freePorts(t, 3*servers), servers), running: make([]*exec.Cmd, servers), session: session, avoided: -1}
	t.Cleanup(func() {
		for i := range e.servers {
			e.kill(i)
			if log, err := os.ReadFile(filepath.Join(e.servers[i].Dir, "log")); err == nil && t.Failed() {
				t.Logf("the end of server %d's log:\n%s", i+1, log[max(0, len(log)-2000):])
			}
		}
	})
	for i := range e.servers {
		e.run(i)
	}
	for i := range e.servers {
		e.serves(i)
	}
	return e
}

// freePorts finds neighbours; whoever takes one of them meanwhile fails the test's start, not its meaning.
func freePorts(t *testing.T, count int) int {
	t.Helper()
	for base := 21810; base < 29000; base += count {
		var open []net.Listener
		for port := base; port < base+count; port++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				break
			}
			open = append(open, l)
		}
		for _, l := range open {
			require.NoError(t, l.Close())
		}
		if len(open) == count {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

func (e *ensemble) run(i int) {
	e.t.Helper()
	argv, err := e.servers[i].Prepare(e.servers)
	require.NoError(e.t, err)
	log, err := os.OpenFile(filepath.Join(e.servers[i].Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(e.t, err)
	defer log.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, e.servers[i].Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(e.t, cmd.Start())
	e.running[i] = cmd
}

func (e *ensemble) signal(i int, s syscall.Signal) {
	e.t.Helper()
	require.NoError(e.t, e.running[i].Process.Signal(s))
}

func (e *ensemble) kill(i int) {
	if cmd := e.running[i]; cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		e.running[i] = nil
	}
}

func (e *ensemble) serves(i int) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := e.servers[i].Serves(ctx, (&net.Dialer{}).DialContext)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			require.NoError(e.t, err, "server %d doesn't serve", i+1)
		case <-tick.C:
		}
	}
}

func (e *ensemble) url() string {
	var all []string
	for i, s := range e.servers {
		if i != e.avoided {
			all = append(all, s.Address)
		}
	}
	return zookeeper.Scheme + strings.Join(all, ",") + "/frameworks/scaleio"
}

func (e *ensemble) open(waiting func(string)) (*store.ZooKeeper, error) {
	return store.OpenZooKeeper(e.t.Context(), store.ZooKeeperOptions{URL: e.url(), Auth: secret, Session: e.session, Waiting: waiting, Log: slog.New(slog.DiscardHandler)})
}

func (e *ensemble) mustOpen() *store.ZooKeeper {
	e.t.Helper()
	z, err := e.open(nil)
	require.NoError(e.t, err)
	e.t.Cleanup(func() { _ = z.Close() })
	return z
}

func put(key, value string, revision uint64) store.Change {
	return store.Change{Key: key, Value: []byte(value), Revision: revision}
}

// What the fake is held against: the contract on the real thing, whatever the size, and closed to others.
func TestReal_keepsRecords(t *testing.T) {
	e := start(t, 1)
	z := e.mustOpen()
	ctx := t.Context()
	_, err := z.Get(ctx, "cluster")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, z.Commit(ctx, put("cluster", `{"a":1}`, 0), put("nodes/a", `1`, 0)))
	require.ErrorIs(t, z.Commit(ctx, put("cluster", `2`, 0)), store.ErrConflict)
	require.ErrorIs(t, z.Commit(ctx, put("nodes/b", `2`, 0), put("nodes/a", `2`, 7)), store.ErrConflict)
	require.NoError(t, z.Commit(ctx, put("cluster", `{"a":2}`, 1), store.Change{Key: "nodes/a", Revision: 1}))
	big := `"` + strings.Repeat("x", store.MaxRecord) + `"`
	require.ErrorIs(t, z.Commit(ctx, put("reports/x", big, 0)), store.ErrTooLarge, "a znode has an end")

	var many []store.Change // 5 MB: no request of ZooKeeper's takes that
	for i := range 500 {
		many = append(many, put(fmt.Sprintf("reports/%04d", i), fmt.Sprintf(`"%d %s"`, i, strings.Repeat("r", 10_000)), 0))
	}
	began := time.Now()
	require.NoError(t, z.Commit(ctx, many...))
	t.Logf("500 records of 10 kB in one commit: %v", time.Since(began))
	require.ErrorIs(t, z.Commit(ctx, many...), store.ErrConflict)
	require.NoError(t, z.Close())

	again := e.mustOpen()
	began = time.Now()
	all, err := again.List(ctx, "")
	require.NoError(t, err)
	t.Logf("%d records read: %v", len(all), time.Since(began))
	require.Len(t, all, 501)
	assert.Equal(t, "cluster", all[0].Key)
	assert.Equal(t, `{"a":2}`, string(all[0].Value))
	require.NoError(t, again.Close())

	for _, other := range []api.Secret{api.NewSecret("scaleio:guessed"), {}} {
		_, err := store.OpenZooKeeper(ctx, store.ZooKeeperOptions{URL: e.url(), Auth: other, Session: session, Log: slog.New(slog.DiscardHandler)})
		require.ErrorIs(t, err, store.ErrOpen)
	}
}

func (e *ensemble) leads(i int) bool {
	e.t.Helper()
	mode, err := e.servers[i].Mode(e.t.Context(), (&net.Dialer{}).DialContext)
	require.NoError(e.t, err)
	return mode == "leader"
}

// A scheduler that ends as it should leaves no session behind to wait for.
func TestReal_aSecondWaitsAndTakesOver(t *testing.T) {
	e := start(t, 1)
	first := e.mustOpen()
	require.NoError(t, first.Commit(t.Context(), put("cluster", `1`, 0)))
	waits := make(chan string, 100)
	taken := make(chan *store.ZooKeeper, 1)
	go func() {
		z, err := e.open(func(reason string) {
			select {
			case waits <- reason:
			default:
			}
		})
		assert.NoError(t, err)
		taken <- z
	}()
	require.Contains(t, <-waits, "standby")
	require.NoError(t, first.Held())
	began := time.Now()
	require.NoError(t, first.Close()) // ended as it should be: nobody waits for a session
	second := <-taken
	require.NotNil(t, second)
	t.Logf("taken over after a proper end: %v", time.Since(began))
	assert.Less(t, time.Since(began), session)
	require.Error(t, first.Commit(t.Context(), put("cluster", `2`, 1)))
	require.NoError(t, second.Commit(t.Context(), put("cluster", `3`, 1)))
	require.NoError(t, second.Close())
}

// One of three hangs: the session moves to another server before it could end.
func TestReal_aServerHangs(t *testing.T) {
	e := start(t, 3)
	e.session = 10 * time.Second // as operators have it: a quarter of it is the time that the next server has to greet, and this machine may be busy
	for i := range e.servers {
		if e.leads(i) { // without it there is no ensemble until the others notice, which takes them longer than this session lasts
			e.avoided = i
		}
	}
	z := e.mustOpen()
	moved := time.Duration(0)
	for i := range e.servers {
		if i == e.avoided {
			continue
		}
		e.signal(i, syscall.SIGSTOP)
		began := time.Now()
		require.NoError(t, z.Commit(t.Context(), put(fmt.Sprintf("nodes/%d", i), `1`, 0)), "server %d hangs", i+1)
		moved = max(moved, time.Since(began))
		t.Logf("server %d hangs: committed after %v", i+1, time.Since(began))
		require.NoError(t, z.Held())
		e.signal(i, syscall.SIGCONT)
		e.serves(i)
	}
	assert.Greater(t, moved, e.session/20, "the session was with one of them, and noticed")
}

// Two of three die: no write, and nobody believes to hold anything before the session could be another's; with the majority back all goes on.
func TestReal_withoutAMajority(t *testing.T) {
	e := start(t, 3)
	z := e.mustOpen()
	require.NoError(t, z.Commit(t.Context(), put("cluster", `1`, 0)))
	e.kill(0)
	e.kill(1)
	began := time.Now()
	require.ErrorIs(t, z.Keep(t.Context()), store.ErrLost)
	t.Logf("given up after %v", time.Since(began))
	assert.Less(t, time.Since(began), 10*time.Second, "the last server notices by itself within syncLimit that it is alone")
	require.Error(t, z.Commit(t.Context(), put("cluster", `2`, 1)))
	require.NoError(t, z.Close())

	waits := make(chan string, 100)
	taken := make(chan *store.ZooKeeper, 1)
	go func() {
		next, err := e.open(func(reason string) {
			select {
			case waits <- reason:
			default:
			}
		})
		assert.NoError(t, err)
		taken <- next
	}()
	require.Contains(t, <-waits, "ZooKeeper", "it waits, and doesn't fail: the last server is read-only")
	e.run(0)
	e.run(1)
	next := <-taken
	require.NotNil(t, next)
	rec, err := next.Get(t.Context(), "cluster")
	require.NoError(t, err)
	assert.Equal(t, `1`, string(rec.Value))
	require.NoError(t, next.Commit(t.Context(), put("cluster", `3`, 1)))
	require.NoError(t, next.Close())
}
