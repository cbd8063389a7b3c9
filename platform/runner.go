package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
)

const (
	// commandPath has sbin: the environment of a Mesos task or of a unit often hasn't.
	commandPath    = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	commandTimeout = time.Minute
	// maxOutput of one stream: more is an error, as a cut output would be parsed as if it were whole.
	maxOutput = 8 << 20
	// maxSaid of each stream is kept in an ExitError.
	maxSaid = 4 << 10
	// waitDelay bounds the wait for a grandchild that keeps the pipes open after the group was killed.
	waitDelay = 2 * time.Second
)

// Runner runs commands: no shell, LC_ALL=C, a fixed PATH, in a process group of their own that is killed as a whole at the deadline.
type Runner struct{}

// Run a command and wait for its end.
func (Runner) Run(ctx context.Context, cmd Cmd) (Output, error) {
	timeout := cmd.Timeout
	if timeout <= 0 {
		timeout = commandTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	path, err := lookPath(cmd.Path)
	if err != nil {
		return Output{}, err
	}
	stdout, stderr := &bounded{max: maxOutput}, &bounded{max: maxOutput}
	c := exec.CommandContext(ctx, path, cmd.Args...)
	c.Env = environment(cmd.Env)
	c.Dir = "/"
	c.Stdin = bytes.NewReader(cmd.Stdin)
	c.Stdout, c.Stderr = stdout, stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = waitDelay

	err = c.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil && err != nil:
		return Output{}, fmt.Errorf("running %s: ended after %s: %w", cmd.Path, timeout, context.Cause(ctx))
	case errors.As(err, &exit):
		return Output{}, &ExitError{Path: cmd.Path, Code: exitCode(exit), Stdout: tail(stdout.Bytes()), Stderr: tail(stderr.Bytes())}
	case err != nil && !errors.Is(err, exec.ErrWaitDelay): // a daemon that it left behind holds the pipes: not its failure
		return Output{}, fmt.Errorf("running %s: %w", cmd.Path, err)
	case stdout.over || stderr.over:
		return Output{}, fmt.Errorf("running %s: printed more than %d bytes", cmd.Path, maxOutput)
	}
	return Output{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}, nil
}

// lookPath finds a bare name in our PATH, not in the one this process was started with.
func lookPath(name string) (string, error) {
	candidates := []string{name}
	if !strings.Contains(name, "/") {
		candidates = nil
		for _, dir := range filepath.SplitList(commandPath) {
			candidates = append(candidates, filepath.Join(dir, name))
		}
	}
	for _, path := range candidates {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("running %s: %w", name, ErrNotFound)
}

func environment(extra map[string]string) []string {
	env := []string{"PATH=" + commandPath, "LC_ALL=C", "HOME=/root"}
	names := make([]string, 0, len(extra))
	for name := range extra {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		env = append(env, name+"="+extra[name])
	}
	return env
}

// exitCode gives 128 + signal for a command that was killed, as shells do.
func exitCode(e *exec.ExitError) int {
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return e.ExitCode()
}

func tail(b []byte) string {
	b = bytes.TrimSpace(b)
	if len(b) > maxSaid {
		b = b[len(b)-maxSaid:]
	}
	return strings.ToValidUTF8(string(b), "?")
}

// bounded keeps the first max bytes and swallows the rest, so that a talkative command isn't killed by a closed pipe. The buffer isn't embedded: its
// ReadFrom would let io.Copy pass the bound by.
type bounded struct {
	kept bytes.Buffer
	max  int
	over bool
}

func (b *bounded) Bytes() []byte { return b.kept.Bytes() }

// ReadFrom with a small buffer: io.Copy's own is 32 KiB for each stream of each command, and most commands say a line.
func (b *bounded) ReadFrom(r io.Reader) (n int64, err error) {
	part := make([]byte, 2<<10)
	for {
		got, err := r.Read(part)
		n += int64(got)
		_, _ = b.Write(part[:got]) // never fails
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.max - b.kept.Len(); len(p) > room {
		b.over = true
		b.kept.Write(p[:room])
		return len(p), nil
	}
	return b.kept.Write(p)
}
