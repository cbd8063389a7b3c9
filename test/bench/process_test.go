package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/mesos"
)

const (
	readToken = "read-token-of-the-benchmark"
	manifest  = `{"version":"3.6","packages":[{"component":"sdc","version":"3.6","os":"ubuntu22.04","format":"deb","url":"http://127.0.0.1:1/sdc.deb","size":1,"sha256":"%s"}]}`
)

// A master over real HTTP, without agents.
func serveMaster(b *testing.B) (*mesos.Master, string) {
	b.Helper()
	master := mesos.NewMaster(mesos.Config{Log: slog.New(slog.DiscardHandler)})
	server := httptest.NewServer(master.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = master.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-ended; server.CloseClientConnections(); server.Close() })
	return master, server.URL
}

// addAgents from one number to another, in ten racks.
func addAgents(master *mesos.Master, from, to int, tasks func(int) mesos.TaskDriver) {
	for i := from; i < to; i++ {
		master.AddAgent(mesos.AgentSpec{Hostname: host(i), IP: address(i), Attributes: fmt.Sprintf("rack:r%d", i%10), Tasks: tasks(i)})
	}
}

func host(i int) string    { return fmt.Sprintf("node-%05d.example.com", i) }
func address(i int) string { return fmt.Sprintf("10.%d.%d.%d", 1+i/62500, i/250%250, 1+i%250) }

// A process of the scheduler, built and started as Marathon's app starts it.
type process struct {
	*exec.Cmd
	b       *testing.B
	url     string
	started time.Time
	ended   chan struct{}
}

// startScheduler with the state in a file; oneCore keeps it on one.
func startScheduler(b *testing.B, master string, oneCore bool) *process {
	b.Helper()
	dir := b.TempDir()
	binary := filepath.Join(dir, "scaleio-scheduler")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "scaleio-framework/scheduler/cmd/scaleio-scheduler")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(b, err, string(out))
	for name, text := range map[string]string{
		"read": readToken, "operator": "operator-token-of-the-benchmark", "admin": "Sio1-of-the-benchmark", "manifest.json": fmt.Sprintf(manifest, strings.Repeat("0", 64)),
	} {
		require.NoError(b, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // to find a free port
	require.NoError(b, err)
	listen := l.Addr().String()
	require.NoError(b, l.Close())
	p := &process{b: b, url: "https://" + listen, ended: make(chan struct{})}
	p.Cmd = exec.Command(binary, "run", "--mesos-masters", master, "--listen", listen, "--public-urls", p.url, "--state-dir", "state", "--manifest", "manifest.json",
		"--read-token-file", "read", "--operator-token-file", "operator", "--admin-password-file", "admin", "--accept-license=true", "--disks-use", "all-empty", "--settle", "1s",
		"--fault-domain-attribute", "rack", "--agent-url", "http://127.0.0.1:1/agent", "--agent-sha256", strings.Repeat("0", 64), "--log-level", "warn")
	var log bytes.Buffer
	p.Dir, p.Stdout, p.Stderr = dir, &log, &log
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.started = time.Now()
	p.start(oneCore)
	go func() { defer close(p.ended); _ = p.Wait() }()
	b.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.ended
		if b.Failed() {
			b.Logf("the scheduler said:\n%.4000s", log.String())
		}
	})
	return p
}

// start it from a thread that stays until it ends: with that it would be killed.
func (p *process) start(oneCore bool) {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its affinity
		if oneCore {
			var all, one unix.CPUSet
			if err := unix.SchedGetaffinity(0, &all); err != nil {
				started <- err
				return
			}
			for i := range 1024 {
				if all.IsSet(i) {
					one.Set(i)
					break
				}
			}
			if err := unix.SchedSetaffinity(0, &one); err != nil { // what this thread starts has it too
				started <- err
				return
			}
		}
		started <- p.Start()
		<-p.b.Context().Done()
	}()
	require.NoError(p.b, <-started)
}

// rss is the resident memory in MiB.
func (p *process) rss() float64 {
	p.b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	require.NoError(p.b, err)
	return resident(p.b, string(status), "VmRSS:")
}

// parts of that: the process' own memory, and pages of files that the kernel can take back, of which the store's is a part.
func (p *process) parts() string {
	p.b.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", p.Process.Pid))
	require.NoError(p.b, err)
	sums, name := map[string]float64{}, ""
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 4 && strings.Contains(fields[0], "-"):
			name = "anonymous"
			if len(fields) > 5 && strings.HasPrefix(fields[5], "/") {
				name = filepath.Base(fields[5])
			}
		case len(fields) == 3 && fields[0] == "Rss:":
			kib, err := strconv.ParseFloat(fields[1], 64)
			require.NoError(p.b, err)
			sums[name] += kib / 1024
		}
	}
	return fmt.Sprintf("anonymous %.1f, program %.1f, store %.1f", sums["anonymous"], sums["scaleio-scheduler"], sums["state.db"])
}

// resident reads a line of a /proc/PID/status, in MiB.
func resident(b *testing.B, status, name string) float64 {
	b.Helper()
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, name); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			require.NoError(b, err)
			return kib / 1024
		}
	}
	b.Fatalf("no %s in %s", name, status)
	return 0
}

// cpu is the time that it ran, user and system.
func (p *process) cpu() time.Duration {
	p.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	require.NoError(p.b, err)
	return ticks(p.b, string(text))
}

// ticks of a /proc/PID/stat: utime and stime, which count hundredths of a second.
func ticks(b *testing.B, stat string) time.Duration {
	b.Helper()
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	require.Greater(b, len(fields), 12)
	sum := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		require.NoError(b, err)
		sum += n
	}
	return time.Duration(sum) * 10 * time.Millisecond
}

// status of the cluster, as people get it.
func (p *process) status() (s api.ClusterStatus, err error) {
	body, err := p.get(api.PathStatus)
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	return s, err
}

// metric of the scheduler's own; 0 while there is none.
func (p *process) metric(name string) (value float64) {
	body, err := p.get(api.PathMetrics)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(body)) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			value, _ = strconv.ParseFloat(strings.TrimSpace(text), 64)
		}
	}
	return value
}

func (p *process) get(path string) ([]byte, error) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(p.b.Context(), http.MethodGet, p.url+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+readToken)
	answer, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", answer.Status, body)
	}
	return body, err
}

// until something is so, while the process runs.
func (p *process) until(what string, limit time.Duration, ok func() bool) {
	p.b.Helper()
	ctx, cancel := context.WithTimeout(p.b.Context(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-p.ended:
			p.b.Fatalf("the scheduler ended before %s", what)
		case <-ctx.Done():
			status, err := p.status()
			status.Nodes = status.Nodes[:min(3, len(status.Nodes))]
			p.b.Fatalf("not within %s: %s; the scheduler says %+v %v", limit, what, status, err)
		case <-tick.C:
		}
	}
}
