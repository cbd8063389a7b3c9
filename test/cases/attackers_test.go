//go:build nodes

package cases_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// found is what test/cases/tenant says that it could do.
type found struct {
	UID                                                   int
	Readable, Writable, Processes, Sockets, Devices, Acts []string
	Answers, Agent                                        map[string]int
}

// closed to everybody but root, whatever they hold.
var closed = []string{"/etc/scaleio-agent", "/var/lib/scaleio-agent", "/run/scaleio-agent", "/etc/rexray", "/var/lib/rexray", "/var/lib/mesos", "/root", "/var/log/journal"}

// public of it: addresses, certificates and digests.
var public = []string{"/etc/scaleio-agent/agent.yaml", "/etc/scaleio-agent/ca.pem", "/run/scaleio-agent/sha256"}

// tenantLooks: a task of another framework on a node, as a user without rights.
func tenantLooks(t *testing.T, s *cases.Stand) {
	ctx := within(t, 3*time.Minute)
	node := s.Nodes()[1]
	require.NoError(t, s.InstallIntruder(ctx, s.Nodes()...))
	scheduler := "https://" + s.SchedulerAddress()

	var root, tenant found
	text, err := node.Output(ctx, cases.IntruderPath, "look", scheduler)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(text), &root))
	require.Zero(t, root.UID)
	assert.Contains(t, root.Readable, "/var/lib/scaleio-agent/node.key", "the program can tell")
	assert.Contains(t, root.Readable, "/etc/rexray/config.yml")
	assert.Contains(t, root.Processes, "scaleio-agent environ")
	assert.NotEmpty(t, root.Devices)
	assert.NotEmpty(t, matching(root.Sockets, "scaleio-agent"), root.Sockets)

	require.NoError(t, s.Intrude(ctx, node, &tenant, "look", scheduler))
	require.NotZero(t, tenant.UID)
	for _, path := range others(tenant.Readable) {
		if slices.Contains(public, path) {
			continue
		}
		for _, dir := range closed {
			assert.False(t, strings.HasPrefix(path, dir+"/"), "a tenant reads %s", path)
		}
	}
	assert.NotEmpty(t, tenant.Readable, "units and programs are open")
	assert.Empty(t, others(tenant.Writable))
	assert.Empty(t, tenant.Processes, "of others")
	assert.Empty(t, tenant.Devices)
	assert.Empty(t, tenant.Acts)
	for _, ours := range []string{"scaleio", "rexray", "docker"} {
		assert.Empty(t, matching(tenant.Sockets, ours))
	}
	for what, status := range tenant.Answers {
		if what == "GET /healthz" || what == "GET /readyz" {
			assert.Equal(t, http.StatusOK, status, what)
			continue
		}
		assert.Contains(t, []int{400, 401, 404, 429}, status, what)
	}
	for what, status := range tenant.Agent {
		if what == "GET /healthz" {
			assert.Equal(t, http.StatusOK, status)
			continue
		}
		assert.Contains(t, []int{404, 405}, status, what)
	}
	whole(t, s, time.Minute)
}

// others: beside the task's own sandbox.
func others(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(path string) bool { return strings.Contains(path, "/executors/tenant-") })
}

func matching(all []string, part string) (some []string) {
	for _, one := range all {
		if strings.Contains(one, part) {
			some = append(some, one)
		}
	}
	return some
}

// Memory of our processes, however they are flooded: a scheduler's 512 connections of one address at 50 kB and what a garbage collector leaves
// lying, an agent's 128.
const (
	schedulerPeak = 64 << 20
	agentPeak     = 40 << 20
)

// tenantFloods the scheduler and another node's endpoint with connections, requests and bodies. Memory stays bounded, and everybody else is served.
func tenantFloods(t *testing.T, s *cases.Stand) {
	ctx := within(t, 4*time.Minute)
	victim, from := s.Nodes()[0], s.Nodes()[1]
	scheduler := memoryOf{pid: strconv.Itoa(s.Process("scheduler").PID)}
	comm, err := os.ReadFile("/proc/" + scheduler.pid + "/comm")
	require.NoError(t, err)
	require.Contains(t, string(comm), "scaleio-sched")
	pid, err := victim.Output(ctx, "systemctl", "show", "-p", "MainPID", "--value", "scaleio-agent")
	require.NoError(t, err)
	agent := memoryOf{node: victim, pid: strings.TrimSpace(pid)}
	before := []int64{scheduler.begin(t, ctx), agent.begin(t, ctx)}

	sent := map[string]struct{ Connections, Slow, Huge, Headers, Garbage, Requests, HugeBytes int64 }{}
	ended := make(chan error, 1)
	go func() {
		ended <- s.Intrude(ctx, from, &sent, "flood", s.SchedulerAddress(), victim.Address+":9780", "15s")
	}()
	served := 0
	for over := false; !over; {
		select {
		case err := <-ended:
			require.NoError(t, err)
			over = true
		default:
			asking, cancel := context.WithTimeout(ctx, 10*time.Second)
			status, err := s.Status(asking)
			cancel()
			require.NoError(t, err, "people are served")
			require.Len(t, status.Nodes, len(s.Nodes()))
			said, err := victim.Output(ctx, cases.IntruderPath, "ask", "http://127.0.0.1:9780/healthz")
			require.NoError(t, err)
			require.Equal(t, "200", strings.TrimSpace(said), "the Mesos agent's health check is served")
			served++
		}
	}
	peak := []int64{scheduler.peak(t, ctx), agent.peak(t, ctx)}
	t.Logf("scheduler %d -> %d MiB, agent %d -> %d MiB, asked %d times beside; sent %+v", before[0]>>20, peak[0]>>20, before[1]>>20, peak[1]>>20, served, sent)
	for name, what := range sent {
		for _, n := range []int64{what.Connections, what.Slow, what.Huge, what.Headers, what.Garbage, what.Requests} {
			assert.Positive(t, n, "%s: %+v", name, what)
		}
		assert.Less(t, what.HugeBytes/max(what.Huge, 1), int64(32<<20), "%s: of a gigabyte little is taken", name)
	}
	assert.GreaterOrEqual(t, sent["scheduler"].Connections, int64(400))
	assert.Greater(t, served, 3)
	assert.Less(t, peak[0], int64(schedulerPeak))
	assert.Less(t, peak[1], int64(agentPeak))
	whole(t, s, 2*time.Minute)
}

// memoryOf a process of this machine, or of a node's.
type memoryOf struct {
	node *nodes.Node
	pid  string
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// begin to look for the peak; it gives what there is.
func (m memoryOf) begin(t *testing.T, ctx context.Context) int64 {
	t.Helper()
	file := "/proc/" + m.pid + "/clear_refs"
	var err error
	if m.node == nil {
		err = os.WriteFile(file, []byte("5"), 0o600)
	} else {
		_, err = m.node.Output(ctx, "sh", "-c", "echo 5 > "+file)
	}
	require.NoError(t, err)
	return m.peak(t, ctx)
}

func (m memoryOf) peak(t *testing.T, ctx context.Context) int64 {
	t.Helper()
	file := "/proc/" + m.pid + "/status"
	var text string
	if m.node == nil {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		text = string(raw)
	} else {
		var err error
		text, err = m.node.Output(ctx, "cat", file)
		require.NoError(t, err)
	}
	found := highWater.FindStringSubmatch(text)
	require.NotNil(t, found, text)
	kB, err := strconv.ParseInt(found[1], 10, 64)
	require.NoError(t, err, fmt.Sprint(found))
	return kB << 10
}
