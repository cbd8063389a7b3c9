package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"scaleio-framework/scheduler/api"
)

// Local is what `scaleio-agent status` shows on the node: more than the network may read.
type Local struct {
	Node       api.Identity     `json:"node"`
	Cluster    string           `json:"cluster,omitempty"`
	Role       api.Role         `json:"role"`
	Generation int64            `json:"generation"`
	Ready      bool             `json:"ready"`
	Step       string           `json:"step,omitempty"`
	Leader     bool             `json:"leader"`
	Held       string           `json:"held,omitempty"`
	HeldBy     string           `json:"heldBy,omitempty"` // who put the scheduler's hold
	Scheduler  string           `json:"scheduler"`
	Conditions []api.Condition  `json:"conditions"`
	Disks      []api.Disk       `json:"disks,omitempty"`
	Intents    []api.Intent     `json:"intents,omitempty"`
	Leading    []api.Condition  `json:"leading,omitempty"`
	Storage    *api.StorageView `json:"storage,omitempty"`

	Version string             `json:"version"` // of the agent
	Binary  *api.RunningBinary `json:"binary,omitempty"`
}

// serveSocket answers local people over a unix socket. Only root may: the kernel says who calls (SO_PEERCRED).
func (a *Agent) serveSocket(ctx context.Context) error {
	if err := os.Remove(a.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the old status socket: %w", err)
	}
	listener, err := net.Listen("unix", a.Socket)
	if err != nil {
		return fmt.Errorf("listening for `scaleio-agent status`: %w", err)
	}
	if err := os.Chmod(a.Socket, 0o600); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a.local())
	})
	return serveUntil(ctx, rootOnly{listener}, mux)
}

func (a *Agent) local() Local {
	held, author, _ := a.brake.heldBy()
	_, leading := a.leases.Left(api.LeaseLeader)
	a.mu.Lock()
	defer a.mu.Unlock()
	local := Local{Node: a.Identity, Ready: a.readyLocked(), Step: a.seen.result.First, Leader: leading, Held: held, HeldBy: author, Scheduler: "reachable",
		Conditions: a.conditionsLocked(), Disks: a.seen.observed.Disks, Intents: a.seen.observed.Intents, Leading: a.seen.leading, Storage: a.answer.storage, Version: a.Version, Binary: a.runningLocked()}
	if a.answer.away != nil {
		local.Scheduler = a.answer.away.Error()
	}
	if spec := a.kept.Spec; spec != nil {
		local.Cluster, local.Role, local.Generation = spec.Version.Cluster, spec.Role, spec.Version.Generation
	}
	return local
}

// rootOnly closes connections of anybody else.
type rootOnly struct{ net.Listener }

func (l rootOnly) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if peerIsRoot(conn) {
			return conn, nil
		}
		_ = conn.Close()
	}
}

func peerIsRoot(conn net.Conn) bool {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return false
	}
	allowed := false
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		allowed = err == nil && (cred.Uid == 0 || cred.Uid == uint32(os.Getuid()))
	})
	return err == nil && allowed
}

// AskStatus asks the daemon on this machine.
func AskStatus(ctx context.Context, socket string) (Local, error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}
	client := http.Client{Timeout: 5 * time.Second, Transport: transport}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/status", nil)
	if err != nil {
		return Local{}, err
	}
	response, err := client.Do(request)
	if err != nil {
		return Local{}, fmt.Errorf("asking the agent over %s (is %s running? are you root?): %w", socket, Unit, err)
	}
	defer response.Body.Close()
	var local Local
	if err := json.NewDecoder(response.Body).Decode(&local); err != nil {
		return Local{}, fmt.Errorf("reading the agent's answer: %w", err)
	}
	return local, nil
}
