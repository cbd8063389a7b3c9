package cases

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"

	"scaleio-framework/test/nodes"
)

// IntruderPath is where nodes have the attacker's program.
const IntruderPath = "/usr/local/bin/tenant"

// InstallIntruder puts the attacker's program (test/cases/tenant) on nodes.
func (s *Stand) InstallIntruder(ctx context.Context, on ...*nodes.Node) error {
	out := s.Path("bin", "tenant")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, "scaleio-framework/test/cases/tenant")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the attacker's program: %w: %s", err, said)
	}
	program, err := os.ReadFile(out)
	if err != nil {
		return fmt.Errorf("building the attacker's program: %w", err)
	}
	for _, node := range on {
		if err := node.WriteFile(IntruderPath, program, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// Intrude runs the attacker's program in a task of the first user's framework on a node, as a user without rights, and reads what it found.
func (s *Stand) Intrude(ctx context.Context, node *nodes.Node, into any, args ...string) error {
	u, err := s.user()
	if err != nil {
		return err
	}
	t := task{name: "tenant-" + strings.ToLower(rand.Text()), host: node.Name, command: strings.Join(append([]string{IntruderPath}, args...), " "), user: "nobody", memory: 512}
	if err := u.run(ctx, t); err != nil {
		return err
	}
	files, err := node.Output(ctx, "find", "/var/lib/mesos/slaves", "-type", "f", "-path", "*/executors/"+t.name+".*/runs/*/stdout")
	if err != nil {
		return err
	}
	text, err := node.ReadFile(path.Clean(strings.TrimSpace(files)))
	if err != nil {
		return err
	}
	at := bytes.IndexByte(text, '{')
	if err := json.NewDecoder(bytes.NewReader(text[max(at, 0):])).Decode(into); err != nil {
		return fmt.Errorf("reading what the task on %s found: %w: %.500s", node.Name, err, text)
	}
	return nil
}

// SchedulerAddress is where the scheduler listens now, HOST:PORT.
func (s *Stand) SchedulerAddress() string { return cmp.Or(s.scheduler, schedulerAddress) }
