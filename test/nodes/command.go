package nodes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// searchPath is what commands of the host and of the nodes are looked up in: a
// plain `su` leaves the sbin directories out.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Result is how a command ended.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// execute runs a command of the host to its end. An exit status other than 0 is a
// Result; an error means that it couldn't run or was cut short.
func execute(ctx context.Context, stdin io.Reader, argv ...string) (Result, error) {
	cmd := command(ctx, argv...)
	cmd.Stdin = stdin
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	result := Result{Stdout: out.String(), Stderr: errs.String()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return result, fmt.Errorf("running %q: %w", strings.Join(argv, " "), context.Cause(ctx))
	case errors.As(err, &exit) && exit.Exited():
		result.Code = exit.ExitCode()
	case err != nil:
		return result, fmt.Errorf("running %q: %w", strings.Join(argv, " "), err)
	}
	return result, nil
}

// output is execute for a command that must succeed.
func output(ctx context.Context, argv ...string) (string, error) {
	return outputFrom(ctx, nil, argv...)
}

func outputFrom(ctx context.Context, stdin io.Reader, argv ...string) (string, error) {
	result, err := execute(ctx, stdin, argv...)
	if err != nil {
		return result.Stdout, err
	}
	return result.Stdout, result.mustSucceed(argv)
}

func (r Result) mustSucceed(argv []string) error {
	if r.Code == 0 {
		return nil
	}
	said := strings.TrimSpace(r.Stderr)
	if said == "" {
		said = strings.TrimSpace(r.Stdout)
	}
	return fmt.Errorf("running %q: exit status %d: %s", strings.Join(argv, " "), r.Code, said)
}

func command(ctx context.Context, argv ...string) *exec.Cmd {
	path := argv[0]
	if found, err := lookPath(argv[0]); err == nil {
		path = found
	}
	cmd := exec.CommandContext(ctx, path, argv[1:]...)
	cmd.Env = []string{searchPath, "HOME=/root", "LC_ALL=C.UTF-8"}
	return cmd
}

func lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range strings.Split(strings.TrimPrefix(searchPath, "PATH="), ":") {
		if info, err := os.Stat(dir + "/" + name); err == nil && info.Mode()&0o111 != 0 {
			return dir + "/" + name, nil
		}
	}
	return "", fmt.Errorf("looking for the command %q: %w", name, exec.ErrNotFound)
}
