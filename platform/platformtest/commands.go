package platformtest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"scaleio-framework/platform"
)

// A Program stands for a binary: it may change the state of other fakes. Exit with a code by returning Exit.
type Program func(ctx context.Context, cmd platform.Cmd) (platform.Output, error)

// Commands knows the programs that a test put on the machine; any other path is not found.
type Commands struct {
	Hook Hook

	mu       sync.Mutex
	programs map[string]Program
	calls    []platform.Cmd
}

// Handle puts a program on the machine, or with nil takes it away.
func (c *Commands) Handle(path string, program Program) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.programs == nil {
		c.programs = map[string]Program{}
	}
	c.programs[path] = program
}

// Calls made so far.
func (c *Commands) Calls() []platform.Cmd {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]platform.Cmd(nil), c.calls...)
}

// Run the program.
func (c *Commands) Run(ctx context.Context, cmd platform.Cmd) (out platform.Output, err error) {
	err = c.Hook.do(strings.Join(append([]string{"run", cmd.Path}, cmd.Args...), " "), func() error {
		c.mu.Lock()
		c.calls = append(c.calls, cmd)
		program := c.programs[cmd.Path]
		c.mu.Unlock()
		if program == nil {
			return fmt.Errorf("running %s: %w", cmd.Path, platform.ErrNotFound)
		}
		out, err = program(ctx, cmd)
		return err
	})
	if err != nil {
		return platform.Output{}, err
	}
	return out, nil
}

// Say makes a program that always prints the same.
func Say(stdout string) Program {
	return func(context.Context, platform.Cmd) (platform.Output, error) {
		return platform.Output{Stdout: []byte(stdout)}, nil
	}
}

// Exit makes the error of a command that failed.
func Exit(path string, code int, stderr string) error {
	return &platform.ExitError{Path: path, Code: code, Stderr: stderr}
}
