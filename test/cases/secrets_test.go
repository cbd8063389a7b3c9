//go:build nodes

package cases_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// noSecrets looks for every secret of a running cluster where anybody but its user could find it: arguments and environments of all processes,
// now and over the whole run, journals and logs, units, Mesos' state, sandboxes, the store, what people and probes are shown, and files that others
// may read. It changes nothing, and never prints a secret.
func noSecrets(t *testing.T, s *cases.Stand, w *witness) {
	h := &hunt{t: t, stand: s, secrets: map[string]string{}}
	h.gather()
	h.processes()
	texts, looks := w.seen(h.in)
	require.Greater(t, texts, 200, "command lines and environments")
	t.Logf("over the whole run %d texts of processes and units, of %d looks", texts, looks)
	h.logs()
	h.scheduler()
	h.mesos()
	h.shown()
	for _, node := range s.Nodes() {
		h.units(node)
		h.runtime(node)
		h.files(node)
	}
	require.Greater(t, h.looked, 100, "places looked at")
	require.Contains(t, h.found, "volume user's password", "it is where it belongs, so the search can find")
	t.Logf("%d secrets, %d places", len(h.secrets), h.looked)
}

// hunt is one search.
type hunt struct {
	t       *testing.T
	stand   *cases.Stand
	secrets map[string]string // what it is -> text
	looked  int
	found   []string
}

// in fails the test for each secret in a text but those allowed there. It names them, no more.
func (h *hunt) in(where string, text []byte, allowed ...string) {
	h.t.Helper()
	h.looked++
	for what, secret := range h.secrets {
		if bytes.Contains(text, []byte(secret)) && !slices.Contains(allowed, what) {
			h.t.Errorf("the %s is in %s", what, where)
		}
	}
}

var (
	madePasswords = regexp.MustCompile(`"(gatewayAdmin|volumeUser)":"([^"]+)"`)
	authorityKey  = regexp.MustCompile(`BEGIN PRIVATE KEY-----\\n([^\\]+)\\n`)
	nodeKey       = regexp.MustCompile(`BEGIN EC PRIVATE KEY-----\n([^\n]+)\n`)
)

// gather the secrets from where they belong.
func (h *hunt) gather() {
	for _, name := range []string{"admin-password", "operator-token", "read-token", "mesos-secret", "user-secret"} {
		text, err := os.ReadFile(h.stand.Path("secrets", name))
		require.NoError(h.t, err)
		h.secrets[name] = strings.TrimSpace(string(text))
	}
	h.secrets["login of the admin"] = base64.StdEncoding.EncodeToString([]byte("admin:" + h.secrets["admin-password"]))
	store, err := os.ReadFile(h.stand.Path("state", "state.db"))
	require.NoError(h.t, err)
	for _, m := range madePasswords.FindAllSubmatch(store, -1) {
		name := map[string]string{"gatewayAdmin": "gateway's password", "volumeUser": "volume user's password"}[string(m[1])]
		h.secrets[name] = string(m[2])
	}
	if m := authorityKey.FindSubmatch(store); assert.NotNil(h.t, m, "the CA's key") {
		h.secrets["CA's key"] = string(m[1])
	}
	for _, node := range h.stand.Nodes() {
		key, err := node.ReadFile("/var/lib/scaleio-agent/node.key")
		require.NoError(h.t, err)
		m := nodeKey.FindSubmatch(key)
		require.NotNil(h.t, m)
		h.secrets["key of "+node.Name] = string(m[1])
	}
	require.Len(h.t, h.secrets, 6+2+1+len(h.stand.Nodes()))
	for what, secret := range h.secrets {
		require.Greater(h.t, len(secret), 8, what)
	}
}

// processes of this machine: nodes, scheduler and stand-ins are all among them.
func (h *hunt) processes() {
	seen, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(h.t, err)
	for _, dir := range seen {
		comm, _ := os.ReadFile(dir + "/comm")
		for _, file := range []string{"cmdline", "environ"} {
			if text, err := os.ReadFile(dir + "/" + file); err == nil { // else it has ended
				h.in(file+" of a process "+strings.TrimSpace(string(comm)), text)
			}
		}
	}
}

func (h *hunt) logs() {
	for _, node := range h.stand.Nodes() {
		text, err := node.Journal(h.t.Context())
		require.NoError(h.t, err)
		require.Contains(h.t, text, "scaleio-agent")
		h.in("the journal of "+node.Name, []byte(text))
	}
	logs, err := filepath.Glob(h.stand.Path("log", "*"))
	require.NoError(h.t, err)
	require.NotEmpty(h.t, logs)
	for _, path := range logs {
		text, err := os.ReadFile(path)
		require.NoError(h.t, err)
		h.in(path, text)
	}
}

// scheduler: its sandbox, which Mesos shows to whoever may look at it, and its store. What others made stays theirs: of all secrets only those that the
// scheduler made itself are in the store, and nobody else may read it.
func (h *hunt) scheduler() {
	top := h.stand.Path("sandbox")
	files := 0
	require.NoError(h.t, filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && len(text) < 4<<20 {
			files++
			h.in("the scheduler's sandbox: "+strings.TrimPrefix(path, top), text)
		}
		return err
	}))
	require.Positive(h.t, files)
	store := h.stand.Path("state", "state.db")
	info, err := os.Stat(store)
	require.NoError(h.t, err)
	assert.Zero(h.t, info.Mode().Perm()&0o077, "others may read the store (%s)", info.Mode())
	text, err := os.ReadFile(store)
	require.NoError(h.t, err)
	for what, secret := range h.secrets {
		if !slices.Contains([]string{"gateway's password", "volume user's password", "CA's key"}, what) {
			assert.False(h.t, bytes.Contains(text, []byte(secret)), "the %s is in the store", what)
		}
	}
	h.looked++
}

// ask over the cluster's network.
func (h *hunt) ask(url, user, password string) []byte {
	transport := &http.Transport{DialContext: h.stand.Dial}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, url, nil)
	require.NoError(h.t, err)
	if user != "" {
		request.SetBasicAuth(user, password)
	}
	answer, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(request)
	require.NoError(h.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(h.t, err)
	return text
}

// mesos shows its state to all users, and each task's sandbox.
func (h *hunt) mesos() {
	state := h.ask("http://"+nodes.Gateway+":5050/state", "first-user", h.secrets["user-secret"])
	require.Contains(h.t, string(state), "scaleio-agent-")
	h.in("Mesos' state", state)
	for _, node := range h.stand.Nodes() {
		state := h.ask("http://"+node.Address+":5051/state", "", "")
		require.Contains(h.t, string(state), "scaleio-agent-")
		h.in("the state of the Mesos agent of "+node.Name, state)
	}
}

// shown to people and probes.
func (h *hunt) shown() {
	status, err := h.stand.Status(h.t.Context())
	require.NoError(h.t, err)
	text, err := json.Marshal(status)
	require.NoError(h.t, err)
	h.in("the status", text)
	for _, node := range h.stand.Nodes() {
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			h.in(path+" of "+node.Name, h.ask("http://"+node.Address+":9780"+path, "", ""))
		}
		result, err := node.Run(h.t.Context(), "scaleio-agent", "status", "--json")
		require.NoError(h.t, err)
		require.Contains(h.t, result.Stdout, `"conditions"`, result.Stderr)
		h.in("scaleio-agent status of "+node.Name, []byte(result.Stdout+result.Stderr))
	}
}

// units: their properties can be read by any local user.
func (h *hunt) units(node *nodes.Node) {
	text, err := node.Output(h.t.Context(), "systemctl", "show", "*")
	require.NoError(h.t, err)
	h.in("the units of "+node.Name, []byte(text))
}

// runtime files end with the boot; of the installation's secrets none may be left.
func (h *hunt) runtime(node *nodes.Node) {
	list, err := node.Output(h.t.Context(), "find", "/run", "/tmp", "/dev/shm", "-xdev", "-type", "f", "-size", "-4096k")
	require.NoError(h.t, err)
	for _, path := range strings.Fields(list) {
		if text, err := node.ReadFile(path); err == nil {
			h.in(node.Name+":"+path, text)
		}
	}
	list, err = node.Output(context.WithoutCancel(h.t.Context()), "find", "/run/scaleio-agent", "-name", "*.env")
	require.NoError(h.t, err)
	assert.Empty(h.t, list, "environment files of installations that are over")
}

// own files of a secret, which only root reads. What the vendor's programs keep is theirs, but closed too.
var own = map[string]string{"/etc/rexray/config.yml": "volume user's password", "/var/lib/scaleio-agent/node.key": "key of "}

const vendor = "/opt/emc/"

// files that were written on the node since it was made: sandboxes, logs and configuration among them.
func (h *hunt) files(node *nodes.Node) {
	top := h.stand.Path("nodes", node.Name, "upper")
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil //nolint:nilerr // it is gone
		}
		info, err := entry.Info()
		if err != nil || info.Size() > 4<<20 { // packages, binaries, the journal, which was read
			return nil //nolint:nilerr // it is gone
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil //nolint:nilerr // it is gone
		}
		h.looked++
		h.file(node.Name, strings.TrimPrefix(path, top), info.Mode(), text)
		return nil
	})
	require.NoError(h.t, err)
}

func (h *hunt) file(node, path string, mode fs.FileMode, text []byte) {
	for what, secret := range h.secrets {
		if !bytes.Contains(text, []byte(secret)) {
			continue
		}
		h.found = append(h.found, what)
		allowed := strings.HasPrefix(path, vendor) || own[path] != "" && strings.HasPrefix(what, own[path])
		assert.True(h.t, allowed, "the %s is in %s:%s", what, node, path)
		assert.Zero(h.t, mode.Perm()&0o077, "others may read %s:%s (%s)", node, path, mode)
	}
}
