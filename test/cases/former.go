package cases

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed version-before
var versionBefore string

// VersionBefore is the commit of the version before this one.
func VersionBefore() string {
	for line := range strings.Lines(versionBefore) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return ""
}

// ours are the two programs that differ between versions; all else of a stand is a stand-in.
var ours = map[string]string{
	"scaleio-scheduler": "./scheduler/cmd/scaleio-scheduler",
	"scaleio-agent":     "./agent/cmd/scaleio-agent",
}

// BuildFormer gives a folder like build, but with the two programs of the version before, built as `make build` does from the history of the repository at top.
func BuildFormer(ctx context.Context, top, build, dir string) (former string, err error) {
	commit, tree := VersionBefore(), filepath.Join(dir, "tree")
	if err := said(ctx, top, "git", "clone", "--quiet", "--shared", "--no-checkout", ".", tree); err != nil {
		return "", fmt.Errorf("getting at the version before: %w", err)
	}
	if err := said(ctx, tree, "git", "checkout", "--quiet", "--detach", commit); err != nil {
		return "", fmt.Errorf("this clone doesn't have the version before, %.12s; if it is shallow, `git fetch --unshallow` brings it: %w", commit, err)
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
		if err := said(ctx, tree, "go", "build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(former, program), main); err != nil {
			return "", fmt.Errorf("building the version before: %w", err)
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

// said runs a command in a folder; its error has what was said.
func said(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
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
