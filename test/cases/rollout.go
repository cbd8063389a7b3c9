package cases

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"scaleio-framework/test/nodes"
)

// An Agent on the mirror, as an operator would name it in the configuration.
type Agent struct{ URL, SHA256 string }

// BuildAgent from a main package, with what the linker sets, and put it on the mirror.
func (s *Stand) BuildAgent(ctx context.Context, name, main, set string) (Agent, error) {
	out := s.Path("mirror", "agents", name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-X main."+set, "-o", out, main)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return Agent{}, fmt.Errorf("building an agent: %w: %s", err, said)
	}
	sum, err := digestOf(out)
	return Agent{"http://" + nodes.MirrorAddress + "/agents/" + name, sum}, err
}

func digestOf(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the agent: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// Configure lays settings over the scheduler's configuration and starts it again with them.
func (s *Stand) Configure(ctx context.Context, changes map[string]any) error {
	file := filepath.Join(s.sandbox(), "scheduler.yaml")
	text, err := os.ReadFile(file)
	settings := map[string]any{}
	if err == nil {
		err = yaml.Unmarshal(text, &settings)
	}
	if err == nil {
		maps.Copy(settings, changes)
		text, err = yaml.Marshal(settings)
	}
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("changing the configuration: %w", err)
	}
	if err := s.KillProcess(ctx, "scheduler"); err != nil {
		return err
	}
	return s.StartScheduler(ctx)
}
