package before

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed version
var version string

// ErrNoHistory: this isn't a clone, or one that lacks the version before.
var ErrNoHistory = errors.New("the repository's history: in a shallow clone `git fetch --unshallow` brings it")

// Commit of the version before.
func Commit() string {
	for line := range strings.Lines(version) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return ""
}

// Tree is the version before in a new folder below dir, from the history of the repository at top.
func Tree(ctx context.Context, top, dir string) (tree string, err error) {
	tree = filepath.Join(dir, "tree")
	if err := run(ctx, top, "git", "clone", "--quiet", "--shared", "--no-checkout", ".", tree); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoHistory, err)
	}
	if err := run(ctx, tree, "git", "checkout", "--quiet", "--detach", Commit()); err != nil {
		return "", fmt.Errorf("%w: %.12s isn't here: %w", ErrNoHistory, Commit(), err)
	}
	return tree, nil
}

// Build a main package of a tree as `make build` does; set is what the linker sets, if anything.
func Build(ctx context.Context, tree, out, main string, set ...string) error {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-o", out}
	for _, s := range set {
		args = append(args, "-ldflags", "-X main."+s)
	}
	if err := run(ctx, tree, "go", append(args, main)...); err != nil {
		return fmt.Errorf("building %s: %w", main, err)
	}
	return nil
}

// run a command in a folder; its error has what was said.
func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}
