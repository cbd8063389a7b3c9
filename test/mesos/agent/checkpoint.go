package agent

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gogo/protobuf/proto"
	"github.com/google/renameio/v2"
	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

// identity is what makes an agent the same one after a restart: as Mesos, it
// keeps its id as long as attributes and resources stay as they were.
type identity struct {
	ID         string
	Hostname   string
	Attributes string
	Resources  string
}

// meta is the directory of checkpoints, laid out as Mesos':
//
//	meta/boot_id
//	meta/slaves/latest -> <agent id>
//	meta/slaves/<agent id>/slave.info
//	meta/slaves/<agent id>/frameworks/<framework>/executors/<executor>/runs/<container>/
type meta struct{ dir string }

func metaOf(workDir string) meta { return meta{filepath.Join(workDir, "meta")} }

func (m meta) latest() string { return filepath.Join(m.dir, "slaves", "latest") }

func (m meta) agentDir(id string) string { return filepath.Join(m.dir, "slaves", id) }

func (m meta) runDir(agent, framework, executor, container string) string {
	return filepath.Join(m.agentDir(agent), "frameworks", framework, "executors", executor, "runs", container)
}

// readIdentity returns nil for a new work_dir.
func (m meta) readIdentity() (*identity, error) {
	data, err := os.ReadFile(filepath.Join(m.latest(), "slave.info"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("recovering the agent's id: %w", err)
	}
	var id identity
	if err := json.Unmarshal(data, &id); err != nil {
		return nil, fmt.Errorf("recovering the agent's id: %w", err)
	}
	return &id, nil
}

func (m meta) writeIdentity(id identity) error {
	data, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("checkpointing the agent's id: %w", err)
	}
	if err := os.MkdirAll(m.agentDir(id.ID), 0o755); err != nil {
		return fmt.Errorf("checkpointing the agent's id: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(m.agentDir(id.ID), "slave.info"), data, 0o600); err != nil {
		return fmt.Errorf("checkpointing the agent's id: %w", err)
	}
	if err := renameio.Symlink(id.ID, m.latest()); err != nil {
		return fmt.Errorf("checkpointing the agent's id: %w", err)
	}
	return nil
}

// rebooted says whether the machine has booted since the last start, and
// remembers this boot.
func (m meta) rebooted() (bool, error) {
	now, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return false, fmt.Errorf("reading the boot id: %w", err)
	}
	// A container shares the kernel's boot id; its own init tells its boots apart.
	started, err := initStart()
	if err != nil {
		return false, err
	}
	current := strings.TrimSpace(string(now)) + " " + started
	path := filepath.Join(m.dir, "boot_id")
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("reading the last boot id: %w", err)
	}
	if string(before) == current {
		return false, nil
	}
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return false, fmt.Errorf("checkpointing the boot id: %w", err)
	}
	return before != nil, renameio.WriteFile(path, []byte(current), 0o600)
}

// initStart is the start time of process 1 in clock ticks since the kernel's boot.
func initStart() (string, error) {
	data, err := os.ReadFile("/proc/1/stat")
	if err != nil {
		return "", fmt.Errorf("reading the start of init: %w", err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	const startTime = 19 // field 22 of proc(5), counted after the name
	if len(fields) <= startTime {
		return "", fmt.Errorf("reading the start of init: %d fields", len(fields))
	}
	return fields[startTime], nil
}

// run is a container's checkpoint.
type run struct {
	FrameworkID string
	TaskID      string
	ContainerID string
	Sandbox     string
	Cgroup      string
	PID         int
	Role        string
	Framework   []byte
	Task        []byte
}

func writeRun(dir string, r run) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("checkpointing task %s: %w", r.TaskID, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("checkpointing task %s: %w", r.TaskID, err)
	}
	if err := renameio.WriteFile(filepath.Join(dir, "run.info"), data, 0o600); err != nil {
		return fmt.Errorf("checkpointing task %s: %w", r.TaskID, err)
	}
	return nil
}

// runs finds the checkpointed containers of an agent.
func (m meta) runs(agent string) (map[string]run, error) {
	paths, err := filepath.Glob(m.runDir(agent, "*", "*", "*") + "/run.info")
	if err != nil {
		return nil, fmt.Errorf("looking for checkpointed tasks: %w", err)
	}
	found := map[string]run{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading a checkpointed task: %w", err)
		}
		var r run
		if err := json.Unmarshal(data, &r); err != nil {
			return nil, fmt.Errorf("reading the checkpointed task %s: %w", path, err)
		}
		found[filepath.Dir(path)] = r
	}
	return found, nil
}

// The log of a task's updates: one line each, "update <base64>" for a status
// or "ack <base64>" for a uuid.
const updatesFile = "task.updates"

func logUpdate(dir string, status v1.TaskStatus) error {
	data, err := proto.Marshal(&status)
	if err != nil {
		return fmt.Errorf("checkpointing an update: %w", err)
	}
	return appendLine(dir, "update", data)
}

func logAck(dir string, uuid []byte) error { return appendLine(dir, "ack", uuid) }

func appendLine(dir, kind string, data []byte) error {
	f, err := os.OpenFile(filepath.Join(dir, updatesFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("checkpointing an update: %w", err)
	}
	defer func() { _ = f.Close() }()
	if _, err := fmt.Fprintf(f, "%s %s\n", kind, base64.StdEncoding.EncodeToString(data)); err != nil {
		return fmt.Errorf("checkpointing an update: %w", err)
	}
	return f.Sync()
}

// readUpdates returns a task's updates and the uuids that were acknowledged. A
// last line cut short by a crash is passed over.
func readUpdates(dir string) (statuses []v1.TaskStatus, acked map[string]bool, err error) {
	acked = map[string]bool{}
	f, err := os.Open(filepath.Join(dir, updatesFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, acked, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading checkpointed updates: %w", err)
	}
	defer func() { _ = f.Close() }()
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		kind, text, _ := strings.Cut(scanner.Text(), " ")
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			break
		}
		var status v1.TaskStatus
		switch {
		case kind == "ack":
			acked[string(data)] = true
		case kind == "update" && proto.Unmarshal(data, &status) == nil:
			statuses = append(statuses, status)
		}
	}
	return statuses, acked, scanner.Err()
}
