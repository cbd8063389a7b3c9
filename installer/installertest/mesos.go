package installertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"

	"scaleio-framework/installer"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
)

// A MesosAgent reads its flags from files when it starts.
type MesosAgent struct {
	Unit     string
	Folder   string
	KillMode string
	ID       string
	// Refuses says with which flags it doesn't come up; nil = with any.
	Refuses func(flags map[string]string) bool
	// Restarted is told after a start that isn't the first: it may lose tasks or change the id.
	Restarted func(*MesosAgent)

	mu         sync.Mutex
	running    bool
	starts     int
	flags      map[string]string
	frameworks []Framework
}

// A Framework that runs tasks on the Mesos agent.
type Framework struct {
	ID         string
	Checkpoint bool
	Tasks      []string
	Finished   []string
}

// InstallMesos puts a running Mesos agent on the node. Flags are the files in its folder.
func (n *Node) InstallMesos(flags map[string]string, frameworks ...Framework) *MesosAgent {
	n.Mesos = &MesosAgent{Unit: "mesos-agent.service", Folder: "/etc/mesos-agent", KillMode: "process", ID: "agent-1", frameworks: frameworks}
	n.Files.Set(n.Mesos.Folder+"/work_dir", "/var/lib/mesos\n", 0o644)
	for name, value := range flags {
		n.Files.Set(n.Mesos.Folder+"/"+name, value+"\n", 0o640)
	}
	n.Run(n.Mesos.Unit)
	return n.Mesos
}

// Set its frameworks.
func (m *MesosAgent) Set(frameworks ...Framework) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frameworks = frameworks
}

// Starts counts them.
func (m *MesosAgent) Starts() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.starts
}

// Flags of the running agent.
func (m *MesosAgent) Flags() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.flags)
}

func (m *MesosAgent) start(n *Node) error {
	flags := map[string]string{"isolation": "posix/cpu,posix/mem", "docker_volume_checkpoint_dir": "/var/run/mesos/isolators/docker/volume"}
	for file, value := range n.Files.Tree(m.Folder) {
		flags[strings.TrimPrefix(file, m.Folder+"/")] = strings.TrimSpace(value)
	}
	m.mu.Lock()
	m.starts++
	again := m.starts > 1
	m.flags, m.running = flags, m.Refuses == nil || !m.Refuses(flags)
	running := m.running
	m.mu.Unlock()
	if !running {
		return errors.New("the Mesos agent refuses its flags")
	}
	if again && m.Restarted != nil {
		m.Restarted(m)
	}
	return nil
}

func (m *MesosAgent) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = false
}

func (m *MesosAgent) state() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.running {
		return nil, errors.New("connection refused")
	}
	tasks := func(ids []string, state string) []map[string]string {
		var list []map[string]string
		for _, id := range ids {
			list = append(list, map[string]string{"id": id, "state": state})
		}
		return list
	}
	var frameworks []any
	for _, f := range m.frameworks {
		frameworks = append(frameworks, map[string]any{"id": f.ID, "name": "framework " + f.ID, "checkpoint": f.Checkpoint,
			"executors": []any{map[string]any{"tasks": tasks(f.Tasks, "TASK_RUNNING"), "completed_tasks": tasks(f.Finished, "TASK_FINISHED")}}})
	}
	return json.Marshal(map[string]any{"id": m.ID, "flags": m.flags, "frameworks": frameworks})
}

// Ask answers for the daemons of the node and for the gateways of all nodes.
func (n *Node) Ask(_ context.Context, q installer.Question) (answer []byte, err error) {
	err = n.Cutter.Do("ask "+q.Socket+q.URL, func() error {
		answer, err = n.answer(q)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func (n *Node) answer(q installer.Question) ([]byte, error) {
	u, err := url.Parse(q.URL)
	if err != nil {
		return nil, err
	}
	switch {
	case q.Socket != "":
		if _, there := n.file(q.Socket); !there || !n.up("rexray.service") {
			return nil, fmt.Errorf("%s: %w", q.Socket, platform.ErrNotFound)
		}
		return []byte(`{"Implements":["VolumeDriver"]}`), nil
	case u.Path == "/state" && n.Mesos != nil && u.Host == "127.0.0.1:5051":
		return n.Mesos.state()
	case u.Path == "/api/version":
		return n.gatewayVersion(u.Hostname(), string(q.Roots))
	}
	return nil, errors.New("connection refused")
}

func (n *Node) gatewayVersion(host, roots string) ([]byte, error) {
	at := n
	if host != "127.0.0.1" {
		at = n.Product.node(host)
	}
	if at == nil || !at.up(scaleio.UnitGateway) {
		return nil, errors.New("connection refused")
	}
	at.mu.Lock()
	defer at.mu.Unlock()
	switch {
	case at.gatewayOut:
		return nil, errors.New("connection timed out")
	case roots != certificate("gateway", at.IP):
		return nil, errors.New("x509: certificate signed by unknown authority")
	}
	return []byte(`"3.6"`), nil
}
