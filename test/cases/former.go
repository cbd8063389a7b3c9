package cases

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"scaleio-framework/test/before"
)

// ours are the two programs that differ between versions; all else of a stand is a stand-in.
var ours = map[string]string{
	"scaleio-scheduler": "./scheduler/cmd/scaleio-scheduler",
	"scaleio-agent":     "./agent/cmd/scaleio-agent",
}

// BuildFormer gives a folder like build, but with the two programs of the version before.
func BuildFormer(ctx context.Context, top, build, dir string) (former string, err error) {
	tree, err := before.Tree(ctx, top, dir)
	if err != nil {
		return "", err
	}
	former = filepath.Join(dir, "build")
	build, err = filepath.Abs(build)
	if err == nil {
		err = os.Mkdir(former, 0o755)
	}
	if err != nil {
		return "", fmt.Errorf("building the version before: %w", err)
	}
	for program, main := range ours {
		if err := before.Build(ctx, tree, filepath.Join(former, program), main); err != nil {
			return "", err
		}
	}
	made, err := os.ReadDir(build)
	for _, entry := range made {
		if _, differs := ours[entry.Name()]; err == nil && !differs {
			err = os.Symlink(filepath.Join(build, entry.Name()), filepath.Join(former, entry.Name()))
		}
	}
	return former, err
}

// ReplaceScheduler by that of another build: it finds configuration and state of the one before.
func (s *Stand) ReplaceScheduler(ctx context.Context, build string) error {
	if err := s.KillProcess(ctx, "scheduler"); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(s.sandbox(), "scaleio-scheduler")); err != nil {
		return fmt.Errorf("replacing the scheduler: %w", err)
	}
	if err := copyInto(filepath.Join(build, "scaleio-scheduler"), s.sandbox()); err != nil {
		return err
	}
	return s.StartScheduler(ctx)
}

// AgentOf a build, as the stand's first configuration names it.
func AgentOf(build string) (Agent, error) {
	sum, err := digestOf(filepath.Join(build, "scaleio-agent"))
	return Agent{agentURL, sum}, err
}
