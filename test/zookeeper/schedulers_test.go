//go:build nodes

package zookeeper_test

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
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/zookeeper"
	"scaleio-framework/test/mesos"
)

const (
	readToken = "read-token-of-the-test"
	manifest  = `{"version":"3.6","packages":[{"component":"sdc","version":"3.6","os":"ubuntu22.04","format":"deb","url":"http://127.0.0.1:1/sdc.deb","size":1,"sha256":"%s"}]}`
)

// process is one scheduler, as Marathon would start it on a host of its own.
type process struct {
	*exec.Cmd
	t     *testing.T
	url   string
	out   bytes.Buffer
	ended chan error
}

func (e *ensemble) scheduler(mesos string) *process {
	e.t.Helper()
	dir := e.t.TempDir()
	for name, text := range map[string]string{
		"auth": secret.Reveal(), "key": strings.Repeat("0123456789abcdef", 4), "read": readToken, "operator": "operator-token-of-the-test", "admin": "Sio1-of-the-test",
		"manifest.json": fmt.Sprintf(manifest, strings.Repeat("0", 64)),
	} {
		require.NoError(e.t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	address := fmt.Sprintf("127.0.0.1:%d", freePorts(e.t, 1))
	binary, err := filepath.Abs("../../build/scaleio-scheduler")
	require.NoError(e.t, err)
	p := &process{t: e.t, url: "https://" + address, ended: make(chan error, 1)}
	p.Cmd = exec.Command(binary, "run", "--mesos-masters", mesos, "--listen", address, "--public-urls", p.url, "--state", e.url(), "--zk-session", session.String(),
		"--zk-auth-file", "auth", "--state-key-file", "key", "--read-token-file", "read", "--operator-token-file", "operator", "--admin-password-file", "admin",
		"--manifest", "manifest.json", "--agent-url", "http://127.0.0.1:1/agent", "--agent-sha256", strings.Repeat("0", 64), "--state-dir", "state")
	p.Dir, p.Stdout, p.Stderr = dir, &p.out, &p.out
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(e.t, p.Start())
	exited := make(chan struct{})
	go func() { p.ended <- p.Wait(); close(exited) }()
	e.t.Cleanup(func() {
		_ = p.Process.Kill()
		<-exited
		if e.t.Failed() {
			e.t.Logf("%s said:\n%s", p.url, p.out.String())
		}
	})
	return p
}

func (p *process) get(path string) (int, string) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+path, nil)
	require.NoError(p.t, err)
	request.Header.Set("Authorization", "Bearer "+readToken)
	answer, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body)
}

func (p *process) until(status int, text string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		is, body := p.get(api.PathReadyz)
		if is == status && strings.Contains(body, text) {
			return
		}
		select {
		case <-ctx.Done():
			require.Failf(p.t, "not in time", "%d %s", is, body)
		case <-tick.C:
		}
	}
}

func (p *process) framework() (status api.ClusterStatus) {
	p.t.Helper()
	is, body := p.get(api.PathStatus)
	require.Equal(p.t, http.StatusOK, is, body)
	require.NoError(p.t, json.Unmarshal([]byte(body), &status))
	return status
}

// Two schedulers are alive, and one acts: the first is frozen past its session, the second goes on as the same framework, and the first does no harm when it
// wakes up. The Mesos master is found in ZooKeeper as well.
func TestReal_twoSchedulersAndOneActs(t *testing.T) {
	e := start(t, 1)
	master := httptest.NewServer(mesos.NewMaster(mesos.Config{}).Handler())
	t.Cleanup(master.Close) // after the schedulers, which hold streams open
	at, err := url.Parse(master.URL)
	require.NoError(t, err)
	conn, err := zookeeper.Dial(zookeeper.Options{Servers: []string{e.servers[0].Address}, Session: session, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer conn.Close()
	host, port, err := net.SplitHostPort(at.Host)
	require.NoError(t, err)
	info := fmt.Sprintf(`{"address":{"ip":%q,"port":%s}}`, host, port)
	require.NoError(t, conn.Multi(t.Context(), zookeeper.Op{Kind: zookeeper.Create, Path: "/mesos", ACL: zookeeper.OpenACL()},
		zookeeper.Op{Kind: zookeeper.CreateEphemeral, Path: "/mesos/json.info_0000000007", Data: []byte(info), ACL: zookeeper.OpenACL()}))
	masters := zookeeper.Scheme + e.servers[0].Address + "/mesos"

	first := e.scheduler(masters)
	first.until(http.StatusOK, "ready")
	was := first.framework()
	second := e.scheduler(masters)
	second.until(http.StatusServiceUnavailable, "standby")

	frozen := time.Now()
	require.NoError(t, first.Process.Signal(syscall.SIGSTOP))
	second.until(http.StatusOK, "ready")
	t.Logf("frozen to subscribed elsewhere: %v with a session of %v", time.Since(frozen), session)
	is := second.framework()
	assert.Equal(t, was.Cluster, is.Cluster)
	assert.Equal(t, was.Framework, is.Framework)

	require.NoError(t, first.Process.Signal(syscall.SIGCONT))
	select {
	case err := <-first.ended:
		require.Error(t, err, "it must not end as if all were well")
	case <-time.After(20 * time.Second):
		t.Fatal("the first scheduler goes on")
	}
	second.until(http.StatusOK, "ready")
	assert.Equal(t, is.Framework, second.framework().Framework)
}
