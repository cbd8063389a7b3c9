//go:build history

package before_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
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
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/mesos"
)

const (
	readToken     = "read-token-of-the-test"
	operatorToken = "operator-token-of-the-test"
)

// world is a Mesos master, a scheduler's process that it talks to, and a process of each agent, on loopback.
type world struct {
	t       *testing.T
	dir     string
	listen  string
	master  *mesos.Master
	masters string
	agents  string // URL that serves their binaries
	args    []string
	brain   *process
	tasks   sync.WaitGroup
	mu      sync.Mutex
	nodes   []*node
}

func newWorld(t *testing.T, binaries string) *world {
	w := &world{t: t, dir: t.TempDir(), listen: free(t), master: mesos.NewMaster(mesos.Config{Log: slog.New(slog.DiscardHandler)})}
	served := httptest.NewServer(w.master.Handler())
	files := httptest.NewServer(http.FileServer(http.Dir(binaries)))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = w.master.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		w.tasks.Wait()
		for _, s := range []*httptest.Server{served, files} {
			s.CloseClientConnections()
			s.Close()
		}
	})
	w.masters, w.agents = served.URL, files.URL
	for name, text := range map[string]string{"read": readToken, "operator": operatorToken, "admin": "Sio1-admin",
		"manifest.json": `{"version":"3.6","packages":[{"component":"sdc","version":"3.6","os":"ubuntu22.04","format":"deb","url":"http://127.0.0.1:1/sdc.deb","size":1,"sha256":"` + strings.Repeat("0", 64) + `"}]}`} {
		require.NoError(t, os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(w.dir, "system"), 0o700))
	return w
}

// free port of loopback.
func free(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// start a scheduler with the state that is there, and an agent of this name for the nodes.
func (w *world) start(program, agents, agent string) {
	w.t.Helper()
	binary, err := os.ReadFile(filepath.Join(agents, agent))
	require.NoError(w.t, err)
	sum := sha256.Sum256(binary)
	w.args = []string{"run", "--mesos-masters", w.masters, "--listen", w.listen, "--public-urls", "https://" + w.listen, "--state-dir", "state", "--manifest", "manifest.json",
		"--read-token-file", "read", "--operator-token-file", "operator", "--admin-password-file", "admin", "--accept-license=true", "--disks-use", "none", "--settle", "1s", "--rollout-calm", "1s",
		"--fault-domain-attribute", "rack", "--agent-url", w.agents + "/" + agent, "--agent-sha256", hex.EncodeToString(sum[:])}
	w.brain = w.run(w.dir, nil, program, w.args...)
}

// replace the scheduler.
func (w *world) replace(program, agents, agent string) {
	w.t.Helper()
	w.brain.end()
	w.start(program, agents, agent)
}

// add a Mesos agent, and so a node.
func (w *world) add() {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := &node{w: w, name: fmt.Sprintf("%032x", len(w.nodes)+1), address: fmt.Sprintf("10.0.0.%d", len(w.nodes)+1), root: filepath.Join(w.dir, fmt.Sprint("n", len(w.nodes)+1))}
	w.nodes = append(w.nodes, n)
	w.master.AddAgent(mesos.AgentSpec{Hostname: fmt.Sprint("n", len(w.nodes)), IP: n.address, Attributes: fmt.Sprint("rack:r", len(w.nodes)), Tasks: n})
}

// node is a machine whose PID 1 is this test.
type node struct {
	mesos.RunAtOnce
	w                   *world
	name, address, root string
	mu                  sync.Mutex
	daemon              *process
}

// Launch the task: it fetches the binary and places it; then the daemon is there.
func (n *node) Launch(t *mesos.SimulatedTask) {
	n.RunAtOnce.Launch(t)
	env := []string{"PROBE_NODE=" + n.name, "PROBE_ADDRESS=" + n.address, "PROBE_ROOT=" + n.root, "PROBE_SYSTEM=" + filepath.Join(n.w.dir, "system")}
	for _, v := range t.Info.Command.Environment.Variables {
		env = append(env, v.Name+"="+v.GetValue())
	}
	url := t.Info.Command.URIs[0].Value
	n.w.tasks.Go(func() { n.live(env, url) })
}

func (n *node) live(env []string, url string) {
	t, ctx := n.w.t, n.w.t.Context()
	fetched := filepath.Join(n.w.dir, "fetched-"+n.name)
	err := get(ctx, url, fetched)
	for _, dir := range []string{"etc/systemd/system", "run/scaleio-agent", "var/lib"} { // of PID 1 and of the distribution
		err = errors.Join(err, os.MkdirAll(filepath.Join(n.root, dir), 0o755))
	}
	if err != nil {
		t.Error(err)
		return
	}
	if err := n.w.run(n.root, env, fetched, "place").wait(); err != nil {
		t.Errorf("placing on %s: %v", n.name, err)
		return
	}
	for ctx.Err() == nil {
		current, err := os.Readlink(filepath.Join(n.root, "opt/scaleio-agent/current"))
		if err != nil {
			t.Error(err)
			return
		}
		p := n.w.run(n.root, env, filepath.Join(n.root, current, "scaleio-agent"), "run")
		n.mu.Lock()
		n.daemon = p
		n.mu.Unlock()
		if err := p.wait(); err != nil && ctx.Err() == nil {
			t.Errorf("the agent of %s: %v", n.name, err)
			return
		}
	}
}

// nudge the daemon to report.
func (n *node) nudge() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.daemon != nil {
		_ = n.daemon.cmd.Process.Signal(syscall.SIGUSR1)
	}
}

func get(ctx context.Context, url, file string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	if err != nil {
		return err
	}
	// Whatever is forked meanwhile has the file open for writing until it execs, and nobody can run the file as long as that: "text file busy" (golang/go issue 22315).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(file, data, 0o755)
}

// process that ends with the test.
type process struct {
	cmd  *exec.Cmd
	said *bytes.Buffer
	done chan struct{}
	err  error
}

func (w *world) run(dir string, env []string, program string, args ...string) *process {
	p := &process{said: &bytes.Buffer{}, done: make(chan struct{})}
	p.cmd = exec.CommandContext(w.t.Context(), program, args...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = dir, append(os.Environ(), env...), p.said, p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan struct{})
	go func() {
		defer close(p.done)
		runtime.LockOSThread() // that thread's end would kill it
		defer runtime.UnlockOSThread()
		p.err = p.cmd.Start()
		close(started)
		if p.err == nil {
			p.err = p.cmd.Wait()
		}
	}()
	<-started
	return p
}

func (p *process) wait() error {
	<-p.done
	if p.err != nil {
		return fmt.Errorf("%w: %s", p.err, p.said)
	}
	return nil
}

func (p *process) end() {
	if p.cmd.Process != nil {
		_ = p.cmd.Process.Kill()
	}
	<-p.done
}

// ask the scheduler, or tell it something.
func (w *world) ask(method, path, token string, body, answer any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(w.t.Context(), method, "https://"+w.listen+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err = io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, raw)
	}
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(raw, answer)
}

// until something is so of the cluster; nodes are nudged to look, since at rest they report once a minute.
func (w *world) until(what string, is func(api.ClusterStatus) error) (s api.ClusterStatus) {
	w.t.Helper()
	limit := time.NewTimer(3 * time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		s = api.ClusterStatus{}
		err := w.ask(http.MethodGet, api.PathStatus, readToken, nil, &s)
		if err == nil {
			err = is(s)
		}
		if err == nil {
			return s
		}
		if w.t.Failed() {
			w.t.FailNow()
		}
		w.mu.Lock()
		for _, n := range w.nodes {
			n.nudge()
		}
		w.mu.Unlock()
		select {
		case <-tick.C:
		case <-w.brain.done:
			require.FailNow(w.t, "the scheduler ended before "+what, w.brain.said.String())
		case <-limit.C:
			w.brain.end()
			require.FailNow(w.t, "never "+what, "%v\n%+v\nthe scheduler said:\n%s", err, s, w.brain.said)
		}
	}
}
