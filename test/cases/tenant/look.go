package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Found is what worked.
type Found struct {
	UID       int
	Readable  []string       // files in places of ours or the vendor's
	Writable  []string       // files and folders there, and among the units
	Processes []string       // of others, of which environment, memory or open files can be read, or that can be signalled
	Sockets   []string       // unix sockets that take a connection
	Devices   []string       // block devices, and the vendor's, that open
	Acts      []string       // what PID 1 did for us
	Answers   map[string]int // of the scheduler, by "METHOD path": status
	Agent     map[string]int // of the node's endpoint
}

var places = []string{
	"/etc/scaleio-agent", "/var/lib/scaleio-agent", "/run/scaleio-agent", "/opt/scaleio-agent", "/var/log/scaleio-agent", "/etc/rexray", "/run/rexray", "/var/lib/rexray", "/var/log/rexray",
	"/opt/emc", "/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/etc/mesos-agent", "/var/lib/mesos", "/run/systemd/transient", "/var/log/journal", "/root",
}

func look(scheduler string) Found {
	f := Found{UID: os.Getuid(), Answers: map[string]int{}, Agent: map[string]int{}}
	for _, place := range places {
		f.files(place)
	}
	f.processes()
	f.sockets()
	f.devices()
	if f.UID != 0 { // root's would work
		f.acts()
	}
	f.scheduler(scheduler)
	f.agent()
	return f
}

func (f *Found) files(place string) {
	_ = filepath.WalkDir(place, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // closed to us: that is an answer
		}
		if entry.Type()&fs.ModeSymlink == 0 && unix.Access(path, unix.W_OK) == nil {
			f.Writable = append(f.Writable, path)
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		if file, err := os.Open(path); err == nil {
			f.Readable = append(f.Readable, path)
			_ = file.Close()
		}
		return nil
	})
}

func (f *Found) processes() {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		info, err := os.Stat(dir)
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() || f.UID != 0 && int(info.Sys().(*syscall.Stat_t).Uid) == f.UID {
			continue
		}
		comm, _ := os.ReadFile(dir + "/comm")
		name := strings.TrimSpace(string(comm))
		if text, err := os.ReadFile(dir + "/environ"); err == nil && len(text) > 0 {
			f.Processes = append(f.Processes, name+" environ")
		}
		if file, err := os.Open(dir + "/mem"); err == nil {
			_ = file.Close()
			f.Processes = append(f.Processes, name+" mem")
		}
		if _, err := os.ReadDir(dir + "/fd"); err == nil {
			f.Processes = append(f.Processes, name+" fd")
		}
		if unix.Kill(pid, 0) == nil {
			f.Processes = append(f.Processes, name+" kill")
		}
	}
}

// sockets wherever they may lie, ours also where its folder can't be listed.
func (f *Found) sockets() {
	found := []string{"/run/scaleio-agent/agent.sock", "/run/scaleio-agent/status.sock", "/run/docker/plugins/rexray.sock"}
	for _, top := range []string{"/run", "/tmp", "/var/lib"} {
		_ = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type()&fs.ModeSocket != 0 && !slices.Contains(found, path) {
				found = append(found, path)
			}
			return nil //nolint:nilerr // closed to us
		})
	}
	for _, path := range found {
		if conn, err := net.DialTimeout("unix", path, 2*time.Second); err == nil {
			_ = conn.Close()
			f.Sockets = append(f.Sockets, path)
		}
	}
}

// devices: what a folder says of the type isn't asked, a node that is bound over a file passes for a file there.
func (f *Found) devices() {
	_ = filepath.WalkDir("/dev", func(path string, _ fs.DirEntry, err error) error {
		info, problem := os.Stat(path)
		if err != nil || problem != nil || info.Mode()&fs.ModeDevice == 0 || info.Mode()&fs.ModeCharDevice != 0 && !strings.Contains(path, "scini") && !strings.HasSuffix(path, "mem") {
			return nil //nolint:nilerr // closed to us
		}
		if fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK, 0); err == nil {
			_ = unix.Close(fd)
			f.Devices = append(f.Devices, path)
		}
		return nil
	})
}

// acts that need a right of PID 1's, none of which may have been done.
func (f *Found) acts() {
	for _, argv := range [][]string{
		{"systemctl", "--no-ask-password", "stop", "scaleio-agent.service"},
		{"systemctl", "--no-ask-password", "kill", "scaleio-agent.service"},
		{"systemctl", "--no-ask-password", "set-property", "--runtime", "scaleio-agent.service", "MemoryMax=1M"},
		{"systemctl", "--no-ask-password", "set-environment", "LD_PRELOAD=/tmp/x.so"},
		{"systemctl", "--no-ask-password", "daemon-reload"},
		{"systemctl", "--no-ask-password", "stop", "sds.service"},
		{"systemd-run", "--no-ask-password", "--wait", "true"},
		{"scaleio-agent", "status", "--json"},
		{"scaleio-agent", "hold", "--author", "tenant"},
		{"scli", "--query_cluster"},
		{"mount", "--bind", "/tmp", "/opt"},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		if exec.CommandContext(ctx, argv[0], argv[1:]...).Run() == nil {
			f.Acts = append(f.Acts, strings.Join(argv, " "))
		}
		cancel()
	}
}

// anyClient takes whatever certificate it is shown, as an attacker does.
func anyClient() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // see above
}

func (f *Found) scheduler(url string) {
	client := anyClient()
	for _, path := range []string{"/", "/v1/status", "/v1/plan", "/v1/events", "/v1/tokens", "/v1/diagnosis", "/v1/backup", "/v1/explain/n1", "/v1/artifacts/aa", "/v1/artifacts/..%2f..%2fetc%2fshadow", "/metrics", "/readyz", "/healthz", "/debug/pprof/"} {
		f.Answers["GET "+path] = ask(client, http.MethodGet, url+path, "")
	}
	for _, path := range []string{"/v1/join", "/v1/renew", "/v1/report", "/v1/hold", "/v1/approve", "/v1/release", "/v1/tokens", "/v1/tokens/revoke", "/v1/nodes", "/v1/recover", "/v1/ca", "/v1/rollout", "/login"} {
		f.Answers["POST "+path] = ask(client, http.MethodPost, url+path, `{"token":"guess","author":"tenant","node":"n1"}`)
	}
}

func (f *Found) agent() {
	client := anyClient()
	for _, what := range []string{"GET /healthz", "GET /status", "GET /v1/status", "GET /debug/pprof/", "GET /../etc/shadow", "POST /healthz", "PUT /readyz", "DELETE /metrics", "POST /status"} {
		method, path, _ := strings.Cut(what, " ")
		f.Agent[what] = ask(client, method, "http://127.0.0.1:9780"+path, "")
	}
}

// ask gives the status; -1 = no answer.
func ask(client *http.Client, method, url, body string) int {
	request, err := http.NewRequest(method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return -1
	}
	answer, err := client.Do(request)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return -1
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode
}
